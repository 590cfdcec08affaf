//! `daemons/<name>/identity.json`: which generations of a daemon have worked, which were themselves the
//! cause of a failure, and how often a verification found something wrong.
//!
//! This is history: a finding about the daemon (open, TLS off, unreachable) never removes an entry.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::access_history::AccessHistory;
use super::record_file::{self, Schema};
use super::state_directory::StateDirectory;
use crate::layout::state_paths::identity_folder;
use crate::model::{Failure, Fingerprint, Generation, IdentityName, Role, Timestamp};

/// What is remembered of a daemon's generations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonHistory {
    schema: Schema,
    /// The generations that were verified at some time, the latest last.
    pub worked: Vec<WorkedGeneration>,
    /// The generations that were themselves the cause of a failure: the daemon worked again with an
    /// earlier one.
    pub refuted: Vec<Generation>,
    /// What this state has made, the latest last: whatever else is installed for the daemon was made by a
    /// copy of this state, or by hand.
    pub made: Vec<MadeGeneration>,
    /// What it had when it was taken over; null for a daemon that was made here.
    #[serde(deserialize_with = "Option::deserialize")]
    pub adopted: Option<AdoptedGeneration>,
    /// In PEM, a certificate that the daemon was seen to serve at last, of a CA whose key nobody else should
    /// have, and that this state has not issued; null for none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub unknown_leaf: Option<String>,
    /// Whether it has taken up whom it is to refuse, and whom to let in.
    pub access: AccessHistory,
    /// How many verifications have refuted the daemon. A verification that began at another number
    /// began before a refutation, whatever any clock says, and is not recorded.
    pub refutations: u64,
    /// When the last of them was, for a person.
    #[serde(deserialize_with = "Option::deserialize")]
    pub refuted_at: Option<Timestamp>,
    /// Since when the daemon is neither renewed nor waited for; null while it is.
    #[serde(deserialize_with = "Option::deserialize")]
    pub retired: Option<Timestamp>,
}

/// A generation that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkedGeneration {
    /// Its number.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// When it was first verified since it became current.
    pub at: Timestamp,
}

/// A generation that this state has made, or taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeGeneration {
    /// Its number.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// The SHA-256 of its ca.pem followed by its cert.pem.
    pub sha256: Fingerprint,
}

/// What a daemon had that was set up by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptedGeneration {
    /// The SHA-256 of its certificate: no profile of ours was asked when that was issued.
    pub leaf: Fingerprint,
    /// The SHA-256 of its ca.pem followed by its cert.pem: where exactly that is installed, plain files are.
    pub sha256: Fingerprint,
}

impl DaemonHistory {
    /// Where it is, relative to the state.
    #[must_use]
    pub fn path(daemon: &IdentityName) -> PathBuf {
        identity_folder(Role::Daemon, daemon).join("identity.json")
    }

    /// Whether that generation was verified at some time, and was not the cause of a failure later.
    #[must_use]
    pub fn has_worked(&self, generation: Generation) -> bool {
        !self.refuted.contains(&generation) && self.worked.iter().any(|one| one.generation == generation)
    }

    /// The generations that have worked, the latest first.
    pub fn working(&self) -> impl Iterator<Item = Generation> {
        let latest_first = self.worked.iter().rev().map(|one| one.generation);
        latest_first.filter(|generation| self.has_worked(*generation))
    }

    /// Notes that a generation was verified.
    pub fn note_worked(&mut self, generation: Generation, at: Timestamp) {
        self.access.shown = Some(generation);
        self.access.undecided = None;
        self.refuted.retain(|one| *one != generation);
        if self.worked.last().is_some_and(|last| last.generation == generation) {
            return;
        }
        self.worked.retain(|one| one.generation != generation);
        self.worked.push(WorkedGeneration { generation, at });
        let surplus = self.worked.len().saturating_sub(MOST_ENTRIES);
        self.worked.drain(..surplus);
    }

    /// Notes that another copy of the state has put a generation in place: of all that is known here it alone
    /// is what the daemon serves and may go back to. What had worked before is of the past, and whether it has
    /// taken up whom that excludes nobody has seen.
    pub fn take_over(&mut self, generation: Generation, at: Timestamp) {
        self.worked = vec![WorkedGeneration { generation, at }];
        self.access = AccessHistory::default();
    }

    /// Notes that this state has made a generation.
    pub fn note_made(&mut self, generation: Generation, sha256: Fingerprint) {
        self.made.push(MadeGeneration { generation, sha256 });
        let surplus = self.made.len().saturating_sub(MOST_ENTRIES);
        self.made.drain(..surplus);
    }

    /// Whether this state has made that, as far as it remembers: of what came before the first generation
    /// that it remembers it cannot say no.
    #[must_use]
    pub fn may_have_made(&self, generation: Generation, sha256: &Fingerprint) -> bool {
        let is_full = self.made.len() >= MOST_ENTRIES;
        let is_before_all = self.made.iter().all(|one| one.generation > generation);
        // Without any entry the file was lost.
        self.made.is_empty() || (is_full && is_before_all) || self.has_made(sha256)
    }

    /// Whether it is remembered that this state has made that.
    #[must_use]
    pub fn has_made(&self, sha256: &Fingerprint) -> bool {
        self.made.iter().any(|one| one.sha256 == *sha256)
    }

    /// Notes that a generation was itself the cause of a failure.
    pub fn note_refuted(&mut self, generation: Generation) {
        self.refuted.retain(|one| *one != generation);
        self.refuted.push(generation);
        let surplus = self.refuted.len().saturating_sub(MOST_ENTRIES);
        self.refuted.drain(..surplus);
    }

    /// Notes that a verification has refuted the daemon.
    pub fn note_refutation(&mut self, at: Timestamp) {
        self.refutations = self.refutations.saturating_add(1);
        self.refuted_at = Some(at);
    }

    /// The file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        record_file::to_bytes(self)
    }
}

/// The history of a daemon; an empty one if nothing was noted yet.
///
/// # Errors
/// A file that cannot be read, or is not what we write. It is not taken for an empty one: that would
/// forget what to go back to.
pub(in crate::store) fn read_history(
    directory: &StateDirectory,
    daemon: &IdentityName,
) -> Result<DaemonHistory, Failure> {
    let path = DaemonHistory::path(daemon);
    let file = directory.read(&path, record_file::LARGEST)?;
    let what = "the history of a daemon's generations";
    let record = record_file::parse(file, &directory.path().join(&path), what)?;
    Ok(record.unwrap_or_default())
}

/// Far more than are kept on disk.
const MOST_ENTRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::numbered;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn a_history_is_read_as_it_was_written_and_nothing_else_is() {
        let mut history = DaemonHistory::default();
        for generation in 1..4 {
            history.note_worked(numbered(generation), at(i64::from(generation)));
        }
        history.note_refuted(numbered(4));
        history.note_refutation(at(9));
        let bytes = history.to_bytes().unwrap();
        let parse = |bytes: &[u8]| serde_json::from_slice::<DaemonHistory>(bytes).ok();
        assert_eq!(parse(&bytes), Some(history));
        let text = String::from_utf8(bytes.clone()).unwrap();
        for (one, other) in [("\"schema\": 1", "\"schema\": 2"), ("\"gen\": 1", "\"gen\": \"1\"")] {
            assert_eq!(parse(text.replacen(one, other, 1).as_bytes()), None, "{other}");
        }
        assert_eq!(parse(bytes.get(..bytes.len() - 2).unwrap()), None);
    }

    #[test]
    fn what_worked_last_comes_first_and_what_was_a_cause_does_not_come() {
        let mut history = DaemonHistory::default();
        for generation in [1, 2, 3, 3, 1] {
            history.note_worked(numbered(generation), at(0));
        }
        assert_eq!(history.working().collect::<Vec<_>>(), [1, 3, 2].map(numbered));
        history.note_refuted(numbered(3));
        assert_eq!(history.working().collect::<Vec<_>>(), [1, 2].map(numbered));
        assert!(
            history.has_worked(numbered(2))
                && !history.has_worked(numbered(3))
                && !history.has_worked(numbered(4))
        );
    }

    #[test]
    fn a_refutation_of_the_daemon_takes_nothing_away() {
        let mut history = DaemonHistory::default();
        history.note_worked(numbered(1), at(1));
        history.note_refutation(at(2));
        assert!(history.has_worked(numbered(1)));
        assert_eq!((history.refutations, history.refuted_at), (1, Some(at(2))));
    }

    #[test]
    fn a_long_life_does_not_grow_the_file_for_ever() {
        let mut history = DaemonHistory::default();
        for generation in 1..1000 {
            history.note_worked(numbered(generation), at(0));
            history.note_refuted(numbered(generation + 1));
        }
        assert!(history.to_bytes().unwrap().len() < 16 * 1024);
        assert_eq!(history.worked.last().map(|one| one.generation), Some(numbered(999)));
    }
}
