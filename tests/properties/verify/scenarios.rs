//! What the whole verdict is on a daemon with Go's TLS, set up as buildkitd's.

use std::time::Duration;

use kitcert::model::{Lifetime, Role, Rule};
use kitcert::probe::Verdict;

use crate::support::scenario::{DEADLINE, HOST, Scenario, authority, bundle, faults, issued};
use crate::support::servers::Server;

/// Starts Go's daemon as the scenario has it, and probes it. `None` where there is no Go to
/// compile it with.
fn verdict_of(scenario: &Scenario, options: &[&str]) -> Option<Verdict> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::go(&scenario.files(folder.path()), options, "verify_scenarios")?;
    Some(scenario.verdict(HOST, server.port))
}

fn cause_of(verdict: &Verdict, rule: Rule) -> String {
    let finding = verdict.findings.iter().find(|finding| finding.rule == rule);
    finding.and_then(|finding| finding.cause.clone()).unwrap_or_default().to_string()
}

#[test]
fn a_sound_daemon_is_verified_whatever_it_may_lack() {
    for (options, faulty) in [
        (&[][..], vec![]),
        (&["--tls12"], vec![]),
        (&["--no-alpn"], vec![Rule::NoAlpn]),
        (&["--no-info"], vec![]),
        (&["--slow", "200ms"], vec![]),
        (&["--idle", "42"], vec![]),
    ] {
        let Some(verdict) = verdict_of(&Scenario::sound(), options) else { return };
        assert_eq!(faults(&verdict), faulty, "{options:?}: {:#?}", verdict.findings);
        assert!(verdict.verified, "{options:?}: {}", verdict.summary);
    }
}

#[test]
fn an_open_daemon_is_called_open() {
    let everybody = [
        Rule::NoCertificateAccepted,
        Rule::UnknownCaAccepted,
        Rule::ExpiredAccepted,
        Rule::WrongUsageAccepted,
    ];
    let Some(verdict) = verdict_of(&Scenario::sound(), &["--no-ca"]) else { return };
    assert_eq!(faults(&verdict), everybody);
    assert_eq!(verdict.summary, "OPEN: anyone who reaches this port can run code here");
    assert_eq!(
        cause_of(&verdict, Rule::NoCertificateAccepted),
        "the daemon has a certificate and a key, but no client CA"
    );

    let Some(verdict) = verdict_of(&Scenario::sound(), &["--plaintext"]) else { return };
    assert_eq!(faults(&verdict), [Rule::NotTls, Rule::PlaintextAccepted]);
    assert!(verdict.summary.starts_with("OPEN"));
}

#[test]
fn a_proxys_refusal_and_silence_verify_nothing() {
    let let_in = [
        Rule::NoCertificateAccepted,
        Rule::UnknownCaAccepted,
        Rule::ExpiredAccepted,
        Rule::WrongUsageAccepted,
    ];
    for (options, expected) in [
        (&["--lenient"][..], &let_in[..]),
        (&["--silent"], &[Rule::NotUpYet]),
        (&["--slow", "10s"], &[Rule::NotUpYet]),
    ] {
        let deadline = if options[0] == "--lenient" { DEADLINE } else { Duration::from_millis(300) };
        let Some(verdict) = verdict_of(&Scenario { deadline, ..Scenario::sound() }, options) else { return };
        assert_eq!(faults(&verdict), expected, "{options:?}: {:#?}", verdict.findings);
        assert!(!verdict.verified && verdict.summary.starts_with("not verified"), "{}", verdict.summary);
    }
}

#[test]
fn a_bundle_of_two_cas_is_verified_and_the_other_is_named() {
    let sound = Scenario::sound();
    let newer = authority(sound.now);
    let client_authorities = bundle(&[&newer, &sound.authority]);
    let Some(verdict) = verdict_of(
        &Scenario { installed_trust: Some(client_authorities.clone()), client_authorities, ..sound },
        &[],
    ) else {
        return;
    };
    assert!(verdict.verified, "{:#?}", verdict.findings);
    assert_eq!(faults(&verdict), [Rule::OtherCaTrusted]);
    assert!(verdict.summary.contains("get in too"), "{}", verdict.summary);
}

#[test]
fn an_earthly_daemon_tells_how_long_it_has_been_idle() {
    let Some(verdict) = verdict_of(&Scenario::sound(), &["--idle", "42"]) else { return };
    assert_eq!(verdict.facts.idle_seconds, Some(42));
    assert_eq!(verdict.facts.sessions, Some(0));
    let Some(verdict) = verdict_of(&Scenario::sound(), &[]) else { return };
    assert_eq!(verdict.facts.idle_seconds, None);
}

#[test]
fn how_far_two_clocks_are_apart_at_the_least_is_said() {
    let later = Scenario::sound();
    let then = later.now.plus(Lifetime::days(3));
    // Certificates are dated an hour back.
    let client = issued(&later.authority, Role::Client, HOST, then);
    for (scenario, options, said) in [
        (Scenario { client, ..later }, &[][..], "the clock here is 2d behind or more"),
        (Scenario::sound(), &["--clock-offset", "-5h"], "the daemon's clock is 1h behind this one or more"),
    ] {
        let Some(verdict) = verdict_of(&scenario, options) else { return };
        let cause = cause_of(&verdict, Rule::ClientRefused);
        assert!(cause.contains(said), "{cause}");
    }
}
