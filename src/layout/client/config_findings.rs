//! What is wrong or surprising in a `config.yml` that its tool accepts.

use std::path::{Path, PathBuf};

use super::config::ClientConfig;
use super::misplaced::Misplaced;
use super::tls_path::TlsPath;
use crate::message;
use crate::model::{Endpoint, Finding, Printable, Quoted, Rule, Severity, Word};

impl ClientConfig {
    /// What is wrong or surprising, of the file at `path`.
    #[must_use]
    pub fn findings(&self, path: &Path) -> Vec<Finding> {
        of(self, &self.misplaced, path)
    }

    /// Those of the findings that are neither about the host nor about what the paths lead to.
    pub(in crate::layout) fn findings_of_keys(&self, path: &Path) -> Vec<Finding> {
        of_keys(self, &self.misplaced, path)
    }
}

/// The findings about a config alone, gravest first: nobody is asked what exists.
fn of(config: &ClientConfig, misplaced: &[Misplaced], path: &Path) -> Vec<Finding> {
    let mut findings = of_keys(config, misplaced, path);
    let host = config.buildkit_host.as_deref().filter(|host| !host.is_empty());
    findings.extend(about_host(host, "buildkit_host", path.display()));
    for (key, value) in paths(config) {
        findings.extend(about_path(key, value, path));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Those about its keys: neither about the host nor about what the paths lead to.
fn of_keys(config: &ClientConfig, misplaced: &[Misplaced], path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Misplaced { key, meant } in misplaced {
        findings.push(
            Finding::new(Rule::ConfigBroken, Severity::Error, path.display())
                .expected(meant)
                .found(Word(key))
                .cause("the tool silently ignores keys that it does not know")
                .fix(message!("write {} for {}", meant, Word(key))),
        );
    }
    if !config.uses_tls() {
        findings.push(
            Finding::new(Rule::TlsDisabled, Severity::Error, path.display())
                .expected("tls_enabled: true")
                .found("tls_enabled: false")
                .cause("the certificates are not used, and the daemon refuses the client")
                .fix(message!("${EDITOR:-vi} {}   # tls_enabled: true", Quoted(path))),
        );
    }
    findings.extend(about_shared_files(config, path));
    findings
}

/// What is wrong or surprising about the host that a key or a variable names; None is no host.
#[must_use]
pub(crate) fn about_host(host: Option<&str>, key: &'static str, subject: impl Printable) -> Option<Finding> {
    let finding = |severity| Finding::new(Rule::ConfigEndpoint, severity, &subject);
    let Some(host) = host else {
        return Some(
            finding(Severity::Info)
                .expected(message!("{}: tcp://host:port", key))
                .found(message!("no {}", key))
                .cause("the tool then starts a daemon of its own"),
        );
    };
    if host.starts_with("docker-container://") || host.starts_with("podman-container://") {
        return Some(
            finding(Severity::Warning)
                .expected(message!("{}: tcp://host:port", key))
                .found("a container, for which TLS is not used")
                .cause("the tool reaches it through docker or podman, without certificates")
                .fix(message!("{}: tcp://host:{}", key, Endpoint::DEFAULT_PORT)),
        );
    }
    let failure = host.parse::<Endpoint>().err()?;
    let with_port = format!("{}:{}", host.trim_end_matches(['/', ':']), Endpoint::DEFAULT_PORT);
    // What may hold a password is not repeated.
    let proposed = with_port.parse::<Endpoint>().map_or(message!("tcp://host:8372"), |host| host.message());
    Some(
        finding(Severity::Error)
            .expected(message!("{}: {}", key, failure.what_was_expected()))
            .found(failure.what_was_found())
            .cause("the tool refuses such a host")
            .fix(message!("{}: {}", key, proposed)),
    )
}

/// How the tool misreads a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layout) enum Misreading {
    /// It is empty.
    Empty,
    /// It has several lines or looks like what a PEM file holds, which is never shown.
    NoPath,
    /// It begins with `~`.
    Home,
    /// It has a `$`.
    Variable,
    /// It has a `\`.
    Backslash,
}

impl Misreading {
    /// What the path is, in words.
    fn found(self) -> &'static str {
        match self {
            Misreading::Empty => "an empty path",
            Misreading::NoPath => "something that is no path",
            Misreading::Home => "a path that begins with ~",
            Misreading::Variable => "a path with $",
            Misreading::Backslash => "a path with \\",
        }
    }

    /// What the tool makes of it.
    pub(in crate::layout) fn cause(self) -> &'static str {
        match self {
            Misreading::Empty => "the tool takes it for its own directory",
            Misreading::NoPath => "the tool wants the path of a file, not what is in it",
            Misreading::Home => "the tool does not expand it",
            Misreading::Variable => "the tool expands no variables",
            Misreading::Backslash => "on Linux that is part of a name, not a separator",
        }
    }

    /// The path that was meant, where that can be said.
    pub(in crate::layout) fn meant(self, value: &str, home: &Path) -> Option<PathBuf> {
        let below = match self {
            Misreading::Home => value.strip_prefix("~/"),
            Misreading::Variable => value.strip_prefix("$HOME/").or_else(|| value.strip_prefix("${HOME}/")),
            Misreading::Empty | Misreading::NoPath | Misreading::Backslash => None,
        };
        below.map(|below| home.join(below))
    }
}

/// How the tool misreads that path, if it does.
pub(in crate::layout) fn misreading(value: &str) -> Option<Misreading> {
    if value.is_empty() {
        Some(Misreading::Empty)
    } else if value.contains('\n') || value.contains("-----") {
        Some(Misreading::NoPath)
    } else if value.starts_with('~') {
        Some(Misreading::Home)
    } else if value.contains('$') {
        Some(Misreading::Variable)
    } else if value.contains('\\') {
        Some(Misreading::Backslash)
    } else {
        None
    }
}

fn about_path(key: &'static str, value: &str, path: &Path) -> Option<Finding> {
    let misreading = misreading(value)?;
    Some(
        Finding::new(Rule::ConfigPath, Severity::Error, path.display())
            .expected(message!("{}: an absolute path, or one below the tool's own directory", key))
            .found(misreading.found())
            .cause(misreading.cause()),
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
                .expected(message!("a file of its own for {} and {}", first.as_str(), second.as_str()))
                .found("the same for both")
                .cause("it works only if one file holds both, and is nearly always a mistake")
                .fix("{kitcert} install client")
        })
    });
    shared.collect()
}

fn paths(config: &ClientConfig) -> impl Iterator<Item = (&'static str, &str)> {
    TlsPath::ALL.into_iter().filter_map(|path| Some((path.as_str(), config.written(path)?)))
}
