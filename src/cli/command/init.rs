//! `kitcert init`

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::install;
use crate::apply::{self, Present};
use crate::cli::options::{ChangeOptions, client_name, daemon_name};
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{
    AuthorityName, Contact, Endpoint, Failure, IdentityName, KeyAlgorithm, Lifetime, Message, Printable,
    SubjectAltName,
};
use crate::pki::Certificate;
use crate::plan::{InitRequest, InstallRequest};

/// `kitcert init`
#[derive(Debug, Args)]
pub struct InitArguments {
    /// A DNS name or IP address that clients use; give it once for each
    #[arg(long = "host", value_name = "HOST", required = true)]
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
    /// Allow a host such as *.example.com
    #[arg(long)]
    pub allow_wildcard: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &InitArguments) -> Result<Report, Failure> {
    super::issue::refuse_wildcards(&asked.hosts, asked.allow_wildcard)?;
    let invocation = session.invocation("init", Some(asked.change), UNWATCHED)?;
    let install = asked
        .install
        .as_ref()
        .map(|root| Ok(InstallRequest { root: session.environment.absolute(root)?, layout: asked.layout }));
    let request = InitRequest {
        state: invocation.state.clone(),
        hosts: asked.hosts.clone(),
        name: asked.name.clone(),
        clients: asked.clients.clone(),
        endpoint: asked.endpoint.clone(),
        authority_name: asked.ca_name.clone(),
        authority_lifetime: asked.ca_lifetime,
        daemon_lifetime: asked.lifetime,
        client_lifetime: asked.client_lifetime,
        contact: asked.contact.clone(),
        key: asked.key,
        install: install.transpose()?,
    };
    let done = apply::init(&invocation, &request)?;
    let report = Report::new("init").target(invocation.state.display());
    let Some(present) = &done.present else { return Ok(show_plan(report, &done.plan)) };
    let changed = if done.plan.is_empty() { Changed::No } else { Changed::Yes };
    let mut report = with_plan(report, done.plan.summary()).changed(changed).table(rows(present));
    if let Some(install) = request.install.as_ref().filter(|_| changed == Changed::Yes) {
        report = report.line(install::installed_line(install.layout, &install.root));
        let endpoint = &present.endpoint;
        report = install::start_lines(report, install.layout, &install.root, &request.name, endpoint)?;
    }
    report =
        report.toned(Tone::Warning, message!("back up   {} (holds the CA key)", invocation.state.display()));
    let verified = present.is_verified;
    let last = match (verified, changed) {
        (true, Changed::No) => message!("nothing to do: everything is there, and verified"),
        (true, Changed::Yes) => message!("done; next: {kitcert} verify {}", request.name),
        (false, Changed::No) => {
            message!("nothing to do; not verified yet; next: {kitcert} verify {}", request.name)
        }
        (false, Changed::Yes) => not_verified(&request),
    };
    Ok(report.object(&InitObject { verified }).line(last))
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
