//! What all attempts at one dial prove together, beside the other dials to that address.

use crate::probe::dial_list::{Caller, Dial, Versions};
use crate::probe::outcome::{End, Facts, Outcome, TlsVersion};
use crate::probe::results::{Dialed, Pass};

/// What the attempts at one dial prove.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Settled<'a> {
    /// It ended as it must.
    Passed(&'a Dialed),
    /// It did not.
    Failed(&'a Dialed),
    /// It was made, and proves nothing either way.
    Undecided(&'a Dialed),
}

impl<'a> Settled<'a> {
    /// The attempt that says so.
    pub(crate) fn dialed(self) -> &'a Dialed {
        match self {
            Settled::Passed(dialed) | Settled::Failed(dialed) | Settled::Undecided(dialed) => dialed,
        }
    }
}

/// Whether another attempt may tell more.
pub(crate) fn needs_repeat(pass: &Pass, dial: Dial) -> bool {
    let outcomes = || pass.attempts(dial).map(|(_, dialed)| dialed.outcome);
    let attempts = || pass.attempts(dial).map(|(_, dialed)| dialed);
    if attempts().any(is_failure) || outcomes().any(|outcome| matches!(outcome, Outcome::Refused(_))) {
        return false;
    }
    match pass.last(dial).map(|last| (last, last.outcome)) {
        Some((_, Outcome::RefusedByEnd)) if dial.caller() == Caller::Plaintext => {
            !all_reached_the_chain(pass)
        }
        Some((_, Outcome::RefusedByEnd)) => true,
        // Only the client's own: a limit on connections may have cut it off, or its daemon is away.
        Some((_, Outcome::LetIn)) => true,
        Some((last, Outcome::NotServed)) => !is_told_by_alert(last) && outcomes().count() < 2,
        Some((_, Outcome::NotUpYet | Outcome::Inconclusive(_))) => true,
        _ => false,
    }
}

/// What the attempts at that dial prove, once the pass is complete; None if there was none.
pub(super) fn settle(pass: &Pass, dial: Dial) -> Option<Settled<'_>> {
    let attempts = || pass.attempts(dial).map(|(_, dialed)| dialed);
    let last = attempts().last()?;
    let failures = attempts().filter(|dialed| is_failure(dialed));
    // Of several failures the gravest: who was answered is in.
    if let Some(failure) = failures.max_by_key(|dialed| dialed.outcome == Outcome::Open) {
        return Some(Settled::Failed(failure));
    }
    let has_passed = match dial.caller() {
        Caller::Client => attempts().find(|dialed| dialed.outcome == Outcome::Accepted),
        _ => refused(pass, dial),
    };
    Some(match has_passed {
        Some(passed) => Settled::Passed(passed),
        None if last.outcome == Outcome::LetIn && !last.is_cut_off() => Settled::Failed(last),
        None => Settled::Undecided(last),
    })
}

/// Whether one such outcome decides against the daemon, whatever other attempts say. Whoever must not get in
/// and was let in is in; a client that was let in and cut off may get through the next time, and one that a
/// proxy answers while its daemon is away was not judged.
fn is_failure(dialed: &Dialed) -> bool {
    let is_clients = dialed.dial.caller() == Caller::Client;
    match dialed.outcome {
        Outcome::LetIn if is_clients && dialed.is_cut_off() => false,
        Outcome::Open | Outcome::LetIn | Outcome::AsksNobody => true,
        Outcome::Refused(_) => is_clients,
        Outcome::Accepted => !is_clients,
        Outcome::RefusedByEnd
        | Outcome::NotServed
        | Outcome::OtherService
        | Outcome::NotUpYet
        | Outcome::Inconclusive(_) => false,
    }
}

/// The attempt by which somebody who must not get in is refused.
fn refused(pass: &Pass, dial: Dial) -> Option<&Dialed> {
    let attempts = || pass.attempts(dial).map(|(_, dialed)| dialed);
    if let Some(by_word) = attempts().find(|dialed| matches!(dialed.outcome, Outcome::Refused(_))) {
        return Some(by_word);
    }
    let last = attempts().last()?;
    let all_end_so = |outcome| attempts().all(|dialed| dialed.outcome == outcome);
    let is_refused = match last.outcome {
        Outcome::RefusedByEnd if dial.caller() == Caller::Plaintext && all_reached_the_chain(pass) => {
            all_end_so(Outcome::RefusedByEnd)
        }
        Outcome::RefusedByEnd => all_end_so(Outcome::RefusedByEnd) && confirmations(pass, dial) >= 2,
        Outcome::NotServed => {
            let is_told = attempts().all(is_told_by_alert) || attempts().count() > 1;
            all_end_so(Outcome::NotServed) && is_told && is_served_by_name(pass, last)
        }
        // An attempt that came to nothing says nothing against it.
        Outcome::OtherService => attempts().all(|dialed| {
            matches!(dialed.outcome, Outcome::OtherService | Outcome::NotUpYet | Outcome::Inconclusive(_))
        }),
        _ => false,
    };
    is_refused.then_some(last)
}

/// The alerts that say of themselves that a version, a name or a protocol is not served, or an answer in
/// another version. Other alerts, and an
/// end, are also what an overloaded server says.
fn is_told_by_alert(dialed: &Dialed) -> bool {
    matches!(dialed.end(), End::Alert(70 | 112 | 120)) || is_answered_in_tls12_alone(dialed)
}

fn is_answered_in_tls12_alone(dialed: &Dialed) -> bool {
    matches!(dialed.facts, Facts::Tls(facts) if facts.answers_in_tls12_alone())
}

/// How often the dial ended without a word when it was repeated alone, between two of the client's
/// that were accepted.
fn confirmations(pass: &Pass, dial: Dial) -> usize {
    let is_clients = |dialed: &&Dialed| dialed.dial.caller() == Caller::Client && dialed.is_alone;
    let is_accepted =
        |dialed: Option<&Dialed>| dialed.is_some_and(|dialed| dialed.outcome == Outcome::Accepted);
    let is_between = |at: usize| {
        let (before, after) = pass.dials.split_at(at);
        is_accepted(before.iter().rev().find(is_clients))
            && is_accepted(after.iter().skip(1).find(is_clients))
    };
    let repeats = pass.attempts(dial).skip(1).filter(|(_, dialed)| dialed.is_alone);
    repeats.filter(|(at, _)| is_between(*at)).count()
}

/// Whether each dial of phase 1 over TLS reached the server's chain at its first attempt, or was
/// refused one by a clear word: then no limit cut anybody off.
fn all_reached_the_chain(pass: &Pass) -> bool {
    let is_of_phase_1 = |dial: &Dial| {
        let is_later = matches!(dial, Dial::NoCertificateAgain | Dial::ClientAgain | Dial::OtherHost(_));
        dial.caller() != Caller::Plaintext && !is_later
    };
    let reached = |dial: Dial| {
        let first = pass.attempts(dial).next().map(|(_, dialed)| dialed);
        first.is_some_and(|dialed| dialed.saw_chain() || is_told_by_alert(dialed))
    };
    pass.list().into_iter().filter(is_of_phase_1).all(reached)
}

/// Whether dials with the daemon's name reached its chain before and after. Of a version of TLS that is
/// not served they did so in the other, and whoever was turned away by its version was judged by that:
/// an alert that is about versions says nothing of certificates.
fn is_served_by_name(pass: &Pass, not_served: &Dialed) -> bool {
    let versions = not_served.dial.offers().versions;
    let is_of_tls13_alone =
        versions == Versions::Tls13 && matches!(not_served.end(), End::Alert(40) | End::Broken);
    let is_about_version = not_served.end() == End::Alert(70) || is_of_tls13_alone;
    let is_other = |version| match versions {
        Versions::Tls12 => version == TlsVersion::Tls13,
        Versions::Tls13 => version == TlsVersion::Tls12,
        Versions::Both => false,
    };
    let reached = |dial: Dial| {
        pass.attempts(dial).any(|(_, dialed)| {
            let is_in_the_other =
                matches!(dialed.facts, Facts::Tls(facts) if facts.version.is_some_and(is_other));
            dialed.saw_chain() && (is_in_the_other || !is_about_version)
        })
    };
    let is_judged = || {
        let with_both = not_served.dial.with_both_versions().and_then(|dial| settle(pass, dial));
        with_both.is_some_and(|with_both| !matches!(with_both, Settled::Undecided(_)))
    };
    if is_about_version && !is_judged() {
        return false;
    }
    reached(Dial::NoCertificate(1)) && (reached(Dial::NoCertificateAgain) || reached(Dial::ClientAgain))
}

#[cfg(test)]
mod tests;
