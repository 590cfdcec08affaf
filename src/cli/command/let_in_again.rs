//! `kitcert revoke --undo`: how the client gets in again, if it does.

use crate::apply::Revoked;
use crate::message;
use crate::model::{IdentityName, Message};
use crate::plan::{Regained, StillExcluded};

/// Whether the client gets in again wherever it dials.
pub(super) fn is_in_again(revoked: &Revoked) -> bool {
    !revoked.revoked_now.contains(&None)
        && revoked.still_excluded.is_none()
        && revoked.regained.as_ref().is_none_or(|one| one.refused_by.is_empty() && one.is_valid)
}

/// What was taken back of a client's revocation.
#[derive(Clone, Copy)]
pub(super) enum TakenBack {
    /// All of it: it gets in with the keys that it had.
    Whole,
    /// What was revoked of one key alone.
    OfKey,
    /// That of its name: its keys stay revoked.
    ButKeys,
}

/// How the client gets in again, if it does.
pub(super) fn in_again(taken_back: TakenBack, name: &IdentityName, revoked: &Revoked) -> Message {
    let revoked_now = &revoked.revoked_now;
    if revoked_now.contains(&None) {
        return message!("client {} is revoked still, with every key; next: {kitcert} status", name);
    }
    if let Some(other) = &revoked.still_excluded {
        return refused_still(name, matches!(taken_back, TakenBack::OfKey), other);
    }
    let stay = Message::join(revoked_now.iter().flatten(), " and ");
    // What it had may be what stays revoked.
    let is_out = |regained: &&Regained| match regained.is_valid {
        true => regained.is_nowhere,
        false => stay.is_empty(),
    };
    if let Some(regained) = revoked.regained.as_ref().filter(is_out) {
        let why = match (regained.is_valid, regained.is_of_trusted, &regained.why) {
            (true, true, Some(why)) => {
                return message!(
                    "client {} is revoked no more, and gets in nowhere: not at {}: {}",
                    name,
                    Message::few(&regained.refused_by, ", "),
                    why
                );
            }
            (true, ..) => "no daemon trusts the CA that has issued its certificate",
            (false, ..) => "its certificate has ended",
        };
        let told =
            message!("client {} is revoked no more, and gets in with a new certificate alone: {}", name, why);
        return match &regained.why {
            Some(why) => message!("{}; not at {}: {}", told, Message::few(&regained.refused_by, ", "), why),
            None => message!("{}; next: {kitcert} status", told),
        };
    }
    let how = match (taken_back, stay.is_empty()) {
        (TakenBack::ButKeys, _) => {
            return message!(
                "client {} gets in again, with another key alone; next: {kitcert} invite {}",
                name,
                name
            );
        }
        (TakenBack::OfKey, _) => message!("client {} gets in again with that key", name),
        (TakenBack::Whole, false) => message!("client {} gets in again, but not with {}", name, stay),
        (TakenBack::Whole, true) => message!("client {} gets in again, with the keys that it had", name),
    };
    let kept_out = revoked.regained.as_ref().and_then(|one| Some((&one.refused_by, one.why.as_ref()?)));
    match kept_out {
        Some((daemons, why)) => message!("{}; not at {}: {}", how, Message::few(daemons, ", "), why),
        None if matches!(taken_back, TakenBack::Whole) && stay.is_empty() => {
            message!("{}; if one was stolen: {kitcert} revoke --undo {} --new-key", how, name)
        }
        None => how,
    }
}

/// That what was to get in again has a name by which something else is refused.
fn refused_still(name: &IdentityName, is_of_key: bool, other: &StillExcluded) -> Message {
    let what = match is_of_key {
        true => message!("that key of client {} is refused still", name),
        false => message!("certificates of client {} are refused still", name),
    };
    let what = message!("{}: they have a name by which {} is refused", what, other.whom);
    match &other.way {
        Some(way) => message!("{}; to let both in: {}", what, way),
        None => what,
    }
}
