//! What people feed to kitcert, beside what Go and openssl make of the same files: nothing sound is
//! refused, nothing unsound is called sound, and every reason is the real one.
//!
//! The files are made by `tests/peers/inputs.py`, and the answers are Go's `LoadX509KeyPair`,
//! `AppendCertsFromPEM` and `Verify`, openssl in its strict mode, and a daemon of Go's that is dialed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use kitcert::model::Timestamp;
use serde_json::Value;

use crate::figures::{Aim, publish};
use crate::support::peers;
use crate::support::servers::{Files, Server};
use crate::support::workspace::Workspace;

/// What is right for a kind of files.
struct Row {
    kind: &'static str,
    /// What the gravest finding is, and one that must be among them; none where nothing is at fault.
    inspected: Option<(&'static str, &'static str)>,
    /// What the last line of `verify` begins with, where a daemon of that CA is dialed.
    verified: &'static str,
}

const fn row(
    kind: &'static str,
    inspected: Option<(&'static str, &'static str)>,
    verified: &'static str,
) -> Row {
    Row { kind, inspected, verified }
}

const VERIFIED: &str = "verified: ";
const NO_CLIENT: &str = "not verified: there was no client certificate to dial with";
const CANNOT_SIGN: Option<(&str, &str)> = Some(("warning", "key-format"));
const BROKEN: Option<(&str, &str)> = Some(("warning", "wrong-form"));
const FORM: Option<(&str, &str)> = Some(("error", "wrong-form"));

/// The table of what was tried, with what is right.
const ROWS: &[Row] = &[
    row("sound", None, VERIFIED),
    row("name-dc", None, VERIFIED),
    row("name-two-ou", None, VERIFIED),
    row("name-two-in-a-set", None, VERIFIED),
    row("name-bmp", None, VERIFIED),
    row("name-t61", None, VERIFIED),
    row("ca-expired-and-current", Some(("warning", "expired")), VERIFIED),
    row("ca-current-and-expired", Some(("warning", "expired")), VERIFIED),
    row("ca-expired", Some(("error", "expired")), "not verified: "),
    row("ca-not-yet", Some(("error", "not-yet-valid")), "not verified: "),
    row("ca-seventeen", Some(("warning", "bundle-size")), VERIFIED),
    row("ca-of-the-system", Some(("warning", "bundle-size")), VERIFIED),
    row("key-p521", CANNOT_SIGN, NO_CLIENT),
    row("key-rsa-2080", CANNOT_SIGN, NO_CLIENT),
    row("key-rsa-3000", CANNOT_SIGN, NO_CLIENT),
    row("key-rsa-5120", CANNOT_SIGN, NO_CLIENT),
    row("key-rsa-8192", CANNOT_SIGN, NO_CLIENT),
    row("key-rsa-e3", CANNOT_SIGN, NO_CLIENT),
    row("key-three-primes", CANNOT_SIGN, NO_CLIENT),
    row("key-ml-dsa-44", CANNOT_SIGN, NO_CLIENT),
    row("key-ml-dsa-65", CANNOT_SIGN, NO_CLIENT),
    row("key-ml-dsa-87", CANNOT_SIGN, NO_CLIENT),
    row("key-p521-of-another", Some(("error", "key-mismatch")), NO_CLIENT),
    row("key-half-pkcs8", None, VERIFIED),
    row("key-half-sec1", None, VERIFIED),
    row("label-ec-around-pkcs8", None, VERIFIED),
    row("label-pkcs8-around-sec1", None, VERIFIED),
    row("label-rsa-around-sec1", Some(("warning", "key-format")), VERIFIED),
    row("label-any", Some(("warning", "key-format")), VERIFIED),
    row("both-cert-first", None, VERIFIED),
    row("both-key-first", None, VERIFIED),
    row("key-and-another", None, VERIFIED),
    row("key-and-parameters", None, VERIFIED),
    row("leaf-behind-ca", Some(("error", "chain-order")), NO_CLIENT),
    row("broken-no-end", BROKEN, VERIFIED),
    row("broken-no-begin", BROKEN, VERIFIED),
    row("broken-base64", BROKEN, VERIFIED),
    row("broken-of-no-kind", BROKEN, VERIFIED),
    row("pss-salt-20", Some(("error", "signature-algorithm")), "CLOSED: "),
    row("pss-salt-32", None, VERIFIED),
    row("pss-salt-most", Some(("error", "signature-algorithm")), "CLOSED: "),
    row("san-uri", None, VERIFIED),
    row("san-email", None, VERIFIED),
    row("san-other", None, VERIFIED),
    row("san-uri-bad", Some(("error", "unreadable-file")), "not verified: "),
    row("issuer-by-serial", None, VERIFIED),
    row("issuer-by-another-serial", Some(("warning", "authority-key-identifier")), VERIFIED),
    row("netscape-client", None, VERIFIED),
    row("netscape-server", Some(("warning", "extended-key-usage")), VERIFIED),
    row("ca-crlf", None, VERIFIED),
    row("ca-no-last-newline", None, VERIFIED),
    row("ca-comment-with-bom", None, VERIFIED),
    row("ca-bom", FORM, "not verified: "),
    row("ca-utf16", FORM, "not verified: "),
    row("ca-der", FORM, "not verified: "),
    row("ca-base64", FORM, "not verified: "),
    row("ca-escaped", FORM, "not verified: "),
    row("ca-one-line", FORM, "not verified: "),
    row("ca-indented", FORM, "not verified: "),
    row("cert-crlf", None, VERIFIED),
    row("cert-no-last-newline", None, VERIFIED),
    row("cert-comment-with-bom", None, VERIFIED),
    row("cert-bom", FORM, "not verified: "),
    row("cert-utf16", FORM, "not verified: "),
    row("cert-der", FORM, "not verified: "),
    row("cert-base64", FORM, "not verified: "),
    row("cert-escaped", FORM, "not verified: "),
    row("cert-one-line", FORM, "not verified: "),
    row("cert-indented", FORM, "not verified: "),
    row("cert-pkcs7", FORM, "error: reading the certificate "),
    row("cert-trusted", FORM, "error: reading the certificate "),
    row("key-crlf", None, VERIFIED),
    row("key-no-last-newline", None, VERIFIED),
    row("key-comment-with-bom", None, VERIFIED),
    row("key-bom", FORM, "not verified: "),
    row("key-utf16", FORM, "not verified: "),
    row("key-der", FORM, "not verified: "),
    row("key-base64", FORM, "not verified: "),
    row("key-escaped", FORM, "not verified: "),
    row("key-one-line", FORM, "not verified: "),
    row("key-indented", FORM, "not verified: "),
    row("key-dek-info", Some(("error", "key-format")), "error: reading the private key "),
    row("pfx", FORM, "error: reading the certificate "),
    row("key-of-another", Some(("error", "key-mismatch")), "CLOSED: "),
];

/// Where a kind's files are; None, and a skip, without what makes them. They are made once for the tests that run at
/// the same time: a key of RSA-8192 takes seconds.
pub fn made(test: &str) -> Option<Arc<tempfile::TempDir>> {
    static MADE: Mutex<Weak<tempfile::TempDir>> = Mutex::new(Weak::new());
    let python = peers::program("python3", test)?;
    peers::program("openssl", test)?;
    let mut made = MADE.lock().unwrap();
    if let Some(folder) = made.upgrade() {
        return Some(folder);
    }
    if !Command::new(&python).args(["-c", "import cryptography"]).output().unwrap().status.success() {
        peers::skip(test, "cryptography is not here");
        return None;
    }
    let folder = Arc::new(tempfile::Builder::new().prefix("kitcert-fed-").tempdir().unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/inputs.py");
    let output = peers::run(Command::new(python).arg(script).arg(folder.path()), "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    *made = Arc::downgrade(&folder);
    Some(folder)
}

/// Go's word for each folder: None where it takes it, else why not.
pub fn words_of_go(go: &Path, folders: &[(PathBuf, &str)], at: Timestamp) -> Vec<Option<String>> {
    let lines: String =
        folders.iter().map(|(folder, role)| format!("{} {role} {at}\n", folder.display())).collect();
    let output = peers::run(Command::new(go).arg("load"), &lines);
    let said = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = said.lines().map(|line| line.strip_prefix("refused ").map(str::to_owned)).collect();
    assert_eq!(words.len(), folders.len(), "{}", String::from_utf8_lossy(&output.stderr));
    words
}

/// Why openssl refuses a folder's files in its strict mode; None where it takes them.
fn word_of_openssl(openssl: &Path, folder: &Path, role: &str) -> Option<String> {
    word_of_openssl_on_a_chain(openssl, folder, role).or_else(|| word_of_openssl_on_a_key(openssl, folder))
}

/// The same of its certificates alone.
pub fn word_of_openssl_on_a_chain(openssl: &Path, folder: &Path, role: &str) -> Option<String> {
    let file = |name: &str| folder.join(name);
    let mut verify = Command::new(openssl);
    verify.args(["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile"]).arg(file("ca.pem"));
    verify.arg("-untrusted").arg(file("cert.pem"));
    verify.args(["-purpose", if role == "server" { "sslserver" } else { "sslclient" }]).arg(file("cert.pem"));
    refused(&mut verify)
}

/// The same of its key alone.
pub fn word_of_openssl_on_a_key(openssl: &Path, folder: &Path) -> Option<String> {
    let mut key = Command::new(openssl);
    key.args(["pkey", "-noout", "-passin", "pass:", "-in"]).arg(folder.join("key.pem"));
    refused(&mut key)
}

fn refused(command: &mut Command) -> Option<String> {
    let output = peers::run(command, "");
    let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    (!output.status.success()).then_some(said)
}

/// What `inspect` says of a folder: the gravest severity of what is at fault, and every rule with its own.
fn inspected(workspace: &Workspace, folder: &Path) -> (&'static str, Vec<(String, String)>) {
    let words = ["--format", "json", "inspect"].map(str::to_owned);
    let said = workspace.run(words.into_iter().chain([folder.display().to_string()]));
    let findings = said.json()["findings"].as_array().unwrap().clone();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
    let told: Vec<_> = findings.iter().map(|one| (text(one, "severity"), text(one, "rule"))).collect();
    let gravest =
        ["critical", "error", "warning"].into_iter().find(|word| told.iter().any(|one| one.0 == *word));
    (gravest.unwrap_or("nothing"), told)
}

fn verified(workspace: &Workspace, folder: &Path, port: u16) -> String {
    let endpoint = format!("tcp://localhost:{port}");
    let said = workspace.run(["verify", &endpoint, "--tlsdir", &folder.display().to_string()]);
    let error = said.err.lines().find(|line| line.starts_with("error: "));
    error.or(said.out.lines().last()).unwrap_or_default().to_owned()
}

#[test]
fn what_people_feed_is_judged_as_go_and_openssl_judge_it() {
    const TEST: &str = "what_people_feed_is_judged_as_go_and_openssl_judge_it";
    let Some(go) = peers::program("go-peer", TEST) else { return };
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let Some(folder) = made(TEST) else { return };
    let clients = |kind: &str| folder.path().join("clients").join(kind);
    let now = Timestamp::from_unix(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64);
    // An older cryptography makes no ML-DSA.
    let rows: Vec<&Row> = ROWS.iter().filter(|row| clients(row.kind).exists()).collect();
    assert!(rows.len() + 3 >= ROWS.len(), "some kinds were not made");
    let folders: Vec<_> = rows.iter().map(|row| (clients(row.kind), "client")).collect();
    let words = words_of_go(&go, &folders, now);
    let workspace = Workspace::new();
    let mut wrong = Vec::new();
    println!("{:<26} {:<9} {:<9} {:<9} verify", "what is fed", "Go", "openssl", "inspect");
    for (row, go) in rows.iter().zip(&words) {
        let strict = word_of_openssl(&openssl, &clients(row.kind), "client");
        let (gravest, told) = inspected(&workspace, &clients(row.kind));
        let files = Files::in_folder(&folder.path().join("daemons").join(row.kind));
        let Some(server) = Server::go(&files, &[], TEST) else { return };
        let last = verified(&workspace, &clients(row.kind), server.port);
        let word = |refused: &Option<String>| if refused.is_none() { "ok" } else { "refused" };
        let shown: String = last.chars().take(60).collect();
        println!("{:<26} {:<9} {:<9} {gravest:<9} {shown}", row.kind, word(go), word(&strict));
        let mut fault = |what: String| wrong.push(format!("{}: {what}", row.kind));
        let expected = row.inspected.map_or("nothing", |(severity, _)| severity);
        if gravest != expected {
            fault(format!("expected {expected}, found {told:?}"));
        }
        if let Some((severity, rule)) = row.inspected
            && !told.iter().any(|one| one.0 == severity && one.1 == rule)
        {
            fault(format!("no {severity} {rule} in {told:?}"));
        }
        if !last.starts_with(row.verified) {
            fault(format!("verify ends with {last:?}"));
        }
        let is_refused = matches!(gravest, "critical" | "error");
        if gravest == "nothing" && (go.is_some() || strict.is_some()) {
            fault(format!("sound, but Go {go:?}, openssl {strict:?}"));
        }
        if is_refused && go.is_none() {
            fault("refused, and Go accepts it".to_owned());
        }
        if last.starts_with(VERIFIED) && go.is_some() {
            fault(format!("verified, but Go {go:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    publish(
        "fed",
        "kinds of files that people feed, each as Go and openssl judge it",
        rows.len(),
        Some(Aim { words: "nothing sound refused, nothing unsound passed", is_met: true }),
    );
}
