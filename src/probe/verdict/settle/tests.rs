use super::*;
use crate::probe::dial_list::Versions;
use crate::probe::outcome::{Chain, TlsFacts};
use crate::probe::results::Pass;
use crate::probe::tests::cast::Cast;
use crate::probe::tests::made::*;

const N1: Dial = Dial::NoCertificate(1);
const N3: Dial = Dial::NoCertificate(3);

/// That dial, made again while no other was open.
fn alone(cast: &Cast, dial: Dial, how: &Made) -> Dialed {
    Dialed { is_alone: true, ..made(cast, dial, how.clone()) }
}

/// A sound pass but for that dial, and those repeats of it and of the client.
fn with_repeats(cast: &Cast, dial: Dial, first: &Made, repeats: &[(Dial, Made)]) -> Pass {
    let mut pass = pass(cast, &[(dial, first.clone())]);
    pass.dials.extend(repeats.iter().map(|(dial, how)| alone(cast, *dial, how)));
    pass
}

fn has_passed(pass: &Pass, dial: Dial) -> bool {
    matches!(settle(pass, dial), Some(Settled::Passed(_)))
}

#[test]
fn an_end_without_a_word_counts_if_it_is_repeated_twice_between_accepted_dials_of_the_client() {
    let cast = Cast::new("127.0.0.1");
    let end = || (N1, ended(End::Eof));
    let client = || (Dial::Client, answered());
    let cut = || (Dial::Client, early(End::Reset, None));
    for (repeats, counts) in [
        (vec![client(), end(), client(), end(), client()], true),
        (vec![client(), end(), end(), client()], true),
        (vec![client(), end(), client()], false),
        (vec![end(), end()], false),
        (vec![client(), end(), end()], false),
        (vec![end(), client(), end(), client()], false),
        (vec![client(), end(), cut(), end(), client()], false),
        (vec![client(), end(), client(), (N1, timed_out()), client()], false),
        (vec![client(), end(), client(), (N1, alert(116)), client()], true),
        (vec![client(), end(), client(), (N1, answered()), client()], false),
    ] {
        let pass = with_repeats(&cast, N1, &ended(End::Eof), &repeats);
        let said: Vec<_> = repeats.iter().map(|(dial, made)| (dial, made.0.end)).collect();
        assert_eq!(has_passed(&pass, N1), counts, "{said:?}");
    }
    // It must have ended so from the beginning.
    let repeats = [client(), end(), client(), end(), client()];
    assert!(!has_passed(&with_repeats(&cast, N1, &early(End::Reset, None), &repeats), N1));
}

/// haproxy's `tcp-request session reject` closes only after TLS has let the client in.
#[test]
fn a_client_that_is_cut_off_is_dialed_again_and_one_that_is_turned_down_is_not() {
    let cast = Cast::new("127.0.0.1");
    let let_in = |end| (TlsFacts { ticket: true, ..ended(end).0 }, Default::default());
    for dial in [Dial::Client, Dial::ClientAgain] {
        let ended = [let_in(End::Eof), let_in(End::Reset), early(End::Reset, None), early(End::Eof, None)];
        for cut in ended.into_iter().chain([grpc(14), grpc(8)]) {
            let first = pass(&cast, &[(dial, cut.clone())]);
            assert!(needs_repeat(&first, dial) && !has_passed(&first, dial), "{dial}");
            let repeated = with_repeats(&cast, dial, &cut, &[(dial, answered())]);
            assert!(!needs_repeat(&repeated, dial) && has_passed(&repeated, dial), "{dial}");
        }
        let never = with_repeats(&cast, dial, &let_in(End::Eof), &[(dial, let_in(End::Eof))]);
        assert!(matches!(settle(&never, dial), Some(Settled::Undecided(_))), "{dial}");
        let away = with_repeats(&cast, dial, &grpc(14), &[(dial, grpc(14)), (dial, grpc(14))]);
        assert!(matches!(settle(&away, dial), Some(Settled::Undecided(_))), "{dial}");
        for judged in [grpc(16), alert(48)] {
            let repeated = with_repeats(&cast, dial, &judged, &[(dial, answered())]);
            assert!(!needs_repeat(&repeated, dial) && !has_passed(&repeated, dial), "{dial}");
        }
    }
}

#[test]
fn whoever_was_let_in_once_is_let_in_however_often_it_is_refused() {
    let cast = Cast::new("127.0.0.1");
    for how in [answered(), (TlsFacts { ticket: true, ..asked() }, Default::default())] {
        let repeats = [(N1, alert(116)), (N1, alert(116))];
        let pass = with_repeats(&cast, N1, &how, &repeats);
        assert!(matches!(settle(&pass, N1), Some(Settled::Failed(_))));
        assert!(!needs_repeat(&pass, N1));
    }
}

/// Neither its certificate nor its alert is that of a refusal.
fn not_served(end: End) -> Made {
    early(end, None)
}

#[test]
fn a_name_that_is_not_served_counts_beside_the_daemons_own_and_by_an_end_only_twice() {
    let cast = Cast::new("127.0.0.1");
    let by_alert = pass(&cast, &[(N3, not_served(End::Alert(112)))]);
    assert!(has_passed(&by_alert, N3) && !needs_repeat(&by_alert, N3));
    let once = pass(&cast, &[(N3, not_served(End::Eof))]);
    assert!(!has_passed(&once, N3) && needs_repeat(&once, N3));
    let twice = with_repeats(&cast, N3, &not_served(End::Eof), &[(N3, not_served(End::Eof))]);
    assert!(has_passed(&twice, N3) && !needs_repeat(&twice, N3));
    // Before, or after, nobody reached the daemon under its own name.
    let cut = || early(End::Reset, None);
    let not_before = pass(&cast, &[(N3, not_served(End::Alert(112))), (N1, cut())]);
    assert!(!has_passed(&not_before, N3));
    let after = [Dial::NoCertificateAgain, Dial::ClientAgain].map(|dial| (dial, cut()));
    let not_after = pass(&cast, &[vec![(N3, not_served(End::Alert(112)))], after.to_vec()].concat());
    assert!(!has_passed(&not_after, N3));
}

#[test]
fn tls_1_2_is_not_served_only_beside_tls_1_3() {
    let cast = Cast::new("127.0.0.1");
    let old = || (TlsFacts { version: Some(TlsVersion::Tls12), ..alert(116).0 }, Default::default());
    let refused = (Dial::NoCertificate(2), not_served(End::Alert(70)));
    assert!(has_passed(&pass(&cast, std::slice::from_ref(&refused)), Dial::NoCertificate(2)));
    let all_old = [N1, Dial::NoCertificateAgain].map(|dial| (dial, old()));
    let pass = pass(&cast, &[vec![refused], all_old.to_vec()].concat());
    assert!(!has_passed(&pass, Dial::NoCertificate(2)));
}

/// On a server of one version alone, an alert about the version of one dial says nothing of whoever comes
/// with the same in the other.
#[test]
fn one_version_is_not_served_only_if_the_same_caller_is_judged_in_both() {
    let cast = Cast::new("127.0.0.1");
    for old in list().filter(|dial| dial.offers().versions != Versions::Both) {
        let newer = old.with_both_versions().unwrap();
        let not_served = || (old, not_served(End::Alert(70)));
        let tls12 = || {
            (
                TlsFacts { version: Some(TlsVersion::Tls12), finished: false, ..alert(116).0 },
                Default::default(),
            )
        };
        let others: Vec<_> = match old.offers().versions {
            Versions::Tls13 => list()
                .filter(|dial| dial.caller() != Caller::Client && *dial != old)
                .filter(|dial| dial.offers().versions != Versions::Tls13)
                .map(|dial| (dial, tls12()))
                .collect(),
            _ => Vec::new(),
        };
        let pass = |cast: &Cast, but: &[(Dial, Made)]| pass(cast, &[but, &others].concat());
        let sound = pass(&cast, &[not_served()]);
        assert!(has_passed(&sound, old), "{old}");
        for how in [early(End::Reset, None), timed_out(), ended(End::Eof)] {
            assert!(!has_passed(&pass(&cast, &[not_served(), (newer, how)]), old), "{old}, {newer}");
        }
        let mut without = sound.clone();
        without.dials.retain(|dialed| dialed.dial != newer);
        assert!(!has_passed(&without, old), "{old}");
    }
}

/// OpenSSL before 1.1.1 and Go before 1.12 answer a hello of TLS 1.3 alone in TLS 1.2.
#[test]
fn an_answer_in_tls_1_2_to_tls_1_3_alone_is_a_version_that_is_not_served() {
    let cast = Cast::new("127.0.0.1");
    let older = || {
        let facts = TlsFacts {
            version: Some(TlsVersion::Tls12),
            chain: Chain::Unseen,
            asked: false,
            finished: false,
            ..ended(End::Broken).0
        };
        (facts, Default::default())
    };
    let alone = Dial::NoCertificate(15);
    let tls12 = || {
        (TlsFacts { version: Some(TlsVersion::Tls12), finished: false, ..alert(116).0 }, Default::default())
    };
    let all: Vec<_> = list()
        .filter(|dial| dial.caller() == Caller::NoCertificate && *dial != alone)
        .map(|dial| (dial, tls12()))
        .chain([(alone, older())])
        .collect();
    let sound = pass(&cast, &all);
    assert!(has_passed(&sound, alone) && !needs_repeat(&sound, alone));
    assert!(has_passed(&sound, Dial::Plaintext));
    assert!(!has_passed(&pass(&cast, &[(alone, older())]), alone), "the other version is not TLS 1.2");
}

#[test]
fn the_end_of_plaintext_counts_if_no_other_dial_was_cut_off() {
    let cast = Cast::new("127.0.0.1");
    let sound = pass(&cast, &[]);
    assert!(has_passed(&sound, Dial::Plaintext) && !needs_repeat(&sound, Dial::Plaintext));
    let limited = pass(&cast, &[(N3, early(End::Reset, None))]);
    assert!(!has_passed(&limited, Dial::Plaintext) && needs_repeat(&limited, Dial::Plaintext));
    let client = || (Dial::Client, answered());
    let end = || (Dial::Plaintext, ended(End::Eof));
    let mut confirmed = limited;
    let repeats = [client(), end(), client(), end(), client()];
    confirmed.dials.extend(repeats.iter().map(|(dial, how)| alone(&cast, *dial, how)));
    assert!(has_passed(&confirmed, Dial::Plaintext));
    assert_eq!(early(End::Reset, None).0.chain, Chain::Unseen);
}
