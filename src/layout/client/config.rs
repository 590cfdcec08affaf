//! Earthly's and EarthBuild's `config.yml`, read as they read it.

use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::misplaced::{Misplaced, misplaced};
use super::tls_path::TlsPath;
use crate::layout::yaml::document::Document;
use crate::message;
use crate::model::{Failure, Printable};

/// What `config.yml` says about the daemon and TLS. Values are as they are written; None is a key
/// that is left out or null, for which the tool has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// `buildkit_host`: the daemon's URL.
    pub buildkit_host: Option<String>,
    /// `tls_enabled` if it is there; the tool's default is true.
    pub tls_enabled: Option<bool>,
    /// `tlsca`: the CA certificates that the daemon is verified with.
    pub tls_ca: Option<String>,
    /// `tlscert`: the client's certificate.
    pub tls_cert: Option<String>,
    /// `tlskey`: the client's key.
    pub tls_key: Option<String>,
    /// `tlsca_key`: a CA's key, with which `earthly bootstrap` issues.
    pub tls_ca_key: Option<String>,
    /// `buildkitd_tlscert`: the certificate of a daemon that the tool starts itself.
    pub buildkitd_tls_cert: Option<String>,
    /// `buildkitd_tlskey`: that daemon's key.
    pub buildkitd_tls_key: Option<String>,
    pub(super) misplaced: Vec<Misplaced>,
    /// The keys of strings whose value is a number or a boolean, of which it is not known how it is
    /// written: `0x1F` reads as 31, but yaml.v3 takes it as the string `0x1F`.
    pub(super) unquoted: Vec<&'static str>,
}

impl ClientConfig {
    /// Reads the first document of a config, as yaml.v3 does: unknown keys are ignored, keys are
    /// case-sensitive, `yes` is true.
    ///
    /// # Errors
    /// What the tool refuses too: no YAML, tabs as indentation, a key that stands twice, a root or a
    /// `global` that is no mapping, and a value of another type than one of our keys has (a quoted
    /// "false"). What the tool makes of its other keys is not looked at. No value is quoted in the failure.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<ClientConfig, Failure> {
        ClientConfig::of_document(&Document::parse(bytes, path)?, path)
    }

    /// Whether the tool uses TLS for a daemon on TCP.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.tls_enabled.unwrap_or(true)
    }

    /// What a key says; None where it is left out.
    #[must_use]
    pub fn written(&self, path: TlsPath) -> Option<&str> {
        let written = match path {
            TlsPath::Authority => &self.tls_ca,
            TlsPath::Certificate => &self.tls_cert,
            TlsPath::Key => &self.tls_key,
            TlsPath::AuthorityKey => &self.tls_ca_key,
            TlsPath::DaemonCertificate => &self.buildkitd_tls_cert,
            TlsPath::DaemonKey => &self.buildkitd_tls_key,
        };
        written.as_deref()
    }

    /// What a key says, or the tool's default where it is left out.
    #[must_use]
    pub fn file_of(&self, path: TlsPath) -> &str {
        self.written(path).unwrap_or(path.default_value())
    }

    pub(in crate::layout) fn of_document(
        document: &Document<'_>,
        path: &Path,
    ) -> Result<ClientConfig, Failure> {
        let mut root = document.value.clone();
        let reading = Reading { path };
        root.apply_merge().map_err(|_| reading.failure("mappings behind '<<'"))?;
        let Some(root) = reading.mapping(&root, "the whole file")? else {
            return Ok(ClientConfig::default());
        };
        let empty = Mapping::new();
        let global =
            root.get("global").map(|global| reading.mapping(global, "global")).transpose()?.flatten();
        let global = global.unwrap_or(&empty);
        Ok(ClientConfig {
            buildkit_host: reading.text(global, "buildkit_host")?,
            tls_enabled: reading.switch(global, "tls_enabled")?,
            tls_ca: reading.text(global, "tlsca")?,
            tls_cert: reading.text(global, "tlscert")?,
            tls_key: reading.text(global, "tlskey")?,
            tls_ca_key: reading.text(global, "tlsca_key")?,
            buildkitd_tls_cert: reading.text(global, "buildkitd_tlscert")?,
            buildkitd_tls_key: reading.text(global, "buildkitd_tlskey")?,
            misplaced: misplaced(root, global),
            unquoted: unquoted(global),
        })
    }
}

/// The types that yaml.v3 insists on, of the keys that matter here: a tool says by itself what it makes of
/// others.
struct Reading<'a> {
    path: &'a Path,
}

impl Reading<'_> {
    fn failure(&self, expected: impl Printable) -> Failure {
        Failure::new("reading", self.path.display()).expected(expected).found("something else")
    }

    /// A mapping; None for null.
    fn mapping<'v>(&self, value: &'v Value, what: &'static str) -> Result<Option<&'v Mapping>, Failure> {
        match untagged(value) {
            Value::Null if !is_tagged(value) => Ok(None),
            // A template such as `{{ host }}` is a mapping as a key, which is no string to yaml.v3.
            Value::Mapping(mapping) if mapping.keys().all(is_scalar) => Ok(Some(mapping)),
            _ => Err(self.failure(message!("keys with values as {}", what))),
        }
    }

    /// Any scalar is a string to yaml.v3.
    fn text(&self, mapping: &Mapping, key: &'static str) -> Result<Option<String>, Failure> {
        match mapping.get(key).map(untagged) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(word)) => Ok(Some(word.to_string())),
            Some(_) => Err(self.failure(message!("a string as {}", key))),
        }
    }

    /// yaml.v3 takes the words of YAML 1.1 for a boolean, but not a quoted "true" or "false".
    fn switch(&self, mapping: &Mapping, key: &'static str) -> Result<Option<bool>, Failure> {
        let value = mapping.get(key);
        let has_tag = value.is_some_and(is_tagged);
        match value.map(untagged) {
            None => Ok(None),
            Some(Value::Null) if !has_tag => Ok(None),
            Some(Value::Bool(switch)) if !has_tag => Ok(Some(*switch)),
            Some(Value::String(word)) if YES.contains(&word.as_str()) => Ok(Some(true)),
            Some(Value::String(word)) if NO.contains(&word.as_str()) => Ok(Some(false)),
            Some(_) => Err(self.failure(message!("true or false, without quotes, as {}", key))),
        }
    }
}

fn unquoted(global: &Mapping) -> Vec<&'static str> {
    let is_unquoted = |key: &&str| matches!(global.get(*key), Some(Value::Number(_) | Value::Bool(_)));
    let keys = ["buildkit_host", "tlsca", "tlscert", "tlskey", "buildkitd_tlscert", "buildkitd_tlskey"];
    keys.into_iter().filter(is_unquoted).collect()
}

fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => untagged(&tagged.value),
        value => value,
    }
}

/// Whether a value has a tag that YAML does not define: yaml.v3 then takes any scalar as a string.
fn is_tagged(value: &Value) -> bool {
    matches!(value, Value::Tagged(_))
}

fn is_scalar(value: &Value) -> bool {
    !matches!(untagged(value), Value::Sequence(_) | Value::Mapping(_))
}

const YES: [&str; 8] = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"];
const NO: [&str; 8] = ["n", "N", "no", "No", "NO", "off", "Off", "OFF"];
