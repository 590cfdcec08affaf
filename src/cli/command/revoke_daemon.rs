//! `kitcert revoke daemon/NAME`

use super::revoke_object::RevokeObject;
use super::rotation_report::{Asked, still_let_in, told};
use crate::apply::{self, Invocation, Restarting, RevokedDaemon};
use crate::cli::output::{Changed, Report, Tone, show_steps};
use crate::message;
use crate::model::{ExitCode, Failure, IdentityName, Message, RevocationReason};

/// What helps against whoever has a daemon's key: a new one, and the word that this closes nothing. `for_clients` says
/// whether something was asked that is for clients alone.
pub(super) fn run(
    invocation: &Invocation<'_>,
    name: &IdentityName,
    (reason, for_clients): (Option<&RevocationReason>, bool),
    way: (Restarting, usize),
) -> Result<Report, Failure> {
    if for_clients {
        return Err(Failure::new("revoking daemon", name)
            .expected(
                "only how it is restarted: clients ask nobody whether a daemon's certificate still counts",
            )
            .found("what is for clients")
            .exit(ExitCode::Usage));
    }
    let revoked = apply::revoke_daemon(invocation, name, reason, way)?;
    if !invocation.acts() {
        let report = told(Report::new("revoke"), invocation, &revoked.rotated, Asked::Plan);
        return Ok(report.object(&RevokeObject::of_daemon(&revoked)).exit(ExitCode::Done));
    }
    let report =
        told(Report::new("revoke"), invocation, &revoked.rotated, Asked::Action).exit(revoked.exit());
    let report = report.object(&RevokeObject::of_daemon(&revoked));
    let report = still_let_in(report, &revoked.unstoppable);
    let (tone, text) = last_line(name, &revoked);
    Ok(report.toned(tone, text).even_if_quiet())
}

/// The key was in nobody else's hands.
pub(super) fn undo(invocation: &Invocation<'_>, name: &IdentityName) -> Result<Report, Failure> {
    let done = apply::undo_daemon(invocation, name)?;
    let report = Report::new("revoke").target(invocation.state.display());
    if !invocation.acts() {
        return Ok(show_steps(report, done.plan.summary()));
    }
    let report = report.changed(if done.plan.state.is_empty() { Changed::No } else { Changed::Yes });
    Ok(report.toned(Tone::Good, message!("no key of {} is revoked any more", name)))
}

fn last_line(name: &IdentityName, revoked: &RevokedDaemon) -> (Tone, Message) {
    let next = revoked.way_past.in_one_line();
    match (revoked.keeps_key, revoked.unstoppable.is_empty()) {
        (true, _) => (
            Tone::Bad,
            message!(
                "not done: {} keeps its key, and whoever has it passes for {}; next: {}",
                name,
                name,
                next
            ),
        ),
        (false, false) => (
            Tone::Bad,
            message!(
                "not done: the previous certificate of {} is for clients too: whoever has its key passes for {}, and gets in, \
                 until that ends; next: {}",
                name,
                name,
                next
            ),
        ),
        (false, true) => (
            Tone::Warning,
            message!(
                "whoever has the previous key can still pass for {} until its previous certificate ends, or its clients \
                 trust another CA alone; next: {}",
                name,
                next
            ),
        ),
    }
}
