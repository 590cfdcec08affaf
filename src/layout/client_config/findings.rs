//! What is wrong or surprising in a `config.yml` that its tool accepts.

use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::{ClientConfig, TlsPath};
use crate::model::{Endpoint, Finding, Rule, Severity};

/// A key that the tool ignores although it was meant to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// As it is written.
    key: String,
    /// What it should be.
    meant: String,
}

/// The findings about a config, gravest first.
pub(super) fn of(config: &ClientConfig, misplaced: &[Misplaced], path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Misplaced { key, meant } in misplaced {
        findings.push(
            Finding::new(Rule::ConfigBroken, Severity::Error, path.display())
                .expected(meant)
                .found(key)
                .cause("keys that the tool does not know are ignored without a word"),
        );
    }
    if !config.uses_tls() {
        findings.push(
            Finding::new(Rule::TlsDisabled, Severity::Error, path.display())
                .expected("tls_enabled: true")
                .found("tls_enabled: false")
                .cause("the certificates are not used, and the daemon refuses the client")
                .fix("kitcert install client --enable-tls"),
        );
    }
    findings.extend(about_endpoint(config, path));
    for (key, value) in paths(config) {
        findings.extend(about_path(key, value, path));
    }
    findings.extend(about_shared_files(config, path));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The keys that look like ours and stand where they do not count.
pub(super) fn misplaced(root: &Mapping, global: &Mapping) -> Vec<Misplaced> {
    let names = |mapping: &Mapping| -> Vec<String> {
        mapping.keys().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut found = Vec::new();
    for key in names(root) {
        let folded = fold(&key);
        if folded == "global" && key != "global" {
            found.push(Misplaced { key, meant: "global".to_owned() });
        } else if let Some(meant) = meant_by(&folded) {
            found.push(Misplaced { key, meant: format!("{meant} below global") });
        }
    }
    for key in names(global) {
        if let Some(meant) = meant_by(&fold(&key)).filter(|meant| *meant != key) {
            found.push(Misplaced { key, meant: meant.to_owned() });
        }
    }
    found
}

fn about_endpoint(config: &ClientConfig, path: &Path) -> Option<Finding> {
    let finding = |severity| Finding::new(Rule::ConfigEndpoint, severity, path.display());
    let Some(host) = config.buildkit_host.as_deref().filter(|host| !host.is_empty()) else {
        return Some(
            finding(Severity::Info)
                .expected("buildkit_host: tcp://host:port")
                .found("no buildkit_host")
                .cause("the tool then starts a daemon of its own"),
        );
    };
    if host.starts_with("docker-container://") || host.starts_with("podman-container://") {
        return Some(
            finding(Severity::Warning)
                .expected("buildkit_host: tcp://host:port")
                .found("a container, for which TLS is not used"),
        );
    }
    let failure = host.parse::<Endpoint>().err()?;
    Some(
        finding(Severity::Error)
            .expected(format!("buildkit_host: {}", failure.what_was_expected()))
            .found(failure.what_was_found()),
    )
}

fn about_path(key: &str, value: &str, path: &Path) -> Option<Finding> {
    let (found, cause) = if value.is_empty() {
        ("an empty path", "the tool takes it for its own directory")
    } else if value.starts_with('~') {
        ("a path that begins with ~", "the tool does not expand it")
    } else if value.contains('$') {
        ("a path with $", "the tool expands no variables")
    } else if value.contains('\\') {
        ("a path with \\", "on Linux that is part of a name, not a separator")
    } else {
        return None;
    };
    Some(
        Finding::new(Rule::ConfigPath, Severity::Error, path.display())
            .expected(format!("{key}: an absolute path, or one below the tool's own directory"))
            .found(found)
            .cause(cause),
    )
}

/// The same file for two keys is nearly always a slip (earthly#2978); it works only where one file
/// holds both.
fn about_shared_files(config: &ClientConfig, path: &Path) -> Vec<Finding> {
    let files = TlsPath::OF_CLIENT;
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let shared = pairs.into_iter().filter_map(|(first, second)| {
        let (first, second): (TlsPath, TlsPath) = (files[first], files[second]);
        (config.file_of(first) == config.file_of(second)).then(|| {
            Finding::new(Rule::ConfigPath, Severity::Warning, path.display())
                .expected(format!("a file of its own for {} and {}", first.as_str(), second.as_str()))
                .found("the same for both")
        })
    });
    shared.collect()
}

fn paths(config: &ClientConfig) -> impl Iterator<Item = (&'static str, &str)> {
    TlsPath::ALL.into_iter().filter_map(|path| Some((path.as_str(), config.written(path)?)))
}

/// A key without case, blanks (a no-break space too) and separators.
fn fold(key: &str) -> String {
    key.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The key that a folded one stands for.
fn meant_by(folded: &str) -> Option<&'static str> {
    SPELLINGS.iter().find(|(_, spellings)| spellings.contains(&folded)).map(|(key, _)| *key)
}

const SPELLINGS: [(&str, &[&str]); 8] = [
    ("buildkit_host", &["buildkithost", "buildkitdhost"]),
    ("tls_enabled", &["tlsenabled", "tlsenable", "enabletls"]),
    ("tlsca", &["tlsca", "tlscacert", "cacert", "tlscacrt"]),
    ("tlsca_key", &["tlscakey"]),
    ("tlscert", &["tlscert", "tlsclientcert", "clienttlscert", "tlscrt"]),
    ("tlskey", &["tlskey", "tlsclientkey", "clienttlskey"]),
    ("buildkitd_tlscert", &["buildkitdtlscert", "buildkittlscert"]),
    ("buildkitd_tlskey", &["buildkitdtlskey", "buildkittlskey"]),
];
