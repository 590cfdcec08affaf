//! What one dial proves: a pure function of the plain facts of that dial.
//!
//! A refusal counts only from a server that showed its chain and asked for a certificate in that
//! dial, and that did nothing by which TLS lets somebody in. Whatever is not known is inconclusive.

use std::fmt;

use super::dial_list::{Alpn, Sni, Versions};

/// The facts of one dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facts {
    /// Without TLS.
    Plain(PlainFacts),
    /// Over TLS.
    Tls(TlsFacts),
}

/// The facts of a dial without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainFacts {
    /// The first bytes that came back.
    pub reply: PlainReply,
    /// What came of the calls.
    pub call: Call,
    /// How it ended.
    pub end: End,
}

/// The first bytes of an answer to HTTP/2 without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainReply {
    /// None.
    Nothing,
    /// A TLS alert record, and its number.
    TlsAlert(u8),
    /// HTTP/1 with status 400, which HTTP servers with TLS say to whoever speaks without.
    BadRequest,
    /// HTTP/1 with another status.
    Http1,
    /// HTTP/2 SETTINGS.
    Settings,
    /// Anything else.
    Other,
}

/// The facts of a dial over TLS. They are noted as they happen, also when the handshake fails later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The certificate that was at hand.
    pub shown: Shown,
    /// The name that the ClientHello carried.
    pub sni: Sni,
    /// The versions that it offered.
    pub versions: Versions,
    /// The protocols that it offered.
    pub alpn: Alpn,
    /// Whether a whole ServerHello came.
    pub server_hello: bool,
    /// The version that the server chose.
    pub version: Option<TlsVersion>,
    /// The server's chain.
    pub chain: Chain,
    /// Whether a CertificateRequest came.
    pub asked: bool,
    /// Whether our side answered it with a certificate.
    pub sent: bool,
    /// Whether a NewSessionTicket came in TLS 1.3.
    pub ticket: bool,
    /// Whether our side completed the handshake; in TLS 1.2 that includes the server's Finished.
    pub finished: bool,
    /// Whether HTTP/2 SETTINGS came.
    pub settings: bool,
    /// Whether any other application data came.
    pub data: bool,
    /// What came of the calls.
    pub call: Call,
    /// How it ended.
    pub end: End,
}

impl TlsFacts {
    /// Whether TLS 1.3 alone was offered and TLS 1.2 chosen, as servers do that do not know the newer.
    #[must_use]
    pub fn answers_in_tls12_alone(&self) -> bool {
        self.versions == Versions::Tls13 && self.version == Some(TlsVersion::Tls12)
    }
}

/// The certificate of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// None.
    Nothing,
    /// The client's own.
    Client,
    /// One that must be refused.
    Unwanted,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

/// What was seen of the server's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Nothing.
    Unseen,
    /// It proves the server to be the host that was dialed.
    Proven,
    /// It does not: another host's, or of another CA.
    Another,
}

/// What came of the read-only calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Nothing, or nothing was asked.
    Unanswered,
    /// BuildKit answered with gRPC status 0.
    BuildKit,
    /// gRPC that knows neither call (status 12), and so has let the caller in.
    OtherGrpc,
    /// Another gRPC status, an HTTP status, or a stream that the server reset.
    TurnedDown,
    /// An answer that says of itself that it is no verdict, and may be another one the next time: HTTP
    /// status 408, 425, 429, 500, 502, 503 or 504, gRPC status 1, 4, 8, 13 or 14, a stream or a
    /// connection that HTTP/2 gave up without having refused it (RFC 9113 sections 7 and 8.7).
    Unavailable,
}

/// How a dial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A TLS alert, by its number (RFC 8446 section 6.2).
    Alert(u8),
    /// The server closed the connection.
    Eof,
    /// The connection was reset.
    Reset,
    /// The time for that stage was up.
    TimedOut,
    /// Our side had seen enough, and closed.
    ByUs,
    /// Our side could not go on: a certificate at fault, no signature scheme in common, no TLS.
    Broken,
    /// Connecting was refused.
    NotListening,
    /// There was no connection: no route, no answer.
    Unreached,
}

/// What one dial proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client was let in and answered, by a server that asked for its certificate.
    Accepted,
    /// Somebody who must not get in was answered.
    Open,
    /// Refused, by a word that cannot be mistaken.
    Refused(RefusedBy),
    /// Refused by an end without a word. Counts only if it is repeated.
    RefusedByEnd,
    /// TLS let the caller in, whatever followed.
    LetIn,
    /// The server does not serve that SNI, that version or that protocol. Counts only beside dials that it
    /// serves.
    NotServed,
    /// The server asks nobody for a certificate.
    AsksNobody,
    /// Another service answers for an SNI that is not the daemon's.
    OtherService,
    /// The server has not come so far as a ServerHello.
    NotUpYet,
    /// No verdict.
    Inconclusive(Why),
}

/// By what a server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// A TLS alert, by its number.
    Alert(u8),
    /// HTTP/1 status 400, to plaintext.
    BadRequest,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The time was up.
    TimedOut,
    /// An alert that is no refusal, or that came before the chain.
    Alert(u8),
    /// The connection ended before the server had shown its chain.
    EndedEarly,
    /// There was no connection.
    Unreached,
    /// The server accepts no signature that the certificate's key can make, so that it was not sent.
    NotSent,
    /// Our side could not go on.
    Broken,
    /// Something that no daemon says.
    Other,
}

impl Outcome {
    /// The stable word, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Open => "open",
            Outcome::Refused(_) => "refused",
            Outcome::RefusedByEnd => "refused-by-end",
            Outcome::LetIn => "let-in-by-tls",
            Outcome::NotServed => "not-served",
            Outcome::AsksNobody => "asks-nobody",
            Outcome::OtherService => "other-service",
            Outcome::NotUpYet => "not-up-yet",
            Outcome::Inconclusive(_) => "inconclusive",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a dial with those facts proves.
#[must_use]
pub fn classify(facts: &Facts) -> Outcome {
    match facts {
        Facts::Plain(facts) => of_plaintext(facts),
        Facts::Tls(facts) if is_answer(facts.call) => of_an_answer(facts),
        Facts::Tls(facts) => match (facts.chain, facts.asked) {
            (Chain::Unseen, _) => before_the_chain(facts),
            (Chain::Proven | Chain::Another, false) => without_a_request(facts),
            (Chain::Proven | Chain::Another, true) => after_a_request(facts),
        },
    }
}

fn is_answer(call: Call) -> bool {
    matches!(call, Call::BuildKit | Call::OtherGrpc)
}

fn of_plaintext(facts: &PlainFacts) -> Outcome {
    match (facts.call, facts.reply) {
        (Call::BuildKit | Call::OtherGrpc, _) => Outcome::Open,
        (_, PlainReply::TlsAlert(alert)) => Outcome::Refused(RefusedBy::Alert(alert)),
        (Call::Unavailable, PlainReply::BadRequest) => Outcome::Inconclusive(why(facts.end)),
        (_, PlainReply::BadRequest) => Outcome::Refused(RefusedBy::BadRequest),
        (_, PlainReply::Settings | PlainReply::Http1) | (Call::TurnedDown | Call::Unavailable, _) => {
            Outcome::LetIn
        }
        (Call::Unanswered, PlainReply::Other) => Outcome::Inconclusive(Why::Other),
        (Call::Unanswered, PlainReply::Nothing) => match facts.end {
            End::Eof | End::Reset => Outcome::RefusedByEnd,
            End::NotListening => Outcome::NotUpYet,
            end => Outcome::Inconclusive(why(end)),
        },
    }
}

fn of_an_answer(facts: &TlsFacts) -> Outcome {
    match (facts.shown, facts.sent, facts.asked) {
        (Shown::Client, true, true) if facts.settings => Outcome::Accepted,
        (Shown::Client, true, true) => Outcome::Inconclusive(Why::Other),
        (Shown::Client, _, false) => Outcome::AsksNobody,
        (Shown::Nothing | Shown::Unwanted, _, false) if is_another_service(facts) => Outcome::OtherService,
        _ => Outcome::Open,
    }
}

/// gRPC that is no BuildKit, under a certificate that is not the daemon's.
fn is_another_service(facts: &TlsFacts) -> bool {
    facts.call == Call::OtherGrpc && facts.chain == Chain::Another && is_of_others(facts.sni)
}

/// Whether a server may have another service for that name.
fn is_of_others(sni: Sni) -> bool {
    sni != Sni::Name
}

fn is_let_in(facts: &TlsFacts) -> bool {
    let is_over_in_tls12 = facts.finished && facts.version == Some(TlsVersion::Tls12);
    let is_heard = facts.settings || facts.data || facts.call != Call::Unanswered;
    facts.ticket || is_over_in_tls12 || is_heard
}

fn before_the_chain(facts: &TlsFacts) -> Outcome {
    if is_let_in(facts) {
        return Outcome::LetIn;
    }
    let is_for_others = matches!(facts.sni, Sni::None | Sni::Foreign | Sni::OtherHost);
    let must_be_refused = facts.shown != Shown::Client;
    match facts.end {
        End::Alert(112) if is_for_others && must_be_refused => Outcome::NotServed,
        End::Alert(40 | 49) | End::Eof if is_for_others && must_be_refused && !facts.server_hello => {
            Outcome::NotServed
        }
        End::Alert(70) if facts.versions != Versions::Both && must_be_refused => Outcome::NotServed,
        // A server that does not know TLS 1.3 answers in TLS 1.2 whatever is offered, and our side breaks off;
        // or it has no cipher in common.
        End::Broken if facts.answers_in_tls12_alone() && must_be_refused => Outcome::NotServed,
        End::Alert(40) if facts.versions == Versions::Tls13 && !facts.server_hello && must_be_refused => {
            Outcome::NotServed
        }
        End::Alert(120) if facts.alpn == Alpn::Http1 && must_be_refused => Outcome::NotServed,
        End::Eof | End::Reset | End::TimedOut | End::NotListening if !facts.server_hello => Outcome::NotUpYet,
        end => Outcome::Inconclusive(why(end)),
    }
}

/// Only a definite answer of something else makes it another service: silence may be a proxy before
/// the daemon that drops the first call.
fn without_a_request(facts: &TlsFacts) -> Outcome {
    let is_told = match facts.call {
        Call::TurnedDown => true,
        Call::Unavailable => false,
        _ => facts.data,
    };
    match (facts.chain, facts.shown) {
        (Chain::Another, Shown::Nothing | Shown::Unwanted) if is_of_others(facts.sni) => {
            if is_told {
                Outcome::OtherService
            } else {
                Outcome::Inconclusive(why(facts.end))
            }
        }
        _ => Outcome::AsksNobody,
    }
}

fn after_a_request(facts: &TlsFacts) -> Outcome {
    if is_let_in(facts) {
        return Outcome::LetIn;
    }
    if facts.shown == Shown::Unwanted && !facts.sent {
        // It was refused for another reason than the one that is tried.
        return Outcome::Inconclusive(Why::NotSent);
    }
    match (facts.end, facts.version) {
        (End::Alert(alert @ (42..=46 | 48 | 49 | 51 | 116)), _) => Outcome::Refused(RefusedBy::Alert(alert)),
        (End::Alert(40), Some(TlsVersion::Tls12)) => Outcome::Refused(RefusedBy::Alert(40)),
        (End::Eof | End::Reset, Some(_)) => Outcome::RefusedByEnd,
        (end, _) => Outcome::Inconclusive(why(end)),
    }
}

fn why(end: End) -> Why {
    match end {
        End::TimedOut => Why::TimedOut,
        End::Alert(alert) => Why::Alert(alert),
        End::Eof | End::Reset => Why::EndedEarly,
        End::NotListening | End::Unreached => Why::Unreached,
        End::Broken => Why::Broken,
        End::ByUs => Why::Other,
    }
}

#[cfg(test)]
mod tests;
