//! A corpus of chains, nearly all with one thing wrong: each is called by its right name, and none
//! that Go, openssl in its strict mode or GnuTLS refuses is called good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use kitcert::model::{Role, Severity};
use rayon::prelude::*;

use crate::support::limbo::{self, Case};
use crate::support::peers;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus")
}

fn text() -> String {
    std::fs::read_to_string(folder().join("chains.json")).unwrap()
}

#[test]
fn every_flaw_is_called_by_its_name_and_soundness_too() {
    let cases = limbo::read(&text());
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    for case in &cases {
        let (severity, rule) = case.expected.clone().unwrap();
        let (found, findings) = (case.gravest(), case.findings());
        let told = findings.iter().filter(|finding| finding.severity == severity);
        let is_named = rule.as_ref().is_none_or(|rule| told.clone().any(|one| one.rule.as_str() == rule));
        if found != severity || !is_named || case.accepted != (severity == Severity::Pass) {
            let told: Vec<_> = findings.iter().map(|one| format!("{} {}", one.severity, one.rule)).collect();
            wrong.push(format!("{}: expected {severity} {rule:?}, found {told:?}", case.id));
        }
        let side = if case.role == Role::Daemon { "server" } else { "client" };
        *counts.entry((side, severity)).or_insert(0) += 1;
    }
    println!("{} cases: {counts:?}", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let sound = cases.iter().filter(|case| case.accepted).count();
    assert!(sound >= 30 && cases.len() - sound >= 120, "{sound} sound of {}", cases.len());
}

#[test]
fn the_corpus_is_what_its_program_makes() {
    let test = "the_corpus_is_what_its_program_makes";
    let Some(go) = peers::program("go-peer", test) else { return };
    let output = peers::run(Command::new(go).arg("corpus"), "");
    let is_same = output.stdout == text().into_bytes();
    assert!(is_same, "go-peer corpus > fixtures/corpus/chains.json, and look at what has changed");
}

/// From which severity on our word counts as a refusal for a peer: Go's is the error; the strict
/// ones are warned of.
fn bar(peer: &str) -> Severity {
    if peer.starts_with("go") { Severity::Error } else { Severity::Warning }
}

#[test]
fn nobody_refuses_what_is_called_good_and_every_difference_has_its_reason() {
    let test = "nobody_refuses_what_is_called_good";
    let json = text();
    let cases = limbo::read(&json);
    let mut verdicts: BTreeMap<&str, Vec<(bool, String)>> = BTreeMap::new();
    for (name, program) in [("go", "go-portable"), ("go 1.19", "go-portable-1.19")] {
        if let Some(go) = peers::program(program, test) {
            verdicts.insert(name, limbo::verdicts_of_go(&go, &json));
        }
    }
    if let Some(program) = peers::program("openssl", test) {
        let folder = || tempfile::tempdir().unwrap();
        let judged = cases.par_iter().map(|case| openssl(&program, case, folder().path()));
        verdicts.insert("openssl", judged.collect());
    }
    // What reads it is Python; that GnuTLS is here is seen by its tool.
    if let (Some(python), Some(_)) = (peers::program("python3", test), peers::program("certtool", test)) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/gnutls_verify.py");
        verdicts.insert("gnutls", limbo::verdicts_of(Command::new(python).arg(script), &json));
    }
    let reasons = std::fs::read_to_string(folder().join("differences.json")).unwrap();
    let reasons: BTreeMap<String, Vec<Reason>> = serde_json::from_str(&reasons).unwrap();
    let mut wrong = Vec::new();
    for (peer, verdicts) in verdicts {
        assert_eq!(verdicts.len(), cases.len(), "{peer}");
        let mut stricter = BTreeSet::new();
        for (case, (accepted, said)) in cases.iter().zip(verdicts) {
            match (case.gravest() >= bar(peer), accepted) {
                (false, false) => wrong.push(format!("{peer} refuses what we do not, {}: {said}", case.id)),
                (true, true) => drop(stricter.insert(case.id.clone())),
                _ => {}
            }
        }
        let listed = reasons.get(peer).into_iter().flatten();
        for reason in listed.clone() {
            assert!(reason.reason.len() > 20, "{peer}: a reason that is none: {:?}", reason.reason);
        }
        let listed: BTreeSet<String> =
            listed.flat_map(|reason| reason.cases.iter().map(|case| format!("kitcert::{case}"))).collect();
        wrong.extend(
            stricter.difference(&listed).map(|id| format!("{peer} accepts {id}, and no reason is given")),
        );
        wrong.extend(
            listed.difference(&stricter).map(|id| format!("{peer} and we agree on {id}, which is listed")),
        );
        println!(
            "{peer}: {} of {} agree, {} reasons",
            cases.len() - stricter.len(),
            cases.len(),
            stricter.len()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Why we are stricter than a peer, and on which cases.
#[derive(serde::Deserialize)]
struct Reason {
    reason: String,
    cases: Vec<String>,
}

fn write(folder: &Path, name: &str, parts: &[String]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, parts.concat()).unwrap();
    path
}

fn openssl(program: &Path, case: &Case, folder: &Path) -> (bool, String) {
    let mut command = Command::new(program);
    command.args([
        "verify",
        "-x509_strict",
        "-no-CApath",
        "-no-CAstore",
        "-attime",
        &case.at.unix().to_string(),
    ]);
    command.arg("-CAfile").arg(write(folder, "ca.pem", &case.trusted));
    if case.sent.len() > 1 {
        command.arg("-untrusted").arg(write(folder, "chain.pem", &case.sent[1..]));
    }
    command.args(["-purpose", if case.role == Role::Daemon { "sslserver" } else { "sslclient" }]);
    if let Some(host) = &case.host {
        let is_address = host.to_string().parse::<std::net::IpAddr>().is_ok();
        command.args([if is_address { "-verify_ip" } else { "-verify_hostname" }, &host.to_string()]);
    }
    command.arg(write(folder, "leaf.pem", &case.sent[..1]));
    let output = peers::run(&mut command, "");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).replace('\n', " "))
}

/// `KITCERT_CORPUS=/path/limbo.json tests/run -- another_corpus --nocapture`
#[test]
fn another_corpus_is_judged_no_milder_than_by_go() {
    let Some(path) = std::env::var_os("KITCERT_CORPUS") else { return };
    let Some(go) = peers::program("go-portable", "another_corpus") else { return };
    let all = limbo::read(&std::fs::read_to_string(path).unwrap());
    let count = all.len();
    let known = |case: &Case| case.features.is_empty() && !case.has_foreign_name && !case.is_between_seconds;
    let cases: Vec<Case> = all.into_iter().filter(known).collect();
    let verdicts = limbo::verdicts_of_go(&go, &limbo::to_json(&cases));
    let (mut with_makers, mut with_go, mut good, mut milder) = (0, 0, 0, Vec::new());
    for (case, (accepted, said)) in cases.iter().zip(verdicts) {
        let gravest = case.gravest();
        let ours = gravest < Severity::Error;
        with_go += usize::from(ours == accepted);
        // Its makers' word is that of the strictest reading, as our warnings are.
        with_makers += usize::from((gravest < Severity::Warning) == case.accepted || ours == case.accepted);
        let is_good = gravest < Severity::Warning;
        good += usize::from(is_good);
        if is_good && !case.accepted {
            println!("called good, and must fail: {}", case.id);
        }
        if !ours && case.accepted {
            let told = case.findings();
            let errors = told.iter().filter(|finding| finding.severity >= Severity::Error);
            let told: Vec<_> = errors.map(|one| format!("{}: {}", one.rule, one.found)).collect();
            println!("refused, and must pass: {} {told:?}", case.id);
        }
        if ours && !accepted {
            milder.push(format!("{}: {said}", case.id));
        }
    }
    println!(
        "{count} cases, {} of them of no feature, name or time that is skipped: {with_makers} as expected by their makers \
         (errors, or errors and warnings), {with_go} as Go; {good} called good",
        cases.len()
    );
    assert!(milder.is_empty(), "milder than Go:\n{}", milder.join("\n"));
}
