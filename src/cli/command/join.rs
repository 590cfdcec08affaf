//! `kitcert join`

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::verify::{self, Detail};
use crate::apply::{self, DialOptions, Given, JoinRequest, Joined, Mode, Placing, Received, Replacing};
use crate::cli::options::ChangeOptions;
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::{ClientTool, EnableTls, use_command, verify_command};
use crate::message;
use crate::model::{ExitCode, Failure, Finding, FingerprintPrefix, Lifetime, Message, Printable};
use crate::pki::{KitContents, Passphrase};
use crate::plan::Evidence;

/// `kitcert join`
#[derive(Debug, Args)]
pub struct JoinArguments {
    /// The kit from your admin; - is standard input
    #[arg(value_name = "FILE")]
    pub kit: PathBuf,
    /// The CA's fingerprint, as your admin told you: the words, or at least 32 hex digits of the SHA-256
    /// [default: ask]
    #[arg(long, value_name = "WORDS|HEX")]
    pub fingerprint: Option<FingerprintPrefix>,
    /// Read the kit's passphrase from a file; - is standard input [default: ask]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The client tool [default: the one that is found here]
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<ClientTool>,
    /// The config file to edit [default: the tool's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Turn TLS on, even if the config says tls_enabled: false
    #[arg(long)]
    pub enable_tls: bool,
    /// Replace installed files even if the daemon cannot be verified with the new ones
    #[arg(long)]
    pub unverified: bool,
    /// How long the verification may take
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub timeout: Lifetime,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(mut session: Session<'_>, asked: &JoinArguments) -> Result<Report, Failure> {
    let invocation = session.invocation("join", Some(asked.change), UNWATCHED)?;
    let config = asked.config.as_ref().map(|config| session.environment.absolute(config)).transpose()?;
    let request = JoinRequest {
        tool: asked.tool,
        config,
        enable_tls: if asked.enable_tls { EnableTls::EvenIfDisabled } else { EnableTls::OnlyIfUnset },
        replacing: if asked.unverified { Replacing::Always } else { Replacing::OnlyByVerified },
        options: DialOptions { deadline: asked.timeout.as_duration(), ..DialOptions::default() },
    };
    let received = apply::receive(&invocation, &asked.kit, &request)?;
    let given = evidence(&mut session, asked, &received)?;
    let contents = received.kit().contents().clone();
    let tool = received.tool();
    let joined = received.join(&invocation, &given, &request)?;
    let report = Report::new("join").target(&contents.endpoint).object(&JoinObject {
        name: contents.name.message(),
        tool: tool.as_str(),
        placing: placing_word(joined.placing),
        receipt: joined.receipt.as_ref().map(Printable::message),
    });
    if invocation.mode == Mode::DryRun {
        return Ok(show_plan(report, &joined.plan));
    }
    Ok(show(report, &session, joined, &contents))
}

fn show(report: Report, session: &Session<'_>, joined: Joined, contents: &KitContents) -> Report {
    let Joined { plan, place, placing, verification, receipt } = joined;
    let mut report = with_plan(report, plan.summary()).changed(match placing {
        Placing::Placed => Changed::Yes,
        Placing::Unchanged | Placing::Withheld | Placing::Planned => Changed::No,
    });
    let installed = message!("{}/ca.pem, cert.pem, key.pem", place.folder.display());
    let mut rows = match placing {
        Placing::Placed => vec![row("installed", installed, "key 0600")],
        Placing::Unchanged => vec![row("installed", installed, "unchanged")],
        Placing::Withheld | Placing::Planned => {
            vec![row("kept", place.folder.message(), "unchanged")]
        }
    };
    if let (Some(config), true) = (&place.config, placing != Placing::Withheld) {
        let edited = if plan.config.is_some() { "edited" } else { "unchanged" };
        rows.push(row("config", config.path.message(), edited));
    }
    report = report.table(rows);
    if let Some(receipt) = &receipt {
        report = report
            .line(message!(
                "receipt: send it to {}, who types kitcert confirm RECEIPT:",
                contents.contact.person()
            ))
            .line(message!("  {}", receipt));
    }
    let Some(verification) = verification else { return report };
    let (exit, endpoint) = (Finding::exit_code(&verification.findings, None), verification.endpoint.clone());
    let is_verified = verification.is_verified();
    let detail = if session.global.verbose { Detail::Everything } else { Detail::Faults };
    report = verify::show(report, session.global, detail, &verification)
        .findings(verification.findings)
        .exit(exit);
    match (placing, endpoint) {
        (Placing::Withheld, _) => report.toned(
            Tone::Bad,
            "not joined: the previous files stay; to replace them without verification: --unverified",
        ),
        (_, Some(endpoint)) if is_verified => {
            report.line(message!("next: {}", use_command(&place, &endpoint)))
        }
        _ => {
            let again = verify_command(&place, &contents.endpoint);
            report.toned(Tone::Bad, message!("joined, but not verified yet; once that is fixed: {}", again))
        }
    }
}

fn row(what: &'static str, path: Message, note: &'static str) -> (Tone, Vec<Message>) {
    (Tone::Plain, vec![what.message(), path, note.message()])
}

/// What was joined.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct JoinObject {
    /// The client.
    name: Message,
    /// Whose files and config were written: `earthly`, `earthbuild`, ….
    tool: &'static str,
    /// `placed`, `unchanged`, `withheld` or `planned`.
    placing: &'static str,
    /// What to send back to the admin; there where the daemon was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Message>,
}

fn placing_word(placing: Placing) -> &'static str {
    match placing {
        Placing::Placed => "placed",
        Placing::Unchanged => "unchanged",
        Placing::Withheld => "withheld",
        Placing::Planned => "planned",
    }
}

/// What has to be shown for the kit, from the command line, a file, or the person at the terminal.
fn evidence(session: &mut Session<'_>, asked: &JoinArguments, received: &Received) -> Result<Given, Failure> {
    let contents = received.kit().contents();
    let mut given = Given { fingerprint: asked.fingerprint.clone(), passphrase: None };
    match received.evidence() {
        Evidence::Fingerprint if given.fingerprint.is_none() => {
            let question = message!(
                "this kit lets {} use {}\nthe CA's fingerprint, as {} told you (twelve words, or at least 32 hex digits): ",
                contents.name,
                contents.endpoint,
                contents.contact.person()
            );
            let answer = session.console.ask(&question).ok_or_else(|| {
                missing("the fingerprint of its CA, which the sender tells you separately", received).hint(
                    message!(
                        "ask {} for the words, and pass them with --fingerprint",
                        contents.contact.person()
                    ),
                )
            })?;
            given.fingerprint = Some(answer.parse()?);
        }
        Evidence::Passphrase => {
            let words = match &asked.passphrase_file {
                Some(path) => apply::passphrase_in(path)?,
                None => session.console.ask_secret(&message!(
                    "this kit lets {} use {}\npassphrase, as {} told you: ",
                    contents.name,
                    contents.endpoint,
                    contents.contact.person()
                )),
            };
            let words = words.ok_or_else(|| {
                missing("its passphrase", received).hint(message!(
                    "write the passphrase that {} told you into a file that only you can read, and pass it with \
                     --passphrase-file",
                    contents.contact.person()
                ))
            })?;
            given.passphrase = Some(Passphrase::typed(&words)?);
        }
        Evidence::Fingerprint | Evidence::Nothing => {}
    }
    Ok(given)
}

fn missing(what: &'static str, received: &Received) -> Failure {
    Failure::new("joining", message!("the kit of {}", received.kit().contents().name))
        .expected(what)
        .found("no terminal to ask on")
        .exit(ExitCode::Usage)
}
