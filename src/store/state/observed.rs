//! What a state directory holds, as values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::history::DaemonHistory;
use super::verified::VerifiedRecord;
use crate::layout::Inventory;
use crate::model::{Generation, IdentityName, Role, Timestamp};
use crate::pki::{Certificate, TrustBundle};

/// How much of a state a command needs to see: reading ten thousand certificates to issue one
/// more would be waste.
#[derive(Clone, Debug)]
pub enum Interest {
    /// kitcert.yaml and the CAs.
    Inventory,
    /// Those, and these identities.
    Identities(Vec<(Role, IdentityName)>),
    /// All of it.
    Everything,
}

/// A state directory as it was at one moment.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where it is.
    pub path: PathBuf,
    /// kitcert.yaml, read.
    pub inventory: Inventory,
    /// kitcert.yaml, to the byte.
    pub inventory_text: Vec<u8>,
    /// Its CAs, the youngest first.
    pub authorities: Vec<ObservedAuthority>,
    /// The key identifier of the CA to which everything is being moved, or was moved last; None
    /// before the first rollover.
    pub issuer: Option<String>,
    /// The clients for whom a kit waits to be handed over.
    pub waiting_kits: BTreeSet<IdentityName>,
    /// The daemons that have a folder.
    pub daemons: BTreeMap<IdentityName, ObservedIdentity>,
    /// The clients that have a folder.
    pub clients: BTreeMap<IdentityName, ObservedIdentity>,
}

/// A CA of the state.
#[derive(Clone, Debug)]
pub struct ObservedAuthority {
    /// The name of its folder: its key identifier in hex.
    pub key_identifier: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// Whether its key lies beside it.
    pub key: KeyPresence,
}

/// Whether a private key is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPresence {
    /// It lies there.
    Present,
    /// It is kept elsewhere.
    Absent,
}

/// A daemon or a client of the state.
#[derive(Clone, Debug, Default)]
pub struct ObservedIdentity {
    /// What `current` leads to.
    pub current: Option<ObservedGeneration>,
    /// Of a daemon, its last verification. Whether that is one of the current generation, and still
    /// counts, the planner says.
    pub verified: Option<VerifiedRecord>,
    /// Of a daemon, which generations have worked.
    pub history: DaemonHistory,
    /// The generation that is known to be in use: of a daemon the one that worked last, of a client
    /// the one that it said it has. Read only if there are several CAs.
    pub confirmed: Option<ObservedGeneration>,
    /// The highest number that a generation has or had, as far as is known; 0 for none.
    pub last_generation: Option<Generation>,
    /// The numbers of the generations that are there, rising.
    pub generations: Vec<Generation>,
}

/// One generation of an identity: a whole set of files.
#[derive(Clone, Debug)]
pub struct ObservedGeneration {
    /// Its number.
    pub number: Generation,
    /// cert.pem, leaf first.
    pub chain: Vec<Certificate>,
    /// ca.pem.
    pub trust: TrustBundle,
    /// Whether key.pem is there.
    pub key: KeyPresence,
}

impl Observation {
    /// The daemons or the clients.
    #[must_use]
    pub fn identities(&self, role: Role) -> &BTreeMap<IdentityName, ObservedIdentity> {
        match role {
            Role::Daemon => &self.daemons,
            Role::Client => &self.clients,
        }
    }

    /// The generation that is current for an identity.
    #[must_use]
    pub fn current(&self, role: Role, name: &IdentityName) -> Option<&ObservedGeneration> {
        self.identities(role).get(name)?.current.as_ref()
    }

    /// The CA to which everything is moved in the end; without a rollover, the youngest.
    #[must_use]
    pub fn target_authority(&self) -> Option<&ObservedAuthority> {
        match &self.issuer {
            Some(issuer) => self.authority(issuer),
            None => self.authorities.first(),
        }
    }

    /// The CA of that key identifier.
    #[must_use]
    pub fn authority(&self, key_identifier: &str) -> Option<&ObservedAuthority> {
        self.authorities.iter().find(|authority| authority.key_identifier == key_identifier)
    }

    /// The CA of that certificate: no two CAs share a name.
    #[must_use]
    pub fn issuer_of(&self, leaf: &Certificate) -> Option<&ObservedAuthority> {
        self.authorities.iter().find(|authority| authority.certificate.subject() == leaf.issuer())
    }

    /// The CA to which everything is moved in the end, if it can sign; without a rollover, the
    /// youngest that can.
    #[must_use]
    pub fn issuing_authority(&self, now: Timestamp) -> Option<&ObservedAuthority> {
        match &self.issuer {
            Some(_) => self.target_authority().filter(|authority| authority.can_sign(now)),
            None => self.authorities.iter().find(|authority| authority.can_sign(now)),
        }
    }
}

impl ObservedAuthority {
    /// Whether it is valid and its key is at hand.
    #[must_use]
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.key == KeyPresence::Present && self.certificate.validity().contains(now)
    }
}

impl ObservedIdentity {
    /// Whether the current generation of a daemon was verified at some time.
    #[must_use]
    pub fn has_worked(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.history.has_worked(current.number))
    }
}

impl ObservedGeneration {
    /// The certificate itself.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }
}
