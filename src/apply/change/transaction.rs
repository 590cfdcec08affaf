//! The one way in which a state directory changes.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::path::Path;

use rayon::prelude::*;

use super::adopting::{adopt, adopt_authority, import_authority};
use super::kits::{move_kit, stage_kits};
use super::log_lines::{issued_line, line};
use super::old_copy::refuse_old_copy;
use super::records::Records;
use super::staging::{
    Issued, line_of, stage_authority, stage_expired, stage_identity, stage_other_trust, stage_request,
    stage_revocations, stage_rollover,
};
use super::supplies::Supplies;
use super::take_in::{take_in, take_in_authority, take_in_leaf};
use crate::apply::authorities::{Authorities, Issuing, authority_of, try_issuers};
use crate::apply::client_copies::read_client_copies;
use crate::apply::invocation::{Invocation, Mode, PATIENCE, Progress};
use crate::layout::state_paths::{self, INVENTORY, authority_folder, identity_folder};
use crate::layout::{GroupName, Inventory, edit_inventory};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, KeyAlgorithm, Printable, Role, Timestamp};
use crate::pki::{AuthorityRequest, Certificate, CertificateAuthority, PrivateKey};
use crate::plan::{self, AuthorityChoice, InventoryStep, Issuance, Plan, Reason, Signing, StateStep};
use crate::store::{
    AuthorityOrigin, AuthorityRecord, Interest, KeyReaders, LogEvent, LogLine, Observation, ObservedCopies,
    ObservedIdentity, OpenUntil, RolloverRecord, StagedChange, StateDirectory, StateLock, exists, observe,
};

/// What a command did, or would do.
#[derive(Debug)]
pub struct Done {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// The certificates that were issued.
    pub issued: Vec<Issued>,
}

/// Observes, plans, and carries the state steps of the plan out as one transaction.
///
/// The plan is made before anything is locked, so that a command with nothing to do writes
/// nothing at all; and again under the lock, since another command may have been there first.
///
/// # Errors
/// What the planner refuses; a state that is busy; a disk that is full. Nothing is changed then.
pub(in crate::apply) fn change_state(
    invocation: &Invocation<'_>,
    interest: &Interest,
    planner: &dyn Fn(Option<&Observation>) -> Result<Plan, Failure>,
) -> Result<Done, Failure> {
    change_state_with(invocation, interest, planner, &Supplies::default())
}

/// The same, with what was made elsewhere.
pub(in crate::apply) fn change_state_with(
    invocation: &Invocation<'_>,
    interest: &Interest,
    planner: &dyn Fn(Option<&Observation>) -> Result<Plan, Failure>,
    supplies: &Supplies,
) -> Result<Done, Failure> {
    change(invocation, interest, planner, (supplies, &BTreeSet::new()))
}

fn change(
    invocation: &Invocation<'_>,
    interest: &Interest,
    planner: &dyn Fn(Option<&Observation>) -> Result<Plan, Failure>,
    (supplies, lock_out): (&Supplies, &BTreeSet<IdentityName>),
) -> Result<Done, Failure> {
    let found = invocation.open()?;
    let observation =
        found.as_ref().map(|directory| invocation.observe_in(directory, interest)).transpose()?;
    let plan = planner(observation.as_ref())?;
    let now = invocation.environment.now();
    // Before the state is locked: they may lie on a disk that does not answer.
    let copies = observation.as_ref().filter(|one| plan::needs_holders(&plan, one)).map(read_client_copies);
    let copies = copies.unwrap_or_default();
    if let (Mode::DryRun, Some(directory)) = (invocation.mode, &found) {
        refuse_lock_out(directory, (observation.as_ref(), &copies), (&plan, lock_out), now)?;
    }
    if plan.state.is_empty() || invocation.mode == Mode::DryRun {
        return Ok(Done { plan, issued: Vec::new() });
    }
    if let Some(observation) = &observation {
        refuse_old_copy(invocation, observation)?;
    }
    try_issuers(invocation, observation.as_ref(), &plan)?;
    let directory = match found {
        Some(directory) => directory,
        None => StateDirectory::create(&invocation.state)?,
    };
    let lock = directory.lock(invocation.command, PATIENCE)?;
    let observation = StateDirectory::find(&invocation.state)?
        .map(|directory| observe(&directory, interest))
        .transpose()?;
    let plan = planner(observation.as_ref())?;
    if plan.state.is_empty() {
        return Ok(Done { plan, issued: Vec::new() });
    }
    refuse_lock_out(lock.state(), (observation.as_ref(), &copies), (&plan, lock_out), now)?;
    let issued = carry_out_with(invocation, &lock, (observation.as_ref(), supplies), &plan)?;
    Ok(Done { plan, issued })
}

/// Changes a state that must be there: none is ever made here.
pub(in crate::apply) fn change_existing(
    invocation: &Invocation<'_>,
    interest: &Interest,
    planner: &dyn Fn(&Observation) -> Result<Plan, Failure>,
) -> Result<Done, Failure> {
    change_existing_despite(invocation, interest, planner, &BTreeSet::new())
}

/// The same, whether or not it locks those clients out.
pub(in crate::apply) fn change_existing_despite(
    invocation: &Invocation<'_>,
    interest: &Interest,
    planner: &dyn Fn(&Observation) -> Result<Plan, Failure>,
    lock_out: &BTreeSet<IdentityName>,
) -> Result<Done, Failure> {
    let planner = |observation: Option<&Observation>| match observation {
        Some(observation) => planner(observation),
        None => Err(invocation.no_state()),
    };
    change(invocation, interest, &planner, (&Supplies::default(), lock_out))
}

/// Refuses a change that would lock a client out, whose copies on this machine were read before, but those that it
/// may lock out.
///
/// # Errors
/// Such a change: whom it locks out, and what would be changed.
pub(in crate::apply) fn refuse_lock_out(
    directory: &StateDirectory,
    (observation, copies): (Option<&Observation>, &BTreeMap<IdentityName, ObservedCopies>),
    (plan, allowed): (&Plan, &BTreeSet<IdentityName>),
    now: Timestamp,
) -> Result<(), Failure> {
    if !observation.is_some_and(|observation| plan::needs_holders(plan, observation)) {
        return Ok(());
    }
    let mut in_use = observe(directory, &Interest::InUse)?;
    in_use.note_copies(copies);
    let plan::Judgement { refused, .. } = plan::judge(plan, &in_use, allowed, now);
    let mut refused = refused.into_iter();
    let Some((role, name, mut found)) = refused.next() else { return Ok(()) };
    for (.., other) in refused {
        found.add(other);
    }
    let daemon = in_use.daemons.get(&name).filter(|_| role == Role::Daemon);
    let way_past = match daemon.is_some_and(ObservedIdentity::is_retired) {
        true => found.way_to_renew_again(&name),
        false => found.way_past(role, &name),
    };
    let way_past = way_past.unwrap_or(message!("{kitcert} status"));
    Err(Failure::new("changing", message!("{} {}", role, name))
        .found(message!("this would {}", found.effect()))
        .hint(way_past))
}

/// Carries the state steps of a plan out as one transaction.
pub(in crate::apply) fn carry_out(
    invocation: &Invocation<'_>,
    lock: &StateLock<'_>,
    observation: Option<&Observation>,
    plan: &Plan,
) -> Result<Vec<Issued>, Failure> {
    carry_out_with(invocation, lock, (observation, &Supplies::default()), plan)
}

fn carry_out_with(
    invocation: &Invocation<'_>,
    lock: &StateLock<'_>,
    (observation, supplies): (Option<&Observation>, &Supplies),
    plan: &Plan,
) -> Result<Vec<Issued>, Failure> {
    let staged = lock.stage()?;
    let mut authorities = Authorities::new(invocation, observation);
    let mut records = Records::new(observation);
    let now = invocation.environment.present();
    for step in &plan.state {
        match step {
            StateStep::Create(_) | StateStep::Issue(_) | StateStep::Kit(_) => {}
            StateStep::Prune { role, name, generation } => {
                staged.remove(&identity_folder(*role, name).join(generation.to_string()))?;
            }
            StateStep::RemoveIssued(serial) => staged.remove(&state_paths::issued(serial))?,
            StateStep::DestroyKey(id) => {
                staged.remove(&authority_folder(id).join("key.pem"))?;
                staged.record(&line(
                    invocation,
                    LogEvent::KeyDestroyed,
                    message!("ca {}", id),
                    message!("asked"),
                ))?;
            }
            StateStep::Hold { name, key, held, replaces } => {
                let current = observation.and_then(|one| one.current(Role::Client, name));
                if current.is_some_and(|current| current.number == held.generation) {
                    staged.remove(&state_paths::waiting_kit(name))?;
                }
                let record = records.client(name);
                record.keys.entry(*key).or_default().held = Some(held.clone());
                for replaced in replaces {
                    record.keys.entry(*replaced).or_default().replaced = Some(held.generation);
                }
                let reason = held.generation.message();
                staged.record(&line(invocation, LogEvent::Held, message!("client {}", name), reason))?;
            }
            StateStep::Use(name, used) => {
                records.client(name).uses.insert(used.clone());
            }
            StateStep::WaitAgain(name) => records.client(name).retired = None,
            StateStep::UseAny(name) => records.client(name).uses.clear(),
            StateStep::Distrust(id) => {
                records.authority(id).compromised.get_or_insert(invocation.environment.now());
            }
            StateStep::Retire(role, name) => {
                let now = Some(invocation.environment.now());
                match role {
                    Role::Client => records.client(name).retired = now,
                    Role::Daemon => records.daemon(name).retired = now,
                }
                let reason = message!("asked");
                staged.record(&line(invocation, LogEvent::Retired, message!("{} {}", role, name), reason))?;
            }
            StateStep::BeginRollover { kind, from, to } => {
                let now = invocation.environment.now();
                let record = RolloverRecord::new(*kind, from.clone(), authorities.id(to)?, now);
                stage_rollover(invocation, &staged, &record, to.message())?;
            }
            StateStep::ChangeRollover(record) => {
                let to = message!("CA {}", record.to.short());
                stage_rollover(invocation, &staged, record, to)?;
            }
            StateStep::ChangeRevocations(record) => {
                stage_revocations(invocation, &staged, observation, record)?;
            }
            StateStep::NoteSeen(daemon, seen) => records.daemon(daemon).access.note_seen(seen.clone()),
            StateStep::ForgetSeen(daemon, client) => records.daemon(daemon).access.forget(client),
            StateStep::NoteAccess(name, access) => records.daemon(name).access = access.clone(),
            StateStep::WithdrawKit(name) => {
                let (from, to) = (state_paths::waiting_kit(name), state_paths::withdrawn_kit(name));
                move_kit(invocation, &staged, from, to)?;
            }
            StateStep::PutBackKit(name) => {
                let (from, to) = (state_paths::withdrawn_kit(name), state_paths::waiting_kit(name));
                move_kit(invocation, &staged, from, to)?;
            }
            StateStep::EndRollover(previous) => {
                staged.remove(&RolloverRecord::path())?;
                for id in previous {
                    records.authority(id).retired = Some(invocation.environment.now());
                    let reason = message!("nothing trusts it any more");
                    staged.record(&line(invocation, LogEvent::Retired, message!("ca {}", id), reason))?;
                }
            }
            StateStep::DropAuthority(id) => {
                records.authority(id).retired = Some(invocation.environment.now());
                let reason = message!("asked, or revoked");
                staged.record(&line(invocation, LogEvent::Retired, message!("ca {}", id), reason))?;
            }
            StateStep::KnowAsAuthority(id) => records.authority(id).has_issued = true,
            StateStep::TrustAgain(id) => {
                records.authority(id).retired = None;
                let reason = message!("its revocation was taken back");
                staged.record(&line(invocation, LogEvent::TrustedAgain, message!("ca {}", id), reason))?;
            }
            StateStep::ImportAuthority { certificate, chain } => {
                let authority = supplies.authority(certificate)?;
                stage_expired(&staged, &authority, leaf_key(plan, observation), now)?;
                import_authority(invocation, &staged, (certificate, chain), supplies.authority_key()?)?;
                *records.authority(&certificate.authority_id()) =
                    AuthorityRecord::of_others(AuthorityOrigin::Imported, false);
                authorities.made = Some(authority);
                authorities.made_chain.clone_from(chain);
            }
            StateStep::AdoptAuthority { id, certificate, clients_only } => {
                adopt_authority(invocation, &staged, id, certificate)?;
                *records.authority(id) = AuthorityRecord::of_others(AuthorityOrigin::Adopted, *clients_only);
            }
            StateStep::Adopt { name, chain, worked } => {
                let generation = Generation::after(None);
                let adopted =
                    adopt(invocation, &staged, name, (generation, chain), supplies.files_of(name)?)?;
                let history = records.daemon(name);
                history.note_made(generation, adopted.sha256);
                history.adopted = Some(adopted);
                if *worked {
                    history.note_worked(generation, invocation.environment.present());
                }
            }
            StateStep::ComeAfter(commit) => staged.come_after(*commit),
            StateStep::TakeInAuthority(certificate) => take_in_authority(invocation, &staged, certificate)?,
            StateStep::TakeInLeaf(name, leaf) => {
                take_in_leaf(invocation, &staged, name, leaf)?;
                records.daemon(name).unknown_leaf = None;
            }
            StateStep::TakeIn { name, chain, generation, .. } => {
                let sha256 = take_in(invocation, &staged, observation, (name, *generation), chain)?;
                let history = records.daemon(name);
                history.note_made(*generation, sha256);
                history.take_over(*generation, invocation.environment.now());
            }
            StateStep::KnowInstalled { name, generation, sha256 } => {
                records.daemon(name).note_made(*generation, *sha256);
            }
            StateStep::Open(id, until) => {
                let record = records.authority(id);
                record.open_until = record.open_until.max(OpenUntil::Time(*until));
                let reason = message!("until {}", until);
                staged.record(&line(invocation, LogEvent::Opened, message!("ca {}", id), reason))?;
            }
            StateStep::Rebundle { role, name, from, generation, trust, .. } => {
                let identity = (*role, name);
                let sha256 = stage_other_trust(
                    invocation,
                    &staged,
                    &authorities,
                    identity,
                    (*from, *generation),
                    trust,
                )?;
                if *role == Role::Daemon {
                    records.daemon(name).note_made(*generation, sha256);
                }
            }
            StateStep::Request { name, algorithm, generation } => {
                stage_request(invocation, &staged, name, *algorithm, *generation)?;
            }
            StateStep::MakeAuthority { name, algorithm, validity } => {
                let key = PrivateKey::generate(*algorithm)?;
                let request = AuthorityRequest { name: name.clone(), validity: *validity };
                let authority = CertificateAuthority::create(&request, &key)?;
                let policy = observation.map(|observation| &observation.inventory.authority);
                let readers = KeyReaders::named(
                    policy.and_then(|policy| policy.key_group.as_ref()).map(GroupName::as_str),
                )?;
                stage_authority(&staged, &authority, (&key, readers))?;
                stage_expired(&staged, &authority, leaf_key(plan, observation), now)?;
                staged.record(&authority_line(invocation, authority.certificate()))?;
                authorities.made = Some(authority);
            }
            StateStep::Inventory(InventoryStep::Write(inventory)) => {
                // One that says nothing is written over.
                let before = observation.filter(|_| exists(&invocation.state.join(INVENTORY)));
                let before = before.map(|one| one.inventory_text.as_slice());
                staged.edit(Path::new(INVENTORY), before, inventory.render().as_bytes())?;
            }
            StateStep::Inventory(InventoryStep::Edit(changes)) => {
                let text = observation.map(|observation| observation.inventory_text.as_slice());
                let path = invocation.state.join(INVENTORY);
                let edited = edit_inventory(text.unwrap_or_default(), &path, changes)?;
                staged.edit(Path::new(INVENTORY), text, &edited)?;
            }
        }
    }
    let issuances: Vec<&Issuance> = plan.issuances().collect();
    issuances.iter().for_each(|one| records.take_back_retirement(one.role, &one.name));
    let mut issued = Vec::new();
    if !issuances.is_empty() {
        issued = issue_all(invocation, &staged, &authorities, &issuances)?;
        keep_expired_of_issuers(invocation, &staged, &authorities, (plan, observation))?;
        stage_kits(&staged, (plan, observation), &issued, &authorities)?;
    }
    for one in &issued {
        if let Some(sha256) = one.sha256 {
            records.daemon(&one.name).note_made(one.generation, sha256);
        }
    }
    issued.iter().try_for_each(|issued| staged.record(&line_of(invocation, issued)))?;
    records.stage(&staged)?;
    (invocation.progress)(Progress::Committing);
    staged.commit()?;
    Ok(issued)
}

fn issue_all(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    authorities: &Authorities<'_>,
    issuances: &[&Issuance],
) -> Result<Vec<Issued>, Failure> {
    (invocation.progress)(Progress::Issuing(issuances.len() as u64));
    let mut issuing: BTreeMap<(Role, &Signing), Issuing> = BTreeMap::new();
    for issuance in issuances {
        let key = (issuance.role, &issuance.signing);
        if let Entry::Vacant(none) = issuing.entry(key) {
            none.insert(authorities.issuing(issuance.role, &issuance.signing)?);
        }
    }
    let issue_one = |issuance: &&Issuance| {
        let Some(issuing) = issuing.get(&(issuance.role, &issuance.signing)) else {
            return Err(authorities.missing(&issuance.signing.issuer));
        };
        let made = authorities.made.as_ref();
        let issued = stage_identity(invocation, staged, issuing, made, issuance)?;
        (invocation.progress)(Progress::Issued);
        Ok(issued)
    };
    // Starting threads costs more than issuing a few.
    if issuances.len() < WORTH_THREADS {
        issuances.iter().map(issue_one).collect()
    } else {
        issuances.par_iter().map(issue_one).collect()
    }
}

/// What is kept of a CA since it has expired is made again where it was lost, while the CA's key is at hand. Damaged it
/// stays: nothing of a CA is ever replaced.
fn keep_expired_of_issuers(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    authorities: &Authorities<'_>,
    (plan, observation): (&Plan, Option<&Observation>),
) -> Result<(), Failure> {
    let issuers: BTreeSet<&AuthorityChoice> = plan.issuances().map(|one| &one.signing.issuer).collect();
    let now = invocation.environment.present();
    for observed in issuers.into_iter().filter_map(|issuer| authorities.observed(issuer)) {
        if !exists(&invocation.state.join(state_paths::expired_folder(&observed.id))) {
            let authority = authority_of(invocation, observed)?;
            stage_expired(staged, &authority, leaf_key(plan, observation), now)?;
        }
    }
    Ok(())
}

/// The type of a leaf's key, as the state says or is to say.
fn leaf_key(plan: &Plan, observation: Option<&Observation>) -> KeyAlgorithm {
    let written = plan.state.iter().find_map(|step| match step {
        StateStep::Inventory(InventoryStep::Write(inventory)) => Some(&**inventory),
        _ => None,
    });
    let inventory = written.or(observation.map(|observation| &observation.inventory));
    inventory.map(Inventory::leaf_key).unwrap_or_default()
}

fn authority_line(invocation: &Invocation<'_>, certificate: &Certificate) -> LogLine {
    issued_line(invocation, certificate, certificate.subject().message(), Reason::Asked)
}

const WORTH_THREADS: usize = 16;
