//! What a state directory holds, as values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::authority_record::AuthorityRecord;
use super::client_record::ClientRecord;
use super::history::DaemonHistory;
use super::revocation_record::RevocationRecord;
use super::rollover_record::RolloverRecord;
use super::state_record::StateRecord;
use super::verified::VerifiedRecord;
use crate::layout::Inventory;
use crate::model::{AuthorityId, Failure, Generation, IdentityName, Role, Timestamp};
use crate::pki::{Certificate, TrustBundle};

/// How much of a state a command needs to see: reading ten thousand certificates to issue one
/// more would be waste.
#[derive(Clone, Debug)]
pub enum Interest {
    /// kitcert.yaml and the CAs.
    Inventory,
    /// Those, and these identities.
    Identities(Vec<(Role, IdentityName)>),
    /// All that is current.
    Everything,
    /// That, and what clients may still use of what they had before. During a rollover any interest in
    /// identities is this one, since what is issued depends on it.
    InUse,
}

/// A state directory as it was at one moment.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where it is.
    pub path: PathBuf,
    /// Which state it is, and how often it was changed.
    pub state: StateRecord,
    /// kitcert.yaml, read.
    pub inventory: Inventory,
    /// kitcert.yaml, to the byte.
    pub inventory_text: Vec<u8>,
    /// Its CAs, the youngest first.
    pub authorities: Vec<ObservedAuthority>,
    /// The rollover that is under way.
    pub rollover: Option<RolloverRecord>,
    /// Whose access was taken away; None where nobody's ever was.
    pub revocations: Option<RevocationRecord>,
    /// Every certificate that ever left and is kept still. Read only by [`Interest::InUse`].
    pub issued: Vec<Certificate>,
    /// The files beside them that cannot be read, by name, and why: whose certificates they are nobody
    /// knows. Read only by [`Interest::InUse`].
    pub unread: BTreeMap<String, Failure>,
    /// The clients for whom a kit waits to be handed over.
    pub waiting_kits: BTreeSet<IdentityName>,
    /// The clients whose kit waited when their access was taken away.
    pub withdrawn_kits: BTreeSet<IdentityName>,
    /// The daemons that have a folder.
    pub daemons: BTreeMap<IdentityName, ObservedIdentity>,
    /// The clients that have a folder.
    pub clients: BTreeMap<IdentityName, ObservedIdentity>,
}

/// A CA of the state.
#[derive(Clone, Debug)]
pub struct ObservedAuthority {
    /// Which it is, as its folder is called.
    pub id: AuthorityId,
    /// Its certificate.
    pub certificate: Certificate,
    /// Of a CA that another has certified, what daemons send behind their own certificates for whoever trusts
    /// the other: its certificate from there first.
    pub chain: Vec<Certificate>,
    /// Whether its key lies beside it.
    pub key: KeyPresence,
    /// Why what lies there is of no use: then its key counts as kept elsewhere, so that nobody stays in who is to be
    /// out for the sake of a file.
    pub key_fault: Option<Failure>,
    /// What else is remembered of it.
    pub record: AuthorityRecord,
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
    /// Why something of it cannot be read. What is missing below for that reason is not known to be absent.
    pub fault: Option<Failure>,
    /// Why others than its owner can read the key of its current generation.
    pub exposed: Option<Failure>,
    /// What `current` leads to.
    pub current: Option<ObservedGeneration>,
    /// Of a daemon, its last verification. Whether that is one of the current generation, and still
    /// counts, the planner says.
    pub verified: Option<VerifiedRecord>,
    /// Of a daemon, which generations have worked.
    pub history: DaemonHistory,
    /// Of a daemon whose current generation never worked, the one that worked last: it may serve either.
    pub worked_before: Option<ObservedGeneration>,
    /// What it was given between that one and the current one, rising: somebody may have restarted it meanwhile.
    pub between: Vec<ObservedGeneration>,
    /// Of a client, what is known of what it holds.
    pub record: ClientRecord,
    /// Of a client, its earlier generations, the newest first. Read only by [`Interest::InUse`].
    pub earlier: Vec<ObservedGeneration>,
    /// Of a client, what its copies on this machine hold. They lie outside of the state, so that whoever
    /// decides what it may be using reads them.
    pub copies: ObservedCopies,
    /// The highest number that a generation has or had, as far as is known; 0 for none.
    pub last_generation: Option<Generation>,
    /// The numbers of the generations that are there, rising.
    pub generations: Vec<Generation>,
}

/// What the copies of a client on this machine hold.
#[derive(Clone, Debug, Default)]
pub struct ObservedCopies {
    /// Their sets, but for the current one.
    pub sets: Vec<ObservedGeneration>,
    /// Whether some could not be read: those may hold any set that the client ever had.
    pub is_unread: bool,
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

    /// The CA that everything is moved to; without a rollover, the youngest that is in use.
    #[must_use]
    pub fn active_authority(&self) -> Option<&ObservedAuthority> {
        match &self.rollover {
            Some(rollover) => self.authority(&rollover.to),
            None => {
                let mut own = self.authorities.iter().filter(|authority| !authority.record.clients_only);
                let usable = own.clone().find(|authority| authority.record.is_usable());
                usable.or_else(|| own.next())
            }
        }
    }

    /// The CAs that daemons trust besides, for the sake of clients that have certificates of them.
    pub fn kept_for_clients(&self, now: Timestamp) -> impl Iterator<Item = &ObservedAuthority> {
        self.authorities.iter().filter(move |one| {
            one.record.clients_only && one.record.is_usable() && one.certificate.validity().not_after >= now
        })
    }

    /// Notes what the copies of clients on this machine hold.
    pub fn note_copies(&mut self, copies: &BTreeMap<IdentityName, ObservedCopies>) {
        for (name, copies) in copies {
            if let Some(client) = self.clients.get_mut(name) {
                client.copies = copies.clone();
            }
        }
    }

    /// The CA of that key identifier.
    #[must_use]
    pub fn authority(&self, id: &AuthorityId) -> Option<&ObservedAuthority> {
        self.authorities.iter().find(|authority| authority.id == *id)
    }

    /// The CA of that key identifier, or the only one that begins so.
    #[must_use]
    pub fn authority_like(&self, id: &AuthorityId) -> Option<&ObservedAuthority> {
        let alike = |one: &&ObservedAuthority| one.id.as_str().starts_with(id.as_str());
        let mut alike = self.authorities.iter().filter(alike);
        let first = alike.next()?;
        match alike.next() {
            None => Some(first),
            Some(_) => self.authority(id),
        }
    }

    /// The CA of that certificate. No two CAs that were made here share a name; of others that do, it is
    /// the one whose key the certificate names.
    #[must_use]
    pub fn issuer_of(&self, leaf: &Certificate) -> Option<&ObservedAuthority> {
        let mut named =
            self.authorities.iter().filter(|authority| authority.certificate.subject() == leaf.issuer());
        let first = named.next()?;
        let Some(second) = named.next() else { return Some(first) };
        let mut all = [first, second].into_iter().chain(named);
        Some(all.find(|one| one.certificate.is_named_by(leaf)).unwrap_or(first))
    }

    /// The CA that everything is moved to, if it can sign; without a rollover, the youngest in use that can.
    #[must_use]
    pub fn issuing_authority(&self, now: Timestamp) -> Option<&ObservedAuthority> {
        match &self.rollover {
            Some(_) => self.active_authority().filter(|authority| authority.can_sign(now)),
            None => {
                let mut usable = self.authorities.iter().filter(|authority| authority.record.is_usable());
                usable.find(|authority| authority.can_sign(now))
            }
        }
    }

    /// A CA that can sign, and of which a daemon takes clients that trusts those; the one that everything is moved
    /// to first.
    #[must_use]
    pub fn signer(&self, accepted: Option<&TrustBundle>, now: Timestamp) -> Option<&ObservedAuthority> {
        let is_accepted = |authority: &&ObservedAuthority| {
            accepted.is_none_or(|accepted| accepted.trusts(&authority.certificate))
        };
        let issuing = self.issuing_authority(now).filter(is_accepted);
        let mut able = self.authorities.iter().filter(|authority| authority.can_sign(now));
        issuing.or_else(|| able.find(is_accepted))
    }
}

impl ObservedAuthority {
    /// Whether it may be a client's own certificate, which a daemon trusts as it is and no other in its place.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.record.clients_only && !self.record.has_issued && !self.certificate.says_that_it_signs()
    }

    /// Whether it is valid and its key is at hand.
    #[must_use]
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.key == KeyPresence::Present && self.certificate.validity().contains(now)
    }
}

impl ObservedIdentity {
    /// Every generation that a daemon may serve: the current one, and if that never worked the one that worked last
    /// and whatever came after it.
    pub fn served(&self) -> impl Iterator<Item = &ObservedGeneration> {
        self.worked_before.iter().chain(&self.between).chain(&self.current)
    }

    /// Whether [`ObservedIdentity::served`] is all that a daemon may serve: one that was never verified may
    /// serve any generation that it had, and one that was given many since may serve one that is gone.
    #[must_use]
    pub fn is_served_known(&self) -> bool {
        let mut served = self.served().map(|one| one.number);
        let first = served.next();
        let is_known = first == Some(Generation::after(None)) || self.worked_before.is_some();
        let is_next =
            |last: Option<Generation>, next| (next == Generation::after(last)).then_some(Some(next));
        self.has_worked() || is_known && served.try_fold(first, is_next).is_some()
    }

    /// Whether it is neither renewed nor waited for any more.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.history.retired.is_some() || self.record.retired.is_some()
    }

    /// Whether the current generation of a daemon was verified at some time.
    #[must_use]
    pub fn has_worked(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.history.has_worked(current.number))
    }

    /// Whether a daemon serves what is current while something else is wrong with it, so that nobody can tell whom it
    /// refuses.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.history.access.undecided == Some(current.number))
    }

    /// Whether a daemon was verified with what is current, and nothing has spoken against that since: it refuses
    /// whomever that excludes.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.history.access.shown == Some(current.number))
    }
}

impl ObservedGeneration {
    /// The certificate itself.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }
}
