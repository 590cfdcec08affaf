use super::*;
use crate::model::Cause;
use crate::pki::DistinguishedName;
use crate::probe::dial::no_connection;
use crate::probe::dial_list::{Dial, Sni, Versions};
use crate::probe::outcome::{Chain, End, Facts, TlsFacts};
use crate::probe::results::{AboveTls, Account, Agreed, Answer, Asked, NotDialed, Unreachable, Withheld};
use crate::probe::tests::cast::Cast;
use crate::probe::tests::made::*;

const HOST: &str = "builder.example.com";
fn worst(verdict: &Verdict) -> Vec<(Rule, Severity)> {
    let grave = verdict.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
    grave.map(|finding| (finding.rule, finding.severity)).collect()
}

fn refusals() -> impl Iterator<Item = Dial> {
    list().filter(|dial| dial.caller() != Caller::Client)
}

#[test]
fn a_sound_daemon_is_verified_and_every_check_is_named() {
    let cast = Cast::new(HOST);
    let verdict = judge(&observed(&cast, &[]), &cast.expected(HOST));
    assert!(verdict.verified && !verdict.open, "{:#?}", verdict.findings);
    assert_eq!(
        verdict.summary,
        "verified: client accepted; no certificate, unknown CA and plaintext refused; \
         tcp://builder.example.com:8372 at 192.0.2.1:8372 as client probe"
    );
    let passed: Vec<_> = verdict.findings.iter().filter(|one| one.severity == Severity::Pass).collect();
    for subject in
        ["client", "no certificate", "unknown CA", "plaintext", "expired certificate", "wrong usage"]
    {
        assert!(passed.iter().any(|finding| finding.subject == subject), "{subject}");
    }
    for rule in [Rule::ServedIsStale, Rule::TrustIsStale, Rule::NoAlpn, Rule::ServerUntrusted] {
        assert!(passed.iter().any(|finding| finding.rule == rule), "{rule}");
    }
}

/// The heart of it: of every dial, and of every way in which it may end, only a refusal passes.
#[test]
fn no_dial_that_is_not_a_refusal_is_ever_verified() {
    let cast = Cast::new(HOST);
    for dial in refusals() {
        for (made, what) in [
            (answered(), "answered"),
            (grpc(16), "turned down by gRPC"),
            (above(AboveTls::Http(403)), "turned down by HTTP"),
            ((TlsFacts { ticket: true, end: End::Eof, ..asked() }, Account::default()), "a ticket"),
            (timed_out(), "timed out"),
            (alert(80), "overloaded"),
            (early(End::Reset, None), "reset before ServerHello"),
            (early(End::NotListening, Some(Unreachable::Refused)), "connection refused"),
            (early(End::Unreached, Some(Unreachable::Filtered)), "no answer"),
        ] {
            if dial.caller() == Caller::Plaintext
                && (what == "a ticket" || what == "reset before ServerHello")
            {
                continue;
            }
            let verdict = judge(&observed(&cast, &[(dial, made)]), &cast.expected(HOST));
            assert!(!verdict.verified, "{dial} {what}: {}", verdict.summary);
            assert!(Finding::gravest(&verdict.findings) >= Severity::Error, "{dial} {what}");
            assert!(!verdict.summary.starts_with("verified"), "{dial} {what}: {}", verdict.summary);
        }
        let mut without = observed(&cast, &[]);
        without.addresses[0].passes[0].dials.retain(|dialed| dialed.dial != dial);
        let is_required = !matches!(dial, Dial::WrongUsage | Dial::Expired);
        assert_eq!(judge(&without, &cast.expected(HOST)).verified, !is_required, "without {dial}");
    }
}

#[test]
fn whoever_gets_in_and_should_not_has_a_rule_of_their_own() {
    let cast = Cast::new(HOST);
    for (dial, rule, severity, summary) in [
        (Dial::NoCertificate(4), Rule::NoCertificateAccepted, Severity::Critical, "OPEN"),
        (Dial::UnknownCa(2), Rule::UnknownCaAccepted, Severity::Critical, "OPEN"),
        (Dial::Plaintext, Rule::PlaintextAccepted, Severity::Critical, "OPEN"),
        (Dial::Expired, Rule::ExpiredAccepted, Severity::Error, "not verified"),
        (Dial::WrongUsage, Rule::WrongUsageAccepted, Severity::Error, "not verified"),
    ] {
        let verdict = judge(&observed(&cast, &[(dial, answered())]), &cast.expected(HOST));
        assert_eq!(worst(&verdict), [(rule, severity)], "{dial}");
        assert!(verdict.summary.starts_with(summary) && verdict.open, "{}", verdict.summary);
        assert!(!verdict.inconclusive_only);
        let finding = verdict.findings.iter().find(|finding| finding.rule == rule).unwrap();
        assert!(finding.cause.is_some() && finding.fix.is_some());
    }
}

#[test]
fn what_was_not_judged_is_inconclusive_and_refutes_nothing() {
    let cast = Cast::new(HOST);
    for made in [timed_out(), alert(80), early(End::Reset, None), ended(End::Eof)] {
        let verdict = judge(&observed(&cast, &[(Dial::NoCertificate(3), made)]), &cast.expected(HOST));
        let worst = worst(&verdict);
        assert!(!worst.is_empty() && worst.iter().all(|one| *one == (Rule::Inconclusive, Severity::Error)));
        assert!(verdict.inconclusive_only && !verdict.open && !verdict.verified);
    }
}

#[test]
fn a_refusal_counts_only_while_the_client_is_accepted_before_and_after() {
    let cast = Cast::new(HOST);
    for dial in [Dial::Client, Dial::ClientAgain] {
        for made in [alert(48), timed_out(), grpc(14), grpc(16), early(End::Reset, None)] {
            let verdict = judge(&observed(&cast, &[(dial, made)]), &cast.expected(HOST));
            assert!(!verdict.verified && !verdict.summary.starts_with("verified"), "{dial}");
            assert_eq!(Finding::gravest(&verdict.findings), Severity::Error, "{dial}");
            let passed = |finding: &&Finding| {
                finding.severity == Severity::Pass && finding.rule == Rule::NoCertificateAccepted
            };
            assert_eq!(verdict.findings.iter().find(passed), None, "{dial}");
            // The client's own finding says it.
            let said = |finding: &Finding| finding.found.contains("was not accepted");
            assert!(!verdict.findings.iter().any(said), "{:#?}", verdict.findings);
        }
    }
}

#[test]
fn an_address_that_is_open_or_not_judged_spoils_the_verdict_and_one_that_is_not_served_does_not() {
    let cast = Cast::new(HOST);
    let refused = early(End::NotListening, Some(Unreachable::Refused));
    let silent = early(End::Unreached, Some(Unreachable::Filtered));
    let every = |ending: &Made| -> Vec<(Dial, Made)> { list().map(|dial| (dial, ending.clone())).collect() };
    for (second, expected, result) in [
        (pass(&cast, &[]), vec![], AddressResult::Passed),
        (
            pass(&cast, &every(&refused)),
            vec![(Rule::AddressNotServed, Severity::Warning)],
            AddressResult::NotServed,
        ),
        (
            pass(&cast, &every(&silent)),
            vec![(Rule::AddressNotJudged, Severity::Error)],
            AddressResult::NotJudged,
        ),
        (
            pass(&cast, &[(Dial::NoCertificate(1), answered())]),
            vec![(Rule::NoCertificateAccepted, Severity::Critical)],
            AddressResult::Open,
        ),
    ] {
        let seen = seen_at(&[("192.0.2.1:8372", pass(&cast, &[])), ("192.0.2.2:8372", second)]);
        let verdict = judge(&seen, &cast.expected(HOST));
        assert_eq!(worst(&verdict), expected, "{:#?}", verdict.findings);
        let is_fine = matches!(result, AddressResult::Passed | AddressResult::NotServed);
        assert_eq!(verdict.verified, is_fine, "{result:?}");
        let results: Vec<_> = verdict.addresses.iter().map(|one| one.result).collect();
        assert_eq!(results, [AddressResult::Passed, result]);
    }
}

/// A front may lead the clients of one version to another server, which refuses strangers, too, and lets in
/// its own clients.
#[test]
fn another_server_under_the_daemons_own_name_is_another_daemon_whoever_vouches_for_it() {
    let cast = Cast::new(HOST);
    let of_others = Cast::new(HOST);
    for (sni, is_verified) in [(Sni::Name, false), (Sni::Foreign, true)] {
        let mut differs = pass(&cast, &[]);
        for dialed in &mut differs.dials {
            if let Facts::Tls(facts) = &mut dialed.facts
                && (facts.sni, facts.versions) == (sni, Versions::Tls12)
            {
                facts.chain = Chain::Another;
                dialed.handshake.chain = handshake(&of_others).chain;
            }
        }
        let mut seen = seen_at(&[("192.0.2.1:8372", differs.clone())]);
        seen.addresses[0].passes.push(differs);
        seen.is_second_look = true;
        let verdict = judge(&seen, &cast.expected(HOST));
        assert_eq!(verdict.verified, is_verified, "{sni:?}: {}", verdict.summary);
        if !is_verified {
            assert_eq!(worst(&verdict), [(Rule::SeveralDaemons, Severity::Error)]);
        }
    }
}

#[test]
fn daemons_that_differ_are_several_unless_a_second_look_sees_one() {
    let cast = Cast::new(HOST);
    let other = Cast::new(HOST);
    let mut differs = pass(&cast, &[]);
    differs.dials[3].handshake.chain = handshake(&other).chain;
    let mut asks = pass(&cast, &[]);
    asks.dials[3].handshake.schemes = vec![0x0804];
    // Without time for a second look it may have been a restart: nothing is known.
    let seen = seen_at(&[("192.0.2.1:8372", differs.clone())]);
    let verdict = judge(&seen, &cast.expected(HOST));
    assert_eq!(worst(&verdict), [(Rule::Inconclusive, Severity::Error)]);
    assert!(!verdict.verified && verdict.inconclusive_only);

    for second in [differs.clone(), asks] {
        let mut seen = seen_at(&[("192.0.2.1:8372", differs.clone())]);
        seen.addresses[0].passes.push(second);
        seen.is_second_look = true;
        let verdict = judge(&seen, &cast.expected(HOST));
        assert_eq!(worst(&verdict), [(Rule::SeveralDaemons, Severity::Error)]);
        assert!(!verdict.verified && !verdict.inconclusive_only);
    }

    let mut seen = seen_at(&[("192.0.2.1:8372", differs)]);
    seen.addresses[0].passes.push(pass(&cast, &[]));
    seen.is_second_look = true;
    assert!(judge(&seen, &cast.expected(HOST)).verified);
    // Whoever got in at the first look got in.
    seen.addresses[0].passes[0] = pass(&cast, &[(Dial::NoCertificate(2), answered())]);
    let verdict = judge(&seen, &cast.expected(HOST));
    assert!(verdict.open && !verdict.verified);
}

#[test]
fn a_ca_beyond_our_bundle_is_a_warning_without_a_state_and_an_error_with_one() {
    let cast = Cast::new(HOST);
    let other = Cast::new("other.example");
    let mut seen = observed(&cast, &[]);
    let named = |cast: &Cast| cast.trust.certificates()[0].subject().clone();
    for dialed in &mut seen.addresses[0].passes[0].dials {
        dialed.handshake.asked = Asked::For(vec![named(&cast), named(&other)]);
    }
    let expected = Expected { installed_trust: None, ..cast.expected(HOST) };
    let verdict = judge(&seen, &expected);
    assert_eq!(worst(&verdict), [(Rule::OtherCaTrusted, Severity::Warning)]);
    assert!(verdict.verified && verdict.summary.contains("get in too"), "{}", verdict.summary);
    let expected = Expected { known_authorities: Some(vec![named(&cast)]), ..expected };
    let verdict = judge(&seen, &expected);
    assert_eq!(worst(&verdict), [(Rule::OtherCaTrusted, Severity::Error)]);
    assert!(!verdict.verified);
    let expected = Expected { known_authorities: Some(vec![named(&cast), named(&other)]), ..expected };
    assert!(judge(&seen, &expected).verified);
}

/// A pool of daemons with one certificate, or a daemon that opens after some connections.
#[test]
fn a_daemon_that_asks_nobody_after_a_while_is_told_by_that() {
    let cast = Cast::new(HOST);
    let (facts, account) = answered();
    let mut differs = pass(&cast, &[(Dial::ClientAgain, (TlsFacts { asked: false, ..facts }, account))]);
    differs.dials.last_mut().unwrap().handshake.asked = Asked::Nothing;
    let verdict = judge(&seen_at(&[("192.0.2.1:8372", differs)]), &cast.expected(HOST));
    let rules = [Rule::AsksNobody, Rule::Inconclusive].map(|rule| (rule, Severity::Error));
    assert_eq!(worst(&verdict), rules, "{:#?}", verdict.findings);
    assert!(!verdict.verified && !verdict.inconclusive_only);
}

#[test]
fn a_daemon_that_cannot_be_reached_is_one_error_with_its_cause() {
    let cast = Cast::new(HOST);
    let unreached = |why| early(End::Unreached, Some(why));
    // Something that resets a connection is there.
    let (end, why) = no_connection(&std::io::ErrorKind::ConnectionReset.into());
    let reset = early(end, why);
    for (made, rule, cause) in [
        (early(End::NotListening, Some(Unreachable::Refused)), Rule::Unreachable, Cause::NothingListens),
        (unreached(Unreachable::Filtered), Rule::Unreachable, Cause::Filtered),
        (unreached(Unreachable::NoRoute("x".into())), Rule::Unreachable, Cause::NoRoute),
        (early(End::TimedOut, None), Rule::NotUpYet, Cause::Silent),
        (early(End::Eof, None), Rule::NotUpYet, Cause::NotUpYet),
        (reset, Rule::NotUpYet, Cause::NotUpYet),
    ] {
        let mut seen = all(&cast, &made);
        // Nor did the plaintext that was sent.
        seen.addresses[0].passes[0].dials.retain(|dialed| dialed.dial != Dial::Plaintext);
        let verdict = judge(&seen, &cast.expected(HOST));
        assert_eq!(worst(&verdict), [(rule, Severity::Error)], "{:#?}", verdict.findings);
        assert_eq!(verdict.findings[0].causes, [cause]);
        assert!(verdict.summary.starts_with("not verified"), "{}", verdict.summary);
        assert_eq!(verdict.unreachable, rule == Rule::Unreachable);
    }
    for (why, rule) in [
        (NotDialed::Unresolved("x".into()), Rule::Unreachable),
        (NotDialed::TooManyAddresses(50), Rule::AddressNotJudged),
    ] {
        let verdict =
            judge(&DialResults { not_dialed: Some(why), ..DialResults::default() }, &cast.expected(HOST));
        assert_eq!(worst(&verdict), [(rule, Severity::Error)]);
        assert!(!verdict.verified);
    }
}

fn refusal_of(verdict: &Verdict) -> &Finding {
    verdict.findings.iter().find(|finding| finding.rule == Rule::ClientRefused).unwrap()
}

#[test]
fn the_cause_of_our_refusal_is_told_by_the_alert() {
    let cast = Cast::new(HOST);
    for (code, cause) in [
        (116, "no certificate arrived"),
        (48, "another key"),
        (45, "clock"),
        (43, "another CA"),
        (42, "revoked"),
    ] {
        let verdict = judge(&observed(&cast, &[(Dial::Client, alert(code))]), &cast.expected(HOST));
        let finding = refusal_of(&verdict);
        assert!(finding.cause.as_ref().unwrap().contains(cause), "{code}: {:?}", finding.cause);
        assert_eq!(verdict.summary, "CLOSED: the client's certificate is refused");
    }
    for (code, cause) in [(70, "neither"), (112, "proxy"), (120, "h2")] {
        let verdict = judge(&all(&cast, &early(End::Alert(code), None)), &cast.expected(HOST));
        let finding = refusal_of(&verdict);
        assert!(finding.cause.as_ref().unwrap().contains(cause), "{code}: {:?}", finding.cause);
        assert!(!verdict.summary.contains("certificate is refused"), "{}", verdict.summary);
    }
}

#[test]
fn a_server_with_nothing_in_common_refuses_nobody() {
    let cast = Cast::new(HOST);
    for code in [40, 71] {
        let verdict = judge(&all(&cast, &early(End::Alert(code), None)), &cast.expected(HOST));
        let of_client = verdict.findings.iter().find(|one| one.severity == Severity::Error).unwrap();
        assert_eq!(of_client.rule, Rule::Inconclusive);
        assert_eq!(of_client.causes, [Cause::NoCommonCipher]);
        assert!(verdict.inconclusive_only && !verdict.verified);
    }
}

#[test]
fn a_certificate_that_was_not_sent_is_told_with_the_reason() {
    let cast = Cast::new(HOST);
    for made in [alert(116), ended(End::Eof)] {
        for (withheld, cause) in
            [(Withheld::Issuer, "issued it"), (Withheld::Signature, "no signature of ecdsa-p256")]
        {
            let mut seen = observed(&cast, &[(Dial::Client, made.clone())]);
            let dials = &mut seen.addresses[0].passes[0].dials;
            let client = dials.iter_mut().find(|dialed| dialed.dial == Dial::Client).unwrap();
            client.handshake.withheld = Some(withheld);
            let verdict = judge(&seen, &cast.expected(HOST));
            let finding = refusal_of(&verdict);
            assert!(finding.cause.as_ref().unwrap().contains(cause), "{:?}", finding.cause);
        }
    }
}

#[test]
fn our_own_certificates_fault_comes_before_the_alerts_meaning() {
    let cast = Cast::new(HOST);
    let seen = observed(&cast, &[(Dial::Client, alert(42))]);
    for (chain, cause) in [
        (&cast.expired.chain, "the client's certificate expired"),
        (&cast.wrong_usage.chain, "lack clientAuth"),
    ] {
        let expected = Expected { client: Some(chain.clone()), ..cast.expected(HOST) };
        let verdict = judge(&seen, &expected);
        let finding = refusal_of(&verdict);
        assert!(finding.cause.as_ref().unwrap().contains(cause), "{:?}", finding.cause);
    }
}

/// Whoever answers chooses the names of the CAs that it asks for, and a terminal may show the JSON.
#[test]
fn no_name_that_a_daemon_asks_for_steers_a_terminal() {
    let cast = Cast::new(HOST);
    let said = b"\x1b]0;x\x07 \xc2\x9b31m \xe2\x80\xae";
    let common_name = [&[0x06, 3, 0x55, 0x04, 0x03, 0x0c, said.len() as u8], &said[..]].concat();
    let length = common_name.len() as u8;
    let der = [&[0x30, length + 4, 0x31, length + 2, 0x30, length], &common_name[..]].concat();
    let name = DistinguishedName::from_der(&der);
    assert!(name.common_name().is_some_and(|name| name.contains('\x1b')));
    let mut seen = observed(&cast, &[]);
    for dialed in &mut seen.addresses[0].passes[0].dials {
        dialed.handshake.asked = Asked::For(vec![name.clone()]);
    }
    let verdict = judge(&seen, &cast.expected(HOST));
    let asks_for = verdict.facts.asks_for.unwrap()[0].to_string();
    let is_harmful = |letter: char| letter.is_control() || letter == '\u{202e}';
    assert!(!asks_for.is_empty() && !asks_for.contains(is_harmful), "{asks_for:?}");
    assert!(!verdict.summary.as_str().contains(is_harmful), "{:?}", verdict.summary);
}

#[test]
fn a_daemon_that_was_not_restarted_is_told_by_what_it_serves_and_asks_for() {
    let cast = Cast::new(HOST);
    let newer = Cast::new(HOST);
    let verdict = judge(
        &observed(&cast, &[]),
        &Expected {
            installed_leaf: newer.server.chain.first().cloned(),
            installed_trust: Some(newer.trust.clone()),
            ..cast.expected(HOST)
        },
    );
    let stale = [(Rule::ServedIsStale, Severity::Error), (Rule::TrustIsStale, Severity::Error)];
    assert_eq!(worst(&verdict), stale);
    let fix = Some("docker restart earthly-buildkitd");
    assert_eq!(verdict.findings.iter().filter(|one| one.fix.as_deref() == fix).count(), 2);

    let mut silent = observed(&cast, &[]);
    for dialed in &mut silent.addresses[0].passes[0].dials {
        dialed.handshake.asked = Asked::For(Vec::new());
    }
    let verdict = judge(&silent, &cast.expected(HOST));
    let unknown = verdict.findings.iter().find(|finding| finding.rule == Rule::TrustIsStale).unwrap();
    assert_eq!(unknown.severity, Severity::Info);
    assert!(verdict.verified);
}

#[test]
fn a_daemon_without_alpn_and_a_loopback_host_are_warnings_and_still_verified() {
    let cast = Cast::new("127.0.0.1");
    let mut seen = observed(&cast, &[]);
    for dialed in &mut seen.addresses[0].passes[0].dials {
        dialed.handshake.agreed = Some(Agreed { version: "TLS 1.3", protocol: None });
    }
    let verdict = judge(&seen, &cast.expected("127.0.0.1"));
    let warnings = [(Rule::LoopbackHost, Severity::Warning), (Rule::NoAlpn, Severity::Warning)];
    assert_eq!(worst(&verdict), warnings);
    assert!(verdict.verified);
}

#[test]
fn what_answers_must_be_buildkit_with_a_worker() {
    let cast = Cast::new(HOST);
    let nobody = Answer { workers: Some(Vec::new()), ..Answer::default() };
    for answer in [nobody, Answer::default()] {
        let (facts, _) = answered();
        let made = (facts, Account { answer: Some(answer), ..Account::default() });
        let verdict = judge(&observed(&cast, &[(Dial::Client, made)]), &cast.expected(HOST));
        assert!(worst(&verdict).contains(&(Rule::NotBuildkit, Severity::Error)), "{:#?}", verdict.findings);
        assert!(!verdict.verified);
    }
    let web = above(AboveTls::Http(404));
    let verdict = judge(&observed(&cast, &[(Dial::Client, web)]), &cast.expected(HOST));
    assert!(worst(&verdict).contains(&(Rule::NotBuildkit, Severity::Error)), "{:#?}", verdict.findings);
}

#[test]
fn without_the_clients_certificate_or_one_of_an_unknown_ca_nothing_is_verified() {
    let cast = Cast::new(HOST);
    for missing in [Caller::Client, Caller::UnknownCa] {
        let mut seen = observed(&cast, &[]);
        seen.addresses[0].passes[0].dials.retain(|dialed| dialed.dial.caller() != missing);
        let mut expected = cast.expected(HOST);
        expected.client = expected.client.filter(|_| missing != Caller::Client);
        let verdict = judge(&seen, &expected);
        assert!(!verdict.verified && verdict.summary.starts_with("not verified"), "{}", verdict.summary);
    }
}
