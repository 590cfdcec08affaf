//! `verify`, done: what is on disk is judged, the daemon is dialled, and a proof is recorded.

use std::time::Duration;

use super::configured::{ConfigChoice, Configured, configured};
use super::context::Context;
use super::credentials::{self, Client, Credentials};
use super::files;
use super::record::{Recorded, Standing, record_anew};
use super::shown;
use crate::layout::DaemonEntry;
use crate::model::{Endpoint, Failure, Finding, IdentityName, Lifetime, Role, Rule, Severity};
use crate::probe::{self, Dial, LocalFacts, Observed, Verdict, judge};
use crate::store::{Interest, Observation, StateDirectory};

/// What `verify` was asked for.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// Whom to dial.
    pub target: Target,
    /// As whom.
    pub credentials: Credentials,
    /// Which client's config is meant, where one is read.
    pub config: ConfigChoice,
    /// How long one dial may take.
    pub deadline: Lifetime,
}

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// What the client's own config says.
    Configured,
    /// An endpoint.
    Endpoint(Endpoint),
    /// A daemon of the state.
    Daemon(IdentityName),
}

/// What came of it.
#[derive(Debug)]
pub struct Proof {
    /// Who was dialled, or would have been.
    pub target: String,
    /// The same, where there was one.
    pub endpoint: Option<Endpoint>,
    /// As whom, in words.
    pub identity: String,
    /// Everything that was found, the files' first.
    pub findings: Vec<Finding>,
    /// The verdict in one line.
    pub verdict: String,
    /// What the daemon said of itself.
    pub daemon_facts: serde_json::Value,
    /// Each dial and how long it took.
    pub timings: Vec<Vec<String>>,
    /// Whether the state was told, by moving the daemon's `proven`.
    pub recorded: Recorded,
}

/// Judges the files at hand, dials, and moves `proven` of a daemon whose current certificate was
/// served and whose every dial went as it must.
///
/// # Errors
/// No target that can be dialled, credentials that cannot be read, a state that cannot be read.
/// Whatever is wrong with the daemon is a finding, not an error.
pub fn verify(context: &Context<'_>, request: &VerifyRequest) -> Result<Proof, Failure> {
    let directory = context.open()?;
    let observation =
        directory.as_ref().map(|found| observe_for(context, found, &request.credentials)).transpose()?;
    let mut configured = match is_config_meant(request, observation.as_ref()) {
        true => configured(context, &request.config)?,
        false => Configured::default(),
    };
    if observation.is_some() && configured.host.is_none() && !request.config.is_made() {
        // A config that names no host says nothing of the daemon of the state.
        configured.files = None;
    }
    let mut findings = config_findings(request, &configured);
    let Some(endpoint) = endpoint_of(context, request, observation.as_ref(), &configured)? else {
        return Ok(undialled(&configured, findings));
    };
    let daemon = daemon_of(&request.target, observation.as_ref(), &endpoint);
    let current = |name: &IdentityName| observation.as_ref()?.current(Role::Daemon, name);
    let accepted = daemon.as_ref().and_then(|(name, _)| current(name)).map(|current| &current.trust);
    let client =
        match credentials::choose(context, &request.credentials, observation.as_ref(), &configured, accepted)
        {
            Ok(Some(client)) => client,
            Ok(None) => return Ok(undialled(&configured, findings)),
            Err(failure) if is_about_config(request, &configured) => {
                findings.push(unusable(&failure));
                return Ok(undialled(&configured, findings));
            }
            Err(failure) => return Err(failure),
        };
    findings.extend(files::findings(context, observation.as_ref(), daemon.as_ref(), &client, &endpoint)?);
    let observed = dial(context, &client, &endpoint, request.deadline)?;
    let local = local_facts(context, observation.as_ref(), daemon.as_ref(), &client, &endpoint)?;
    findings.extend(shown::findings(&observed, &client, &local, &findings));
    let mut verdict = judge(&observed, &local);
    if request.target == Target::Configured && configured.host.is_some() {
        // What the tool makes of the host is told already, and of which tool it is so.
        verdict.findings.retain(|finding| finding.rule != Rule::LoopbackHost);
    }
    let recorded = match (&observation, &daemon) {
        (Some(observation), Some((name, _))) => {
            record_anew(context, observation, name, &observed, Standing::of(&verdict, &findings))
        }
        _ => Ok(Recorded::Unchanged),
    };
    // A disk that takes nothing makes the proof no less true.
    let recorded = recorded.unwrap_or_else(|failure| {
        findings.push(not_recorded(&failure));
        Recorded::Unchanged
    });
    let verdict_line = last_line(&verdict, &findings);
    findings.extend(verdict.findings);
    Ok(Proof {
        target: endpoint.to_string(),
        endpoint: Some(endpoint),
        identity: client.described,
        findings,
        verdict: verdict_line,
        daemon_facts: verdict.facts,
        timings: timings(&observed),
        recorded,
    })
}

/// Dials as a client whose files are nowhere yet; no state has a part in it.
pub(super) fn verify_as(
    context: &Context<'_>,
    client: Client,
    endpoint: &Endpoint,
    deadline: Lifetime,
) -> Result<Proof, Failure> {
    let observed = dial(context, &client, endpoint, deadline)?;
    let local = local_facts(context, None, None, &client, endpoint)?;
    let mut findings = shown::findings(&observed, &client, &local, &[]);
    let verdict = judge(&observed, &local);
    let verdict_line = last_line(&verdict, &findings);
    findings.extend(verdict.findings);
    Ok(Proof {
        target: endpoint.to_string(),
        endpoint: Some(endpoint.clone()),
        identity: client.described,
        verdict: verdict_line,
        findings,
        daemon_facts: verdict.facts,
        timings: timings(&observed),
        recorded: Recorded::Unchanged,
    })
}

/// Reads the daemons, and as few clients as will do: a state may have ten thousand.
fn observe_for(
    context: &Context<'_>,
    directory: &StateDirectory,
    credentials: &Credentials,
) -> Result<Observation, Failure> {
    let inventory = context.observe_in(directory, &Interest::Inventory)?.inventory;
    let clients: Vec<&IdentityName> = match credentials {
        Credentials::Client(name) => vec![name],
        _ => inventory.clients.keys().take(CLIENTS_TRIED).collect(),
    };
    let daemons = inventory.daemons.keys().map(|name| (Role::Daemon, name.clone()));
    let clients = clients.into_iter().map(|name| (Role::Client, name.clone()));
    context.observe_in(directory, &Interest::Identities(daemons.chain(clients).collect()))
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
fn undialled(configured: &Configured, findings: Vec<Finding>) -> Proof {
    let gravest = findings.iter().max_by_key(|finding| finding.severity);
    let why = gravest.map_or_else(String::new, |finding| format!(": {}", finding.found));
    let host = configured.endpoint().map(|endpoint| endpoint.to_string());
    Proof {
        target: host.unwrap_or_else(|| "no endpoint".to_owned()),
        endpoint: None,
        identity: "nobody".to_owned(),
        verdict: format!("not dialled{why}"),
        findings,
        daemon_facts: serde_json::Value::Null,
        timings: Vec::new(),
        recorded: Recorded::Unchanged,
    }
}

/// The endpoint to dial; None where the config names one that nobody can dial.
fn endpoint_of(
    context: &Context<'_>,
    request: &VerifyRequest,
    observation: Option<&Observation>,
    configured: &Configured,
) -> Result<Option<Endpoint>, Failure> {
    match &request.target {
        Target::Endpoint(endpoint) => Ok(Some(endpoint.clone())),
        Target::Daemon(name) => {
            let observation = observation.ok_or_else(|| context.no_state())?;
            let listed = observation.inventory.daemons.get(name);
            let listed = listed.ok_or_else(|| unknown_daemon(name, observation))?;
            Ok(Some(listed.endpoint.clone()))
        }
        Target::Configured => match configured.endpoint() {
            Some(endpoint) => Ok(Some(endpoint)),
            None if Finding::gravest(&configured.findings) >= Severity::Error
                && configured.host.is_some() =>
            {
                Ok(None)
            }
            None => the_only_endpoint(context, observation).map(Some),
        },
    }
}

/// Without a config that names a host, the state's one daemon is meant.
fn the_only_endpoint(context: &Context<'_>, observation: Option<&Observation>) -> Result<Endpoint, Failure> {
    let undecided = |there: &str, hint: &str| {
        Failure::new("choosing", "a daemon to verify")
            .expected("tcp://host:port, a daemon's name, or a client's config that names a host")
            .found(format!("none, and {there} in {}", context.state.display()))
            .hint(hint)
            .exit(crate::model::ExitCode::Usage)
    };
    let example = "kitcert verify tcp://builder.example.com:8372";
    let daemons = observation.map(|observation| observation.inventory.daemons.values().collect::<Vec<_>>());
    match daemons.as_deref() {
        Some([only]) => Ok(only.endpoint.clone()),
        Some(several) => Err(undecided(&format!("{} daemons", several.len()), example)),
        None => Err(undecided("no state", &format!("{example} --tlsdir DIR"))),
    }
}

fn unknown_daemon(name: &IdentityName, observation: &Observation) -> Failure {
    let known = observation.inventory.daemons.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Failure::new("verifying daemon", name)
        .expected(format!("one of {}/kitcert.yaml ({known})", observation.path.display()))
        .found("another name")
        .hint("kitcert status")
}

/// The daemon of the state that an endpoint belongs to: the one that was named, else the one with
/// that endpoint, else the only one with that host.
fn daemon_of(
    target: &Target,
    observation: Option<&Observation>,
    endpoint: &Endpoint,
) -> Option<(IdentityName, DaemonEntry)> {
    let daemons = &observation?.inventory.daemons;
    let entry = |name: &IdentityName| Some((name.clone(), daemons.get(name)?.clone()));
    if let Target::Daemon(name) = target {
        return entry(name);
    }
    if let Some((name, _)) = daemons.iter().find(|(_, daemon)| daemon.endpoint == *endpoint) {
        return entry(name);
    }
    let mut with_host = daemons.iter().filter(|(_, daemon)| daemon.hosts.contains(endpoint.host()));
    match (with_host.next(), with_host.next()) {
        (Some((name, _)), None) => entry(name),
        _ => None,
    }
}

pub(super) fn dial(
    context: &Context<'_>,
    client: &Client,
    endpoint: &Endpoint,
    deadline: Lifetime,
) -> Result<Observed, Failure> {
    let strangers = credentials::strangers(context, client)?;
    let request = probe::Request {
        endpoint,
        trust: &client.trust,
        ours: client.identity.as_ref(),
        stranger: strangers.stranger.as_ref(),
        expired: strangers.expired.as_ref(),
        daemon_usage: strangers.daemon_usage.as_ref(),
        deadline: Duration::from_secs(deadline.seconds().unsigned_abs()),
        now: context.environment.now(),
    };
    Ok(probe::probe(&request))
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
        now: context.environment.now(),
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
fn last_line(verdict: &Verdict, files: &[Finding]) -> String {
    let faults = files.iter().filter(|finding| finding.severity >= Severity::Error).count();
    let not_installed = files.iter().find(|finding| finding.rule == Rule::ServedIsStale);
    match (faults, not_installed.and_then(|finding| finding.fix.as_ref())) {
        (0, None) => verdict.summary.clone(),
        (0, Some(fix)) => format!("{}; what was issued last is not installed; next: {fix}", verdict.summary),
        (1, _) => format!("{}; 1 fault in the files", verdict.summary),
        (faults, _) => format!("{}; {faults} faults in the files", verdict.summary),
    }
}

fn timings(observed: &Observed) -> Vec<Vec<String>> {
    let row = |(dial, dialled): (&Dial, &probe::Dialled)| {
        vec![format!("  {dial}"), format!("{:.1} ms", dialled.elapsed.as_secs_f64() * 1e3)]
    };
    observed.dials.iter().map(row).collect()
}

/// Among how many clients of the state one is looked for that can be dialled as.
const CLIENTS_TRIED: usize = 16;
