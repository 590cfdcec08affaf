//! Whether a daemon has taken up whom it is to refuse and whom it is to let in: a part of
//! `daemons/<name>/identity.json`.
//!
//! Unlike the rest of that history it is taken away by what speaks against it: a dial that sees somebody in who is
//! to be out, and files at its place that are not what it was restarted with.

use serde::{Deserialize, Serialize};

use crate::model::{Generation, IdentityName, Timestamp};

/// What is known of whom a daemon lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessHistory {
    /// The generation that the daemon was restarted with and that nothing here can try whole, or with which something
    /// else is wrong with it; null for none. It is not restarted with it again and again.
    #[serde(deserialize_with = "Option::deserialize")]
    pub restarted: Option<Generation>,
    /// The generation that the daemon serves after a restart while something else is wrong with it, so that nobody can
    /// tell whom it refuses; null for none. A proxy that turns strangers away above TLS is such a thing.
    #[serde(deserialize_with = "Option::deserialize")]
    pub undecided: Option<Generation>,
    /// The latest generation that was verified, so that whomever it excludes is refused; null for none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub shown: Option<Generation>,
    /// What persons have said that they have seen, the latest last.
    pub seen: Vec<SeenAccess>,
}

/// A person's word that a daemon refuses a client whose access was taken away, or lets it in again, or is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenAccess {
    /// The client.
    pub client: IdentityName,
    /// The generation that was current for the daemon. Of those before it the word says nothing; those after it
    /// have what was seen, until the client's access is changed, which takes the word away.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// When it was said.
    pub at: Timestamp,
}

impl AccessHistory {
    /// Notes a person's word.
    pub fn note_seen(&mut self, seen: SeenAccess) {
        self.seen.retain(|one| (&one.client, one.generation) != (&seen.client, seen.generation));
        self.seen.push(seen);
        let surplus = self.seen.len().saturating_sub(MOST_ENTRIES);
        self.seen.drain(..surplus);
    }

    /// Notes that what was said of a client is of the past.
    pub fn forget(&mut self, client: &IdentityName) {
        self.seen.retain(|one| one.client != *client);
    }

    /// What was said last of a client, with that generation or one before it.
    #[must_use]
    pub fn seen_of(&self, client: &IdentityName, generation: Generation) -> Option<&SeenAccess> {
        let mut latest_first = self.seen.iter().rev();
        latest_first.find(|one| one.client == *client && one.generation <= generation)
    }
}

/// As many as daemons can exclude.
const MOST_ENTRIES: usize = 300;
