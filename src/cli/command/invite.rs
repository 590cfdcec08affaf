//! `kitcert invite`

use std::path::PathBuf;

use super::{Session, UNWATCHED};
use crate::apply::{self, Mode};
use crate::cli::kit_arguments::InviteArguments;
use crate::cli::output::{
    Changed, Report, issued_json, issued_row, kit_json, kit_row, kit_warnings, show_plan,
};
use crate::message;
use crate::model::{Failure, Quoted};
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
        return Ok(show_plan(report, &invitation.done.plan));
    }
    let issued: Vec<_> = invitation.done.issued.iter().map(issued_json).collect();
    let report = report.detail("plan", invitation.done.plan.summary()).detail("issued", issued);
    let Some(kit) = &invitation.kit else { return Ok(report) };
    let issued = invitation.done.issued.iter().map(issued_row);
    let rows = issued.chain([kit_row(kit, "with the key, encrypted")]);
    let words = invitation.passphrase.expose_message();
    let report = report
        .changed(Changed::Yes)
        .detail("kit", kit_json(kit))
        .detail("passphrase", &words)
        .even_if_quiet()
        .table(rows.collect());
    Ok(kit_warnings(report, kit)
        .line(message!(
            "passphrase, shown once and kept nowhere; tell it to {} by another way than the kit:",
            name
        ))
        .line(message!("  {}", words))
        .line(message!("then, on {}'s machine: kitcert join {}", name, Quoted(&kit.path))))
}
