//! A plan in words, a row a step.

use serde::Serialize;

use super::step::{
    AuthorityChoice, ConfigStep, Handover, HandoverStep, InventoryStep, Issuance, KeyRemoval, KeySource,
    KitTerms, PlacementStep, Plan, StateStep,
};
use crate::layout::InventoryChange;
use crate::model::{Role, SubjectAltName};

/// A step as one row of a printed plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepSummary {
    /// What is done: `create`, `make`, `issue`, `write`, `edit`, `install`, `remove`.
    pub step: &'static str,
    /// To what.
    pub subject: String,
    /// How.
    pub detail: String,
}

impl Plan {
    /// Its steps as rows, in the order in which they are done.
    #[must_use]
    pub fn summary(&self) -> Vec<StepSummary> {
        let state = self.state.iter().map(StateStep::summary);
        let placements = self.placements.iter().map(PlacementStep::summary);
        let config = self.config.iter().map(ConfigStep::summary);
        let handover = self.handover.iter().map(HandoverStep::summary);
        let removals = self.removals.iter().map(KeyRemoval::summary);
        state.chain(placements).chain(config).chain(handover).chain(removals).collect()
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
            StateStep::Request { name, algorithm, generation } => StepSummary {
                step: "make",
                subject: format!("request {name}"),
                detail: format!("gen-{generation:04}, a new {algorithm} key that stays here"),
            },
            StateStep::Restore { role, name, generation } => StepSummary {
                step: "restore",
                subject: format!("{role} {name}"),
                detail: format!("gen-{generation:04}"),
            },
            StateStep::Prune { role, name, generation } => StepSummary {
                step: "remove",
                subject: format!("{role} {name}"),
                detail: format!("gen-{generation:04}, which nothing needs any more"),
            },
            StateStep::RemoveIssued(serial) => StepSummary {
                step: "remove",
                subject: format!("issued/{serial}.pem"),
                detail: "it has expired".to_owned(),
            },
            StateStep::DestroyKey(identifier) => StepSummary {
                step: "remove",
                subject: format!("ca/{identifier}/key.pem"),
                detail: "nothing is signed by it any more".to_owned(),
            },
            StateStep::Receive { name, generation } => StepSummary {
                step: "note",
                subject: format!("client {name}"),
                detail: format!("it has gen-{generation:04}"),
            },
            StateStep::LeaveBehind(name) => StepSummary {
                step: "note",
                subject: format!("client {name}"),
                detail: "the rollover leaves it behind".to_owned(),
            },
            StateStep::Aim(choice) => StepSummary {
                step: "move",
                subject: "everything".to_owned(),
                detail: format!("to {choice}, step by step"),
            },
            StateStep::Rebundle { name, generation, trust, .. } => StepSummary {
                step: "trust",
                subject: format!("daemon {name}"),
                detail: format!("gen-{generation:04}, {}", names_of(trust)),
            },
            StateStep::Kit(terms) => StepSummary {
                step: "write",
                subject: format!("kits/{}.kit", terms.name),
                detail: terms.summary(),
            },
        }
    }
}

impl KitTerms {
    fn summary(&self) -> String {
        format!("for {}, to be joined before {}", self.endpoint, self.join_before)
    }
}

impl HandoverStep {
    fn summary(&self) -> StepSummary {
        let detail = match &self.content {
            Handover::Request(name) => format!("the request of {name}"),
            Handover::Kit(terms) => format!("a kit without secrets {}", terms.summary()),
            Handover::KitWithKey(terms) => {
                format!("a kit with the key, under a new passphrase, {}", terms.summary())
            }
        };
        StepSummary { step: "write", subject: self.path.display().to_string(), detail }
    }
}

impl KeyRemoval {
    fn summary(&self) -> StepSummary {
        StepSummary {
            step: "remove",
            subject: format!("clients/{}/*/key.pem", self.name),
            detail: "the client has it from the kit".to_owned(),
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
            KeySource::Requested(key) => format!("an {} key that is not kept here", key.kind()),
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
        InventoryChange::AddInstalled(role, name, folder) => {
            format!("say that {role} {name} is installed in {}", folder.display())
        }
        InventoryChange::SetEndpoint(name, endpoint) => format!("say that client {name} uses {endpoint}"),
    }
}

fn names_of(authorities: &[AuthorityChoice]) -> String {
    authorities.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
