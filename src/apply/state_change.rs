//! The one way in which a state directory changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::authorities::{Authorities, Issuing, load_authority, read_key};
use super::context::{Context, Mode, PATIENCE, Progress};
use super::kit_contents::waiting_kit;
use super::log_lines::{issued_line, line};
use super::records::Records;
use crate::layout::edit_inventory;
use crate::layout::state_paths::{self, INVENTORY, authority_folder, identity_folder, request_folder};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{
    AuthorityId, Failure, Generation, IdentityName, KeyAlgorithm, Message, Printable, Role, Timestamp,
};
use crate::pki::judge::{Credentials, require};
use crate::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, CertificateRequest, LeafRequest, PrivateKey,
    PublicKey,
};
use crate::plan::{
    self, AuthorityChoice, InventoryStep, Issuance, KeySource, Plan, Reason, Signing, StateStep,
};
use crate::store::{
    Interest, LogEvent, LogLine, Observation, Privacy, RolloverKind, RolloverRecord, StagedChange,
    StateDirectory, StateLock, VerifiedRecord, exists, observe, read,
};

/// What a command did, or would do.
#[derive(Debug)]
pub struct Done {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// The certificates that were issued.
    pub issued: Vec<Issued>,
}

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Daemon or client.
    pub role: Role,
    /// Whose.
    pub name: IdentityName,
    /// It.
    pub certificate: Certificate,
    /// Why.
    pub reason: Reason,
}

/// Observes, plans, and carries the state steps of the plan out as one transaction.
///
/// The plan is made before anything is locked, so that a command with nothing to do writes
/// nothing at all; and again under the lock, since another command may have been there first.
///
/// # Errors
/// What the planner refuses; a state that is busy; a disk that is full. Nothing is changed then.
pub(super) fn change_state(
    context: &Context<'_>,
    interest: &Interest,
    planner: &dyn Fn(Option<&Observation>) -> Result<Plan, Failure>,
) -> Result<Done, Failure> {
    let found = context.open()?;
    let observation = found.as_ref().map(|directory| context.observe_in(directory, interest)).transpose()?;
    let plan = planner(observation.as_ref())?;
    if plan.state.is_empty() || context.mode == Mode::DryRun {
        return Ok(Done { plan, issued: Vec::new() });
    }
    if needs_authority(&plan) {
        // A CA that cannot sign is no reason to touch the lock.
        load_authority(context, observation.as_ref())?;
    }
    let directory = match found {
        Some(directory) => directory,
        None => StateDirectory::create(&context.state)?,
    };
    let lock = directory.lock(context.command, PATIENCE)?;
    let observation =
        StateDirectory::find(&context.state)?.map(|directory| observe(&directory, interest)).transpose()?;
    let plan = planner(observation.as_ref())?;
    if plan.state.is_empty() {
        return Ok(Done { plan, issued: Vec::new() });
    }
    refuse_lock_out(&lock, observation.as_ref(), &plan, context.environment.now())?;
    let issued = carry_out(context, &lock, observation.as_ref(), &plan)?;
    Ok(Done { plan, issued })
}

/// Changes a state that must be there: none is ever made here.
pub(super) fn change_existing(
    context: &Context<'_>,
    interest: &Interest,
    planner: &dyn Fn(&Observation) -> Result<Plan, Failure>,
) -> Result<Done, Failure> {
    change_state(context, interest, &|observation| match observation {
        Some(observation) => planner(observation),
        None => Err(context.no_state()),
    })
}

/// Refuses a change that would lock a client out. Only a rotation makes one all the same, where it is
/// told to.
///
/// # Errors
/// Such a change: whom it locks out, and what would be changed.
pub(super) fn refuse_lock_out(
    lock: &StateLock<'_>,
    observation: Option<&Observation>,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), Failure> {
    if !observation.is_some_and(|observation| plan::needs_holders(plan, observation)) {
        return Ok(());
    }
    let in_use = observe(lock.state(), &Interest::InUse)?;
    let found = plan::lock_outs(plan, &in_use, &BTreeSet::new(), now);
    let Some(first) = found.first() else { return Ok(()) };
    let names: BTreeSet<&IdentityName> = found.iter().flat_map(|one| &one.clients).collect();
    Err(Failure::new("changing", message!("{} {}", first.role, first.name))
        .expected("credentials with which every client that gets in now gets in afterwards")
        .found(message!("some that lock out {}", Message::join(names, ", ")))
        .hint("{kitcert} rotate   # gives those what they need, or says who waits for what"))
}

/// Whether certificates are issued by a CA that is there already.
fn needs_authority(plan: &Plan) -> bool {
    let makes_one = plan.state.iter().any(|step| matches!(step, StateStep::MakeAuthority { .. }));
    !makes_one && plan.issuances().next().is_some()
}

/// Carries the state steps of a plan out as one transaction.
pub(super) fn carry_out(
    context: &Context<'_>,
    lock: &StateLock<'_>,
    observation: Option<&Observation>,
    plan: &Plan,
) -> Result<Vec<Issued>, Failure> {
    let staged = lock.stage()?;
    let mut authorities = Authorities::new(context, observation);
    let mut records = Records::new(observation);
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
                    context,
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
                    record.keys.entry(*replaced).or_default().replaced = Some(held.at);
                }
                let reason = held.generation.message();
                staged.record(&line(context, LogEvent::Held, message!("client {}", name), reason))?;
            }
            StateStep::Use(name, used) => {
                records.client(name).uses.insert(used.clone());
            }
            StateStep::Retire(role, name) => {
                let now = Some(context.environment.now());
                match role {
                    Role::Client => records.client(name).retired = now,
                    Role::Daemon => records.daemon(name).retired = now,
                }
                let reason = message!("asked");
                staged.record(&line(context, LogEvent::Retired, message!("{} {}", role, name), reason))?;
            }
            StateStep::BeginRollover { kind, from, to } => {
                let now = context.environment.now();
                let record = RolloverRecord::new(*kind, from.clone(), authorities.id(to)?, now);
                stage_rollover(context, &staged, &mut records, &record, to.message())?;
            }
            StateStep::ChangeRollover(record) => {
                let to = message!("CA {}", record.to.short());
                stage_rollover(context, &staged, &mut records, record, to)?;
            }
            StateStep::EndRollover(former) => {
                staged.remove(&RolloverRecord::path())?;
                for id in former {
                    records.authority(id).retired = Some(context.environment.now());
                    let reason = message!("nothing trusts it any more");
                    staged.record(&line(context, LogEvent::Retired, message!("ca {}", id), reason))?;
                }
            }
            StateStep::Open(id, until) => {
                let record = records.authority(id);
                record.open_until = record.open_until.max(Some(*until));
                let reason = message!("until {}", until);
                staged.record(&line(context, LogEvent::Opened, message!("ca {}", id), reason))?;
            }
            StateStep::Rebundle { role, name, from, generation, trust, .. } => {
                let identity = (*role, name);
                stage_other_trust(context, &staged, &authorities, identity, (*from, *generation), trust)?;
            }
            StateStep::Request { name, algorithm, generation } => {
                stage_request(context, &staged, name, *algorithm, *generation)?;
            }
            StateStep::MakeAuthority { name, algorithm, validity } => {
                let key = PrivateKey::generate(*algorithm)?;
                let request = AuthorityRequest { name: name.clone(), validity: *validity };
                let authority = CertificateAuthority::create(&request, &key)?;
                stage_authority(&staged, &authority, &key)?;
                staged.record(&authority_line(context, authority.certificate()))?;
                authorities.made = Some(authority);
            }
            StateStep::Inventory(InventoryStep::Write(inventory)) => {
                staged.file(Path::new(INVENTORY), inventory.render().as_bytes(), Privacy::Private)?;
            }
            StateStep::Inventory(InventoryStep::Edit(changes)) => {
                let text =
                    observation.map(|observation| observation.inventory_text.as_slice()).unwrap_or_default();
                let edited = edit_inventory(text, &context.state.join(INVENTORY), changes)?;
                staged.file(Path::new(INVENTORY), &edited, Privacy::Private)?;
            }
        }
    }
    let issuances: Vec<&Issuance> = plan.issuances().collect();
    let issued = if issuances.is_empty() {
        Vec::new()
    } else {
        let issued = issue_all(context, &staged, &authorities, &issuances)?;
        stage_kits(&staged, plan, &issued, &authorities)?;
        issued
    };
    issued.iter().try_for_each(|issued| staged.record(&log_line(context, issued)))?;
    records.stage(&staged)?;
    (context.progress)(Progress::Committing);
    staged.commit()?;
    Ok(issued)
}

fn issue_all(
    context: &Context<'_>,
    staged: &StagedChange<'_>,
    authorities: &Authorities<'_>,
    issuances: &[&Issuance],
) -> Result<Vec<Issued>, Failure> {
    (context.progress)(Progress::Issuing(issuances.len() as u64));
    let mut issuing: BTreeMap<&Signing, Issuing> = BTreeMap::new();
    for issuance in issuances {
        if !issuing.contains_key(&issuance.signing) {
            issuing.insert(&issuance.signing, authorities.issuing(&issuance.signing)?);
        }
    }
    let issue_one = |issuance: &&Issuance| {
        let Some(issuing) = issuing.get(&issuance.signing) else {
            return Err(authorities.missing(&issuance.signing.issuer));
        };
        let made = authorities.made.as_ref();
        let issued = stage_identity(context, staged, issuing, made, issuance)?;
        (context.progress)(Progress::Issued);
        Ok(issued)
    };
    // Starting threads costs more than issuing a few.
    if issuances.len() < WORTH_THREADS {
        issuances.iter().map(issue_one).collect()
    } else {
        issuances.par_iter().map(issue_one).collect()
    }
}

/// Renewals of clients that hold their keys themselves.
fn stage_kits(
    staged: &StagedChange<'_>,
    plan: &Plan,
    issued: &[Issued],
    authorities: &Authorities<'_>,
) -> Result<(), Failure> {
    for terms in plan.waiting_kits() {
        let is_theirs = |one: &&Issuance| one.role == Role::Client && one.name == terms.name;
        let issuance = plan.issuances().find(is_theirs);
        let client = issued.iter().find(|one| one.role == Role::Client && one.name == terms.name);
        let (Some(client), Some(issuance)) = (client, issuance) else { continue };
        let trust = authorities.bundle(&issuance.signing.trust)?;
        let signers = authorities.signers(&issuance.signing)?;
        let kit = waiting_kit(terms, &client.certificate, &trust, &signers)?;
        stage_public(staged, &state_paths::waiting_kit(&terms.name), kit.to_text().as_bytes())?;
    }
    Ok(())
}

/// A rollover as it is meant from now on.
fn stage_rollover(
    context: &Context<'_>,
    staged: &StagedChange<'_>,
    records: &mut Records,
    rollover: &RolloverRecord,
    to: Message,
) -> Result<(), Failure> {
    staged.file(&RolloverRecord::path(), &rollover.to_bytes()?, Privacy::Private)?;
    if rollover.is_emergency() {
        for id in &rollover.from {
            records.authority(id).compromised.get_or_insert(rollover.began);
        }
    }
    let reason = match rollover.kind {
        RolloverKind::Ordinary => message!("asked, or the former CA ends"),
        RolloverKind::Back => message!("back"),
        RolloverKind::Compromised => message!("key compromised"),
    };
    staged.record(&line(context, LogEvent::RolledOver, to, reason))
}

/// An identity's certificate and key again, with other CAs to trust.
fn stage_other_trust(
    context: &Context<'_>,
    staged: &StagedChange<'_>,
    authorities: &Authorities<'_>,
    (role, name): (Role, &IdentityName),
    (from, number): (Generation, Generation),
    trust: &[AuthorityChoice],
) -> Result<(), Failure> {
    let folder = identity_folder(role, name);
    let former = folder.join(from.to_string());
    let path = context.state.join(&former).join("cert.pem");
    let certificate = read(&path, LARGEST_PEM)?.bytes;
    let chain = Certificate::chain_from_pem(&certificate, &path)?;
    // A client's key may be elsewhere.
    let place = former.join("key.pem");
    let key = match role == Role::Daemon || exists(&context.state.join(&place)) {
        true => Some(read_key(&context.state, &place)?),
        false => None,
    };
    let trust = authorities.bundle(trust)?;
    let public_key = key.as_ref().map(PrivateKey::public_key);
    let credentials = Credentials { role, chain: &chain, key: public_key, trust: &trust };
    require(&credentials, name, &[], context.environment.now())?;
    let generation = number.to_string();
    stage_public(staged, &folder.join(&generation).join("ca.pem"), trust.to_pem().as_bytes())?;
    stage_public(staged, &folder.join(&generation).join("cert.pem"), &certificate)?;
    if let Some(key) = &key {
        stage_key(staged, &folder.join(&generation), key)?;
    }
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    if role == Role::Daemon {
        // What a daemon serves is not known until it was dialled again.
        staged.remove(&VerifiedRecord::path(name))?;
    }
    let anchors = Message::join(trust.certificates().iter().map(Certificate::subject), " and ");
    let reason = message!("{}: the certificate of {}, and trust in {}", number, from, anchors);
    staged.record(&line(context, LogEvent::Rebundled, message!("{} {}", role, name), reason))
}

/// A key and the request for it, on the developer's side.
fn stage_request(
    context: &Context<'_>,
    staged: &StagedChange<'_>,
    name: &IdentityName,
    algorithm: KeyAlgorithm,
    generation: Generation,
) -> Result<(), Failure> {
    let key = PrivateKey::generate(algorithm)?;
    let request = CertificateRequest::create(name, &key)?;
    let (folder, generation) = (request_folder(name), generation.to_string());
    stage_key(staged, &folder.join(&generation), &key)?;
    stage_public(staged, &folder.join(&generation).join("request.csr"), request.as_bytes())?;
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    let reason = message!("key {}", key.public_key().fingerprint());
    staged.record(&line(context, LogEvent::Requested, message!("client {}", name), reason))
}

/// Makes one generation, judges it as its peers would, writes it, and reads it back.
fn stage_identity(
    context: &Context<'_>,
    staged: &StagedChange<'_>,
    issuing: &Issuing,
    made: Option<&CertificateAuthority>,
    issuance: &Issuance,
) -> Result<Issued, Failure> {
    let authority = issuing.authority.as_ref().or(made);
    let authority = authority.ok_or_else(|| {
        Failure::new("issuing for", &issuance.name).expected("a CA that signs").found("none")
    })?;
    let key = match &issuance.key {
        KeySource::New(algorithm) => IssuedKey::Ours(PrivateKey::generate(*algorithm)?),
        KeySource::Kept { generation } => IssuedKey::Ours(kept_key(context, issuance, *generation)?),
        KeySource::Requested(public_key) => IssuedKey::Elsewhere(public_key.clone()),
    };
    let request = LeafRequest {
        role: issuance.role,
        name: issuance.name.clone(),
        hosts: issuance.hosts.clone(),
        validity: issuance.validity,
    };
    let certificate = authority.issue(&request, key.public())?;
    let credentials = Credentials {
        role: issuance.role,
        chain: std::slice::from_ref(&certificate),
        key: Some(key.public()),
        trust: &issuing.trust,
    };
    require(&credentials, &issuance.name, &issuance.hosts, context.environment.now())?;
    let pem = certificate.to_pem();
    let folder = identity_folder(issuance.role, &issuance.name);
    let generation = issuance.generation.to_string();
    let set = folder.join(&generation);
    staged.file(&state_paths::issued(certificate.serial()), pem.as_bytes(), Privacy::Public)?;
    stage_public(staged, &set.join("ca.pem"), &issuing.trust_pem)?;
    stage_public(staged, &set.join("cert.pem"), pem.as_bytes())?;
    if let IssuedKey::Ours(key) = &key {
        stage_key(staged, &set, key)?;
    }
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    Ok(Issued { role: issuance.role, name: issuance.name.clone(), certificate, reason: issuance.reason })
}

/// Writes a file that anybody may read, and reads it back.
fn stage_public(staged: &StagedChange<'_>, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    staged.file(path, bytes, Privacy::Public)?;
    staged.is_as_written(path, bytes)
}

/// The key that a certificate is for: one that we hold, or the public half of one elsewhere.
enum IssuedKey {
    Ours(PrivateKey),
    Elsewhere(PublicKey),
}

impl IssuedKey {
    fn public(&self) -> &PublicKey {
        match self {
            IssuedKey::Ours(key) => key.public_key(),
            IssuedKey::Elsewhere(key) => key,
        }
    }
}

fn kept_key(
    context: &Context<'_>,
    issuance: &Issuance,
    generation: Generation,
) -> Result<PrivateKey, Failure> {
    let folder = identity_folder(issuance.role, &issuance.name).join(generation.to_string());
    read_key(&context.state, &folder.join("key.pem"))
}

fn stage_authority(
    staged: &StagedChange<'_>,
    authority: &CertificateAuthority,
    key: &PrivateKey,
) -> Result<(), Failure> {
    let certificate = authority.certificate();
    let folder = authority_folder(&AuthorityId::of(certificate.subject_key_identifier().unwrap_or_default()));
    if !certificate.is_signed_by(key.public_key()) {
        return Err(Failure::new("making", certificate.subject())
            .expected("a CA signed by its own key")
            .found("a signature that does not hold"));
    }
    let pem = certificate.to_pem();
    stage_public(staged, &state_paths::issued(certificate.serial()), pem.as_bytes())?;
    stage_public(staged, &folder.join("ca.pem"), pem.as_bytes())?;
    stage_key(staged, &folder, key)
}

/// The only way by which a key reaches a disk.
fn stage_key(staged: &StagedChange<'_>, folder: &Path, key: &PrivateKey) -> Result<(), Failure> {
    let path = folder.join("key.pem");
    let pem = key.expose_pem();
    staged.private_key(&path, pem.as_bytes())?;
    staged.is_as_written(&path, pem.as_bytes())
}

fn authority_line(context: &Context<'_>, certificate: &Certificate) -> LogLine {
    issued_line(context, certificate, certificate.subject().message(), Reason::Asked)
}

fn log_line(context: &Context<'_>, issued: &Issued) -> LogLine {
    issued_line(context, &issued.certificate, message!("{} {}", issued.role, issued.name), issued.reason)
}

const WORTH_THREADS: usize = 16;
