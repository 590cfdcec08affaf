//! What a plan is made of.

use std::path::PathBuf;

use serde::Serialize;

use crate::layout::{Inventory, InventoryChange, KeyChange};
use crate::model::{AuthorityName, IdentityName, KeyAlgorithm, Role, SubjectAltName, Validity};
use crate::pki::PublicKey;

/// Everything that a command would do, in order. State steps are one transaction; each placement
/// is one; the config is edited last, when the files that it names are there.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Changes of the state directory: all of them or none.
    pub state: Vec<StateStep>,
    /// Sets of files to be put where a daemon or client reads them.
    pub placements: Vec<PlacementStep>,
    /// The edit of a client's config.
    pub config: Option<ConfigStep>,
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
    /// Issue a certificate as a new generation of an identity.
    Issue(Issuance),
    /// Write or edit kitcert.yaml.
    Inventory(InventoryStep),
}

/// A certificate to be issued.
#[derive(Clone, Debug)]
pub struct Issuance {
    /// Daemon or client.
    pub role: Role,
    /// Whose.
    pub name: IdentityName,
    /// A daemon's names.
    pub hosts: Vec<SubjectAltName>,
    /// From when until when, cut to the CA's own validity.
    pub validity: Validity,
    /// The number of the generation that it becomes.
    pub generation: u32,
    /// Where its key comes from.
    pub key: KeySource,
}

/// Where the key of a certificate comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// We make it.
    New(KeyAlgorithm),
    /// That generation of the same identity has it.
    Kept {
        /// The number of the generation.
        generation: u32,
    },
    /// It stays where its owner made it; a request brought its public half.
    Requested(PublicKey),
}

/// How kitcert.yaml changes.
#[derive(Clone, Debug)]
pub enum InventoryStep {
    /// It is written for the first time.
    Write(Inventory),
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
    pub generation: u32,
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
    pub keys: Vec<KeyChange>,
}

/// A step as one row of a printed plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepSummary {
    /// What is done: `create`, `make`, `issue`, `write`, `edit`, `install`.
    pub step: &'static str,
    /// To what.
    pub subject: String,
    /// How.
    pub detail: String,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.is_empty() && self.placements.is_empty() && self.config.is_none()
    }

    /// The certificates that it issues.
    pub fn issuances(&self) -> impl Iterator<Item = &Issuance> {
        self.state.iter().filter_map(|step| match step {
            StateStep::Issue(issuance) => Some(issuance),
            _ => None,
        })
    }

    /// The daemon whose files it puts in place, if it does.
    #[must_use]
    pub fn placed_daemon(&self) -> Option<&IdentityName> {
        self.placements.iter().find(|step| step.role == Role::Daemon).map(|step| &step.name)
    }

    /// Its steps as rows, in the order in which they are done.
    #[must_use]
    pub fn summary(&self) -> Vec<StepSummary> {
        let state = self.state.iter().map(StateStep::summary);
        let placements = self.placements.iter().map(PlacementStep::summary);
        state.chain(placements).chain(self.config.iter().map(ConfigStep::summary)).collect()
    }
}

impl StateStep {
    fn summary(&self) -> StepSummary {
        match self {
            StateStep::Create(path) => StepSummary {
                step: "create",
                subject: path.display().to_string(),
                detail: "mode 0700".to_owned(),
            },
            StateStep::MakeAuthority { name, algorithm, validity } => StepSummary {
                step: "make",
                subject: format!("CA {name}"),
                detail: format!("{algorithm}, until {}", validity.not_after.date()),
            },
            StateStep::Issue(issuance) => issuance.summary(),
            StateStep::Inventory(InventoryStep::Write(_)) => {
                StepSummary { step: "write", subject: "kitcert.yaml".to_owned(), detail: String::new() }
            }
            StateStep::Inventory(InventoryStep::Edit(changes)) => StepSummary {
                step: "edit",
                subject: "kitcert.yaml".to_owned(),
                detail: changes.iter().map(describe).collect::<Vec<_>>().join("; "),
            },
        }
    }
}

impl Issuance {
    fn summary(&self) -> StepSummary {
        let names = match self.role {
            Role::Daemon => self.hosts.iter().map(SubjectAltName::to_string).collect::<Vec<_>>().join(", "),
            Role::Client => self.name.client_dns_name().to_string(),
        };
        let key = match &self.key {
            KeySource::New(algorithm) => format!("a new {algorithm} key"),
            KeySource::Kept { generation } => format!("the key of gen-{generation:04}"),
            KeySource::Requested(key) => format!("the request's {} key", key.kind()),
        };
        StepSummary {
            step: "issue",
            subject: format!("{} {}", self.role, self.name),
            detail: format!(
                "gen-{:04}, {key}, until {}, for {names}",
                self.generation,
                self.validity.not_after.date()
            ),
        }
    }
}

impl PlacementStep {
    fn summary(&self) -> StepSummary {
        let links = self.links.iter().map(|link| link.display().to_string()).collect::<Vec<_>>().join(" ");
        StepSummary {
            step: "install",
            subject: format!("{} {}", self.role, self.name),
            detail: format!("{links} -> {}/gen-{:04}, key 0600", self.folder.display(), self.generation),
        }
    }
}

impl ConfigStep {
    fn summary(&self) -> StepSummary {
        StepSummary {
            step: if self.before.is_some() { "edit" } else { "write" },
            subject: self.path.display().to_string(),
            detail: self
                .keys
                .iter()
                .map(|change| format!("{}: {}", change.key, change.to))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

fn describe(change: &InventoryChange) -> String {
    match change {
        InventoryChange::AddDaemon(name, _) => format!("add daemon {name}"),
        InventoryChange::AddClients(clients) => match clients.as_slice() {
            [(name, _)] => format!("add client {name}"),
            clients => format!("add {} clients", clients.len()),
        },
        InventoryChange::SetInstall(name, _) => format!("say where daemon {name} is installed"),
    }
}
