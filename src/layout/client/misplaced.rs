//! Keys that were meant to count, and do not: misspelt, or outside of `global`.

use serde_yaml::{Mapping, Value};

use crate::message;
use crate::model::{Message, Printable};

/// A key that the tool ignores although it was meant to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// As it is written.
    pub(super) key: String,
    /// What it should be.
    pub(super) meant: Message,
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
            found.push(Misplaced { key, meant: message!("global") });
        } else if let Some(meant) = meant_by(&folded) {
            found.push(Misplaced { key, meant: message!("{} below global", meant) });
        }
    }
    for key in names(global) {
        if let Some(meant) = meant_by(&fold(&key)).filter(|meant| *meant != key) {
            found.push(Misplaced { key, meant: meant.message() });
        }
    }
    found
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
