//! `invite`: a kit with the client's key in it, for somebody who cannot make one.

use super::exclusions::is_key_revoked;
use super::issuance::{is_due, next_generation, validity};
use super::issue::{new_client, refuse_other_lifetime};
use super::kit::KitRequest;
use super::revoke::refuse_revoked;
use super::rollover::Rollover;
use super::signing::signing;
use super::steps::{
    Handover, HandoverStep, InventoryStep, Issuance, KeyRemoval, KeySource, Plan, Reason, StateStep,
};
use crate::layout::{ClientEntry, InventoryChange};
use crate::model::{Contact, Failure, IdentityName, Lifetime, Role, Timestamp};
use crate::pki::PublicKey;
use crate::store::{KeyPresence, Observation, ObservedGeneration, ObservedIdentity};

/// What `invite` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct InviteRequest {
    /// The client.
    pub name: IdentityName,
    /// How long its certificate lives, where it is issued now.
    pub lifetime: Option<Lifetime>,
    /// The kit.
    pub kit: KitRequest,
    /// Who asks, whom the kit names where kitcert.yaml names nobody.
    pub user: Contact,
}

/// Plans `invite`. A key that is here goes into the kit and is removed; its certificate is renewed
/// where it is due. Where none is here, `fresh` is certified: the key of a client that was invited
/// before is with that client, or lost.
///
/// # Errors
/// No CA that can issue, several daemons of which none is named, another lifetime than is listed, one of
/// more than half the CA's.
pub(crate) fn invite(
    request: &InviteRequest,
    fresh: &PublicKey,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let InviteRequest { name, lifetime, kit, user } = request;
    let listed = observation.inventory.clients.get(name);
    let entry = match listed {
        Some(entry) => {
            refuse_other_lifetime(name, *lifetime, entry, observation)?;
            entry.clone()
        }
        None => new_client(*lifetime, observation)?,
    };
    refuse_revoked("issuing a certificate for client", name, None, observation)?;
    let current = observation.current(Role::Client, name);
    let is_good = |current: &&ObservedGeneration| {
        let key = current.leaf().public_key().fingerprint();
        current.key == KeyPresence::Present && !is_key_revoked(&key, observation)
    };
    let own_key = current.filter(is_good);
    let issue = |key: KeySource| {
        let rollover = Rollover::of(observation, now)?;
        let signing = signing(rollover.as_ref(), observation, Role::Client, name, now)?;
        Ok::<_, Failure>(StateStep::Issue(Issuance {
            role: Role::Client,
            name: name.clone(),
            hosts: Vec::new(),
            validity: validity(observation, &signing, entry.lifetime, now),
            generation: next_generation(observation, Role::Client, name),
            key,
            reason: Reason::Asked,
            signing,
        }))
    };
    let mut state = Vec::new();
    match own_key {
        Some(current) if is_due(observation, Role::Client, name, current, now) => {
            state.push(issue(KeySource::Kept { generation: current.number })?);
        }
        Some(_) => {}
        None => state.push(issue(KeySource::Requested(fresh.clone()))?),
    }
    if listed.is_none() {
        let entry = ClientEntry { endpoint: kit.endpoint_to_remember(name, observation), ..entry };
        let change = InventoryChange::AddClients(vec![(name.clone(), entry)]);
        state.push(StateStep::Inventory(InventoryStep::Edit(vec![change])));
    }
    state.extend(kit.endpoint_step(name, observation));
    if observation.clients.get(name).is_some_and(ObservedIdentity::is_retired) {
        state.push(StateStep::WaitAgain(name.clone()));
    }
    let terms = kit.terms(name, observation, user, now)?;
    state.extend(terms.use_steps(observation));
    let last_generation = next_generation(observation, Role::Client, name);
    let removals = own_key.map(|_| KeyRemoval { name: name.clone(), last_generation });
    Ok(Plan {
        state,
        handover: Some(HandoverStep { path: kit.path.clone(), content: Handover::KitWithKey(terms) }),
        removals: removals.into_iter().collect(),
        ..Plan::default()
    })
}
