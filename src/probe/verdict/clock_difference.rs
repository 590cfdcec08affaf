//! How far the daemon's clock is from the one here, as far as that shows: TLS 1.3 carries no time,
//! but whoever judges a certificate's dates tells on which side of them it stands.

use schemars::JsonSchema;
use serde::Serialize;

use super::expected::Expected;
use crate::message;
use crate::model::{Cause, Finding, Lifetime, Message, Printable, Timestamp};
use crate::pki::Certificate;
use crate::probe::dial_list::Caller;
use crate::probe::outcome::Outcome;
use crate::probe::results::DialResults;

/// The client's certificate is valid here, and refused for its dates.
pub(super) fn of_a_refused_client(leaf: &Certificate, now: Timestamp) -> Message {
    let validity = leaf.validity();
    message!(
        "the client's certificate is valid from {} until {}, and it is {} here: the daemon's clock is \
         {} behind this one or more, or {} ahead or more",
        validity.not_before.minute(),
        validity.not_after.minute(),
        now.minute(),
        apart(now, validity.not_before),
        apart(validity.not_after, now),
    )
}

/// A certificate that has expired here is let in.
pub(super) fn of_an_expired_one(finding: Finding, observed: &DialResults, expected: &Expected) -> Finding {
    let finding = finding.because(&[Cause::ClocksDiffer]).fix(LOOK);
    match observed.expired_since {
        Some(since) => finding.cause(message!(
            "the daemon's clock is {} behind this one or more; or it does not look at dates",
            apart(expected.now, since)
        )),
        None => finding,
    }
}

/// What the daemon serves is not valid yet, here.
pub(super) fn of_one_not_yet_valid(finding: Finding, observed: &DialResults, expected: &Expected) -> Finding {
    let finding = finding.fix(LOOK);
    let served = observed.handshake().map(|handshake| handshake.chain.as_slice()).unwrap_or_default();
    let begins = served.iter().filter_map(|der| Some(Certificate::from_der(der).ok()?.validity().not_before));
    match begins.max().filter(|begin| *begin > expected.now) {
        Some(begin) => finding.cause(message!(
            "the clock here is {} behind or more, or where it was made the clock was ahead",
            apart(begin, expected.now)
        )),
        None => finding,
    }
}

/// Between which instants a daemon's clock stands: it accepted the client's certificate, and may
/// have refused one that had expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClockBounds {
    /// RFC 3339.
    pub from: Timestamp,
    /// RFC 3339.
    pub until: Timestamp,
}

/// Between which instants the daemon's clock stands, for programs: it accepted the
/// client's certificate, and refused one that had expired.
pub(super) fn bounds(observed: &DialResults, expected: &Expected) -> Option<ClockBounds> {
    let accepted = observed.answer().is_some();
    let leaf = expected.client.as_ref().and_then(|chain| chain.first()).filter(|_| accepted)?;
    let is_refused = |outcome| matches!(outcome, Outcome::Refused(_));
    let mut dials = observed.dials().filter(|dialed| dialed.dial.caller() == Caller::Expired);
    let refused = dials.any(|dialed| is_refused(dialed.outcome));
    let since = observed.expired_since.filter(|_| refused);
    let from = since.map_or(leaf.validity().not_before, |since| since.max(leaf.validity().not_before));
    Some(ClockBounds { from, until: leaf.validity().not_after })
}

/// In whole units, rounded down: never more than it is.
pub(super) fn apart(later: Timestamp, earlier: Timestamp) -> Message {
    let seconds = later.seconds_since(earlier).max(0);
    let coarse = match seconds {
        0..120 => seconds,
        120..7_200 => seconds - seconds % 60,
        7_200..172_800 => seconds - seconds % 3_600,
        _ => seconds - seconds % 86_400,
    };
    match u32::try_from(coarse) {
        Ok(0) | Err(_) => message!("{}s", coarse),
        Ok(seconds) => Lifetime::from_seconds(seconds).message(),
    }
}

/// How two clocks are compared.
pub(super) const LOOK: &str = "date -u   # here, and on the daemon's machine";
