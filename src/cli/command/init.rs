//! `kitcert init`

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::install;
use crate::apply::{self, Outcome, Present, Probed, Survey, Takeover, TakeoverRequest};
use crate::cli::options::{ChangeOptions, client_name, daemon_name};
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{
    AuthorityName, Contact, Endpoint, ExitCode, Failure, Finding, IdentityName, KeyAlgorithm, Lifetime,
    Message, Printable, Severity, SubjectAltName,
};
use crate::pki::{Certificate, Passphrase};
use crate::plan::{AdoptedDaemon, InitRequest, InstallRequest};

/// `kitcert init`
#[derive(Debug, Args)]
pub struct InitArguments {
    /// A DNS name or IP address that clients use; give it once for each
    #[arg(long = "host", value_name = "HOST", required_unless_present = "adopt")]
    pub hosts: Vec<SubjectAltName>,
    /// The daemon's name in this state
    #[arg(long, value_name = "NAME", default_value = "builder", value_parser = daemon_name)]
    pub name: IdentityName,
    /// A client to issue a certificate for; give it once for each
    #[arg(long = "client", value_name = "NAME", value_parser = client_name)]
    pub clients: Vec<IdentityName>,
    /// Where clients reach the daemon [default: the first host, port 8372]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// The first part of the CA's common name
    #[arg(long, value_name = "TEXT", default_value = "buildkit CA")]
    pub ca_name: AuthorityName,
    /// How long the CA is valid
    #[arg(long, value_name = "DURATION", default_value = "10y")]
    pub ca_lifetime: Lifetime,
    /// How long daemons' certificates are valid, now and later [default: 397d]
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<Lifetime>,
    /// How long clients' certificates are valid, now and later [default: 90d]
    #[arg(long, value_name = "DURATION")]
    pub client_lifetime: Option<Lifetime>,
    /// Whom developers ask; kits say so [default: the user who makes the kit]
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<Contact>,
    /// The algorithm of every key
    #[arg(long = "key-type", value_name = "TYPE", default_value = "ecdsa-p256")]
    pub key: KeyAlgorithm,
    /// Install the daemon's files too, below / or another folder
    #[arg(long, value_name = "ROOT", num_args = 0..=1, require_equals = true, default_missing_value = "/")]
    pub install: Option<PathBuf>,
    /// Which daemon program the files are for
    #[arg(long, value_name = "LAYOUT", default_value = "earthly", requires = "install")]
    pub layout: DaemonLayout,
    /// Take over a running daemon: the folder with its ca.pem, cert.pem and key.pem, or a Kubernetes
    /// Secret with them; - is one from standard input
    #[arg(long, value_name = "DIR", conflicts_with_all = ["install", "layout"])]
    pub adopt: Option<PathBuf>,
    /// The certificate of an existing CA that is to go on
    #[arg(long, value_name = "FILE", requires = "ca_key", conflicts_with = "ca_name")]
    pub ca: Option<PathBuf>,
    /// The key of that CA, or of the CA of the daemon that is taken over; it may be encrypted PKCS#8
    #[arg(long, value_name = "FILE")]
    pub ca_key: Option<PathBuf>,
    /// What leads from that CA to the root that has certified it
    #[arg(long, value_name = "FILE", requires = "ca")]
    pub chain: Option<PathBuf>,
    /// Read the passphrase of the CA key from a file; - is standard input [default: ask]
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub ca_passphrase_file: Option<PathBuf>,
    /// Take the CA key even if others may know it
    #[arg(long)]
    pub keep_ca: bool,
    /// Allow a host such as *.example.com
    #[arg(long)]
    pub allow_wildcard: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(mut session: Session<'_>, asked: &InitArguments) -> Result<Report, Failure> {
    super::issue::refuse_wildcards(&asked.hosts, asked.allow_wildcard)?;
    let invocation = session.invocation("init", Some(asked.change), UNWATCHED)?;
    refuse_lone_key(asked)?;
    let mut survey = Survey::of(
        &invocation,
        TakeoverRequest {
            daemon: asked.adopt.clone(),
            authority: asked.ca.clone(),
            key: asked.ca_key.clone(),
            chain: asked.chain.clone(),
            keeps_known_key: asked.keep_ca,
        },
    )?;
    if let Some(path) = survey.locked().map(Path::to_owned) {
        survey.unlock(&passphrase(&mut session, asked, &path)?)?;
    }
    let Takeover { import, adopted, hosts, install: place, supplies, remarks, probed } =
        survey.take_over(&invocation, &asked.hosts, asked.endpoint.as_ref())?;
    let install = asked
        .install
        .as_ref()
        .map(|root| Ok(InstallRequest { root: session.environment.absolute(root)?, layout: asked.layout }));
    let request = InitRequest {
        state: invocation.state.clone(),
        hosts,
        name: asked.name.clone(),
        clients: asked.clients.clone(),
        endpoint: asked.endpoint.clone(),
        authority_name: asked.ca_name.clone(),
        authority_lifetime: asked.ca_lifetime,
        daemon_lifetime: asked.lifetime,
        client_lifetime: asked.client_lifetime,
        contact: asked.contact.clone(),
        key: asked.key,
        install: install.transpose()?.or(place),
        import,
        adopted,
    };
    let done = apply::init_with(&invocation, &request, &supplies)?;
    let report = Report::new("init").target(invocation.state.display());
    // Of a state that is there, nothing that was said of the taking over happens.
    let is_there = done.present.is_some() && done.plan.is_empty();
    let remarks = match is_there && asked.ca_key.is_some() {
        true => vec![message!("the state keeps its CAs as they are: --ca-key changes nothing")],
        false if is_there => Vec::new(),
        false => remarks,
    };
    let report = remarks.into_iter().fold(report, |report, remark| report.line(remark));
    let is_silent = probed.as_ref().is_some_and(|probed| !probed.serves_it);
    let report = probed.into_iter().fold(report, show_probed);
    let Some(present) = &done.present else { return Ok(show_plan(report, &done.plan)) };
    let changed = if done.plan.is_empty() { Changed::No } else { Changed::Yes };
    let mut report = with_plan(report, done.plan.summary()).changed(changed).table(rows(present));
    let is_made = changed == Changed::Yes && request.adopted.is_none();
    if let Some(install) = request.install.as_ref().filter(|_| is_made) {
        report = report.line(install::installed_line(install.layout, &install.root));
        let endpoint = &present.endpoint;
        report = install::start_lines(report, install.layout, &install.root, &request.name, endpoint)?;
    }
    report =
        report.toned(Tone::Warning, message!("back up   {} (holds the CA key)", invocation.state.display()));
    let adopted = request.adopted.iter().filter(|_| changed == Changed::Yes);
    report = adopted.flat_map(AdoptedDaemon::issuers).fold(report, |report, from| {
        report.line(message!(
            "CA {} stays trusted until it ends, or until: {kitcert} ca rollover finish {}",
            from.id.short(),
            from.id
        ))
    });
    let verified = present.is_verified;
    let last = match (verified, changed) {
        (true, Changed::No) => message!("nothing to do: everything is there, and verified"),
        (true, Changed::Yes) => message!("done; next: {kitcert} verify {}", request.name),
        (false, Changed::No) => {
            message!("nothing to do; not verified yet; next: {kitcert} verify {}", request.name)
        }
        (false, Changed::Yes) if is_silent => message!(
            "taken over, and it does not answer: start it, or correct its endpoint in {}; then: {kitcert} rotate",
            invocation.state.join("kitcert.yaml").display()
        ),
        (false, Changed::Yes) if request.adopted.is_some() => message!("taken over; next: {kitcert} rotate"),
        (false, Changed::Yes) => not_verified(&request),
    };
    Ok(report.object(&InitObject { verified }).line(last))
}

/// A CA key goes with the CA's certificate, or with a daemon that trusts that CA.
fn refuse_lone_key(asked: &InitArguments) -> Result<(), Failure> {
    match (&asked.ca_key, &asked.ca, &asked.adopt) {
        (Some(_), None, None) => Err(Failure::new("reading", "--ca-key")
            .expected("--ca with the certificate of that CA, or --adopt")
            .found("neither")
            .hint("name the CA's certificate with --ca")
            .exit(ExitCode::Usage)),
        _ => Ok(()),
    }
}

/// The passphrase of a CA key, from a file or from the person at the terminal.
fn passphrase(session: &mut Session<'_>, asked: &InitArguments, key: &Path) -> Result<Passphrase, Failure> {
    let words = match &asked.ca_passphrase_file {
        Some(path) => apply::passphrase_in(path)?,
        None => session.console.ask_secret(&message!("passphrase of {}: ", key.display())),
    };
    let words = words.ok_or_else(|| {
        Failure::new("decrypting the key of the CA", key.display())
            .expected("its passphrase")
            .found("nobody to ask")
            .hint("write the passphrase into a file of your own, and name that with --ca-passphrase-file")
            .exit(ExitCode::Usage)
    })?;
    Passphrase::verbatim(&words)
}

/// What was seen of a daemon before it was taken over.
fn show_probed(report: Report, probed: Probed) -> Report {
    let Probed { verification, serves_it } = probed;
    let worst = Finding::gravest(&verification.findings) >= Severity::Error;
    let tone = if verification.is_verified() { Tone::Good } else { Tone::Warning };
    let said = match serves_it {
        true => message!("it serves this certificate; {}", verification.verdict),
        false => message!(
            "it does not answer: {}; where it listens elsewhere, change its endpoint in kitcert.yaml",
            verification.verdict
        ),
    };
    let report = report.toned(tone, message!("probed    {}: {}", verification.target, said));
    let is_open = verification.outcome == Outcome::Open;
    match is_open && worst {
        true => report.findings(verification.findings).exit(ExitCode::Verification),
        false => report,
    }
}

/// What `kitcert init` prints besides.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct InitObject {
    /// Whether the daemon is verified already.
    verified: bool,
}

fn rows(present: &Present) -> Vec<(Tone, Vec<Message>)> {
    let row = |kind: &'static str, name: Message, certificate: &Certificate| {
        let until = message!("until {}", certificate.validity().not_after.date());
        (Tone::Plain, vec![kind.message(), name, until])
    };
    let authorities = present.authorities.iter().map(|one| row("CA", one.subject().message(), one));
    let identities = present.identities.iter();
    let identities = identities.map(|(role, name, leaf)| row(role.as_str(), name.message(), leaf));
    authorities.chain(identities).collect()
}

fn not_verified(request: &InitRequest) -> Message {
    let first = if request.install.is_some() { "start the daemon" } else { "{kitcert} install daemon" };
    let invite = request.clients.first().map(|name| message!("; then: {kitcert} invite {}", name));
    let verify = message!("{kitcert} verify {}", request.name);
    message!("not verified yet; next: {}; then: {}{}", first, verify, invite.unwrap_or_default())
}
