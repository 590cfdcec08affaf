//! What the program remembers of CAs, daemons and clients beside their certificates, while it changes:
//! each record is written once, however many steps of a plan change it.

use std::collections::BTreeMap;

use crate::layout::state_paths::identity_folder;
use crate::model::profile::LARGEST_PEM;
use crate::model::{AuthorityId, Failure, IdentityName, Role};
use crate::store::{
    AuthorityRecord, ClientRecord, DaemonHistory, Observation, ObservedIdentity, Privacy, StagedChange, read,
    set_checksum,
};

/// The records that a change touches, as they are to be.
pub(in crate::apply) struct Records<'a> {
    observation: Option<&'a Observation>,
    authorities: BTreeMap<AuthorityId, AuthorityRecord>,
    clients: BTreeMap<IdentityName, ClientRecord>,
    daemons: BTreeMap<IdentityName, DaemonHistory>,
}

impl<'a> Records<'a> {
    pub(in crate::apply) fn new(observation: Option<&'a Observation>) -> Records<'a> {
        Records {
            observation,
            authorities: BTreeMap::new(),
            clients: BTreeMap::new(),
            daemons: BTreeMap::new(),
        }
    }

    pub(in crate::apply) fn authority(&mut self, id: &AuthorityId) -> &mut AuthorityRecord {
        let known = self.observation.and_then(|observation| observation.authority(id));
        let record = || known.map(|authority| authority.record.clone()).unwrap_or_default();
        self.authorities.entry(id.clone()).or_insert_with(record)
    }

    pub(in crate::apply) fn client(&mut self, name: &IdentityName) -> &mut ClientRecord {
        let known = self.observation.and_then(|observation| observation.clients.get(name));
        let record = || known.map(|client| client.record.clone()).unwrap_or_default();
        self.clients.entry(name.clone()).or_insert_with(record)
    }

    pub(in crate::apply) fn daemon(&mut self, name: &IdentityName) -> &mut DaemonHistory {
        let known = self.observation.and_then(|one| Some((one, one.daemons.get(name)?)));
        let record =
            || known.map(|(observation, daemon)| history(observation, name, daemon)).unwrap_or_default();
        self.daemons.entry(name.clone()).or_insert_with(record)
    }

    /// Whoever is issued a certificate is retired no more, and has a record that can be read.
    pub(in crate::apply) fn take_back_retirement(&mut self, role: Role, name: &IdentityName) {
        let identities = self.observation.map(|observation| observation.identities(role));
        let is_changed = |identity: &ObservedIdentity| identity.is_retired() || identity.fault.is_some();
        if identities.and_then(|all| all.get(name)).is_some_and(is_changed) {
            match role {
                Role::Client => self.client(name).retired = None,
                Role::Daemon => self.daemon(name).retired = None,
            }
        }
    }

    /// Adds them to the change.
    ///
    /// # Errors
    /// A disk that does not take the files.
    pub(in crate::apply) fn stage(&self, staged: &StagedChange<'_>) -> Result<(), Failure> {
        for (id, record) in &self.authorities {
            staged.file(&AuthorityRecord::path(id), &record.to_bytes()?, Privacy::Private)?;
        }
        for (name, record) in &self.clients {
            staged.file(&ClientRecord::path(name), &record.to_bytes()?, Privacy::Private)?;
        }
        for (name, record) in &self.daemons {
            staged.file(&DaemonHistory::path(name), &record.to_bytes()?, Privacy::Private)?;
        }
        Ok(())
    }
}

/// What is remembered of a daemon. Where the file was lost, whatever lies in its folder counts as made here: it
/// would be taken for another copy's from the next entry on.
fn history(observation: &Observation, name: &IdentityName, daemon: &ObservedIdentity) -> DaemonHistory {
    let mut history = daemon.history.clone();
    let folder = observation.path.join(identity_folder(Role::Daemon, name));
    let there = daemon.generations.iter().filter(|_| daemon.history.made.is_empty());
    for generation in there {
        let read = |file| read(&folder.join(generation.to_string()).join(file), LARGEST_PEM);
        if let (Ok(trust), Ok(certificate)) = (read("ca.pem"), read("cert.pem")) {
            history.note_made(*generation, set_checksum(&trust.bytes, &certificate.bytes));
        }
    }
    history
}
