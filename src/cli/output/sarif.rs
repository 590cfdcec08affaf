//! SARIF 2.1.0, which code hosts show beside a change.

use serde_json::{Value, json};

use crate::model::{Finding, Rule, Severity};

/// One run with every finding; what passed is among them, as such.
pub(in crate::cli) fn sarif(findings: &[Finding]) -> String {
    let rules: Vec<Value> = Rule::ALL.iter().map(|rule| descriptor(*rule)).collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kitcert",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn descriptor(rule: Rule) -> Value {
    json!({
        "id": rule.as_str(),
        "shortDescription": {"text": rule.meaning()},
        "help": {"text": format!("Cause: {}.\nFix: {}.", rule.cause(), rule.fix())},
    })
}

fn result(finding: &Finding) -> Value {
    let (kind, level) = match finding.severity {
        Severity::Pass => ("pass", "none"),
        Severity::Info => ("informational", "none"),
        Severity::Warning => ("fail", "warning"),
        Severity::Error | Severity::Critical => ("fail", "error"),
    };
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": message(finding)},
        "locations": [location(finding.subject.as_str())],
    })
}

fn message(finding: &Finding) -> String {
    let mut text = match finding.expected.is_empty() {
        true => format!("{}: {}", finding.subject, finding.found),
        false => format!("{}: expected {}, found {}", finding.subject, finding.expected, finding.found),
    };
    for (word, more) in [("cause", &finding.cause), ("try", &finding.fix)] {
        if let Some(more) = more {
            text.push_str(&format!("\n{word}: {more}"));
        }
    }
    text
}

/// A file is where it is; a dial or an endpoint is nowhere, and has a name.
fn location(subject: &str) -> Value {
    match subject.starts_with('/') {
        true => json!({"physicalLocation": {"artifactLocation": {"uri": uri(subject)}}}),
        false => json!({"logicalLocations": [{"fullyQualifiedName": subject}]}),
    }
}

/// A path as a `file` URI (RFC 8089), its octets escaped as RFC 3986 has them.
fn uri(path: &str) -> String {
    let escaped = path.bytes().map(|octet| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
            char::from(octet).to_string()
        }
        other => format!("%{other:02X}"),
    });
    format!("file://{}", escaped.collect::<String>())
}
