//! `kitcert invite`

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{self, KeyCopies, Mode};
use crate::cli::options::{ChangeOptions, client_name};
use crate::cli::output::{
    Changed, Report, Tone, issued_object, issued_row, kit_object, kit_row, kit_warnings, show_plan, with_plan,
};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::InventoryChange;
use crate::message;
use crate::model::{Contact, Endpoint, Failure, IdentityName, Lifetime, Message, Quoted};
use crate::plan::{InventoryStep, InviteRequest, KitRequest, StateStep};

/// `kitcert invite`
#[derive(Debug, Args)]
pub struct InviteArguments {
    /// The client
    #[arg(value_parser = client_name)]
    pub name: IdentityName,
    /// Write the kit to this file [default: ./NAME.kit]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How long a new certificate is valid [default: 90d]
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<Lifetime>,
    /// The daemon that the client will use [default: as kitcert.yaml says of the client, else the only one]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// Whom the developer asks; the kit says so [default: as in kitcert.yaml, else your user name]
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<Contact>,
    /// How long the kit can be joined
    #[arg(long, value_name = "DURATION", default_value = "14d")]
    pub join_within: Lifetime,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// Removes the key here, once the passphrase of its kit has been printed.
pub(in crate::cli) fn finish(
    session: Session<'_>,
    asked: &InviteArguments,
    copies: &KeyCopies,
) -> Result<(), Failure> {
    copies.remove(&session.invocation("invite", Some(asked.change), UNWATCHED)?)
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &InviteArguments) -> Result<Report, Failure> {
    let invocation = session.invocation("invite", Some(asked.change), UNWATCHED)?;
    let name = &asked.name;
    let request = InviteRequest {
        name: name.clone(),
        lifetime: asked.lifetime,
        kit: KitRequest {
            path: asked.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.kit"))),
            endpoint: asked.endpoint.clone(),
            contact: asked.contact.clone(),
            join_within: asked.join_within,
        },
        user: invocation.contact(),
    };
    let invitation = apply::invite(&invocation, &request)?;
    let report = Report::new("invite").target(request.kit.path.display());
    if invocation.mode == Mode::DryRun {
        return Ok(show_plan(report, &invitation.done.plan));
    }
    let report =
        with_plan(report, invitation.done.plan.summary()).object(&issued_object(&invitation.done.issued));
    let Some(kit) = &invitation.kit else { return Ok(report) };
    let issued = invitation.done.issued.iter().map(issued_row);
    let rows = issued.chain([kit_row(kit, "with the key, encrypted")]);
    let words = invitation.passphrase.expose_message();
    let report = report
        .changed(Changed::Yes)
        .object(&kit_object(kit))
        .object(&PassphraseObject { passphrase: &words })
        .even_if_quiet()
        .once_delivered(invitation.copies)
        .table(rows.collect());
    let is_moved = |step: &StateStep| {
        let StateStep::Inventory(InventoryStep::Edit(changes)) = step else { return false };
        changes.iter().any(|change| matches!(change, InventoryChange::SetEndpoint(..)))
    };
    let report = match invitation.done.plan.state.iter().any(is_moved) {
        true => report.toned(
            Tone::Warning,
            message!(
                "from now on {} is renewed for {} alone: whoever uses several daemons needs a name for each",
                name,
                kit.terms.endpoint
            ),
        ),
        false => report,
    };
    Ok(kit_warnings(report, kit)
        .line(message!(
            "passphrase, shown only now; tell it to {} separately from the kit, for example by phone:",
            name
        ))
        .line(message!("  {}", words))
        .line(message!("then, on {}'s machine: kitcert join {}", name, Quoted(&kit.path))))
}

/// What opens the kit.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct PassphraseObject<'a> {
    /// What opens the kit, shown once.
    passphrase: &'a Message,
}
