//! The sections of `buildkitd.toml`, and what each key of them is to be.

use std::path::Path;

use toml::{Table, Value};

use crate::message;
use crate::model::{Finding, Rule, Severity};

/// A key of a config that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigFault {
    /// It has a value of another kind; which it is to have.
    Kind(&'static str, Kind),
    /// It is written twice, in two spellings.
    Twice(&'static str),
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A number.
    Number,
    /// true or false.
    Truth,
    /// A table.
    Table,
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Kind::Text => value.is_str(),
            Kind::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_str)),
            Kind::Number => value.is_integer(),
            Kind::Truth => value.is_bool(),
            Kind::Table => value.is_table(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Texts => "a list of texts",
            Kind::Number => "a number",
            Kind::Truth => "true or false",
            Kind::Table => "a section",
        }
    }
}

/// What belongs to one section. Keys count in whichever case they are written, as go-toml takes them, so that one may
/// be there in several spellings.
pub(super) struct Section<'a>(Vec<&'a Table>);

impl<'a> Section<'a> {
    pub(super) fn of(table: &'a Table) -> Section<'a> {
        Section(vec![table])
    }

    pub(super) fn values(&self, key: &'static str) -> impl Iterator<Item = &'a Value> {
        let tables = self.0.iter().flat_map(|table| table.iter());
        tables
            .filter(move |(written, _)| written.to_lowercase() == key.to_lowercase())
            .map(|(_, value)| value)
    }

    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        Section(self.values(key).filter_map(Value::as_table).collect())
    }

    pub(super) fn check(&self, key: &'static str, kind: Kind, faults: &mut Vec<ConfigFault>) {
        if self.values(key).count() > 1 {
            faults.push(ConfigFault::Twice(key));
        }
        if self.values(key).any(|value| !kind.is_of(value)) {
            faults.push(ConfigFault::Kind(key, kind));
        }
    }
}

/// Of buildkitd's `config.Config`, what says who gets in, and what a daemon is often given beside.
pub(super) const OF_ROOT: [(&str, Kind); 7] = [
    ("debug", Kind::Truth),
    ("trace", Kind::Truth),
    ("root", Kind::Text),
    ("insecure-entitlements", Kind::Texts),
    ("grpc", Kind::Table),
    ("worker", Kind::Table),
    ("registry", Kind::Table),
];
pub(super) const OF_GRPC: [(&str, Kind); 5] = [
    ("address", Kind::Texts),
    ("debugAddress", Kind::Text),
    ("uid", Kind::Number),
    ("gid", Kind::Number),
    ("tls", Kind::Table),
];
pub(super) const OF_TLS: [(&str, Kind); 3] = [("cert", Kind::Text), ("key", Kind::Text), ("ca", Kind::Text)];

impl ConfigFault {
    /// What is to be said of it.
    pub(super) fn finding(&self, path: &Path) -> Finding {
        let finding = Finding::new(Rule::ConfigBroken, Severity::Error, path.display());
        match self {
            ConfigFault::Kind(key, kind) => finding
                .expected(message!("{} as {}", key, kind.as_str()))
                .found("something else")
                .cause("buildkitd does not start with it")
                .fix(message!("write {} as {}", key, kind.as_str())),
            ConfigFault::Twice(key) => finding
                .expected(message!("{} once", key))
                .found("it more than once, in small and capital letters")
                .cause("buildkitd takes them for the same key, and the last one counts")
                .fix(message!("delete each but one {}", key)),
        }
    }
}
