//! Earthly's and EarthBuild's `config.yml`, edited in place.

use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::config::ClientConfig;
use crate::layout::yaml::document::Document;
use crate::layout::yaml::edit::{Position, set_at};
use crate::layout::yaml::line::YamlLine;
use crate::layout::yaml::text::{Fields, Node, lines};
use crate::message;
use crate::model::{Endpoint, Failure, Message, Printable, Quoted};

/// What the config should say. The three files are values as they are to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// `buildkit_host`.
    pub endpoint: Endpoint,
    /// `tlsca`.
    pub tls_ca: String,
    /// `tlscert`.
    pub tls_cert: String,
    /// `tlskey`.
    pub tls_key: String,
    /// The files of a daemon that the tool starts itself; None leaves them as they are.
    pub daemon: Option<DaemonFiles>,
    /// What becomes of a `tls_enabled: false` that is there.
    pub enable_tls: EnableTls,
}

/// The files of a daemon that the tool starts itself, as values to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonFiles {
    /// `buildkitd_tlscert`.
    pub certificate: String,
    /// `buildkitd_tlskey`.
    pub key: String,
}

/// What becomes of a `tls_enabled: false` that is there: somebody may have meant it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnableTls {
    /// The edit is refused.
    #[default]
    OnlyIfUnset,
    /// It becomes true.
    EvenIfDisabled,
}

/// What an edit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigEdit {
    /// The config says everything already.
    Unchanged,
    /// It has to become this.
    Changed {
        /// The whole file.
        bytes: Vec<u8>,
        /// The keys that change, in the order of [`lines_to_add`].
        keys: Vec<ConfigChange>,
    },
}

/// A key of `global` that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The key.
    pub key: &'static str,
    /// What it said; None if it was left out.
    pub from: Option<String>,
    /// What it says.
    pub to: String,
}

/// Sets `buildkit_host`, `tls_enabled`, `tlsca`, `tlscert` and `tlskey` below `global` in a config,
/// and `buildkitd_tlscert` and `buildkitd_tlskey` where they are given;
/// None is a file that is not there. Every other byte stays as it is: comments, order, line
/// ends, further documents.
///
/// # Errors
/// A config that its tool refuses, as far as [`ClientConfig::parse`] knows; one that says `tls_enabled: false`, unless that may be changed;
/// and one that cannot be edited so that nothing else changes. The hint then has the lines to add
/// by hand. No value of the file is quoted.
pub fn edit_client_config(
    current: Option<&[u8]>,
    path: &Path,
    settings: &ClientSettings,
) -> Result<ConfigEdit, Failure> {
    let by_hand = |failure| by_hand(failure, path, settings);
    let document = Document::parse(current.unwrap_or_default(), path).map_err(by_hand)?;
    let config = ClientConfig::of_document(&document, path).map_err(by_hand)?;
    if config.tls_enabled == Some(false) && settings.enable_tls == EnableTls::OnlyIfUnset {
        return Err(Failure::new("editing", path.display())
            .expected("tls_enabled: true")
            .found("tls_enabled: false, with which the certificates would be ignored")
            .again("--enable-tls"));
    }
    let keys = changes(&config, settings);
    if keys.is_empty() {
        return Ok(ConfigEdit::Unchanged);
    }
    let fields: Fields = keys.iter().map(|change| (change.key.to_owned(), node(change))).collect();
    let edited = set_at(&document, &["global"], &fields, Position::First);
    match edited.filter(|edited| only_these_changed(&document, edited, &keys, path)) {
        Some(edited) => Ok(ConfigEdit::Changed { bytes: edited.into_bytes(), keys }),
        None => Err(by_hand(
            Failure::new("editing", path.display())
                .expected("a form that can be edited safely")
                .found("one that cannot; the file is unchanged"),
        )),
    }
}

/// A failure to edit a config, with what a person does instead: what it tries already, if anything,
/// or the editor; and the lines.
#[must_use]
pub(crate) fn by_hand(failure: Failure, path: &Path, settings: &ClientSettings) -> Failure {
    let instead = match failure.remedy() {
        Some(command) => message!("{}   # and this again; or let it say:", command.parted().0),
        None => message!("${EDITOR:-vi} {}   # so that it says this; then this command again:", Quoted(path)),
    };
    failure.hint(message!("{}\n{}", instead, Message::join(lines_to_add(settings), "\n")))
}

/// The lines that a config needs, for a person to add.
#[must_use]
pub fn lines_to_add(settings: &ClientSettings) -> Vec<Message> {
    let changes = changes(&ClientConfig::default(), settings);
    let fields = changes.iter().map(|change| (change.key.to_owned(), node(change))).collect();
    let text = lines(&[("global".to_owned(), Node::Nested(fields))], 0, 2);
    text.lines().map(|line| YamlLine(line).message()).collect()
}

fn changes(config: &ClientConfig, settings: &ClientSettings) -> Vec<ConfigChange> {
    let enabled = config.tls_enabled.map(|enabled| enabled.to_string());
    let endpoint = settings.endpoint.to_string();
    let mut wanted = vec![
        ("buildkit_host", &config.buildkit_host, endpoint.as_str()),
        (TLS_ENABLED, &enabled, "true"),
        ("tlsca", &config.tls_ca, &settings.tls_ca),
        ("tlscert", &config.tls_cert, &settings.tls_cert),
        ("tlskey", &config.tls_key, &settings.tls_key),
    ];
    if let Some(daemon) = &settings.daemon {
        wanted.push(("buildkitd_tlscert", &config.buildkitd_tls_cert, &daemon.certificate));
        wanted.push(("buildkitd_tlskey", &config.buildkitd_tls_key, &daemon.key));
    }
    let differing = wanted
        .into_iter()
        .filter(|(key, from, to)| from.as_deref() != Some(*to) || config.unquoted.contains(key));
    differing.map(|(key, from, to)| ConfigChange { key, from: from.clone(), to: to.to_owned() }).collect()
}

fn node(change: &ConfigChange) -> Node {
    if change.key == TLS_ENABLED { Node::Word("true") } else { Node::Text(change.to.clone()) }
}

/// Whether the edited text says what the document said, but for those keys, and the documents that
/// follow are the same bytes.
fn only_these_changed(before: &Document<'_>, edited: &str, keys: &[ConfigChange], path: &Path) -> bool {
    let Ok(after) = Document::parse(edited.as_bytes(), path) else { return false };
    let (Some(merged_before), Some(merged_after)) = (merged(&before.value), merged(&after.value)) else {
        return false;
    };
    after.value == with_changes(&before.value, keys)
        && merged_after == with_changes(&merged_before, keys)
        && after.rest() == before.rest()
}

/// A document with what `<<` brings in its place: a `global` of its own would hide one that comes
/// so.
fn merged(document: &Value) -> Option<Value> {
    let mut merged = document.clone();
    merged.apply_merge().ok().map(|()| merged)
}

fn with_changes(document: &Value, keys: &[ConfigChange]) -> Value {
    let mut root = document.as_mapping().cloned().unwrap_or_default();
    let mut global = root.get("global").and_then(Value::as_mapping).cloned().unwrap_or_else(Mapping::new);
    for change in keys {
        let value =
            if change.key == TLS_ENABLED { Value::Bool(true) } else { Value::String(change.to.clone()) };
        global.insert(Value::String(change.key.to_owned()), value);
    }
    root.insert(Value::String("global".to_owned()), Value::Mapping(global));
    Value::Mapping(root)
}

const TLS_ENABLED: &str = "tls_enabled";
