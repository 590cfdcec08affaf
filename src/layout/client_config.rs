//! Earthly's and EarthBuild's `config.yml`, as far as it says how the daemon is reached.

use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::SetFile;
use super::client_config_schema::{OUR_KEYS, boolean, checked_global, documents, meant_by};
use crate::model::{Endpoint, Failure, Finding, Rule, Severity};

/// What a client's config says of its daemon. Texts are as written; `None` is a key that is
/// absent or null, for which Earthly has a default.
///
/// Relative paths are relative to the tool's own directory (`~/.earthly`, `~/.earth`) wherever
/// the config lies, and neither `~` nor `$HOME` is expanded (Earthly v0.8.16,
/// config/config.go:505-546).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// `buildkit_host`: where the daemon is.
    pub buildkit_host: Option<String>,
    /// `tls_enabled`: on unless switched off.
    pub tls_enabled: bool,
    /// `tlsca`: the CA certificates that the daemon's chain must end in.
    pub tls_ca: Option<String>,
    /// `tlscert`: the client's certificate.
    pub tls_cert: Option<String>,
    /// `tlskey`: the client's key.
    pub tls_key: Option<String>,
    /// `tlsca_key`: the CA key that `earthly bootstrap` issues with.
    pub tls_ca_key: Option<String>,
    /// `buildkitd_tlscert`: the certificate of a daemon that Earthly starts itself.
    pub buildkitd_tls_cert: Option<String>,
    /// `buildkitd_tlskey`: the key of such a daemon.
    pub buildkitd_tls_key: Option<String>,
    ignored_keys: Vec<IgnoredKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct IgnoredKey {
    written: String,
    meant: String,
}

impl ClientConfig {
    /// Reads a config as Earthly does: the first document alone, unknown keys passed over, case
    /// mattering. An empty file is a config of defaults.
    ///
    /// # Errors
    /// What Earthly refuses too: text that is no YAML, a key given twice, a list or a single
    /// value where a section must be, a value of the wrong type. No value of the file is quoted,
    /// since passwords may stand in it.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<ClientConfig, Failure> {
        let broken = |found: String| {
            Failure::new("reading the client's config", path.display())
                .expected("a config that Earthly loads")
                .found(found)
        };
        let text = std::str::from_utf8(bytes).map_err(|_| broken("bytes that are no UTF-8".to_owned()))?;
        let documents = documents(text).map_err(broken)?;
        let root = documents.first();
        let global = checked_global(root).map_err(broken)?;
        Ok(ClientConfig {
            buildkit_host: text_of(&global, "buildkit_host"),
            tls_enabled: global.get("tls_enabled").and_then(boolean).unwrap_or(true),
            tls_ca: text_of(&global, "tlsca"),
            tls_cert: text_of(&global, "tlscert"),
            tls_key: text_of(&global, "tlskey"),
            tls_ca_key: text_of(&global, "tlsca_key"),
            buildkitd_tls_cert: text_of(&global, "buildkitd_tlscert"),
            buildkitd_tls_key: text_of(&global, "buildkitd_tlskey"),
            ignored_keys: ignored_keys(root, &global),
        })
    }

    /// The path that Earthly takes for a file of the client: as written, or its default.
    #[must_use]
    pub fn path_of(&self, file: SetFile) -> &str {
        let (written, default) = match file {
            SetFile::Authority => (&self.tls_ca, DEFAULT_CA),
            SetFile::Certificate => (&self.tls_cert, DEFAULT_CERTIFICATE),
            SetFile::Key => (&self.tls_key, DEFAULT_KEY),
        };
        written.as_deref().unwrap_or(default)
    }

    /// What is wrong with the config without looking at any other file: it loads, and yet the
    /// client would not do what its owner means.
    #[must_use]
    pub fn findings(&self, path: &Path) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.finding_on_tls(path));
        findings.extend(self.finding_on_endpoint(path));
        findings.extend(self.findings_on_paths(path));
        findings.extend(self.ignored_keys.iter().map(|key| {
            Finding::new(Rule::ConfigBroken, Severity::Warning, path.display())
                .expected(&key.meant)
                .found(&key.written)
                .cause("Earthly passes over a key that it does not know, without a word")
                .fix(format!("write {} instead", key.meant))
        }));
        findings
    }

    fn finding_on_tls(&self, path: &Path) -> Option<Finding> {
        if self.tls_enabled {
            return None;
        }
        let dials_tcp = self.buildkit_host.as_deref().is_some_and(|host| host.starts_with("tcp://"));
        let severity = if dials_tcp { Severity::Error } else { Severity::Warning };
        Some(
            Finding::new(Rule::TlsDisabled, severity, path.display())
                .expected("tls_enabled: true, or no such key")
                .found("tls_enabled switched off")
                .cause("the client speaks plaintext and reads no certificate")
                .fix("tls_enabled: true"),
        )
    }

    fn finding_on_endpoint(&self, path: &Path) -> Option<Finding> {
        let host = self.buildkit_host.as_deref().filter(|host| !host.is_empty())?;
        if host.starts_with("docker-container://") || host.starts_with("podman-container://") {
            return Some(
                Finding::new(Rule::ConfigEndpoint, Severity::Info, path.display())
                    .expected("buildkit_host: tcp://host:port")
                    .found("a container of this machine")
                    .cause("TLS is used for tcp:// alone"),
            );
        }
        match host.parse::<Endpoint>() {
            Err(failure) => Some(
                Finding::new(Rule::ConfigEndpoint, Severity::Error, path.display())
                    .expected(format!("buildkit_host: {}", failure.what_was_expected()))
                    .found(failure.what_was_found())
                    .fix("buildkit_host: tcp://host:8372"),
            ),
            Ok(endpoint) if endpoint.is_local_to_earthly() => Some(
                Finding::new(Rule::LoopbackHost, Severity::Warning, path.display())
                    .expected("a host other than localhost, 127.0.0.1 and ::1")
                    .found(format!("buildkit_host: {endpoint}"))
                    .cause("Earthly starts a daemon of its own for such a host, instead of dialling one"),
            ),
            Ok(_) => None,
        }
    }

    fn findings_on_paths(&self, path: &Path) -> Vec<Finding> {
        let written = [
            ("tlsca", self.tls_ca.as_deref()),
            ("tlscert", self.tls_cert.as_deref()),
            ("tlskey", self.tls_key.as_deref()),
            ("tlsca_key", self.tls_ca_key.as_deref()),
            ("buildkitd_tlscert", self.buildkitd_tls_cert.as_deref()),
            ("buildkitd_tlskey", self.buildkitd_tls_key.as_deref()),
        ];
        let written: Vec<_> = written.iter().filter_map(|(key, value)| Some((*key, (*value)?))).collect();
        let mut findings = Vec::new();
        for (index, (key, value)) in written.iter().enumerate() {
            if let Some((found, cause)) = path_trap(value) {
                findings.push(
                    Finding::new(Rule::ConfigPath, Severity::Error, path.display())
                        .expected(format!("{key}: an absolute path, or one relative to the tool's directory"))
                        .found(found)
                        .cause(cause)
                        .fix(format!("{key}: /absolute/path.pem")),
                );
            }
            for (other, _) in written.iter().take(index).filter(|(_, earlier)| earlier == value) {
                findings.push(
                    Finding::new(Rule::ConfigPath, Severity::Warning, path.display())
                        .expected(format!("files of their own for {other} and {key}"))
                        .found("one file for both"),
                );
            }
        }
        findings
    }
}

/// Why Earthly would not open the file that the writer of the path meant.
fn path_trap(value: &str) -> Option<(&'static str, &'static str)> {
    let bytes = value.as_bytes();
    if value.is_empty() {
        Some(("an empty path", "Earthly takes it for the tool's directory itself"))
    } else if value.starts_with('~') {
        Some(("a path that begins with ~", "Earthly does not expand it and looks for a folder of that name"))
    } else if value.contains('$') {
        Some(("a path with a variable", "Earthly does not expand variables"))
    } else if bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        Some(("a path of Windows", "on Linux, WSL included, it counts as relative"))
    } else {
        None
    }
}

/// The scalar of that key as text. What Earthly takes for a number or a boolean elsewhere is
/// text here, since the field is one.
fn text_of(global: &Mapping, key: &str) -> Option<String> {
    match global.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Tagged(tagged) => tagged.value.as_str().map(str::to_owned),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

/// Keys on the daemon's TLS that Earthly passes over: misspelt ones, and ones beside `global`
/// instead of in it, where `earthly config` itself puts them when `global` is null.
fn ignored_keys(root: Option<&Value>, global: &Mapping) -> Vec<IgnoredKey> {
    let misspelt = global.keys().filter_map(Value::as_str).filter_map(|written| {
        let meant = meant_by(written)?;
        let written = format!("global.{written}");
        Some(IgnoredKey { written, meant: format!("global.{meant}") })
    });
    let sections = root.and_then(Value::as_mapping);
    let misplaced =
        sections.into_iter().flat_map(Mapping::keys).filter_map(Value::as_str).filter_map(|key| {
            let meant = match key {
                "global" | "git" => return None,
                key if key.eq_ignore_ascii_case("global") => "global".to_owned(),
                key if OUR_KEYS.contains(&key) => format!("global.{key}"),
                _ => return None,
            };
            Some(IgnoredKey { written: format!("{key} at the top level"), meant })
        });
    misspelt.chain(misplaced).collect()
}

const DEFAULT_CA: &str = "./certs/ca_cert.pem";
const DEFAULT_CERTIFICATE: &str = "./certs/earthly_cert.pem";
const DEFAULT_KEY: &str = "./certs/earthly_key.pem";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ClientConfig {
        ClientConfig::parse(text.as_bytes(), Path::new("config.yml")).unwrap()
    }

    fn found(text: &str) -> Vec<(Rule, Severity)> {
        let findings = parsed(text).findings(Path::new("config.yml"));
        findings.iter().map(|finding| (finding.rule, finding.severity)).collect()
    }

    #[test]
    fn an_absent_key_has_earthlys_default() {
        for text in ["", "# nothing\n", "global:\n", "global:\n  tlsca: ~\n", "Global:\n  tlsca: x\n"] {
            let config = parsed(text);
            assert!(config.tls_enabled && config.buildkit_host.is_none(), "{text:?}");
            assert_eq!(config.path_of(SetFile::Authority), "./certs/ca_cert.pem", "{text:?}");
            assert_eq!(config.path_of(SetFile::Certificate), "./certs/earthly_cert.pem", "{text:?}");
            assert_eq!(config.path_of(SetFile::Key), "./certs/earthly_key.pem", "{text:?}");
        }
    }

    #[test]
    fn values_are_read_as_written_and_from_the_first_document_alone() {
        let config = parsed(
            "x: &x {tlsca: ~/ca.pem, tlskey: merged}\nglobal:\n  <<: *x\n  tlskey: own\n  tlscert: 5\n\
             \n  tlsca_key: k\n  buildkitd_tlscert: c\n  buildkitd_tlskey: d\n  tls_enabled: Off\n\
             ---\nglobal: {tlsca: second}\n",
        );
        assert_eq!(config.path_of(SetFile::Authority), "~/ca.pem");
        assert_eq!(config.path_of(SetFile::Certificate), "5");
        assert_eq!(config.path_of(SetFile::Key), "own");
        assert_eq!(config.tls_ca_key.as_deref(), Some("k"));
        assert_eq!(config.buildkitd_tls_cert.as_deref(), Some("c"));
        assert_eq!(config.buildkitd_tls_key.as_deref(), Some("d"));
        assert!(!config.tls_enabled);
    }

    #[test]
    fn a_sound_config_has_no_findings() {
        let sound = "global: {buildkit_host: 'tcp://builder:8372', tlsca: ./a, tlscert: ./b, tlskey: /c}";
        assert_eq!(found(sound), []);
        assert_eq!(found(""), []);
    }

    #[test]
    fn what_would_surprise_its_owner_is_found() {
        use Severity::{Error, Info, Warning};
        for (global, expected) in [
            ("tls_enabled: no", (Rule::TlsDisabled, Warning)),
            ("tls_enabled: no, buildkit_host: 'tcp://builder:8372'", (Rule::TlsDisabled, Error)),
            ("buildkit_host: 'tcp://builder'", (Rule::ConfigEndpoint, Error)),
            ("buildkit_host: 'builder:8372'", (Rule::ConfigEndpoint, Error)),
            ("buildkit_host: 'docker-container://b'", (Rule::ConfigEndpoint, Info)),
            ("buildkit_host: 'tcp://127.0.0.1:8372'", (Rule::LoopbackHost, Warning)),
            ("tlsca: ~/ca.pem", (Rule::ConfigPath, Error)),
            ("tlscert: $HOME/cert.pem", (Rule::ConfigPath, Error)),
            ("tlskey: ''", (Rule::ConfigPath, Error)),
            ("tlskey: 'C:\\key.pem'", (Rule::ConfigPath, Error)),
            ("tlsca: ./a.pem, tlscert: ./a.pem", (Rule::ConfigPath, Warning)),
            ("tls_ca: ./a.pem", (Rule::ConfigBroken, Warning)),
            ("TLSKey: ./a.pem", (Rule::ConfigBroken, Warning)),
            ("buildkit-host: 'tcp://builder:8372'", (Rule::ConfigBroken, Warning)),
        ] {
            assert_eq!(found(&format!("global: {{{global}}}")), [expected], "{global}");
        }
        assert_eq!(found("global:\ntlsca: ./a.pem\n"), [(Rule::ConfigBroken, Warning)]);
        assert_eq!(found("Global: {}\n"), [(Rule::ConfigBroken, Warning)]);
    }
}
