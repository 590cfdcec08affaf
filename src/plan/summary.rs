//! A plan in words, a row a step.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::exclusions::whom;
use super::steps::{
    AuthorityChoice, ConfigStep, Handover, HandoverStep, InventoryStep, Issuance, KeyRemoval, KeySource,
    KitTerms, PlacementStep, Plan, StateStep,
};
use crate::layout::InventoryChange;
use crate::message;
use crate::model::{AuthorityId, Generation, Message, Printable, Role};
use crate::store::RolloverKind;

/// A step as one row of a printed plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StepSummary {
    /// What is done: `create`, `make`, `issue`, `write`, `edit`, `install`, `remove`.
    pub step: &'static str,
    /// To what.
    pub subject: Message,
    /// How.
    pub detail: Message,
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
            StateStep::Create(path) => {
                StepSummary { step: "create", subject: path.message(), detail: message!("mode 0700") }
            }
            StateStep::MakeAuthority { name, algorithm, validity } => StepSummary {
                step: "make",
                subject: message!("CA {}", name),
                detail: message!("{}, until {}", algorithm, validity.not_after.date()),
            },
            StateStep::ComeAfter(commit) => StepSummary {
                step: "note",
                subject: message!("state.json"),
                detail: message!("continues after change {}", commit),
            },
            StateStep::TakeInAuthority(certificate) => StepSummary {
                step: "take in",
                subject: certificate.subject().message(),
                detail: message!("the certificate of a CA that a daemon trusts, without its key"),
            },
            StateStep::TakeInLeaf(name, leaf) => StepSummary {
                step: "take in",
                subject: message!("issued/{}.pem", leaf.serial()),
                detail: message!("the certificate that daemon {} serves", name),
            },
            StateStep::TakeIn { name, generation, .. } => StepSummary {
                step: "take in",
                subject: message!("daemon {}", name),
                detail: message!("{}, as it is installed", generation),
            },
            StateStep::KnowInstalled { name, generation, .. } => StepSummary {
                step: "note",
                subject: message!("daemon {}", name),
                detail: message!("what is installed is {} of another copy, and may be replaced", generation),
            },
            StateStep::ImportAuthority { certificate, .. } => StepSummary {
                step: "take in",
                subject: message!("CA {}", certificate.authority_id().short()),
                detail: message!(
                    "{}, with its key, until {}",
                    certificate.subject(),
                    certificate.validity().not_after.date()
                ),
            },
            StateStep::AdoptAuthority { id, certificate, clients_only } => StepSummary {
                step: "take in",
                subject: message!("CA {}", id.short()),
                detail: match clients_only {
                    true => message!("{}, which stays trusted for its clients", certificate.subject()),
                    false => message!("{}, without its key", certificate.subject()),
                },
            },
            StateStep::Adopt { name, chain, .. } => StepSummary {
                step: "take over",
                subject: message!("daemon {}", name),
                detail: match chain.first() {
                    Some(leaf) => message!(
                        "{}, as it is, until {}",
                        Generation::after(None),
                        leaf.validity().not_after.date()
                    ),
                    None => Message::default(),
                },
            },
            StateStep::DropAuthority(id) => StepSummary {
                step: "note",
                subject: message!("CA {}", id.short()),
                detail: message!("no daemon is to trust it any more"),
            },
            StateStep::KnowAsAuthority(id) => StepSummary {
                step: "note",
                subject: message!("CA {}", id.short()),
                detail: message!("it has issued certificates"),
            },
            StateStep::TrustAgain(id) => StepSummary {
                step: "note",
                subject: message!("CA {}", id.short()),
                detail: message!("daemons are to trust it again"),
            },
            StateStep::Open(id, until) => StepSummary {
                step: "note",
                subject: message!("CA {}", id.short()),
                detail: message!("others may have certificates of it until {}", until.date()),
            },
            StateStep::Issue(issuance) => issuance.summary(),
            StateStep::Inventory(InventoryStep::Write(_)) => {
                StepSummary { step: "write", subject: message!("kitcert.yaml"), detail: Message::default() }
            }
            StateStep::Inventory(InventoryStep::Edit(changes)) => StepSummary {
                step: "edit",
                subject: message!("kitcert.yaml"),
                detail: Message::join(changes.iter().map(describe), "; "),
            },
            StateStep::Request { name, algorithm, generation } => StepSummary {
                step: "make",
                subject: message!("request {}", name),
                detail: message!("{}, a new {} key that stays here", generation, algorithm),
            },
            StateStep::Prune { role, name, generation } => StepSummary {
                step: "remove",
                subject: message!("{} {}", role, name),
                detail: message!("{}, no longer needed", generation),
            },
            StateStep::RemoveIssued(serial) => StepSummary {
                step: "remove",
                subject: message!("issued/{}.pem", serial),
                detail: message!("it has expired"),
            },
            StateStep::DestroyKey(id) => StepSummary {
                step: "remove",
                subject: message!("ca/{}/key.pem", id),
                detail: message!("it signs nothing any more"),
            },
            StateStep::Hold { name, held, .. } => StepSummary {
                step: "note",
                subject: message!("client {}", name),
                detail: message!("it has {}", held.generation),
            },
            StateStep::Use(name, used) => StepSummary {
                step: "note",
                subject: message!("client {}", name),
                detail: message!("it uses daemon {} at {}", used.daemon, used.host),
            },
            StateStep::UseAny(name) => StepSummary {
                step: "note",
                subject: message!("client {}", name),
                detail: message!("it may use every daemon"),
            },
            StateStep::Distrust(id) => StepSummary {
                step: "note",
                subject: message!("CA {}", id.short()),
                detail: message!("somebody else has its key"),
            },
            StateStep::WaitAgain(name) => StepSummary {
                step: "note",
                subject: message!("client {}", name),
                detail: message!("renewed and waited for again"),
            },
            StateStep::Retire(role, name) => StepSummary {
                step: "note",
                subject: message!("{} {}", role, name),
                detail: message!("no longer renewed or waited for"),
            },
            StateStep::BeginRollover { kind, from, to } => StepSummary {
                step: "move",
                subject: message!("everything"),
                detail: match kind {
                    RolloverKind::Compromised => message!("from {} to {}, at once", cas(from), to),
                    _ => message!("from {} to {}, step by step", cas(from), to),
                },
            },
            StateStep::ChangeRollover(rollover) => StepSummary {
                step: "move",
                subject: message!("everything"),
                detail: match (rollover.skipped.is_empty(), rollover.finished.is_empty()) {
                    (true, true) => message!("from {} to CA {}", cas(&rollover.from), rollover.to.short()),
                    _ => message!(
                        "to CA {}, without waiting for {}",
                        rollover.to.short(),
                        Message::join(
                            rollover
                                .skipped
                                .iter()
                                .map(Printable::message)
                                .chain(rollover.finished.iter().map(|id| message!("CA {}", id.short()))),
                            ", "
                        )
                    ),
                },
            },
            StateStep::ChangeRevocations(record) => StepSummary {
                step: "note",
                subject: message!("revocations.json"),
                detail: match Message::few(record.standing().map(whom), ", ") {
                    none if none.is_empty() => message!("nobody is revoked"),
                    who => message!("revoked: {}", who),
                },
            },
            StateStep::NoteSeen(daemon, seen) => StepSummary {
                step: "note",
                subject: message!("daemon {}", daemon),
                detail: message!("what you have seen of client {}, with {}", seen.client, seen.generation),
            },
            StateStep::ForgetSeen(daemon, client) => StepSummary {
                step: "note",
                subject: message!("daemon {}", daemon),
                detail: message!("what was seen of client {} before counts no more", client),
            },
            StateStep::NoteAccess(name, _) => StepSummary {
                step: "note",
                subject: message!("daemon {}", name),
                detail: message!("whether it has taken up whom it is to refuse"),
            },
            StateStep::WithdrawKit(name) => StepSummary {
                step: "remove",
                subject: message!("kits/{}.kit", name),
                detail: message!("it is not handed over any more"),
            },
            StateStep::PutBackKit(name) => StepSummary {
                step: "write",
                subject: message!("kits/{}.kit", name),
                detail: message!("it waits to be handed over again"),
            },
            StateStep::EndRollover(previous) => StepSummary {
                step: "end",
                subject: message!("the rollover"),
                detail: message!("nothing trusts {} any more", cas(previous)),
            },
            StateStep::Rebundle { role, name, from, generation, trust, .. } => StepSummary {
                step: "trust",
                subject: message!("{} {}", role, name),
                detail: message!("{}, {}, with the certificate of {}", generation, names_of(trust), from),
            },
            StateStep::Kit(terms) => StepSummary {
                step: "write",
                subject: message!("kits/{}.kit", terms.name),
                detail: terms.summary(),
            },
        }
    }
}

impl KitTerms {
    fn summary(&self) -> Message {
        message!("for {}, to be joined before {}", self.endpoint, self.join_before)
    }
}

impl HandoverStep {
    fn summary(&self) -> StepSummary {
        let detail = match &self.content {
            Handover::Request(name) => message!("the request of {}", name),
            Handover::Kit(terms) => message!("a kit without a key, {}", terms.summary()),
            Handover::KitWithKey(terms) => {
                message!("a kit with the key, under a new passphrase, {}", terms.summary())
            }
        };
        StepSummary { step: "write", subject: self.path.message(), detail }
    }
}

impl KeyRemoval {
    fn summary(&self) -> StepSummary {
        StepSummary {
            step: "remove",
            subject: message!("clients/{}/*/key.pem", self.name),
            detail: message!("the client has it from the kit"),
        }
    }
}

impl Issuance {
    fn summary(&self) -> StepSummary {
        let names = match self.role {
            Role::Daemon => Message::join(&self.hosts, ", "),
            Role::Client => self.name.client_dns_name().message(),
        };
        let key = match &self.key {
            KeySource::New(algorithm) => message!("a new {} key", algorithm),
            KeySource::Kept { generation } => message!("the key of {}", generation),
            KeySource::Requested(key) => message!("an {} key that is not kept here", key.kind()),
        };
        StepSummary {
            step: "issue",
            subject: message!("{} {}", self.role, self.name),
            detail: message!(
                "{}, {}, until {}, for {}",
                self.generation,
                key,
                self.validity.not_after.date(),
                names
            ),
        }
    }
}

impl PlacementStep {
    fn summary(&self) -> StepSummary {
        let links = Message::join(&self.links, " ");
        StepSummary {
            step: "install",
            subject: message!("{} {}", self.role, self.name),
            detail: message!("{} -> {}/{}, key 0600", links, self.folder.display(), self.generation),
        }
    }
}

impl ConfigStep {
    fn summary(&self) -> StepSummary {
        StepSummary {
            step: if self.before.is_some() { "edit" } else { "write" },
            subject: self.path.message(),
            detail: Message::join(
                self.keys.iter().map(|change| message!("{}: {}", change.key, Path::new(&change.to))),
                ", ",
            ),
        }
    }
}

fn describe(change: &InventoryChange) -> Message {
    match change {
        InventoryChange::AddDaemon(name, _) => message!("add daemon {}", name),
        InventoryChange::AddClients(clients) => match clients.as_slice() {
            [(name, _)] => message!("add client {}", name),
            clients => message!("add {} clients", clients.len()),
        },
        InventoryChange::SetInstall(name, _) => message!("say where daemon {} is installed", name),
        InventoryChange::AddInstalled(role, name, folder) => {
            message!("say that {} {} is installed in {}", role, name, folder.display())
        }
        InventoryChange::SetDefaultEndpoint(endpoint) => {
            message!("say that clients use {} unless they say otherwise", endpoint)
        }
        InventoryChange::SetEndpoint(name, endpoint) => {
            message!("say that client {} uses {}", name, endpoint)
        }
    }
}

fn cas(ids: &[AuthorityId]) -> Message {
    Message::join(ids.iter().map(|id| message!("CA {}", id.short())), " and ")
}

fn names_of(authorities: &[AuthorityChoice]) -> Message {
    Message::join(authorities, " and ")
}
