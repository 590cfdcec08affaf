//! What a plan is made of.

use std::path::PathBuf;

use serde::Serialize;

use crate::layout::{ConfigChange, Inventory, InventoryChange};
use crate::message;
use crate::model::{
    AuthorityId, AuthorityName, Contact, Endpoint, Fingerprint, Generation, IdentityName, KeyAlgorithm,
    Message, Printable, Role, SerialNumber, SubjectAltName, Timestamp, Validity,
};
use crate::pki::{Certificate, PublicKey, TrustBundle};
use crate::store::{AccessHistory, Held, RevocationRecord, RolloverKind, RolloverRecord, SeenAccess, Use};

/// Everything that a command would do, in order. State steps are one transaction; each placement
/// is one; the config is edited last, when the files that it names are there. What is handed over
/// is on disk before the removals begin, which are a transaction of their own: a crash between
/// leaves a key in two places and never in none.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Changes of the state directory: all of them or none.
    pub state: Vec<StateStep>,
    /// Sets of files to be put where a daemon or client reads them.
    pub placements: Vec<PlacementStep>,
    /// The edit of a client's config.
    pub config: Option<ConfigStep>,
    /// A file for somebody else.
    pub handover: Option<HandoverStep>,
    /// What is removed from the state directory when that file is on disk.
    pub removals: Vec<KeyRemoval>,
}

/// One change of the state directory.
#[derive(Clone, Debug)]
pub enum StateStep {
    /// Make the state directory.
    Create(PathBuf),
    /// Make a CA and its key.
    MakeAuthority {
        /// The first part of its common name.
        name: AuthorityName,
        /// The type of its key.
        algorithm: KeyAlgorithm,
        /// From when until when.
        validity: Validity,
    },
    /// Take in a CA that was made elsewhere, with its key. It is the one that the plan makes, for what is
    /// issued by it.
    ImportAuthority {
        /// Its certificate, as daemons and clients are to trust it.
        certificate: Certificate,
        /// What leads from it to the CA that has certified it.
        chain: Vec<Certificate>,
    },
    /// Take in a CA that a daemon trusts already, without its key.
    AdoptAuthority {
        /// What it is called here.
        id: AuthorityId,
        /// Its certificate.
        certificate: Certificate,
        /// Whether it is trusted for the sake of clients alone.
        clients_only: bool,
    },
    /// What a daemon has, which was made elsewhere, becomes its first generation.
    Adopt {
        /// The daemon.
        name: IdentityName,
        /// Its certificate, leaf first.
        chain: Vec<Certificate>,
        /// Whether it was seen to serve that.
        worked: bool,
    },
    /// No daemon is to trust a CA any more, which was trusted for the sake of clients alone.
    DropAuthority(AuthorityId),
    /// Begin to move everything to a CA.
    BeginRollover {
        /// Why.
        kind: RolloverKind,
        /// Away from these.
        from: Vec<AuthorityId>,
        /// To that one.
        to: AuthorityChoice,
    },
    /// Count this change as one after so many, though fewer are known here.
    ComeAfter(u64),
    /// A CA that a daemon trusts, made by another copy of this state: its certificate, without its key.
    TakeInAuthority(Certificate),
    /// A certificate that a daemon serves, issued by another copy of this state.
    TakeInLeaf(IdentityName, Certificate),
    /// What is installed for a daemon, made by another copy of this state, is a new generation here.
    TakeIn {
        /// The daemon.
        name: IdentityName,
        /// What is installed, leaf first.
        chain: Vec<Certificate>,
        /// The CAs that it trusts.
        trust: TrustBundle,
        /// The number of the generation.
        generation: Generation,
    },
    /// What is installed for a daemon was made by another copy of this state, and is not taken in: it is known
    /// here from now on, so that it may be replaced.
    KnowInstalled {
        /// The daemon.
        name: IdentityName,
        /// The number that it had there.
        generation: Generation,
        /// What it is.
        sha256: Fingerprint,
    },
    /// Note that what was taken for a client's own certificate is a CA.
    KnowAsAuthority(AuthorityId),
    /// Note that what daemons trusted for the sake of a client alone is trusted again.
    TrustAgain(AuthorityId),
    /// Note what a person has seen of a client on a daemon.
    NoteSeen(IdentityName, SeenAccess),
    /// Note that what was seen of a client on a daemon is of the past.
    ForgetSeen(IdentityName, IdentityName),
    /// Note whether a daemon has taken up whom it is to refuse, and whom to let in.
    NoteAccess(IdentityName, AccessHistory),
    /// Note that a rollover goes on in another way.
    ChangeRollover(RolloverRecord),
    /// Note whose access is taken away, or given back.
    ChangeRevocations(RevocationRecord),
    /// Put the kit aside that waits for a client.
    WithdrawKit(IdentityName),
    /// Let the kit wait again that was put aside.
    PutBackKit(IdentityName),
    /// Note that the rollover is over: nothing trusts these CAs any more.
    EndRollover(Vec<AuthorityId>),
    /// Note that there may be certificates of a CA, until then, that nobody here knows of.
    Open(AuthorityId, Timestamp),
    /// Issue a certificate as a new generation of an identity.
    Issue(Issuance),
    /// Give an identity a certificate and a key that it has had before with other CAs to trust, as a new
    /// generation.
    Rebundle {
        /// Daemon or client.
        role: Role,
        /// The identity, by its name.
        name: IdentityName,
        /// The generation that has the certificate and the key.
        from: Generation,
        /// Its certificate, leaf first.
        chain: Vec<Certificate>,
        /// The number of the new one.
        generation: Generation,
        /// The CAs.
        trust: Vec<AuthorityChoice>,
    },
    /// Write or edit kitcert.yaml.
    Inventory(InventoryStep),
    /// Make a key and a request for it, to be signed by another machine's CA.
    Request {
        /// The name that it is made for.
        name: IdentityName,
        /// The type of its key.
        algorithm: KeyAlgorithm,
        /// The number of the generation that it becomes.
        generation: Generation,
    },
    /// Remove a generation that nothing needs any more.
    Prune {
        /// Daemon or client.
        role: Role,
        /// The identity, by its name.
        name: IdentityName,
        /// The number of the generation.
        generation: Generation,
    },
    /// Remove the certificate with that serial number from `issued/`: it has expired.
    RemoveIssued(SerialNumber),
    /// Remove the key of the CA with that key identifier, which signs nothing any more.
    DestroyKey(AuthorityId),
    /// A client is known to have a certificate, and nothing older of that key. A kit with it waits no
    /// longer.
    Hold {
        /// The client.
        name: IdentityName,
        /// The SHA-256 of the key.
        key: Fingerprint,
        /// What it has.
        held: Held,
        /// The keys of the same machine that this one is in the place of.
        replaces: Vec<Fingerprint>,
    },
    /// A client uses a daemon.
    Use(IdentityName, Use),
    /// A client may use every daemon.
    UseAny(IdentityName),
    /// The key of a CA is known to somebody.
    Distrust(AuthorityId),
    /// A client that was retired is renewed and waited for again.
    WaitAgain(IdentityName),
    /// An identity is neither renewed nor waited for any more.
    Retire(Role, IdentityName),
    /// Put a kit without secrets into `kits/`, where it waits to be handed over.
    Kit(KitTerms),
}

/// What a kit says besides the certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitTerms {
    /// The client.
    pub name: IdentityName,
    /// Its daemon.
    pub endpoint: Endpoint,
    /// Whom to ask.
    pub contact: Contact,
    /// When it is made.
    pub created: Timestamp,
    /// Until when it may be joined.
    pub join_before: Timestamp,
}

/// A file for somebody else.
#[derive(Clone, Debug)]
pub struct HandoverStep {
    /// Where it is written.
    pub path: PathBuf,
    /// What it is.
    pub content: Handover,
}

/// What somebody else is given.
#[derive(Clone, Debug)]
pub enum Handover {
    /// The request of that name, for the admin.
    Request(IdentityName),
    /// A kit without secrets, for a client that made its own key.
    Kit(KitTerms),
    /// A kit with the client's key, encrypted.
    KitWithKey(KitTerms),
}

/// The plaintext copies of a client's key, which it has itself now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRemoval {
    /// The client.
    pub name: IdentityName,
    /// The last generation that may hold one.
    pub last_generation: Generation,
}

/// A certificate to be issued.
#[derive(Clone, Debug)]
pub struct Issuance {
    /// Daemon or client.
    pub role: Role,
    /// The identity, by its name.
    pub name: IdentityName,
    /// A daemon's names.
    pub hosts: Vec<SubjectAltName>,
    /// From when until when, cut to the CA's own validity.
    pub validity: Validity,
    /// The number of the generation that it becomes.
    pub generation: Generation,
    /// Where its key comes from.
    pub key: KeySource,
    /// Why it is issued.
    pub reason: Reason,
    /// Who signs, and whom the set trusts.
    pub signing: Signing,
}

/// Which CA signs a certificate, and which CAs the set that it belongs to trusts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signing {
    /// The CA that signs.
    pub issuer: AuthorityChoice,
    /// The CAs in ca.pem, in their order.
    pub trust: Vec<AuthorityChoice>,
}

impl Signing {
    /// A CA that signs and is trusted alone.
    #[must_use]
    pub fn alone(choice: AuthorityChoice) -> Signing {
        Signing { issuer: choice.clone(), trust: vec![choice] }
    }
}

/// A CA of the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthorityChoice {
    /// The one that the plan makes.
    Made,
    /// The one of that key identifier.
    Of(AuthorityId),
}

impl Printable for AuthorityChoice {
    fn message(&self) -> Message {
        match self {
            AuthorityChoice::Made => message!("the new CA"),
            AuthorityChoice::Of(id) => message!("CA {}", id.short()),
        }
    }
}

/// Why a certificate is issued, as the log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A person asked for it.
    Asked,
    /// The one before is over, or nearly.
    Due,
    /// kitcert.yaml lists it, and it had none.
    NotIssued,
    /// kitcert.yaml lists other hosts than the one before has.
    HostsChanged,
    /// Somebody else has the key of the one before.
    KeyRevoked,
    /// Everything is being moved to another CA.
    Rollover,
}

impl Reason {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Asked => "asked",
            Reason::Due => "due",
            Reason::NotIssued => "not issued",
            Reason::HostsChanged => "hosts changed",
            Reason::KeyRevoked => "its key is revoked",
            Reason::Rollover => "another CA",
        }
    }
}

/// Where the key of a certificate comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// We make it.
    New(KeyAlgorithm),
    /// That generation of the same identity has it.
    Kept {
        /// The number of the generation.
        generation: Generation,
    },
    /// It is kept elsewhere: where its owner made it, or in a kit.
    Requested(PublicKey),
}

/// How kitcert.yaml changes.
#[derive(Clone, Debug)]
pub enum InventoryStep {
    /// It is written for the first time.
    Write(Box<Inventory>),
    /// It is edited in place; everything else in it stays.
    Edit(Vec<InventoryChange>),
}

/// A set of files to be put in place.
#[derive(Clone, Debug)]
pub struct PlacementStep {
    /// Whose files.
    pub role: Role,
    /// Whose files.
    pub name: IdentityName,
    /// The folder that holds the generations.
    pub folder: PathBuf,
    /// The number of the generation there.
    pub generation: Generation,
    /// The paths that lead to it.
    pub links: Vec<PathBuf>,
}

/// The edit of a config.
#[derive(Clone, Debug)]
pub struct ConfigStep {
    /// Where it is.
    pub path: PathBuf,
    /// What was in it, so that nobody else's change is lost; None: there is none.
    pub before: Option<Vec<u8>>,
    /// What will be in it.
    pub after: Vec<u8>,
    /// The keys that change.
    pub keys: Vec<ConfigChange>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.is_empty()
            && self.placements.is_empty()
            && self.config.is_none()
            && self.handover.is_none()
            && self.removals.is_empty()
    }

    /// The certificates that it issues.
    pub fn issuances(&self) -> impl Iterator<Item = &Issuance> {
        self.state.iter().filter_map(|step| match step {
            StateStep::Issue(issuance) => Some(issuance),
            _ => None,
        })
    }

    /// Whether it is a daemon or a client that it retires, if it retires one.
    pub(crate) fn retired(&self) -> Option<Role> {
        self.state.iter().find_map(|step| match step {
            StateStep::Retire(role, _) => Some(*role),
            _ => None,
        })
    }

    /// The kits that it leaves in the state, to be handed over.
    pub fn waiting_kits(&self) -> impl Iterator<Item = &KitTerms> {
        self.state.iter().filter_map(|step| match step {
            StateStep::Kit(terms) => Some(terms),
            _ => None,
        })
    }

    /// The daemon whose files it puts in place, if it does.
    #[must_use]
    pub fn placed_daemon(&self) -> Option<&IdentityName> {
        self.placements.iter().find(|step| step.role == Role::Daemon).map(|step| &step.name)
    }
}
