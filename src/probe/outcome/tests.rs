//! Every combination of facts, judged by rules that are written down here once more, in the words of
//! the specification; and the cases that were seen.

use super::*;

const ENDS: [End; 27] = [
    End::Alert(0),
    End::Alert(10),
    End::Alert(20),
    End::Alert(40),
    End::Alert(42),
    End::Alert(43),
    End::Alert(44),
    End::Alert(45),
    End::Alert(46),
    End::Alert(47),
    End::Alert(48),
    End::Alert(49),
    End::Alert(50),
    End::Alert(51),
    End::Alert(70),
    End::Alert(71),
    End::Alert(80),
    End::Alert(112),
    End::Alert(116),
    End::Alert(120),
    End::Eof,
    End::Reset,
    End::TimedOut,
    End::ByUs,
    End::Broken,
    End::NotListening,
    End::Unreached,
];
const CALLS: [Call; 5] =
    [Call::Unanswered, Call::BuildKit, Call::OtherGrpc, Call::TurnedDown, Call::Unavailable];

const OFFERS: [(Versions, Alpn); 4] = [
    (Versions::Both, Alpn::H2),
    (Versions::Tls12, Alpn::H2),
    (Versions::Tls13, Alpn::H2),
    (Versions::Both, Alpn::Http1),
];

/// Every combination, those that no server can bring about too.
fn every_tls_fact(mut visit: impl FnMut(&TlsFacts)) {
    for shown in [Shown::Nothing, Shown::Client, Shown::Unwanted] {
        for sni in [Sni::Name, Sni::None, Sni::Foreign, Sni::OtherHost] {
            for (versions, alpn) in OFFERS {
                for version in [None, Some(TlsVersion::Tls12), Some(TlsVersion::Tls13)] {
                    for chain in [Chain::Unseen, Chain::Proven, Chain::Another] {
                        for call in CALLS {
                            for end in ENDS {
                                for bits in 0..128_u8 {
                                    let bit = |place: u8| bits & (1 << place) != 0;
                                    visit(&TlsFacts {
                                        shown,
                                        sni,
                                        versions,
                                        alpn,
                                        server_hello: bit(0),
                                        version,
                                        chain,
                                        asked: bit(1),
                                        sent: bit(2),
                                        ticket: bit(3),
                                        finished: bit(4),
                                        settings: bit(5),
                                        data: bit(6),
                                        call,
                                        end,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// "TLS let it in: a NewSessionTicket, a finished TLS 1.2 handshake, or SETTINGS", and whatever else
/// comes only after that.
fn has_been_let_in(one: &TlsFacts) -> bool {
    one.ticket
        || one.settings
        || one.data
        || one.call != Call::Unanswered
        || (one.version == Some(TlsVersion::Tls12) && one.finished)
}

fn is_answered(one: &TlsFacts) -> bool {
    [Call::BuildKit, Call::OtherGrpc].contains(&one.call)
}

/// What must be true of the facts whenever that is the outcome.
fn justifies(one: &TlsFacts, outcome: Outcome) -> bool {
    let must_be_refused = one.shown != Shown::Client;
    let saw_chain = one.chain != Chain::Unseen;
    let other_name = one.sni != Sni::Name;
    match outcome {
        Outcome::Accepted => {
            one.shown == Shown::Client && one.sent && one.asked && one.settings && is_answered(one)
        }
        Outcome::Open => is_answered(one) && (must_be_refused || !one.sent),
        Outcome::Refused(by) => {
            let RefusedBy::Alert(alert) = by else { return false };
            let is_listed = [42, 43, 44, 45, 46, 48, 49, 51, 116].contains(&alert);
            let is_of_tls12 = alert == 40 && one.version == Some(TlsVersion::Tls12);
            let was_tried = one.shown != Shown::Unwanted || one.sent;
            one.end == End::Alert(alert)
                && (is_listed || is_of_tls12)
                && saw_chain
                && one.asked
                && was_tried
                && !has_been_let_in(one)
        }
        Outcome::RefusedByEnd => {
            let is_end = [End::Eof, End::Reset].contains(&one.end);
            is_end && saw_chain && one.asked && !has_been_let_in(one)
        }
        Outcome::LetIn => has_been_let_in(one) && !is_answered(one) && (one.asked || !saw_chain),
        Outcome::NotServed => {
            let is_name = other_name
                && (one.end == End::Alert(112)
                    || (!one.server_hello && [End::Alert(40), End::Alert(49), End::Eof].contains(&one.end)));
            let is_older = one.end == End::Broken && one.version == Some(TlsVersion::Tls12)
                || one.end == End::Alert(40) && !one.server_hello;
            let is_version = (one.versions != Versions::Both && one.end == End::Alert(70))
                || (one.versions == Versions::Tls13 && is_older);
            let is_protocol = one.alpn == Alpn::Http1 && one.end == End::Alert(120);
            must_be_refused && !saw_chain && !has_been_let_in(one) && (is_name || is_version || is_protocol)
        }
        Outcome::AsksNobody => !one.asked && (saw_chain || is_answered(one)),
        Outcome::OtherService => {
            let is_told = one.data || one.call == Call::TurnedDown || one.call == Call::OtherGrpc;
            must_be_refused && other_name && one.chain == Chain::Another && !one.asked && is_told
        }
        Outcome::NotUpYet => {
            let is_early = [End::Eof, End::Reset, End::TimedOut, End::NotListening].contains(&one.end);
            is_early && !one.server_hello && !saw_chain && !has_been_let_in(one)
        }
        Outcome::Inconclusive(_) => true,
    }
}

#[test]
fn no_outcome_is_given_without_the_facts_that_justify_it() {
    let mut count = 0_u64;
    every_tls_fact(|facts| {
        let outcome = classify(&Facts::Tls(*facts));
        assert!(justifies(facts, outcome), "{outcome:?}: {facts:#?}");
        count += 1;
    });
    assert_eq!(count, 3 * 4 * 4 * 3 * 3 * 5 * 27 * 128);
}

/// The other direction: what is seen is not explained away as inconclusive.
#[test]
fn whoever_is_let_in_or_asked_for_nothing_is_never_passed_over() {
    every_tls_fact(|facts| {
        let outcome = classify(&Facts::Tls(*facts));
        let must_be_refused = facts.shown != Shown::Client;
        if facts.call == Call::BuildKit && must_be_refused {
            assert_eq!(outcome, Outcome::Open, "{facts:#?}");
        } else if has_been_let_in(facts) && facts.asked && must_be_refused {
            let caught = [Outcome::Open, Outcome::LetIn].contains(&outcome);
            assert!(caught, "{outcome:?}: {facts:#?}");
        } else if facts.chain == Chain::Proven && !facts.asked && !is_answered(facts) {
            assert_eq!(outcome, Outcome::AsksNobody, "{facts:#?}");
        }
        let passes = matches!(
            outcome,
            Outcome::Refused(_) | Outcome::RefusedByEnd | Outcome::NotServed | Outcome::OtherService
        );
        let would_pass = passes && must_be_refused;
        // Our side breaks off where an older version is chosen than it offers.
        let is_silent = matches!(facts.end, End::TimedOut | End::Broken | End::Unreached)
            && !(facts.end == End::Broken && facts.answers_in_tls12_alone());
        assert!(!(would_pass && is_silent) || outcome == Outcome::OtherService, "{facts:#?}");
    });
}

#[test]
fn plaintext_is_refused_by_an_alert_by_http_400_or_by_an_end_after_no_bytes_alone() {
    let replies = [
        PlainReply::Nothing,
        PlainReply::TlsAlert(70),
        PlainReply::BadRequest,
        PlainReply::Http1,
        PlainReply::Settings,
        PlainReply::Other,
    ];
    for reply in replies {
        for call in CALLS {
            for end in ENDS {
                let facts = PlainFacts { reply, call, end };
                let outcome = classify(&Facts::Plain(facts));
                let is_answered = [Call::BuildKit, Call::OtherGrpc].contains(&call);
                assert_eq!(outcome == Outcome::Open, is_answered, "{facts:?}");
                match outcome {
                    Outcome::Refused(RefusedBy::Alert(70)) => assert_eq!(reply, PlainReply::TlsAlert(70)),
                    Outcome::Refused(RefusedBy::BadRequest) => assert_eq!(reply, PlainReply::BadRequest),
                    Outcome::Refused(by) => panic!("{by:?}: {facts:?}"),
                    Outcome::RefusedByEnd => {
                        assert_eq!((reply, call), (PlainReply::Nothing, Call::Unanswered));
                        assert!([End::Eof, End::Reset].contains(&end), "{facts:?}");
                    }
                    Outcome::Accepted | Outcome::NotServed | Outcome::AsksNobody | Outcome::OtherService => {
                        panic!("{outcome:?}: {facts:?}")
                    }
                    Outcome::Open | Outcome::LetIn | Outcome::NotUpYet | Outcome::Inconclusive(_) => {}
                }
                if reply == PlainReply::Settings && !is_answered {
                    assert_eq!(outcome, Outcome::LetIn, "{facts:?}");
                }
            }
        }
    }
}

/// A dial without a certificate and with the name, which the server has asked for one.
const ASKED: TlsFacts = TlsFacts {
    shown: Shown::Nothing,
    sni: Sni::Name,
    versions: Versions::Both,
    alpn: Alpn::H2,
    server_hello: true,
    version: Some(TlsVersion::Tls13),
    chain: Chain::Proven,
    asked: true,
    sent: false,
    ticket: false,
    finished: true,
    settings: false,
    data: false,
    call: Call::Unanswered,
    end: End::Eof,
};
const TLS12: TlsFacts =
    TlsFacts { version: Some(TlsVersion::Tls12), versions: Versions::Tls12, finished: false, ..ASKED };
/// Nothing came.
const CUT: TlsFacts = TlsFacts {
    server_hello: false,
    version: None,
    chain: Chain::Unseen,
    asked: false,
    finished: false,
    ..ASKED
};
const OURS: TlsFacts = TlsFacts {
    shown: Shown::Client,
    sent: true,
    settings: true,
    call: Call::BuildKit,
    end: End::ByUs,
    ..ASKED
};

#[test]
fn the_cases_that_were_seen() {
    let alert = |alert| Outcome::Refused(RefusedBy::Alert(alert));
    for (case, facts, outcome) in [
        ("Go, TLS 1.3", TlsFacts { end: End::Alert(116), ..ASKED }, alert(116)),
        ("Go, TLS 1.2", TlsFacts { end: End::Alert(42), ..TLS12 }, alert(42)),
        ("OpenSSL, no certificate in TLS 1.2", TlsFacts { end: End::Alert(40), ..TLS12 }, alert(40)),
        (
            "OpenSSL, an unknown CA with our name and key id",
            TlsFacts { shown: Shown::Unwanted, sent: true, end: End::Alert(51), ..ASKED },
            alert(51),
        ),
        ("C core, or an alert that was lost", ASKED, Outcome::RefusedByEnd),
        ("the same by a reset", TlsFacts { end: End::Reset, ..ASKED }, Outcome::RefusedByEnd),
        ("C core, TLS 1.2", TLS12, Outcome::RefusedByEnd),
        ("haproxy, verify optional and a session limit", TlsFacts { ticket: true, ..ASKED }, Outcome::LetIn),
        ("the same in TLS 1.2", TlsFacts { finished: true, ..TLS12 }, Outcome::LetIn),
        (
            "nginx, SETTINGS to whom it refuses",
            TlsFacts { ticket: true, settings: true, call: Call::TurnedDown, end: End::ByUs, ..ASKED },
            Outcome::LetIn,
        ),
        ("an alert after a ticket", TlsFacts { ticket: true, end: End::Alert(116), ..ASKED }, Outcome::LetIn),
        ("haproxy without ca-file, reset by a limit", TlsFacts { end: End::Reset, ..CUT }, Outcome::NotUpYet),
        ("closed before ServerHello", CUT, Outcome::NotUpYet),
        ("silent", TlsFacts { end: End::TimedOut, ..CUT }, Outcome::NotUpYet),
        (
            "cut after ServerHello",
            TlsFacts { server_hello: true, version: Some(TlsVersion::Tls13), ..CUT },
            Outcome::Inconclusive(Why::EndedEarly),
        ),
        (
            "no certificate is asked for",
            TlsFacts { asked: false, end: End::Eof, ..ASKED },
            Outcome::AsksNobody,
        ),
        (
            "an open daemon",
            TlsFacts { asked: false, settings: true, call: Call::BuildKit, end: End::ByUs, ..ASKED },
            Outcome::Open,
        ),
        ("haproxy strict-sni", TlsFacts { sni: Sni::None, ..CUT }, Outcome::NotServed),
        (
            "nginx ssl_reject_handshake",
            TlsFacts { sni: Sni::Foreign, end: End::Alert(112), ..CUT },
            Outcome::NotServed,
        ),
        (
            "TLS 1.3 alone",
            TlsFacts { versions: Versions::Tls12, end: End::Alert(70), ..CUT },
            Outcome::NotServed,
        ),
        (
            "no signature in common",
            TlsFacts { shown: Shown::Unwanted, end: End::Alert(116), ..ASKED },
            Outcome::Inconclusive(Why::NotSent),
        ),
        ("overload", TlsFacts { end: End::Alert(80), ..ASKED }, Outcome::Inconclusive(Why::Alert(80))),
        (
            "a shared front with another service",
            TlsFacts {
                sni: Sni::None,
                chain: Chain::Another,
                asked: false,
                data: true,
                call: Call::TurnedDown,
                ..ASKED
            },
            Outcome::OtherService,
        ),
        (
            "a shared front that drops the first call",
            TlsFacts { sni: Sni::None, chain: Chain::Another, asked: false, settings: true, ..ASKED },
            Outcome::Inconclusive(Why::EndedEarly),
        ),
        ("the client", OURS, Outcome::Accepted),
        ("the client of a server that asks nobody", TlsFacts { asked: false, ..OURS }, Outcome::AsksNobody),
        ("the client whose certificate was withheld", TlsFacts { sent: false, ..OURS }, Outcome::Open),
        ("the client, turned down above TLS", TlsFacts { call: Call::TurnedDown, ..OURS }, Outcome::LetIn),
    ] {
        assert_eq!(classify(&Facts::Tls(facts)), outcome, "{case}");
    }
}
