//! SARIF 2.1.0, which code hosts show beside a change.
//!
//! GitHub refuses a whole upload for one result without `physicalLocation`, and shows every result as an
//! alert, whatever its `kind` says. So each result is at a file or at what was dialed, and what passed is left
//! out.

use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::report::Found;
use crate::env::Environment;
use crate::model::{Finding, Rule, Severity};

/// One run with every finding that needs attention. Files below the current directory are named as the code
/// host names them.
pub(in crate::cli) fn sarif(found: &[Found], environment: &Environment) -> String {
    let rules: Vec<Value> = Rule::ALL.iter().map(|rule| descriptor(*rule)).collect();
    let here = environment.absolute(Path::new("")).ok();
    let here = here.as_deref().and_then(Path::to_str).map(|path| path.trim_end_matches('/'));
    let of_note = found.iter().filter(|found| found.finding.severity > Severity::Pass);
    let results: Vec<Value> = of_note.map(|found| result(found, here)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kitcert",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "originalUriBaseIds": {ROOT: {"uri": "file:///"}},
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn descriptor(rule: Rule) -> Value {
    json!({
        "id": rule.as_str(),
        "shortDescription": {"text": rule.meaning()},
        "fullDescription": {"text": format!("{} Cause: {}.", rule.meaning(), rule.cause())},
        "help": {"text": format!("Cause: {}.\nFix: {}.", rule.cause(), rule.fix().in_one_line())},
    })
}

fn result(found: &Found, here: Option<&str>) -> Value {
    let Found { at, finding } = found;
    let level = match finding.severity {
        Severity::Pass | Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error | Severity::Critical => "error",
    };
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    let subject = finding.subject.as_str();
    let at = at.as_ref().map_or(subject, |at| at.as_str());
    json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": index,
        "level": level,
        "message": {"text": message(finding)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": artifact(if subject.starts_with('/') { subject } else { at }, here),
                // Which line it is, nobody knows: the whole file.
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"fullyQualifiedName": subject}],
        }],
        "partialFingerprints": {"primaryLocationLineHash": identity(finding, at)},
    })
}

fn message(finding: &Finding) -> String {
    let mut text = match finding.expected.is_empty() {
        true => format!("{}: {}", finding.subject, finding.found),
        false => format!("{}: expected {}, found {}", finding.subject, finding.expected, finding.found),
    };
    for (word, more) in [("cause", &finding.cause), ("try", &finding.fix), ("note", &finding.note)] {
        if let Some(more) = more {
            text.push_str(&format!("\n{word}: {more}"));
        }
    }
    text
}

/// Where it is, relative to the current directory or to the root. What is no file is called by its name.
fn artifact(subject: &str, here: Option<&str>) -> Value {
    let below = here.and_then(|here| subject.strip_prefix(here)?.strip_prefix('/'));
    match (below.filter(|rest| !rest.is_empty()), subject.strip_prefix('/')) {
        (Some(rest), _) => json!({"uri": escaped(rest)}),
        (None, Some(rest)) => json!({"uri": escaped(rest), "uriBaseId": ROOT}),
        (None, None) => json!({"uri": escaped(subject.strip_prefix("tcp://").unwrap_or(subject))}),
    }
}

/// As RFC 3986 has a relative path: a colon in it would be taken for the end of a scheme.
fn escaped(path: &str) -> String {
    let escaped = path.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    escaped.collect()
}

/// Lets a code host recognize a finding that it has seen before: there is no line of a source to go by.
fn identity(finding: &Finding, at: &str) -> String {
    let text = format!("{}\n{}\n{at}", finding.rule.as_str(), finding.subject);
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The root of the file system, among the bases of URIs.
const ROOT: &str = "ROOT";
