//! Dials that were never made: what the tests of the judgement put together.

use std::time::Duration;

use super::cast::Cast;
use crate::model::Message;
use crate::probe::dial_list::{Alpn, Caller, Dial, Offers, Sni, Versions};
use crate::probe::outcome::{
    Call, Chain, End, Facts, PlainFacts, PlainReply, Shown, TlsFacts, TlsVersion, classify,
};
use crate::probe::results::{
    AboveTls, Account, AddressSeen, Agreed, Answer, Asked, BuildkitVersion, DialResults, DialStage, Dialed,
    Handshake, Pass, Unreachable, Worker,
};

/// What a dial is: its facts, and what else is known of it.
pub(crate) type Made = (TlsFacts, Account);

pub(crate) const fn asked() -> TlsFacts {
    TlsFacts {
        shown: Shown::Nothing,
        sni: Sni::Name,
        versions: Versions::Both,
        alpn: Alpn::H2,
        server_hello: true,
        version: Some(TlsVersion::Tls13),
        chain: Chain::Proven,
        asked: true,
        sent: true,
        ticket: false,
        finished: true,
        settings: false,
        data: false,
        call: Call::Unanswered,
        end: End::ByUs,
    }
}

pub(crate) fn told() -> Answer {
    Answer {
        buildkit: Some(BuildkitVersion { version: "v0.32.2".into(), ..BuildkitVersion::default() }),
        workers: Some(vec![Worker { id: "w".into(), platforms: vec!["linux/amd64".into()] }]),
        idleness: None,
        builds: None,
    }
}

pub(crate) fn answered() -> Made {
    let account = Account { answer: Some(told()), ..Account::default() };
    (TlsFacts { ticket: true, settings: true, call: Call::BuildKit, ..asked() }, account)
}

pub(crate) fn ended(end: End) -> Made {
    (TlsFacts { end, ..asked() }, Account { stage: Some(DialStage::Settings), ..Account::default() })
}

pub(crate) fn alert(code: u8) -> Made {
    ended(End::Alert(code))
}

pub(crate) fn timed_out() -> Made {
    ended(End::TimedOut)
}

pub(crate) fn above(above: AboveTls) -> Made {
    let facts = TlsFacts { ticket: true, settings: true, call: above.call(), ..asked() };
    (facts, Account { above: Some(above), ..Account::default() })
}

pub(crate) fn grpc(status: u32) -> Made {
    above(AboveTls::Grpc { status, message: Message::default() })
}

/// It did not come so far as a ServerHello.
pub(crate) fn early(end: End, unreachable: Option<Unreachable>) -> Made {
    let facts = TlsFacts {
        server_hello: false,
        version: None,
        chain: Chain::Unseen,
        asked: false,
        sent: false,
        finished: false,
        end,
        ..asked()
    };
    (facts, Account { unreachable, stage: Some(DialStage::Handshake), ..Account::default() })
}

pub(crate) fn handshake(cast: &Cast) -> Handshake {
    Handshake {
        chain: cast.server.chain.iter().map(|link| link.der().to_vec()).collect(),
        asked: Asked::For(cast.trust.subjects().into_iter().cloned().collect()),
        schemes: vec![0x0403],
        withheld: None,
        agreed: Some(Agreed { version: "TLS 1.3", protocol: Some("h2".into()) }),
    }
}

pub(crate) fn made(cast: &Cast, dial: Dial, (facts, account): Made) -> Dialed {
    let facts = match dial {
        Dial::Plaintext | Dial::PlaintextHttp1 => {
            let reply = if facts.settings { PlainReply::Settings } else { PlainReply::Nothing };
            Facts::Plain(PlainFacts { reply, call: facts.call, end: facts.end })
        }
        _ => {
            let shown = match dial.caller() {
                Caller::Client => Shown::Client,
                Caller::NoCertificate => Shown::Nothing,
                _ => Shown::Unwanted,
            };
            let Offers { sni, versions, alpn } = dial.offers();
            Facts::Tls(TlsFacts { shown, sni, versions, alpn, ..facts })
        }
    };
    let has_chain = matches!(facts, Facts::Tls(facts) if facts.chain != Chain::Unseen);
    Dialed {
        dial,
        is_alone: false,
        facts,
        outcome: classify(&facts),
        handshake: if has_chain { handshake(cast) } else { Handshake::default() },
        account,
        elapsed: Duration::ZERO,
    }
}

pub(crate) fn list() -> impl Iterator<Item = Dial> {
    let first = Dial::refusals(true).chain([Dial::WrongUsage, Dial::Expired, Dial::Client]);
    first.chain([Dial::NoCertificateAgain, Dial::ClientAgain])
}

/// A sound daemon, but for those dials.
pub(crate) fn pass(cast: &Cast, but: &[(Dial, Made)]) -> Pass {
    let made_of = |dial: Dial| match but.iter().find(|(other, _)| *other == dial) {
        Some((_, other)) => other.clone(),
        None if dial.caller() == Caller::Client => answered(),
        None if dial.caller() == Caller::Plaintext => ended(End::Eof),
        None => alert(116),
    };
    Pass { dials: list().map(|dial| made(cast, dial, made_of(dial))).collect() }
}

pub(crate) fn seen_at(addresses: &[(&str, Pass)]) -> DialResults {
    let addresses = addresses
        .iter()
        .map(|(address, pass)| AddressSeen { address: address.parse().unwrap(), passes: vec![pass.clone()] });
    let addresses: Vec<_> = addresses.collect();
    DialResults { resolved: addresses.len(), addresses, ..DialResults::default() }
}

pub(crate) fn observed(cast: &Cast, but: &[(Dial, Made)]) -> DialResults {
    seen_at(&[("192.0.2.1:8372", pass(cast, but))])
}

/// Every dial ended so.
pub(crate) fn all(cast: &Cast, ending: &Made) -> DialResults {
    let but: Vec<_> = list().map(|dial| (dial, ending.clone())).collect();
    observed(cast, &but)
}
