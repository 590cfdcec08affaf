//! `kitcert invite`

use std::path::PathBuf;

use super::{Session, UNWATCHED, issue, plan_view};
use crate::apply::{self, MadeKit, Mode};
use crate::cli::kit_arguments::InviteArguments;
use crate::cli::member::Object;
use crate::cli::report::{Changed, Report, Tone};
use crate::message;
use crate::model::{Failure, Message, Printable, Quoted};
use crate::plan::{InviteRequest, KitRequest};

pub(super) fn run(session: Session<'_>, asked: &InviteArguments) -> Result<Report, Failure> {
    let context = session.context("invite", Some(asked.change), UNWATCHED)?;
    let name = &asked.name;
    let request = InviteRequest {
        name: name.clone(),
        lifetime: asked.lifetime,
        kit: KitRequest {
            path: asked.kit.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.kit"))),
            endpoint: asked.endpoint.clone(),
            contact: asked.contact.clone(),
            join_within: asked.join_within,
        },
        user: context.contact(),
    };
    let invitation = apply::invite(&context, &request)?;
    let report = Report::new("invite").target(request.kit.path.display());
    if context.mode == Mode::DryRun {
        return Ok(plan_view::show(report, &invitation.done.plan));
    }
    let issued: Vec<_> = invitation.done.issued.iter().map(issue::issued_json).collect();
    let report = report.detail("plan", invitation.done.plan.summary()).detail("issued", issued);
    let Some(kit) = &invitation.kit else { return Ok(report) };
    let issued = invitation.done.issued.iter().map(issue::issued_row);
    let rows = issued.chain([kit_row(kit, "with the key, encrypted")]);
    let words = invitation.passphrase.expose_message();
    let report = report
        .changed(Changed::Yes)
        .detail("kit", kit_json(kit))
        .detail("passphrase", &words)
        .even_if_quiet()
        .table(rows.collect());
    Ok(warnings(report, kit)
        .line(message!(
            "passphrase, shown once and kept nowhere; tell it to {} by another way than the kit:",
            name
        ))
        .line(message!("  {}", words))
        .line(message!("then, on {}'s machine: kitcert join {}", name, Quoted(&kit.path))))
}

/// What will keep the client from its daemon although the kit is right.
pub(super) fn warnings(report: Report, kit: &MadeKit) -> Report {
    let report = kit.findings.iter().fold(report, |report, finding| {
        let text =
            message!("warning: {}: expected {}, found {}", finding.subject, finding.expected, finding.found);
        let report = report.toned(Tone::Warning, text);
        match &finding.fix {
            Some(fix) => report.line(message!("try: {}", fix)),
            None => report,
        }
    });
    report.findings(kit.findings.clone())
}

/// The kit as a row.
pub(super) fn kit_row(kit: &MadeKit, what: &'static str) -> (Tone, Vec<Message>) {
    let until = message!("{}; to be joined before {}", what, kit.terms.join_before.minute());
    (Tone::Plain, vec![message!("kit"), kit.path.message(), until])
}

/// The kit in JSON.
pub(super) fn kit_json(kit: &MadeKit) -> Object {
    Object::default()
        .with("path", kit.path.message())
        .with("endpoint", kit.terms.endpoint.message())
        .with("contact", kit.terms.contact.message())
        .with("join_before", kit.terms.join_before.message())
        .with("authority_fingerprint", kit.authority.fingerprint().message())
        .with("authority_words", kit.authority.fingerprint().words())
}
