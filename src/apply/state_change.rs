//! The one way in which a state directory changes.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::authorities::{Authorities, Issuing, load_authority, read_key};
use super::context::{Context, Mode, PATIENCE, Progress};
use super::kit_contents::waiting_kit;
use super::log_lines::{issued_line, line};
use crate::layout::edit_inventory;
use crate::layout::state_paths::{self, INVENTORY, identity_folder, request_folder};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{
    Failure, Generation, Hex, IdentityName, KeyAlgorithm, KeyIdentifier, Message, Printable, Role,
};
use crate::pki::judge::{Credentials, require};
use crate::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, CertificateRequest, LeafRequest, PrivateKey,
    PublicKey,
};
use crate::plan::{AuthorityChoice, InventoryStep, Issuance, KeySource, Plan, Reason, Signing, StateStep};
use crate::store::{
    Interest, LogEvent, LogLine, Observation, Privacy, StagedChange, StateDirectory, StateLock,
    VerifiedRecord, observe, read,
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
    for step in &plan.state {
        match step {
            StateStep::Create(_) | StateStep::Issue(_) | StateStep::Kit(_) => {}
            StateStep::Restore { role, name, generation } => {
                let folder = identity_folder(*role, name);
                staged.link(&folder.join(state_paths::CURRENT), &generation.to_string())?;
                // What a daemon serves is not known until it was dialled again.
                if *role == Role::Daemon {
                    staged.remove(&VerifiedRecord::path(name))?;
                }
                let reason = generation.message();
                staged.record(&line(context, LogEvent::Restored, message!("{} {}", role, name), reason))?;
            }
            StateStep::Prune { role, name, generation } => {
                staged.remove(&identity_folder(*role, name).join(generation.to_string()))?;
            }
            StateStep::RemoveIssued(serial) => staged.remove(&state_paths::issued(serial))?,
            StateStep::DestroyKey(identifier) => {
                staged.remove(&Path::new(state_paths::AUTHORITIES).join(identifier).join("key.pem"))?;
                staged.record(&line(
                    context,
                    LogEvent::KeyDestroyed,
                    message!("ca {}", KeyIdentifier(identifier)),
                    message!("asked"),
                ))?;
            }
            StateStep::Receive { name, generation } => {
                let folder = identity_folder(Role::Client, name);
                staged.remove(&state_paths::waiting_kit(name))?;
                staged.link(&folder.join("received"), &generation.to_string())?;
                let reason = generation.message();
                staged.record(&line(context, LogEvent::Received, message!("client {}", name), reason))?;
            }
            StateStep::LeaveBehind(name) => {
                let reason = message!("asked");
                staged.record(&line(context, LogEvent::LeftBehind, message!("client {}", name), reason))?;
            }
            StateStep::Aim(choice) => {
                let target = Path::new(state_paths::AUTHORITIES).join(authorities.identifier(choice)?);
                staged.link(Path::new(state_paths::ISSUER), &target.display().to_string())?;
                let reason = target.message();
                staged.record(&line(context, LogEvent::RolledOver, choice.message(), reason))?;
            }
            StateStep::Rebundle { name, from, generation, trust } => {
                stage_other_trust(context, &staged, &authorities, name, (*from, *generation), trust)?;
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

/// A daemon's certificate and key again, with other CAs to trust.
fn stage_other_trust(
    context: &Context<'_>,
    staged: &StagedChange<'_>,
    authorities: &Authorities<'_>,
    name: &IdentityName,
    (from, number): (Generation, Generation),
    trust: &[AuthorityChoice],
) -> Result<(), Failure> {
    let folder = identity_folder(Role::Daemon, name);
    let former = folder.join(from.to_string());
    let path = context.state.join(&former).join("cert.pem");
    let certificate = read(&path, LARGEST_PEM)?.bytes;
    let chain = Certificate::chain_from_pem(&certificate, &path)?;
    let key = read_key(&context.state, &former.join("key.pem"))?;
    let trust = authorities.bundle(trust)?;
    let public_key = Some(key.public_key());
    let credentials = Credentials { role: Role::Daemon, chain: &chain, key: public_key, trust: &trust };
    require(&credentials, name, &[], context.environment.now())?;
    let generation = number.to_string();
    stage_public(staged, &folder.join(&generation).join("ca.pem"), trust.to_pem().as_bytes())?;
    stage_public(staged, &folder.join(&generation).join("cert.pem"), &certificate)?;
    stage_key(staged, &folder.join(&generation), &key)?;
    staged.link(&folder.join(state_paths::CURRENT), &generation)?;
    let anchors = Message::join(trust.certificates().iter().map(Certificate::subject), " and ");
    let reason = message!("{} trusts {}", number, anchors);
    staged.record(&line(context, LogEvent::Rebundled, message!("daemon {}", name), reason))
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
    let identifier = certificate.subject_key_identifier().unwrap_or_default();
    let folder = Path::new(state_paths::AUTHORITIES).join(Hex(identifier).to_string());
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
