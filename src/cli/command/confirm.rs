//! `kitcert confirm` and `kitcert retire`

use std::path::PathBuf;

use clap::Args;

use super::ca::noted;
use crate::apply;
use crate::cli::options::ChangeOptions;
use crate::cli::output::Report;
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{Failure, FingerprintPrefix, Role, Selector};

/// `kitcert confirm`
#[derive(Debug, Args)]
pub struct ConfirmArguments {
    /// The client's name, the receipt that `join` printed, or a file with the receipt
    #[arg(value_name = "NAME|RECEIPT")]
    pub what: PathBuf,
    /// Which of its keys, if it has several: the SHA-256 of the SubjectPublicKeyInfo
    #[arg(long, value_name = "SHA256")]
    pub key_id: Option<FingerprintPrefix>,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert retire`
#[derive(Debug, Args)]
pub struct RetireArguments {
    /// The daemon or client; daemon/NAME or client/NAME if both have that name
    #[arg(value_name = "NAME")]
    pub name: Selector,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &ConfirmArguments) -> Result<Report, Failure> {
    let confirmation = apply::confirmation_of(session.environment, &asked.what, asked.key_id.clone())?;
    let invocation = session.invocation("confirm", Some(asked.change), UNWATCHED)?;
    let done = apply::confirm(&invocation, &confirmation)?;
    let name = confirmation.name();
    // Of one of several keys that may be the former.
    let told = match &asked.key_id {
        Some(key) => {
            message!("client {} has the newest certificate of its key {}; next: {kitcert} rotate", name, key)
        }
        None => message!("client {} has its certificate; next: {kitcert} rotate", name),
    };
    Ok(noted("confirm", &invocation, &done, told))
}

pub(in crate::cli) fn retire(session: Session<'_>, asked: &RetireArguments) -> Result<Report, Failure> {
    let invocation = session.invocation("retire", Some(asked.change), UNWATCHED)?;
    let done = apply::retire(&invocation, (asked.name.role, &asked.name.name))?;
    let until = match done.plan.retired() {
        Some(Role::Daemon) => "until it expires; in a rollover of its CA it refuses whoever has moved",
        Some(Role::Client) | None => "until it expires or is revoked, or a rollover of its CA ends",
    };
    let told = message!("{} is no longer renewed or waited for; its certificate works {}", asked.name, until);
    Ok(noted("retire", &invocation, &done, told))
}
