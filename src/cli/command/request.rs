//! `kitcert request`

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{self, Mode, RequestedKey};
use crate::cli::options::{ChangeOptions, client_name};
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{Failure, IdentityName, KeyAlgorithm, Message, Printable, Quoted};
use crate::plan::{KeyRenewal, RequestRequest};

/// `kitcert request`
#[derive(Debug, Args)]
pub struct RequestArguments {
    /// The client's name
    #[arg(value_parser = client_name)]
    pub name: IdentityName,
    /// Write the request to this file [default: ./NAME.csr]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The algorithm of the key [default: ecdsa-p256]
    #[arg(long = "key-type", value_name = "TYPE")]
    pub key: Option<KeyAlgorithm>,
    /// Create a new key even if there is one; a kit for the old key can still be joined
    #[arg(long)]
    pub new_key: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &RequestArguments) -> Result<Report, Failure> {
    let invocation = session.invocation("request", Some(asked.change), UNWATCHED)?;
    let request = RequestRequest {
        name: asked.name.clone(),
        key: asked.key,
        renewal: if asked.new_key { KeyRenewal::Fresh } else { KeyRenewal::Keep },
        path: asked.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.csr", asked.name))),
    };
    let done = apply::request(&invocation, &request)?;
    let report = Report::new("request").target(request.path.display());
    if invocation.mode == Mode::DryRun {
        return Ok(show_plan(report, &done.plan));
    }
    let report = with_plan(report, done.plan.summary());
    let changed = if done.plan.is_empty() { Changed::No } else { Changed::Yes };
    match done.key {
        Some(key) => Ok(show(report, &asked.name, &request, &key).changed(changed)),
        None => Ok(report),
    }
}

fn show(report: Report, name: &IdentityName, request: &RequestRequest, key: &RequestedKey) -> Report {
    let file = request.path.message();
    let rows = [
        ("key", key.path.message(), "0600, it never leaves this machine"),
        ("request", file.clone(), "send it to your admin"),
    ];
    let rows = rows.map(|(what, path, note)| (Tone::Plain, vec![what.message(), path, note.message()]));
    report
        .object(&RequestObject {
            key: key.path.message(),
            fingerprint: key.fingerprint.message(),
            words: key.fingerprint.words(),
        })
        .table(rows.to_vec())
        .line("and tell them the key's fingerprint separately, for example by phone:")
        .line(message!("  {}", key.fingerprint.words()))
        .toned(Tone::Aside, message!("  or SHA-256 {}", key.fingerprint))
        .line(message!(
            "they answer with a kit: kitcert issue client {} --csr {} --kit {}.kit",
            name,
            Quoted(file),
            name
        ))
        .line(message!("next: {kitcert} join {}.kit", name))
}

/// The key of a request.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RequestObject {
    /// Where the key is, which never leaves.
    key: Message,
    /// SHA-256 of its public half, in hex.
    fingerprint: Message,
    /// The same in words.
    words: Message,
}
