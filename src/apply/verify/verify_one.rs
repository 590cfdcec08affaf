//! One verification: prepare, dial, judge, record. Every command that verifies comes through here.

use std::time::{Duration, Instant};

use super::client::{Client, ClientChoice, choose, is_client_of};
use super::client_config_check::{Configured, configured};
use super::dial::{DialOptions, dial};
use super::evidence::{Access, Evidence, Seen};
use super::forgotten_check::forgotten_by;
use super::remedies::{
    accept, give_line, renew_line, renewed_by_a_kit, restart_line, start_line, without_state,
};
use super::request::{Scope, VerifyRequest};
use super::target::{Target, daemon_of, endpoint_of, observe_for};
use super::verification::{
    Beside, Outcome, Recorded, SERVED, Verification, last_line, not_recorded, timings,
};
use super::verification_record::record_anew;
use super::{authority_check, file_checks, revocation_check, served_leaf, shown};
use crate::apply::change::way_out;
use crate::apply::invocation::Invocation;
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::{Endpoint, Failure, Finding, IdentityName, Message, Printable, Role, Rule, Severity};
use crate::probe::{self, DialResults, Expected, Verdict, judge};
use crate::store::Observation;

/// Judges the files at hand, dials, and records the outcome of a daemon of the state. Nothing is recorded
/// if it is judged as of another time.
///
/// # Errors
/// No target that can be dialed, credentials that cannot be read, a state that cannot be read.
/// Whatever is wrong with the daemon is a finding, not an error.
pub(crate) fn verify(invocation: &Invocation<'_>, request: &VerifyRequest) -> Result<Verification, Failure> {
    let observation = observe(invocation, &request.client)?;
    let examined = examine(invocation, observation.as_ref(), request)?;
    recorded(invocation, vec![examined]).pop().ok_or_else(|| invocation.no_state())
}

/// The state, if there is one, as far as the choice of the client needs it.
pub(super) fn observe(
    invocation: &Invocation<'_>,
    client: &ClientChoice,
) -> Result<Option<Observation>, Failure> {
    let directory = invocation.open()?;
    directory.as_ref().map(|found| observe_for(invocation, found, client)).transpose()
}

/// A verification, and what the state is to remember of it.
pub(in crate::apply) struct Examined {
    /// The verification.
    pub verification: Verification,
    /// Of a daemon of the state, what was seen.
    pub evidence: Option<Evidence>,
}

/// Judges the files at hand and dials; the state does not know yet.
pub(in crate::apply) fn examine(
    invocation: &Invocation<'_>,
    observation: Option<&Observation>,
    request: &VerifyRequest,
) -> Result<Examined, Failure> {
    let mut examined = look(invocation, observation, request)?;
    if observation.is_none() {
        examined.verification.findings.iter_mut().for_each(without_state);
    }
    Ok(examined)
}

fn look(
    invocation: &Invocation<'_>,
    observation: Option<&Observation>,
    request: &VerifyRequest,
) -> Result<Examined, Failure> {
    let started_at = invocation.environment.present();
    let prepared = match prepare(invocation, observation, request)? {
        Prepared::Dialable(prepared) => *prepared,
        Prepared::Undialable(verification) => {
            return Ok(Examined { verification: *verification, evidence: None });
        }
    };
    let Dialable { endpoint, daemon, client, options, mut findings, client_is_at_fault, has_host } = prepared;
    let began = Instant::now();
    let numbers = probe::ports_around(&endpoint);
    let ports_seen =
        || probe::look_at_ports(&endpoint, &numbers, request.options.deadline, invocation.judged_at());
    let (observed, ports) = std::thread::scope(|threads| {
        let ports = (request.scope == Scope::Ports).then(|| threads.spawn(ports_seen));
        let observed = dial(invocation, &client, &endpoint, &options);
        (observed, ports.map(|ports| ports.join().unwrap_or_default()))
    });
    let mut observed = observed?;
    if let (Some(observation), Some((name, _))) = (observation, &daemon) {
        observed.not_tried.extend(authority_check::not_tried(observation, invocation.judged_at()));
        observed.not_tried.extend(revocation_check::not_tried(observation, name, invocation.judged_at()));
    }
    let elapsed = began.elapsed();
    let again = request.again(&options);
    let local = local_facts(invocation, observation, daemon.as_ref(), &client, (&endpoint, again))?;
    findings.extend(shown::findings(&observed, &client, &local, &findings));
    let mut verdict = judge(&observed, &local);
    if has_host {
        // What the tool makes of the host is told already, and of which tool it is so.
        verdict.findings.retain(|finding| finding.rule != Rule::LoopbackHost);
    }
    // Whom a person's config names may be anybody's client.
    let is_of_state =
        client.files.as_ref().is_none_or(|files| files.certificate.starts_with(&invocation.state));
    let is_automatic = request.client == ClientChoice::Automatic && is_of_state;
    let served = observed.handshake().and_then(probe::Handshake::leaf);
    let mut is_alarming = false;
    if let (Some(observation), Some(served), Some((name, _))) = (observation, &served, &daemon) {
        let unknown = served_leaf::unknown(invocation, observation, served);
        is_alarming = unknown.as_ref().is_some_and(|finding| finding.severity == Severity::Error);
        findings.extend(unknown);
        findings.extend(served_leaf::of_revoked_key(observation, name, served));
    }
    let seen = match (observation, &daemon) {
        (Some(observation), Some((name, entry))) => {
            let is_of_daemon =
                is_automatic || is_client_of(observation, name, &client, invocation.judged_at());
            Some(Seen::of(
                observation,
                (name, entry),
                (&options, is_of_daemon),
                (&observed, &verdict),
                (invocation, started_at),
            ))
        }
        _ => None,
    };
    let seen = seen.map(|seen| seen.with_client(client.identity.is_some()));
    let mut seen = seen.map(|seen| seen.with_unknown_leaf(served.filter(|_| is_alarming)));
    let mut serves_current = seen.as_ref().is_none_or(Seen::serves_current);
    let mut line = last_line(&verdict, &findings);
    let access = match (observation, &daemon) {
        (Some(observation), Some((name, _)))
            if revocation_check::tells_clients_apart(&verdict) && serves_current =>
        {
            let options = options.within(observed.time_left);
            let finding = revocation_check::finding(invocation, observation, (name, &endpoint), &options)?;
            let is_right = finding.is_none()
                && revocation_check::not_tried(observation, name, invocation.judged_at()).is_empty();
            seen = seen.map(|seen| if is_right { seen.with_access(Access::Right, false) } else { seen });
            finding
        }
        // Of one that is open to everybody that is what is to be said.
        (Some(observation), Some((name, _)))
            if serves_current && !verdict.open && observation.revocations.is_some() =>
        {
            let options = options.within(observed.time_left);
            revocation_check::answered(invocation, observation, (name, &endpoint), &options)?
        }
        _ => None,
    };
    if let Some(finding) = access {
        verdict.verified = false;
        let is_open_question = matches!(finding.rule, Rule::Inconclusive | Rule::RevokedNotTried);
        verdict.inconclusive_only = is_open_question && Finding::gravest(&findings) < Severity::Error;
        line = message!("not verified: {}", finding.found);
        let is_stale = matches!(finding.rule, Rule::TrustIsStale | Rule::NotRevokedYet);
        let access = if is_open_question { Access::Unknown } else { Access::Wrong };
        seen = seen.map(|seen| seen.with_access(access, is_stale));
        serves_current &= !is_stale;
        findings.push(finding);
    } else if let (Some(observation), Some((name, _)), None) = (observation, &daemon, &client.identity) {
        // Where nobody is left to dial as, it is not even seen that a client gets in.
        findings.extend(revocation_check::unseen(observation, name, invocation.judged_at()));
    }
    if let (Some(observation), Some((name, _)), true) = (observation, &daemon, verdict.verified)
        && let Some(finding) =
            revocation_check::kept_out_by_current(observation, name, invocation.judged_at())
    {
        verdict.verified = false;
        line = message!("not verified: {}", finding.found);
        findings.push(finding);
    }
    // It may refuse somebody whom the state has forgotten to be revoked. What cannot be tried takes nothing from what was
    // seen; and installed and restarted, as else is advised, it would let him in.
    let is_sound = verdict.verified && Finding::gravest(&findings) < Severity::Error;
    let dialed = ((observation, &daemon), observed.handshake());
    if let ((Some(_), Some((name, _))), Some(handshake)) = dialed
        && !(is_sound || verdict.open)
        && let Ok(Some(one)) =
            forgotten_by(invocation, ((name, &endpoint), handshake), &options.within(observed.time_left))
    {
        line = one.take_over(&mut findings, &mut verdict.findings);
    }
    if let (Some(observation), Some((name, _))) = (observation, &daemon) {
        let accept = |finding: &mut Finding| accept(observation, name, finding, invocation.judged_at());
        findings.iter_mut().chain(&mut verdict.findings).for_each(accept);
    }
    let daemon_is_at_fault = !client_is_at_fault && Finding::gravest(&findings) >= Severity::Error;
    let beside = Beside { daemon_is_at_fault, client_is_at_fault, serves_current };
    let outcome = Outcome::of(&verdict, beside);
    let parts = Parts { endpoint: &endpoint, client, findings, verdict, line, elapsed, outcome };
    let mut verification = verification(parts, &observed);
    if let Some(ports) = ports {
        verification.add_ports(&ports, &endpoint);
    }
    Ok(Examined { verification, evidence: seen.map(|seen| seen.evidence(outcome)) })
}

/// Dials as a client whose files are nowhere yet; no state has a part in it.
pub(in crate::apply) fn verify_as(
    invocation: &Invocation<'_>,
    client: Client,
    endpoint: &Endpoint,
    options: &DialOptions,
) -> Result<Verification, Failure> {
    let began = Instant::now();
    let observed = dial(invocation, &client, endpoint, options)?;
    let elapsed = began.elapsed();
    let command = message!("{kitcert} verify {}", endpoint);
    let again = probe::Again { command, deadline: options.deadline, pace: options.pace };
    let local = local_facts(invocation, None, None, &client, (endpoint, again))?;
    let mut findings = shown::findings(&observed, &client, &local, &[]);
    let mut verdict = judge(&observed, &local);
    findings.iter_mut().chain(&mut verdict.findings).for_each(without_state);
    let daemon_is_at_fault = Finding::gravest(&findings) >= Severity::Error;
    let beside = Beside { daemon_is_at_fault, client_is_at_fault: false, serves_current: true };
    let outcome = Outcome::of(&verdict, beside);
    let line = last_line(&verdict, &findings);
    Ok(verification(Parts { endpoint, client, findings, verdict, line, elapsed, outcome }, &observed))
}

/// Whom to dial, as whom, and what is to be said before that.
enum Prepared {
    Dialable(Box<Dialable>),
    /// Nobody, and why.
    Undialable(Box<Verification>),
}

/// What is dialed.
struct Dialable {
    endpoint: Endpoint,
    /// The daemon of the state that has this endpoint.
    daemon: Option<(IdentityName, DaemonEntry)>,
    client: Client,
    options: DialOptions,
    /// What is to be said of the config and of the files.
    findings: Vec<Finding>,
    client_is_at_fault: bool,
    /// Whether a config named the host.
    has_host: bool,
}

fn prepare(
    invocation: &Invocation<'_>,
    observation: Option<&Observation>,
    request: &VerifyRequest,
) -> Result<Prepared, Failure> {
    let configured = match is_config_meant(request, observation) {
        true => configured(invocation, &request.config)?,
        false => Configured::default(),
    };
    let configured = configured.beside(invocation, observation, request)?;
    let mut findings = config_findings(request, &configured);
    let undialed = |findings| {
        Ok(Prepared::Undialable(Box::new(Verification::undialed(configured.endpoint(), findings))))
    };
    let Some(endpoint) = endpoint_of(invocation, &request.target, observation, &configured)? else {
        return undialed(findings);
    };
    let daemon = daemon_of(&request.target, observation, &endpoint);
    let current = |name: &IdentityName| observation?.current(Role::Daemon, name);
    let accepted = daemon.as_ref().and_then(|(name, _)| current(name)).map(|current| &current.trust);
    let client = match choose(invocation, &request.client, observation, &configured, accepted) {
        Ok(Some(client)) => client,
        Ok(None) => return undialed(findings),
        Err(failure) if is_about_config(request, &configured) => {
            findings.push(unusable(&failure));
            return undialed(findings);
        }
        Err(failure) => return Err(failure),
    };
    let mut of_files = file_checks::client_findings(invocation, &client)?;
    if observation.is_none() {
        of_files.iter_mut().for_each(renewed_by_a_kit);
    }
    let of_client = [&findings, &of_files];
    let client_is_at_fault = of_client.iter().any(|found| Finding::gravest(found) >= Severity::Error);
    if let (Some(observation), Some((name, entry))) = (observation, &daemon) {
        findings.extend(file_checks::daemon_findings(invocation, observation, name, entry, &endpoint)?);
    }
    findings.extend(of_files);
    let options = match (observation, &daemon) {
        (Some(observation), Some((name, entry))) => {
            request.options.clone().with_entry(entry).with_leaf_of(invocation, observation, name)
        }
        _ => request.options.clone(),
    };
    let has_host = request.target == Target::Configured && configured.host.is_some();
    Ok(Prepared::Dialable(Box::new(Dialable {
        endpoint,
        daemon,
        client,
        options,
        findings,
        client_is_at_fault,
        has_host,
    })))
}

/// Tells the state, under one lock, what it is to remember. A disk that takes nothing makes no
/// verification less true.
pub(super) fn recorded(invocation: &Invocation<'_>, examined: Vec<Examined>) -> Vec<Verification> {
    let (mut verifications, evidence): (Vec<Verification>, Vec<Option<Evidence>>) =
        examined.into_iter().map(|one| (one.verification, one.evidence)).unzip();
    let (places, evidence): (Vec<usize>, Vec<Evidence>) =
        evidence.into_iter().enumerate().filter_map(|(place, one)| Some((place, one?))).unzip();
    // Judged as of another time, only what holds at any is to be remembered.
    let (places, evidence): (Vec<usize>, Vec<Evidence>) =
        places.into_iter().zip(evidence).filter(|(_, one)| invocation.at.is_none() || one.is_open()).unzip();
    if evidence.is_empty() {
        return verifications;
    }
    let told = record_anew(invocation, &evidence);
    for (index, place) in places.into_iter().enumerate() {
        let Some(verification) = verifications.get_mut(place) else { continue };
        match &told {
            Ok(recorded) => {
                verification.recorded = recorded.get(index).copied().unwrap_or(Recorded::Unchanged);
                if verification.recorded == Recorded::Superseded {
                    verification.supersede();
                }
            }
            Err(failure) => verification.findings.push(not_recorded(failure)),
        }
    }
    verifications
}

/// What a verification is made of.
struct Parts<'a> {
    endpoint: &'a Endpoint,
    client: Client,
    findings: Vec<Finding>,
    verdict: Verdict,
    line: Message,
    elapsed: Duration,
    outcome: Outcome,
}

fn verification(parts: Parts<'_>, observed: &DialResults) -> Verification {
    let Parts { endpoint, client, mut findings, verdict, line, elapsed, outcome } = parts;
    findings.extend(verdict.findings);
    let served = observed.handshake().and_then(probe::Handshake::leaf);
    let ours = client.identity.and_then(|identity| identity.chain.into_iter().next());
    let served = served.map(|leaf| (SERVED.message(), leaf));
    let ours = ours.map(|leaf| (client.described.clone(), leaf));
    Verification {
        target: endpoint.message(),
        endpoint: Some(endpoint.clone()),
        identity: client.described,
        findings,
        verdict: line,
        daemon_facts: Some(verdict.facts),
        certificates: served.into_iter().chain(ours).collect(),
        elapsed: Some(elapsed),
        outcome,
        timings: timings(observed),
        recorded: Recorded::Unchanged,
    }
}

/// Whether a config is read at all: one that is broken is no concern of whoever names a daemon and
/// a client.
fn is_config_meant(request: &VerifyRequest, observation: Option<&Observation>) -> bool {
    let is_automatic = request.client == ClientChoice::Automatic;
    request.target == Target::Configured
        || request.config.is_made()
        || (is_automatic && observation.is_none())
}

/// Whether what was dialed with, or would have been, comes from a config.
fn is_about_config(request: &VerifyRequest, configured: &Configured) -> bool {
    request.client == ClientChoice::Automatic && configured.files.is_some()
}

/// What is to be said of the config: of its host where that is dialed, of its files where nobody
/// named others.
fn config_findings(request: &VerifyRequest, configured: &Configured) -> Vec<Finding> {
    let mut findings = Vec::new();
    if request.target == Target::Configured {
        findings.extend(configured.findings.iter().cloned());
    }
    if request.client == ClientChoice::Automatic {
        findings.extend(configured.file_findings.iter().cloned());
    }
    findings
}

fn unusable(failure: &Failure) -> Finding {
    let finding = Finding::new(Rule::UnreadableFile, Severity::Error, failure.subject())
        .expected(failure.what_was_expected())
        .found(failure.what_was_found())
        .cause("the tool cannot use it either: it tries for a minute, then reports a time-out");
    match failure.remedy() {
        Some(hint) => finding.fix(hint),
        None => finding,
    }
}

/// What the verdict needs to know of this machine.
fn local_facts(
    invocation: &Invocation<'_>,
    observation: Option<&Observation>,
    daemon: Option<&(IdentityName, DaemonEntry)>,
    client: &Client,
    (endpoint, again): (&Endpoint, probe::Again),
) -> Result<Expected, Failure> {
    let installed = match (observation, daemon) {
        (Some(observation), Some((name, entry))) => file_checks::installed(observation, name, entry)?,
        _ => file_checks::InstalledSet::default(),
    };
    Ok(Expected {
        endpoint: endpoint.clone(),
        identity: client.described.clone(),
        now: invocation.judged_at(),
        trust: client.trust.clone(),
        known_authorities: observation.map(|observation| {
            let known = observation.authorities.iter();
            known.map(|authority| authority.certificate.subject().clone()).collect()
        }),
        client: client.identity.as_ref().map(|identity| identity.chain.clone()),
        installed_leaf: installed.leaf,
        installed_trust: installed.trust,
        daemon: daemon.map(|(name, _)| name.clone()),
        restart: daemon.and_then(|(name, entry)| restart_line(name, entry)),
        start: daemon.and_then(|(name, entry)| start_line(name, entry)),
        give: match (observation, daemon) {
            (Some(observation), Some((name, entry))) => {
                let is_installed = file_checks::is_installed(observation, name, entry)?;
                give_line(name, entry, is_installed)
            }
            _ => None,
        },
        way_out: match (observation, daemon) {
            (Some(observation), Some((name, _))) => way_out(invocation, observation, name),
            _ => None,
        },
        renew: observation.and_then(|observation| renew_line(observation, client)),
        layout: daemon.and_then(|(_, entry)| Some(entry.install.as_ref()?.layout)),
        again,
    })
}
