//! With several CAs: whether a daemon lets the clients of each in, or refuses them, as its ca.pem says.

use super::client::fresh;
use super::dial::{DialOptions, glance};
use crate::apply::context::Context;
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::{Failure, Finding, IdentityName, Role, Rule, Severity};
use crate::probe::Outcome;
use crate::store::Observation;

/// The first CA of the state whose clients are treated otherwise than ca.pem says. A daemon that was
/// not restarted since its bundle changed may serve the right certificate.
pub(super) fn finding(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<Finding>, Failure> {
    let now = context.environment.now();
    let Some(current) = observation.current(Role::Daemon, name) else { return Ok(None) };
    if observation.authorities.len() < 2 {
        return Ok(None);
    }
    for authority in observation.authorities.iter().filter(|authority| authority.can_sign(now)) {
        let is_trusted = current.trust.certificates().contains(&authority.certificate);
        let client = fresh(context, observation, authority)?;
        let observed = glance(context, &client, &entry.endpoint, &DialOptions::of_daemon(entry));
        let subject = authority.certificate.subject();
        let (expected, found) = match observed.ours() {
            Some(ours) if ours.outcome == Outcome::Accepted && !is_trusted => {
                ("refused", message!("a client of {} is let in, whom ca.pem does not name", subject))
            }
            Some(ours) if ours.outcome == Outcome::Accepted => continue,
            Some(ours) if is_trusted => {
                ("accepted", message!("a client of {} is not let in: {}", subject, ours))
            }
            _ => continue,
        };
        let finding = Finding::new(Rule::TrustIsStale, Severity::Error, message!("a client of {}", subject))
            .expected(expected)
            .found(found)
            .cause("the daemon was not restarted since its ca.pem changed")
            .fix(message!("kitcert rotate {}", name));
        return Ok(Some(finding));
    }
    Ok(None)
}
