//! `kitcert recover`

use std::collections::BTreeMap;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{self, Invocation, Recovering, Unexplained};
use crate::cli::options::ChangeOptions;
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{ExitCode, Failure, IdentityName, Message, Printable};
use crate::plan::{Recovered, Recovery, Unknown};

/// `kitcert recover`
#[derive(Debug, Args)]
pub struct RecoverArguments {
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &RecoverArguments) -> Result<Report, Failure> {
    let invocation = session.invocation("recover", Some(asked.change), UNWATCHED)?;
    let report = Report::new("recover").target(invocation.state.display());
    let recovery = match apply::recover(&invocation)? {
        Recovering::Recovered(recovery) => recovery,
        Recovering::Whole(unexplained) => return Ok(whole(report, &unexplained)),
    };
    let locked_out = recovery.locked_out.iter().map(Printable::message).collect();
    let report = report.object(&RecoverObject { unknown: recovery.unknown.clone(), locked_out });
    let report = match recovery.what {
        Recovered::Inventory => shown(report, &invocation, &recovery),
        Recovered::Copy => of_copy(report, &recovery),
    };
    if !invocation.acts() {
        return Ok(show_plan(report, &recovery.plan));
    }
    let next = match recovery.what {
        Recovered::Inventory => message!("done; next: check kitcert.yaml, then: {kitcert} rotate --dry-run"),
        Recovered::Copy => message!(
            "done; nothing was placed or restarted; remove the other copies of this state; \
             next: {kitcert} rotate --dry-run"
        ),
    };
    Ok(with_plan(report, recovery.plan.summary()).changed(Changed::Yes).line(next))
}

/// That nothing is lost; and what daemons do of which this state does not know the reason.
fn whole(report: Report, unexplained: &BTreeMap<IdentityName, Unexplained>) -> Report {
    let unknown = unexplained.iter().map(|(daemon, one)| Unknown {
        subject: message!("daemon {}", daemon),
        what: one.found.clone(),
        remedy: Some(one.fix.in_one_line()),
    });
    let nothing = RecoverObject { unknown: unknown.collect(), locked_out: Vec::new() };
    let report = with_plan(report.object(&nothing), Vec::new());
    let Some(first) = unexplained.values().next() else {
        return report.line(
            "nothing to recover: kitcert.yaml is here, and so is what this state has installed; if this is a \
             backup, revoke again whoever was revoked since",
        );
    };
    unexplained
        .values()
        .fold(report, |report, one| report.toned(Tone::Bad, one.found.clone()))
        .toned(Tone::Bad, message!("this may be an old copy of the state; next: {}", first.fix.in_one_line()))
        .exit(ExitCode::Due)
}

/// What an old copy, or one of two, now knows, and what it cannot know.
fn of_copy(report: Report, recovery: &Recovery) -> Report {
    report
        .line(message!("this copy of the state continues; what is known of what another copy did:"))
        .table(unknown_rows(recovery))
        .line(message!(
            "until {}, a CA rollover waits for clients that this state does not know",
            recovery.open_until.date()
        ))
}

fn unknown_rows(recovery: &Recovery) -> Vec<(Tone, Vec<Message>)> {
    let row = |one: &Unknown| (Tone::Warning, vec![message!("  {}", one.subject), one.what.clone()]);
    recovery.unknown.iter().map(row).collect()
}

/// What kitcert.yaml says again, and what a person must look at.
fn shown(report: Report, invocation: &Invocation<'_>, recovery: &Recovery) -> Report {
    let inventory = &recovery.inventory;
    let policy = &inventory.authority;
    let authority = row("CA", policy.name.message(), message!("{}, {}", policy.lifetime, policy.key));
    let daemons = inventory.daemons.iter().map(|(name, daemon)| {
        let hosts = Message::join(&daemon.hosts, ", ");
        row("daemon", name.message(), message!("{}, {}, for {}", daemon.lifetime, daemon.endpoint, hosts))
    });
    let clients = inventory.clients.iter().map(|(name, client)| {
        let endpoint = client.endpoint.as_ref().map(|endpoint| message!(", {}", endpoint));
        row("client", name.message(), message!("{}{}", client.lifetime, endpoint.unwrap_or_default()))
    });
    let file = invocation.state.join("kitcert.yaml");
    limited(report, std::iter::once(authority).chain(daemons).chain(clients).collect())
        .line(message!("check these in {}; no other file records them:", file.display()))
        .table(unknown_rows(recovery))
        .line(message!(
            "until {}, a CA rollover waits for holders of certificates that this state does not know",
            recovery.open_until.date()
        ))
}

/// A table of the first rows, and how many more there are.
fn limited(report: Report, mut rows: Vec<(Tone, Vec<Message>)>) -> Report {
    let more = rows.len().saturating_sub(MOST_SHOWN);
    rows.truncate(MOST_SHOWN);
    let report = report.table(rows);
    if more == 0 { report } else { report.line(message!("… and {} more", more)) }
}

fn row(kind: &'static str, name: Message, said: Message) -> (Tone, Vec<Message>) {
    (Tone::Plain, vec![kind.message(), name, said])
}

/// What nobody knows any more.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RecoverObject {
    /// What kitcert.yaml may have said and nothing else remembers; of a copy, what it cannot know.
    unknown: Vec<Unknown>,
    /// Of a copy, the clients that do not get in any more with what they have, once a daemon serves what is
    /// installed for it.
    locked_out: Vec<Message>,
}

const MOST_SHOWN: usize = 40;
