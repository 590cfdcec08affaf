//! What `init` takes over that others have made: a CA with its key, or a running daemon and whom it trusts.
//!
//! With the key of the CA that has issued the daemon's certificate everything goes on. Without it that CA is
//! what a rollover moves away from: daemons trust it until a person says that everybody has moved, or until it
//! ends. Whatever else the daemon trusts stays trusted for the sake of clients that have certificates of it.

use super::steps::{AuthorityChoice, StateStep};
use crate::layout::OwnerName;
use crate::model::{AuthorityId, IdentityName};
use crate::pki::Certificate;
use crate::store::RolloverKind;

/// A CA that was made elsewhere, whose key is at hand.
#[derive(Clone, Debug)]
pub struct ImportedAuthority {
    /// Its certificate, as daemons and clients are to trust it.
    pub certificate: Certificate,
    /// What leads from it to the CA that has certified it.
    pub chain: Vec<Certificate>,
}

/// A daemon that was set up by others.
#[derive(Clone, Debug)]
pub struct AdoptedDaemon {
    /// Its certificate, leaf first.
    pub chain: Vec<Certificate>,
    /// The CAs that it trusts and whose keys are elsewhere, the one first that has issued its certificate.
    pub anchors: Vec<AdoptedAnchor>,
    /// Whether it was seen to serve that certificate.
    pub worked: bool,
    /// Whose its files are; None if they are of the user who takes them over.
    pub owner: Option<OwnerName>,
}

/// A CA that an adopted daemon trusts.
#[derive(Clone, Debug)]
pub struct AdoptedAnchor {
    /// What it is called here.
    pub id: AuthorityId,
    /// Its certificate.
    pub certificate: Certificate,
    /// Whether it has not issued what the daemon serves.
    pub clients_only: bool,
}

impl AdoptedDaemon {
    /// The CAs of its own certificate: those that everything is moved away from.
    pub fn issuers(&self) -> impl Iterator<Item = &AdoptedAnchor> {
        self.anchors.iter().filter(|anchor| !anchor.clients_only)
    }

    /// The steps that take it over, of a state in which a CA is made or imported before.
    pub(super) fn steps(&self, name: &IdentityName) -> Vec<StateStep> {
        let mut steps: Vec<StateStep> = self
            .anchors
            .iter()
            .map(|anchor| StateStep::AdoptAuthority {
                id: anchor.id.clone(),
                certificate: anchor.certificate.clone(),
                clients_only: anchor.clients_only,
            })
            .collect();
        steps.push(StateStep::Adopt { name: name.clone(), chain: self.chain.clone(), worked: self.worked });
        let from: Vec<AuthorityId> = self.issuers().map(|anchor| anchor.id.clone()).collect();
        if !from.is_empty() {
            let kind = RolloverKind::Ordinary;
            steps.push(StateStep::BeginRollover { kind, from, to: AuthorityChoice::Made });
        }
        steps
    }
}
