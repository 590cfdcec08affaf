//! `verify`, done: what is on disk is judged, the daemon is dialled, and a proof is recorded.

use std::time::{Duration, Instant};

use super::configured::{ConfigChoice, Configured, configured};
use super::context::Context;
use super::credentials::{self, Client, Credentials};
use super::dialling::{DialOptions, dial};
use super::files;
use super::printable::Tenths;
use super::record::{Recorded, Seen, Standing, record_anew};
use super::shown;
use super::target::{Target, daemon_of, endpoint_of, observe_for};
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::{Endpoint, Failure, Finding, IdentityName, Message, Printable, Role, Rule, Severity};
use crate::pki::Certificate;
use crate::probe::{self, DaemonFacts, LocalFacts, Observed, Port, Verdict, judge, judge_ports};
use crate::store::Observation;

/// What `verify` was asked for.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// Whom to dial.
    pub target: Target,
    /// As whom.
    pub credentials: Credentials,
    /// Which client's config is meant, where one is read.
    pub config: ConfigChoice,
    /// How it is dialled.
    pub options: DialOptions,
    /// What is looked at beside the daemon.
    pub scope: Scope,
}

/// How much of a daemon's host is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The daemon's own port.
    Daemon,
    /// The ports that such a host may have open beside it, too.
    Ports,
}

/// What came of it.
#[derive(Debug)]
pub struct Proof {
    /// Who was dialled, or would have been.
    pub target: Message,
    /// The same, where there was one.
    pub endpoint: Option<Endpoint>,
    /// As whom, in words.
    pub identity: Message,
    /// Everything that was found, the files' first.
    pub findings: Vec<Finding>,
    /// The verdict in one line.
    pub verdict: Message,
    /// What the daemon said of itself.
    pub daemon_facts: DaemonFacts,
    /// The certificates that both sides showed: whose, and which.
    pub certificates: Vec<(Message, Certificate)>,
    /// How long all dials took together; None where nobody was dialled.
    pub elapsed: Option<Duration>,
    /// Whether everything is proven, the files included.
    pub is_proven: bool,
    /// Each dial and how long it took.
    pub timings: Vec<Vec<Message>>,
    /// Whether the state was told, by moving the daemon's `proven`.
    pub recorded: Recorded,
}

/// Judges the files at hand, dials, and moves `proven` of a daemon whose current certificate was
/// served and whose every dial went as it must. Nothing is moved where it is judged as of another
/// time.
///
/// # Errors
/// No target that can be dialled, credentials that cannot be read, a state that cannot be read.
/// Whatever is wrong with the daemon is a finding, not an error.
pub fn verify(context: &Context<'_>, request: &VerifyRequest) -> Result<Proof, Failure> {
    let observation = observe(context, &request.credentials)?;
    let examined = examine(context, observation.as_ref(), request)?;
    let mut proofs = recorded(context, observation.as_ref(), vec![examined]);
    proofs.pop().ok_or_else(|| context.no_state())
}

/// The state, if there is one, as far as credentials need it.
pub(super) fn observe(
    context: &Context<'_>,
    credentials: &Credentials,
) -> Result<Option<Observation>, Failure> {
    let directory = context.open()?;
    directory.as_ref().map(|found| observe_for(context, found, credentials)).transpose()
}

/// A proof, and what the state is to remember of it.
pub(super) struct Examined {
    proof: Proof,
    seen: Option<Seen>,
}

/// Judges the files at hand and dials; the state does not know yet.
pub(super) fn examine(
    context: &Context<'_>,
    observation: Option<&Observation>,
    request: &VerifyRequest,
) -> Result<Examined, Failure> {
    let mut configured = match is_config_meant(request, observation) {
        true => configured(context, &request.config)?,
        false => Configured::default(),
    };
    if observation.is_some() && configured.host.is_none() && !request.config.is_made() {
        // A config that names no host says nothing of the daemon of the state.
        configured.files = None;
    }
    let mut findings = config_findings(request, &configured);
    let Some(endpoint) = endpoint_of(context, &request.target, observation, &configured)? else {
        return Ok(undialled(&configured, findings));
    };
    let daemon = daemon_of(&request.target, observation, &endpoint);
    let current = |name: &IdentityName| observation?.current(Role::Daemon, name);
    let accepted = daemon.as_ref().and_then(|(name, _)| current(name)).map(|current| &current.trust);
    let client = match credentials::choose(context, &request.credentials, observation, &configured, accepted)
    {
        Ok(Some(client)) => client,
        Ok(None) => return Ok(undialled(&configured, findings)),
        Err(failure) if is_about_config(request, &configured) => {
            findings.push(unusable(&failure));
            return Ok(undialled(&configured, findings));
        }
        Err(failure) => return Err(failure),
    };
    findings.extend(files::findings(context, observation, daemon.as_ref(), &client, &endpoint)?);
    let began = Instant::now();
    let numbers = probe::ports_around(&endpoint);
    let look = || probe::look_at_ports(&endpoint, &numbers, request.options.deadline, context.judged_at());
    let options = match &daemon {
        Some((name, entry)) => {
            let options = request.options.clone().with_entry(entry);
            match observation {
                Some(observation) => options.with_leaf_of(context, observation, name),
                None => options,
            }
        }
        None => request.options.clone(),
    };
    let (observed, ports) = std::thread::scope(|threads| {
        let ports = (request.scope == Scope::Ports).then(|| threads.spawn(look));
        let observed = dial(context, &client, &endpoint, &options);
        (observed, ports.map(|ports| ports.join().unwrap_or_default()))
    });
    let observed = observed?;
    let elapsed = began.elapsed();
    let local = local_facts(context, observation, daemon.as_ref(), &client, &endpoint)?;
    findings.extend(shown::findings(&observed, &client, &local, &findings));
    let mut verdict = judge(&observed, &local);
    if request.target == Target::Configured && configured.host.is_some() {
        // What the tool makes of the host is told already, and of which tool it is so.
        verdict.findings.retain(|finding| finding.rule != Rule::LoopbackHost);
    }
    let standing = Standing::of(&verdict, &findings);
    let mut proof = proof(&endpoint, client, findings, verdict, &observed, (elapsed, standing));
    if let Some(ports) = ports {
        exposed(&mut proof, &ports, &endpoint);
    }
    let seen = daemon.map(|(name, _)| Seen { name, observed, standing });
    Ok(Examined { proof, seen })
}

/// Tells the state, under one lock, what it is to remember. A disk that takes nothing makes no
/// proof less true.
pub(super) fn recorded(
    context: &Context<'_>,
    observation: Option<&Observation>,
    examined: Vec<Examined>,
) -> Vec<Proof> {
    let (mut proofs, seen): (Vec<Proof>, Vec<Option<Seen>>) =
        examined.into_iter().map(|examined| (examined.proof, examined.seen)).unzip();
    let Some(observation) = observation.filter(|_| context.at.is_none()) else { return proofs };
    match record_anew(context, observation, &seen) {
        Ok(recorded) => {
            for (proof, recorded) in proofs.iter_mut().zip(recorded) {
                proof.recorded = recorded;
            }
        }
        Err(failure) => {
            let unrecorded = proofs.iter_mut().zip(&seen).filter(|(_, seen)| seen.is_some());
            unrecorded.for_each(|(proof, _)| proof.findings.push(not_recorded(&failure)));
        }
    }
    proofs
}

/// Dials as a client whose files are nowhere yet; no state has a part in it.
pub(super) fn verify_as(
    context: &Context<'_>,
    client: Client,
    endpoint: &Endpoint,
    options: &DialOptions,
) -> Result<Proof, Failure> {
    let began = Instant::now();
    let observed = dial(context, &client, endpoint, options)?;
    let elapsed = began.elapsed();
    let local = local_facts(context, None, None, &client, endpoint)?;
    let findings = shown::findings(&observed, &client, &local, &[]);
    let verdict = judge(&observed, &local);
    let standing = Standing::of(&verdict, &findings);
    Ok(proof(endpoint, client, findings, verdict, &observed, (elapsed, standing)))
}

/// What else is open on the daemon's host. It makes no proof of the daemon less true.
fn exposed(proof: &mut Proof, ports: &[Port], endpoint: &Endpoint) {
    let findings = judge_ports(ports, endpoint);
    let at_fault = |severity| findings.iter().filter(|finding| finding.severity >= severity).count();
    proof.verdict = match (at_fault(Severity::Critical), at_fault(Severity::Error)) {
        (0, 0) => std::mem::take(&mut proof.verdict),
        (0, 1) => message!("{}; another port of the host is open to anyone", proof.verdict),
        (0, count) => message!("{}; {} other ports of the host are open to anyone", proof.verdict, count),
        _ => message!("OPEN: another port of the host speaks HTTP/2 without TLS, as a daemon would"),
    };
    proof.daemon_facts.add_ports(ports);
    // Behind the daemon itself in importance, and so before it.
    proof.findings.splice(0..0, findings);
}

fn proof(
    endpoint: &Endpoint,
    client: Client,
    mut findings: Vec<Finding>,
    verdict: Verdict,
    observed: &Observed,
    (elapsed, standing): (Duration, Standing),
) -> Proof {
    let verdict_line = last_line(&verdict, &findings);
    findings.extend(verdict.findings);
    let served = observed.handshake().and_then(probe::Handshake::leaf);
    let ours = client.identity.and_then(|identity| identity.chain.into_iter().next());
    let served = served.map(|leaf| (message!("served"), leaf));
    let ours = ours.map(|leaf| (client.described.clone(), leaf));
    Proof {
        target: endpoint.message(),
        endpoint: Some(endpoint.clone()),
        identity: client.described,
        findings,
        verdict: verdict_line,
        daemon_facts: verdict.facts,
        certificates: served.into_iter().chain(ours).collect(),
        elapsed: Some(elapsed),
        is_proven: standing == Standing::Proven,
        timings: timings(observed),
        recorded: Recorded::Unchanged,
    }
}

/// Whether a config is read at all: one that is broken is no concern of whoever names a daemon and
/// a client.
fn is_config_meant(request: &VerifyRequest, observation: Option<&Observation>) -> bool {
    let is_automatic = request.credentials == Credentials::Automatic;
    request.target == Target::Configured
        || request.config.is_made()
        || (is_automatic && observation.is_none())
}

/// Whether what was dialled with, or would have been, comes from a config.
fn is_about_config(request: &VerifyRequest, configured: &Configured) -> bool {
    request.credentials == Credentials::Automatic && configured.files.is_some()
}

/// What is to be said of the config: of its host where that is dialled, of its files where nobody
/// named others.
fn config_findings(request: &VerifyRequest, configured: &Configured) -> Vec<Finding> {
    let mut findings = Vec::new();
    if request.target == Target::Configured {
        findings.extend(configured.findings.iter().cloned());
    }
    if request.credentials == Credentials::Automatic {
        findings.extend(configured.file_findings.iter().cloned());
    }
    findings
}

fn unusable(failure: &Failure) -> Finding {
    let finding = Finding::new(Rule::UnreadableFile, Severity::Error, failure.subject())
        .expected(failure.what_was_expected())
        .found(failure.what_was_found())
        .cause("the tool cannot use it either, tries for a minute and reports a time-out");
    match failure.command_to_try() {
        Some(hint) => finding.fix(hint),
        None => finding,
    }
}

/// Nobody is dialled where the tool could not dial either; the findings say why.
fn undialled(configured: &Configured, findings: Vec<Finding>) -> Examined {
    let gravest = findings.iter().max_by_key(|finding| finding.severity);
    let why = gravest.map(|finding| message!(": {}", finding.found)).unwrap_or_default();
    let host = configured.endpoint().map(|endpoint| endpoint.message());
    let proof = Proof {
        target: host.unwrap_or_else(|| message!("no endpoint")),
        endpoint: None,
        identity: message!("nobody"),
        verdict: message!("not dialled{}", why),
        findings,
        daemon_facts: DaemonFacts::default(),
        certificates: Vec::new(),
        elapsed: None,
        is_proven: false,
        timings: Vec::new(),
        recorded: Recorded::Unchanged,
    };
    Examined { proof, seen: None }
}

/// What the verdict needs to know of this machine.
pub(super) fn local_facts(
    context: &Context<'_>,
    observation: Option<&Observation>,
    daemon: Option<&(IdentityName, DaemonEntry)>,
    client: &Client,
    endpoint: &Endpoint,
) -> Result<LocalFacts, Failure> {
    let installed = match (observation, daemon) {
        (Some(observation), Some((name, entry))) => files::installed(observation, name, entry)?,
        _ => files::InstalledSet::default(),
    };
    Ok(LocalFacts {
        endpoint: endpoint.clone(),
        identity: client.described.clone(),
        now: context.judged_at(),
        trust: client.trust.clone(),
        known_authorities: observation.map(|observation| {
            let known = observation.authorities.iter();
            known.map(|authority| authority.certificate.subject().clone()).collect()
        }),
        ours: client.identity.as_ref().map(|identity| identity.chain.clone()),
        installed_leaf: installed.leaf,
        installed_trust: installed.trust,
        daemon: daemon.map(|(name, _)| name.clone()),
        restart: daemon.and_then(|(name, entry)| files::restart_line(name, entry)),
        layout: daemon.and_then(|(_, entry)| Some(entry.install.as_ref()?.layout)),
    })
}

fn not_recorded(failure: &Failure) -> Finding {
    Finding::new(Rule::ProofNotRecorded, Severity::Warning, failure.subject())
        .expected("the state to remember this proof")
        .found(failure.what_was_found())
        .cause("status goes on calling the daemon not proven")
}

/// The files' faults come behind: a daemon that is perfect today may be served wrong files at its
/// next restart.
fn last_line(verdict: &Verdict, files: &[Finding]) -> Message {
    let faults = files.iter().filter(|finding| finding.severity >= Severity::Error).count();
    let not_installed = files.iter().find(|finding| finding.rule == Rule::ServedIsStale);
    match (faults, not_installed.and_then(|finding| finding.fix.as_ref())) {
        (0, None) => verdict.summary.clone(),
        (0, Some(fix)) => {
            message!("{}; what was issued last is not installed; next: {}", verdict.summary, fix)
        }
        (1, _) => message!("{}; 1 fault in the files", verdict.summary),
        (faults, _) => message!("{}; {} faults in the files", verdict.summary, faults),
    }
}

fn timings(observed: &Observed) -> Vec<Vec<Message>> {
    let row = |dialled: &probe::Dialled| {
        let took = message!("{} ms", Tenths(dialled.elapsed.as_secs_f64() * 1e3));
        vec![message!("  {}", dialled.dial), took, dialled.message()]
    };
    observed.dials().map(row).collect()
}
