//! Whether a daemon may be called verified now: its last verification, compared with what is current.

use std::fmt;

use super::access::{changes, untried};
use super::exclusions::is_as_meant;
use crate::model::{Generation, IdentityName, Lifetime, Role, Timestamp};
use crate::probe::{DIAL_LIST_VERSION, Dial};
use crate::store::{Observation, VerifiedRecord};

/// Whether the current generation of a daemon may be called verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VerificationState<'a> {
    /// It may.
    Verified(&'a VerifiedRecord),
    /// It was verified, and that does not count any more.
    Stale(&'a VerifiedRecord, Staleness),
    /// No verification of it is known.
    Unknown,
}

/// Why a verification does not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staleness {
    /// It was one of that generation, which is not the current one.
    Generation(Generation),
    /// The certificate is another.
    Leaf,
    /// ca.pem is another.
    Bundle,
    /// kitcert.yaml names another endpoint.
    Endpoint,
    /// kitcert.yaml lists other hosts.
    Hosts,
    /// kitcert.yaml narrows the dials to other addresses.
    Addresses,
    /// It was made by an older list of dials.
    DialList,
    /// Somebody's access was changed since, and its ca.pem does not say so.
    Access,
    /// Whether somebody is refused could not be tried then, and can be now: a CA's key is back.
    Untried,
    /// It is dated in the future.
    Future,
    /// It is older than kitcert.yaml allows.
    Age(Lifetime),
}

impl VerificationState<'_> {
    /// Whether the daemon may be called verified.
    #[must_use]
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self, VerificationState::Verified(_))
    }
}

/// Compares the last verification of a daemon with its current generation, with kitcert.yaml and with
/// the clock. Of a daemon that kitcert.yaml does not list, the files alone are compared: nobody can
/// verify it again.
#[must_use]
pub(crate) fn verification<'a>(
    observation: &'a Observation,
    name: &IdentityName,
    now: Timestamp,
) -> VerificationState<'a> {
    let record = observation.daemons.get(name).and_then(|daemon| daemon.verified.as_ref());
    match record {
        None => VerificationState::Unknown,
        Some(record) => match staleness(record, observation, name, now) {
            None => VerificationState::Verified(record),
            Some(why) => VerificationState::Stale(record, why),
        },
    }
}

/// The gravest difference, if there is one.
fn staleness(
    record: &VerifiedRecord,
    observation: &Observation,
    name: &IdentityName,
    now: Timestamp,
) -> Option<Staleness> {
    let Some(current) = observation.current(Role::Daemon, name) else {
        return Some(Staleness::Generation(record.generation));
    };
    let refusal = Dial::Revoked.to_string();
    let of_files = [
        (record.generation != current.number, Staleness::Generation(record.generation)),
        (record.leaf != current.leaf().fingerprint(), Staleness::Leaf),
        (record.bundle != current.trust.fingerprint(), Staleness::Bundle),
        (!is_as_meant(observation, &current.trust, now), Staleness::Access),
        (record.dial_list != DIAL_LIST_VERSION, Staleness::DialList),
        (record.verified_at > now, Staleness::Future),
        (
            record.not_tried.contains(&refusal)
                && changes(observation, now).next().is_some()
                && untried(observation, name, now).is_empty(),
            Staleness::Untried,
        ),
    ];
    let of_files = of_files.into_iter().find(|(differs, _)| *differs);
    let of_entry = || {
        let entry = observation.inventory.daemons.get(name)?;
        let limit = observation.inventory.verify_every(name);
        let mut hosts = [record.hosts.clone(), entry.hosts.clone()];
        hosts.iter_mut().for_each(|hosts| hosts.sort());
        let differences = [
            (record.endpoint != entry.endpoint, Staleness::Endpoint),
            (record.server_name != *entry.endpoint.host(), Staleness::Endpoint),
            (hosts[0] != hosts[1], Staleness::Hosts),
            (record.narrowed_to != entry.addresses, Staleness::Addresses),
            (now.seconds_since(record.verified_at) > limit.seconds(), Staleness::Age(limit)),
        ];
        differences.into_iter().find(|(differs, _)| *differs)
    };
    of_files.or_else(of_entry).map(|(_, why)| why)
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Staleness::Generation(generation) => write!(f, "only {generation} was verified"),
            Staleness::Leaf => f.write_str("another certificate was verified"),
            Staleness::Bundle => f.write_str("it was verified with another ca.pem"),
            Staleness::Endpoint => f.write_str("it was verified at another endpoint"),
            Staleness::Hosts => f.write_str("it was verified with other hosts"),
            Staleness::Addresses => f.write_str("it was verified at other addresses"),
            Staleness::DialList => f.write_str("it was verified by another version of kitcert"),
            Staleness::Access => {
                f.write_str("somebody was revoked, or let in again, since its ca.pem was written")
            }
            Staleness::Untried => {
                f.write_str("it was not tried then whether it refuses who is revoked, which can be tried now")
            }
            Staleness::Future => f.write_str("the time of its last verification is in the future"),
            Staleness::Age(limit) => write!(f, "its last verification is older than {limit}"),
        }
    }
}
