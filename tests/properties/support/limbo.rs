//! Chains in the schema of C2SP's x509-limbo, judged by us.

use kitcert::model::{Finding, Role, Rule, Severity, SubjectAltName, Timestamp};
use kitcert::pki::judge::{Peer, bundle};
use kitcert::pki::{Certificate, TrustBundle};
use serde_json::Value;

/// One case.
pub struct Case {
    pub id: String,
    pub features: Vec<String>,
    pub role: Role,
    pub trusted: Vec<String>,
    /// What is sent, the leaf first.
    pub sent: Vec<String>,
    pub at: Timestamp,
    /// The host that is dialed, where the case has one that a client can dial.
    pub host: Option<SubjectAltName>,
    /// Whether it names a peer by another kind of name.
    pub has_foreign_name: bool,
    /// Whether its time is no whole second: ours are.
    pub is_between_seconds: bool,
    /// What its makers expect.
    pub accepted: bool,
    /// Ours: the gravest severity, and a rule that is told with it.
    pub expected: Option<(Severity, Option<String>)>,
    json: Value,
}

impl Case {
    fn of(json: &Value) -> Case {
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let texts = |key: &str| -> Vec<String> {
            let items = json[key].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let is_server = json["validation_kind"] == "SERVER";
        let name = &json["expected_peer_name"];
        let host = name["value"].as_str().filter(|_| name["kind"] == "DNS" || name["kind"] == "IP");
        let severity = |word: &Value| match word.as_str() {
            Some("pass") => Severity::Pass,
            Some("warning") => Severity::Warning,
            Some("error") => Severity::Error,
            other => panic!("{other:?}"),
        };
        let ours = json.get("kitcert");
        Case {
            id: text("id"),
            features: texts("features"),
            role: if is_server { Role::Daemon } else { Role::Client },
            trusted: texts("trusted_certs"),
            sent: std::iter::once(text("peer_certificate")).chain(texts("untrusted_intermediates")).collect(),
            at: json["validation_time"].as_str().map_or_else(now, instant),
            host: host.filter(|_| is_server).and_then(|host| host.parse().ok()),
            has_foreign_name: name["kind"] == "RFC822"
                || json["expected_peer_names"].as_array().is_some_and(|names| !names.is_empty()),
            is_between_seconds: json["validation_time"].as_str().is_some_and(|text| text.contains('.')),
            accepted: json["expected_result"] == "SUCCESS",
            expected: ours
                .map(|ours| (severity(&ours["severity"]), ours["rule"].as_str().map(str::to_owned))),
            json: json.clone(),
        }
    }

    /// What we say of it: of the bundle, then of the chain.
    pub fn findings(&self) -> Vec<Finding> {
        let trust = match TrustBundle::from_pem(self.trusted.concat().as_bytes(), "ca.pem") {
            Ok(trust) => trust,
            Err(failure) => return vec![unreadable("ca.pem", failure.what_was_found())],
        };
        let chain = match Certificate::chain_from_pem(self.sent.concat().as_bytes(), "cert.pem") {
            Ok(chain) => chain,
            Err(failure) => return vec![unreadable("cert.pem", failure.what_was_found())],
        };
        let peer = Peer { trust: &trust, accepts: self.role, host: self.host.as_ref(), now: self.at };
        let mut findings = bundle(&trust);
        findings.extend(peer.findings(&chain));
        findings
    }

    /// The DER of one of its certificates: those that are sent, then those that are trusted.
    pub fn der_at(&self, position: usize) -> Vec<u8> {
        let text = self.sent.iter().chain(&self.trusted).nth(position).unwrap();
        pem::parse(text).unwrap().into_contents()
    }

    /// The same case with another certificate there.
    pub fn with_der_at(&self, position: usize, der: &[u8]) -> Case {
        let mut json = self.json.clone();
        let text = Value::String(pem::encode(&pem::Pem::new("CERTIFICATE", der)).replace("\r\n", "\n"));
        match position.checked_sub(self.sent.len()) {
            Some(trusted) => json["trusted_certs"][trusted] = text,
            None if position == 0 => json["peer_certificate"] = text,
            None => json["untrusted_intermediates"][position - 1] = text,
        }
        Case::of(&json)
    }

    /// The gravest of what we say, from warnings up.
    pub fn gravest(&self) -> Severity {
        match Finding::gravest(&self.findings()) {
            Severity::Info => Severity::Pass,
            gravest => gravest,
        }
    }
}

/// The cases of a file, and the file's text again as the peer reads it.
pub fn read(json: &str) -> Vec<Case> {
    let parsed: Value = serde_json::from_str(json).unwrap();
    parsed["testcases"].as_array().unwrap().iter().map(Case::of).collect()
}

/// A corpus of those cases.
pub fn to_json(cases: &[Case]) -> String {
    let cases: Vec<_> = cases.iter().map(|case| case.json.clone()).collect();
    serde_json::json!({ "version": 1, "testcases": cases }).to_string()
}

/// Go's verdicts on a corpus, in its order: whether each is accepted, and what was said.
pub fn verdicts_of_go(go: &std::path::Path, json: &str) -> Vec<(bool, String)> {
    verdicts_of(std::process::Command::new(go).arg("judge"), json)
}

/// Those of a peer that reads a corpus and says a line of every case.
pub fn verdicts_of(peer: &mut std::process::Command, json: &str) -> Vec<(bool, String)> {
    let output = crate::support::peers::run(peer, json);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .map(|line| {
            let (_, verdict) = line.split_once('\t').unwrap();
            (verdict == "accepted", verdict.to_owned())
        })
        .collect()
}

fn unreadable(subject: &'static str, found: &kitcert::model::Message) -> Finding {
    Finding::new(Rule::UnreadableFile, Severity::Error, subject).expected("certificates").found(found)
}

fn now() -> Timestamp {
    kitcert::env::Environment::of_process().now()
}

/// An RFC 3339 instant, with whatever offset it has, in whole seconds as ours are.
fn instant(text: &str) -> Timestamp {
    let format = &time::format_description::well_known::Rfc3339;
    Timestamp::from_unix(time::OffsetDateTime::parse(text, format).unwrap().unix_timestamp())
}
