//! `daemons/<name>/verified.json`: what the last verification of a daemon was made of.
//!
//! It answers one question: may the daemon's *current* generation be called verified? It does so only
//! together with what is current now: the planner compares. Whatever is not exactly what we write is
//! no record, so that a damaged file means "not verified".

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::state_directory::StateDirectory;
use crate::layout::state_paths::identity_folder;
use crate::model::{
    Endpoint, Failure, Fingerprint, Generation, IdentityName, Role, SubjectAltName, Timestamp,
};

/// A verification that went as it must, and what it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecord {
    /// The version of the list of dials. An older list proves less than the present one.
    pub dial_list: u32,
    /// The version of kitcert.
    pub kitcert: String,
    /// Where it was dialed.
    pub endpoint: Endpoint,
    /// The name that its certificate was verified for.
    pub server_name: SubjectAltName,
    /// The hosts that kitcert.yaml listed.
    pub hosts: Vec<SubjectAltName>,
    /// Each address, and what it showed.
    pub addresses: Vec<VerifiedAddress>,
    /// The addresses to which kitcert.yaml narrows the dials; none for every address of the name.
    pub narrowed_to: Vec<IpAddr>,
    /// From where.
    pub vantage: Vantage,
    /// The generation whose certificate was served.
    pub generation: Generation,
    /// The SHA-256 of that certificate.
    pub leaf: Fingerprint,
    /// The SHA-256 of its ca.pem, whoever that excludes.
    pub bundle: Fingerprint,
    /// How many dials were made.
    pub dials: u32,
    /// The dials for which there were no means.
    pub not_tried: Vec<String>,
    /// When the state was read for it, before the first dial.
    pub started_at: Timestamp,
    /// When the last dial had ended.
    pub verified_at: Timestamp,
    /// By which command: `verify`, `rotate`.
    pub command: String,
}

/// An address of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifiedAddress {
    /// The address and port.
    pub address: SocketAddr,
    /// In a word, what it showed.
    pub result: String,
}

/// From where a daemon was verified: others may see something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vantage {
    /// What that machine calls itself.
    pub host: String,
    /// The effective user id.
    pub uid: u32,
}

impl VerifiedRecord {
    /// Where it is, relative to the state.
    #[must_use]
    pub fn path(daemon: &IdentityName) -> PathBuf {
        identity_folder(Role::Daemon, daemon).join("verified.json")
    }

    /// The file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = serde_json::to_vec_pretty(&Written::of(self))
            .map_err(|_| Failure::new("writing", "verified.json").found("something that is no JSON"))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a file; None for anything that [`VerifiedRecord::to_bytes`] does not write.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<VerifiedRecord> {
        if bytes.len() > LARGEST {
            return None;
        }
        serde_json::from_slice::<Written>(bytes).ok()?.record()
    }
}

/// The record of a daemon; None if there is none that can be read. That is safe here: without a
/// record a daemon is not verified.
pub(in crate::store) fn read_verified(
    directory: &StateDirectory,
    daemon: &IdentityName,
) -> Option<VerifiedRecord> {
    let file = directory.read(&VerifiedRecord::path(daemon), LARGEST).ok()??;
    VerifiedRecord::parse(&file.bytes)
}

/// The members of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    schema: u32,
    dial_list: u32,
    kitcert: String,
    endpoint: String,
    server_name: String,
    hosts: Vec<String>,
    addresses: Vec<VerifiedAddress>,
    narrowed_to: Vec<IpAddr>,
    vantage: Vantage,
    generation: Generation,
    leaf_sha256: String,
    bundle_sha256: String,
    dials: u32,
    not_tried: Vec<String>,
    started_at: String,
    verified_at: String,
    command: String,
}

impl Written {
    fn of(record: &VerifiedRecord) -> Written {
        Written {
            schema: SCHEMA,
            dial_list: record.dial_list,
            kitcert: record.kitcert.clone(),
            endpoint: record.endpoint.to_string(),
            server_name: record.server_name.to_string(),
            hosts: record.hosts.iter().map(ToString::to_string).collect(),
            addresses: record.addresses.clone(),
            narrowed_to: record.narrowed_to.clone(),
            vantage: record.vantage.clone(),
            generation: record.generation,
            leaf_sha256: record.leaf.to_string(),
            bundle_sha256: record.bundle.to_string(),
            dials: record.dials,
            not_tried: record.not_tried.clone(),
            started_at: record.started_at.to_string(),
            verified_at: record.verified_at.to_string(),
            command: record.command.clone(),
        }
    }

    fn record(self) -> Option<VerifiedRecord> {
        let words = self.not_tried.iter().chain(self.addresses.iter().map(|address| &address.result));
        let mut texts = words.chain([&self.kitcert, &self.vantage.host, &self.command]);
        let are_plain = texts.all(|text| is_plain(text));
        drop(texts);
        if self.schema != SCHEMA || !are_plain {
            return None;
        }
        Some(VerifiedRecord {
            dial_list: self.dial_list,
            kitcert: self.kitcert,
            endpoint: self.endpoint.parse().ok()?,
            server_name: self.server_name.parse().ok()?,
            hosts: self.hosts.iter().map(|host| host.parse().ok()).collect::<Option<_>>()?,
            addresses: self.addresses,
            narrowed_to: self.narrowed_to,
            vantage: self.vantage,
            generation: self.generation,
            leaf: self.leaf_sha256.parse().ok()?,
            bundle: self.bundle_sha256.parse().ok()?,
            dials: self.dials,
            not_tried: self.not_tried,
            started_at: Timestamp::parse(&self.started_at).ok()?,
            verified_at: Timestamp::parse(&self.verified_at).ok()?,
            command: self.command,
        })
    }
}

/// Whether a text can be shown: `status` prints the host's name.
fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

const SCHEMA: u32 = 1;
/// A hundred names of 253 bytes and sixteen addresses fit.
const LARGEST: usize = 64 * 1024;
const LONGEST_TEXT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::numbered;

    fn record() -> VerifiedRecord {
        VerifiedRecord {
            dial_list: 1,
            kitcert: "0.1.0".to_owned(),
            endpoint: "tcp://builder.example.com:8372".parse().unwrap(),
            server_name: "builder.example.com".parse().unwrap(),
            hosts: vec!["builder.example.com".parse().unwrap(), "::1".parse().unwrap()],
            addresses: vec![VerifiedAddress {
                address: "[::1]:8372".parse().unwrap(),
                result: "passed".to_owned(),
            }],
            narrowed_to: vec!["::1".parse().unwrap()],
            vantage: Vantage { host: "ci-1".to_owned(), uid: 0 },
            generation: numbered(7),
            leaf: Fingerprint::new([1; 32]),
            bundle: Fingerprint::new([2; 32]),
            dials: 13,
            not_tried: vec!["expired".to_owned()],
            started_at: Timestamp::from_unix(1_800_000_000),
            verified_at: Timestamp::from_unix(1_800_000_001),
            command: "verify".to_owned(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(VerifiedRecord::parse(&record().to_bytes().unwrap()), Some(record()));
    }

    #[test]
    fn no_byte_of_a_record_can_be_cut_off() {
        let bytes = record().to_bytes().unwrap();
        for length in 0..bytes.len() - 1 {
            let text = bytes.get(..length).unwrap();
            assert_eq!(VerifiedRecord::parse(text), None, "{length}");
        }
    }

    #[test]
    fn a_record_with_another_member_value_or_schema_is_none() {
        let text = String::from_utf8(record().to_bytes().unwrap()).unwrap();
        for (one, other) in [
            ("\"schema\": 1", "\"schema\": 2"),
            ("\"schema\": 1", "\"schema\": 1, \"more\": 1"),
            ("\"schema\": 1", "\"schema\": 1, \"schema\": 1"),
            ("\"generation\": 7", "\"generation\": -7"),
            ("tcp://", "http://"),
            ("\"verified_at\": \"2027", "\"verified_at\": \"soon"),
            ("\"leaf_sha256\": \"01", "\"leaf_sha256\": \"0"),
            ("\"host\": \"ci-1\"", "\"host\": \"ci\\u001b[2J\""),
            ("\"uid\": 0", "\"uid\": \"root\""),
        ] {
            let damaged = text.replacen(one, other, 1);
            assert_ne!(damaged, text, "{one}");
            assert_eq!(VerifiedRecord::parse(damaged.as_bytes()), None, "{other}");
        }
        let padded = format!("{text}{}", " ".repeat(LARGEST));
        assert_eq!(VerifiedRecord::parse(padded.as_bytes()), None);
    }
}
