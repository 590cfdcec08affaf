//! A daemon far away: the verdict and its cause are those of one nearby, and cost few round trips.

use std::time::Duration;

use crate::figures::{Aim, publish};
use crate::support::relay::{Fate, Relay};
use crate::support::servers::{Files, Server};
use crate::support::verdict_subject::{Subject, Tally, Verdict};
use crate::support::workspace::Workspace;

const ROUND_TRIPS: [u64; 5] = [0, 80, 200, 300, 600];

/// A daemon behind a relay of each length, judged.
#[track_caller]
fn at_each_distance(
    figure: &str,
    options: &[&str],
    files: impl Fn(&Subject) -> Files,
    why_wrong: impl Fn(&Verdict) -> Option<String>,
) {
    let mut tally = Tally::default();
    for milliseconds in ROUND_TRIPS {
        let subject = Subject::of(&["localhost"]);
        let Some(server) = Server::go(&files(&subject), options, figure) else { return };
        let port = server.port;
        let relay = Relay::of(Duration::from_millis(milliseconds), move |_| Fate::To(port));
        tally.ask(&format!("{figure} at {milliseconds} ms"), subject.at(relay.port), &why_wrong);
    }
    tally.settle(figure);
}

#[test]
fn a_sound_daemon_is_verified_at_each_distance() {
    at_each_distance("sound: at a distance", &[], Subject::files, Verdict::why_not_verified);
}

#[test]
fn an_open_daemon_is_open_at_each_distance() {
    let why = |verdict: &Verdict| verdict.why_not_refuted(&["no-certificate-accepted"]);
    at_each_distance("open, at a distance", &["--no-ca"], Subject::files, why);
}

#[test]
fn a_daemon_that_refuses_us_is_said_to_at_each_distance() {
    let other_state = Workspace::with_state();
    let other_ca = other_state.path("state/daemons/builder/current/ca.pem");
    let files = |subject: &Subject| Files { ca: other_ca.clone(), ..subject.files() };
    let wrong = ["several-daemons", "inconclusive", "no-certificate-accepted", "unknown-ca-accepted"];
    at_each_distance("another CA, at a distance", &[], files, |verdict| {
        let faults = verdict.faults("warning");
        let is_confused = faults.iter().any(|rule| wrong.contains(rule));
        let confused = is_confused.then(|| format!("confused: {}", verdict.evidence()));
        verdict.why_not_refuted(&["client-refused", "trust-is-stale"]).or(confused)
    });
}

#[test]
fn a_verdict_takes_at_most_six_round_trips() {
    let round_trip = Duration::from_millis(600);
    let subject = Subject::of(&["localhost"]);
    let Some(server) = Server::go(&subject.files(), &[], "round trips") else { return };
    let port = server.port;
    let judged = |round_trip| {
        let relay = Relay::of(round_trip, move |_| Fate::To(port));
        let verdict = subject.at(relay.port).verdict();
        assert_eq!(verdict.said.code, 0, "{}", verdict.evidence());
        (verdict.elapsed, relay)
    };
    // What the machine itself takes does not count.
    let (own, _) = judged(Duration::ZERO);
    let (elapsed, relay) = judged(round_trip);
    let waited = elapsed.saturating_sub(own).as_millis() / round_trip.as_millis();
    // Connecting takes no time here: it is one more for each group of connections.
    let waves = relay.waves(round_trip);
    println!("{waited} waited for, {waves} groups of {} connections", relay.connections());
    let all = usize::try_from(waited).unwrap() + waves;
    let aim = Aim { words: "at most 6", is_met: all <= 6 };
    publish("verdicts", "round trips of a verdict", all, Some(aim));
    assert!(all <= 6, "{all} round trips");
}
