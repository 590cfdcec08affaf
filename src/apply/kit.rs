//! Kits, made: signed by every CA of the state whose key is at hand.

use std::path::PathBuf;

use super::authorities::{authority_of, read_key};
use super::change::line;
use super::change::{Done, change_existing};
use super::hand_over::{HandedOver, hand_over, refuse_unwritable_place};
use super::invocation::{Invocation, PATIENCE};
use super::kit_contents::said;
use crate::layout::state_paths;
use crate::message;
use crate::model::{Failure, Finding, Role};
use crate::pki::{Certificate, CertificateAuthority, Kit, KitContents, Passphrase, PrivateKey};
use crate::plan::{self, Handover, InviteRequest, KeyRemoval, KitTerms};
use crate::store::{Interest, KeyPresence, LogEvent, Observation, Privacy, StateDirectory};

/// A kit that was written, and what its client has to be told by another way.
#[derive(Debug)]
pub struct MadeKit {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub terms: KitTerms,
    /// The CA whose fingerprint the client is to be told.
    pub authority: Certificate,
    /// What will keep the client from its daemon all the same.
    pub findings: Vec<Finding>,
}

/// An invitation.
pub(crate) struct Invitation {
    /// What was done, or would be.
    pub done: Done,
    /// The kit; None for a plan that was not carried out.
    pub kit: Option<MadeKit>,
    /// What opens it; it is kept nowhere.
    pub passphrase: Passphrase,
    /// What is to be removed here once somebody has the passphrase.
    pub copies: KeyCopies,
}

/// The copies of a client's key that its kit replaces: they go when the passphrase of that kit has been
/// told, and not before, since nobody could open the kit without it.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct KeyCopies(Vec<KeyRemoval>);

impl KeyCopies {
    /// Whether there are none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes them.
    ///
    /// # Errors
    /// No state, one that is busy or cannot be changed: the key is still there.
    pub(crate) fn remove(&self, invocation: &Invocation<'_>) -> Result<(), Failure> {
        self.0.iter().try_for_each(|removal| remove_key(invocation, removal))
    }
}

/// Makes a kit with a client's key in it, under a new passphrase. The key here is removed afterwards,
/// by [`KeyCopies::remove`].
///
/// The kit is on disk, and its passphrase told, before the key is removed: whatever interrupts this, the
/// client's key can still be had, or was never used, and the same command again makes another kit.
///
/// # Errors
/// What [`plan::invite`] refuses, a file in the way, no state, a state that is busy.
pub(crate) fn invite(invocation: &Invocation<'_>, request: &InviteRequest) -> Result<Invitation, Failure> {
    let interest = Interest::Identities(vec![(Role::Client, request.name.clone())]);
    let (_, observation) = invocation.observe(&interest)?;
    let fresh = PrivateKey::generate(observation.inventory.leaf_key())?;
    HandedOver::KitWithKey(&request.name).refuse_foreign(&request.kit.path)?;
    refuse_unwritable_place(invocation, &request.kit.path)?;
    let now = invocation.environment.now();
    let done = change_existing(invocation, &interest, &|observation| {
        plan::invite(request, fresh.public_key(), observation, now)
    })?;
    let passphrase = Passphrase::generate()?;
    let Some(step) = done.plan.handover.as_ref().filter(|_| invocation.acts()) else {
        return Ok(Invitation { done, kit: None, passphrase, copies: KeyCopies::default() });
    };
    let Handover::KitWithKey(terms) = &step.content else {
        return Ok(Invitation { done, kit: None, passphrase, copies: KeyCopies::default() });
    };
    let (_, observation) = invocation.observe(&interest)?;
    let folder = state_paths::identity_folder(Role::Client, &terms.name);
    let current = observation.current(Role::Client, &terms.name);
    let sealed = current.map(|current| current.number);
    let key = match current.map(|current| current.key) {
        Some(KeyPresence::Present) => read_key(&invocation.state, &folder.join("current/key.pem"))?,
        _ => fresh,
    };
    let (contents, authorities) = contents(invocation, &observation, terms)?;
    let authority = issuer(&contents, &authorities)?;
    let kit = Kit::seal(contents, &authorities, &key, &passphrase)?;
    hand_over(
        invocation,
        &step.path,
        HandedOver::KitWithKey(&terms.name),
        kit.to_text().as_bytes(),
        Privacy::Private,
    )?;
    let findings = terms.findings(&observation.inventory);
    let kit = MadeKit { path: step.path.clone(), terms: terms.clone(), authority, findings };
    // Whoever gave the client another key meanwhile has made another generation, which no kit has.
    let of_kit = |removal: &KeyRemoval| {
        let last_generation =
            sealed.map_or(removal.last_generation, |sealed| sealed.min(removal.last_generation));
        KeyRemoval { last_generation, ..removal.clone() }
    };
    let copies = KeyCopies(done.plan.removals.iter().map(of_kit).collect());
    Ok(Invitation { done, kit: Some(kit), passphrase, copies })
}

/// Writes the kit without secrets that a plan hands over; None where it has none, or is not
/// carried out.
pub(super) fn write_kit(invocation: &Invocation<'_>, plan: &plan::Plan) -> Result<Option<MadeKit>, Failure> {
    let Some(step) = plan.handover.as_ref().filter(|_| invocation.acts()) else { return Ok(None) };
    let Handover::Kit(terms) = &step.content else { return Ok(None) };
    let (_, observation) =
        invocation.observe(&Interest::Identities(vec![(Role::Client, terms.name.clone())]))?;
    let (contents, authorities) = contents(invocation, &observation, terms)?;
    let authority = issuer(&contents, &authorities)?;
    let kit = Kit::sign(contents, &authorities)?;
    hand_over(
        invocation,
        &step.path,
        HandedOver::Kit(&terms.name),
        kit.to_text().as_bytes(),
        Privacy::Public,
    )?;
    let findings = terms.findings(&observation.inventory);
    Ok(Some(MadeKit { path: step.path.clone(), terms: terms.clone(), authority, findings }))
}

/// What a kit of a client's current certificate says, and the CAs that sign it.
fn contents(
    invocation: &Invocation<'_>,
    observation: &Observation,
    terms: &KitTerms,
) -> Result<(KitContents, Vec<CertificateAuthority>), Failure> {
    let failure = || Failure::new("making a kit for client", &terms.name);
    let current = observation
        .current(Role::Client, &terms.name)
        .ok_or_else(|| failure().expected("a certificate").found("none"))?;
    let trust = current.trust.certificates().to_vec();
    let now = invocation.environment.now();
    let at_hand = observation.authorities.iter().filter(|authority| {
        authority.key == KeyPresence::Present
            && authority.certificate.validity().contains(now)
            && trust.contains(&authority.certificate)
    });
    let authorities =
        at_hand.map(|authority| authority_of(invocation, authority)).collect::<Result<Vec<_>, _>>()?;
    if authorities.is_empty() {
        return Err(failure().expected("a CA that it trusts, with its key at hand").found("none"));
    }
    Ok((said(terms, current.chain.clone(), trust), authorities))
}

/// The CA that issued the certificate of a kit, whose fingerprint its client is told.
fn issuer(contents: &KitContents, authorities: &[CertificateAuthority]) -> Result<Certificate, Failure> {
    let certificates = || authorities.iter().map(CertificateAuthority::certificate);
    let leaf = contents.leaf();
    let issuer = certificates().find(|one| leaf.is_signed_by(one.public_key())).or(certificates().next());
    issuer.cloned().ok_or_else(|| {
        Failure::new("making a kit for client", &contents.name).expected("a CA that signs it").found("none")
    })
}

/// Removes the plaintext copies of a client's key from the state.
fn remove_key(invocation: &Invocation<'_>, removal: &KeyRemoval) -> Result<(), Failure> {
    let directory = StateDirectory::find(&invocation.state)?.ok_or_else(|| invocation.no_state())?;
    let lock = directory.lock(invocation.command, PATIENCE)?;
    let staged = lock.stage()?;
    let folder = state_paths::identity_folder(Role::Client, &removal.name);
    for generation in removal.last_generation.and_before() {
        let key = folder.join(generation.to_string()).join("key.pem");
        if directory.mode_and_group(&key)?.is_some() {
            staged.remove(&key)?;
        }
    }
    let reason = message!("the client has it from its kit");
    staged.record(&line(invocation, LogEvent::KeyRemoved, message!("client {}", removal.name), reason))?;
    staged.commit()
}
