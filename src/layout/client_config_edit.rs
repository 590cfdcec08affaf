//! Setting the daemon's keys in `config.yml` in place, with every other byte kept.
//!
//! Texts are spliced, not printed anew, and a splice counts only if the parser then sees the
//! same values as before but for the intended keys. Otherwise the file is left to its owner,
//! with the lines to add.

use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::ClientConfig;
use super::client_config_schema::{OUR_KEYS, documents};
use super::client_config_splice::{candidates, plain_or_quoted};
use crate::model::{Endpoint, Failure};

/// What a client's config shall say of its daemon.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Where the daemon is; becomes `buildkit_host`.
    pub endpoint: Endpoint,
    /// The path of the CA certificates; becomes `tlsca`.
    pub tls_ca: String,
    /// The path of the client's certificate; becomes `tlscert`.
    pub tls_cert: String,
    /// The path of the client's key; becomes `tlskey`.
    pub tls_key: String,
    /// What to do about a `tls_enabled: false` of the owner's.
    pub enable_tls: EnableTls,
}

/// Whether a `tls_enabled: false` that somebody wrote may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnableTls {
    /// Refuse such a config: its owner switched TLS off.
    OnlyIfUnset,
    /// Switch TLS on all the same.
    EvenIfDisabled,
}

/// What an edit comes to.
#[derive(Clone, Debug)]
pub enum ConfigEdit {
    /// The config says everything already.
    Unchanged,
    /// The config with the intended keys changed, and all else as it was.
    Changed {
        /// The whole file.
        bytes: Vec<u8>,
        /// What differs, in the order of `lines_to_add`.
        keys: Vec<KeyChange>,
    },
}

/// One key under `global` that an edit sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key as it stands under `global`, such as `tlsca`.
    pub key: &'static str,
    /// The value that Earthly read so far; `None` where the key was absent or null.
    pub from: Option<String>,
    /// The value that is set.
    pub to: String,
}

impl KeyChange {
    /// The value as the parser has to see it afterwards.
    fn value(&self) -> Value {
        if self.key == "tls_enabled" { Value::Bool(true) } else { Value::String(self.to.clone()) }
    }
}

/// Sets the daemon's address and the client's three files in a config, or makes one where there
/// is none (`None`). Doing it again changes nothing.
///
/// # Errors
/// A config that Earthly would not load; TLS switched off, unless the settings say to switch it
/// on; a shape in which nothing can be set without touching something else, such as flow style
/// or `global: *alias`. The failure then carries the lines to add by hand.
pub fn edit_client_config(
    current: Option<&[u8]>,
    path: &Path,
    settings: &ClientSettings,
) -> Result<ConfigEdit, Failure> {
    let current = current.unwrap_or_default();
    let config = ClientConfig::parse(current, path)?;
    if !config.tls_enabled && settings.enable_tls == EnableTls::OnlyIfUnset {
        return Err(Failure::new("editing the client's config", path.display())
            .expected("tls_enabled: true, or no such key")
            .found("tls_enabled switched off; the file is left as it was")
            .hint("kitcert install client --enable-tls"));
    }
    let (text, before) = read(current).ok_or_else(|| by_hand(path, settings))?;
    let keys = changes(&config, before.first(), settings);
    if keys.is_empty() {
        return Ok(ConfigEdit::Unchanged);
    }
    let expected = expected_documents(&before, &keys).ok_or_else(|| by_hand(path, settings))?;
    candidates(text, before.first(), &keys)
        .into_iter()
        .find(|edited| documents(edited).is_ok_and(|after| after == expected))
        .map(|edited| ConfigEdit::Changed { bytes: edited.into_bytes(), keys })
        .ok_or_else(|| by_hand(path, settings))
}

/// The lines that an edit sets, as a block to put into a config by hand.
#[must_use]
pub fn lines_to_add(settings: &ClientSettings) -> String {
    let lines = wanted(settings).map(|(key, value)| {
        let written = if key == "tls_enabled" { value } else { plain_or_quoted(&value) };
        format!("  {key}: {written}\n")
    });
    format!("global:\n{}", lines.concat())
}

fn by_hand(path: &Path, settings: &ClientSettings) -> Failure {
    Failure::new("editing the client's config", path.display())
        .expected("a global section in block style, whose lines can be set one by one")
        .found("a shape in which something else could change; the file is left as it was")
        .hint(format!("add these lines to {}:\n{}", path.display(), lines_to_add(settings)))
}

fn read(bytes: &[u8]) -> Option<(&str, Vec<Value>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some((text, documents(text).ok()?))
}

fn wanted(settings: &ClientSettings) -> [(&'static str, String); 5] {
    OUR_KEYS.map(|key| {
        let value = match key {
            "buildkit_host" => settings.endpoint.to_string(),
            "tls_enabled" => "true".to_owned(),
            "tlsca" => settings.tls_ca.clone(),
            "tlscert" => settings.tls_cert.clone(),
            _ => settings.tls_key.clone(),
        };
        (key, value)
    })
}

/// The keys whose effective value is another one, and `tls_enabled` where nothing says it.
fn changes(config: &ClientConfig, root: Option<&Value>, settings: &ClientSettings) -> Vec<KeyChange> {
    let tls_is_written = root.is_some_and(|root| {
        let mut root = root.clone();
        root.apply_merge().is_ok()
            && root.get("global").and_then(|global| global.get("tls_enabled")).is_some_and(|v| !v.is_null())
    });
    let changes = wanted(settings).map(|(key, to)| {
        let from = match key {
            "buildkit_host" => config.buildkit_host.clone(),
            "tls_enabled" => tls_is_written.then(|| config.tls_enabled.to_string()),
            "tlsca" => config.tls_ca.clone(),
            "tlscert" => config.tls_cert.clone(),
            _ => config.tls_key.clone(),
        };
        KeyChange { key, from, to }
    });
    changes.into_iter().filter(|change| change.from.as_ref() != Some(&change.to)).collect()
}

/// What the parser has to see afterwards, to the last value of the last document.
fn expected_documents(before: &[Value], keys: &[KeyChange]) -> Option<Vec<Value>> {
    let mut expected = before.to_vec();
    if expected.is_empty() {
        expected.push(Value::Null);
    }
    let global = expected.first_mut().and_then(section).and_then(|root| {
        let global = root.entry(Value::from("global")).or_insert(Value::Null);
        section(global)
    })?;
    for change in keys {
        global.insert(Value::from(change.key), change.value());
    }
    Some(expected)
}

/// A mapping, which null becomes.
fn section(value: &mut Value) -> Option<&mut Mapping> {
    if value.is_null() {
        *value = Value::Mapping(Mapping::new());
    }
    value.as_mapping_mut()
}
