//! The order of the dials.
//!
//! Ours comes first and last, since a refusal of somebody else counts only while ours is accepted
//! before and after; all others run at the same time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::time::{Instant, timeout_at};

use super::buildkit::Depth;
use super::dial::{Target, Terms, plaintext, secure};
use super::observed::{Dial, Dialled, Handshake, Inconclusive, Moment, Observed, Outcome, Unreachable};
use super::request::{Identity, Request};
use super::tls::{Offer, OnFault, server_name};
use super::trust::ServerExpectation;
use crate::message;
use crate::model::{Endpoint, Message, Printable, Remark, SubjectAltName};

/// Dials the daemon in every way that the request has means for, and tells what was seen.
///
/// Blocks until the last dial has ended; owns its runtime. Never fails: every trouble is the
/// outcome of a dial. Our certificate, and any call over TLS, goes only to a server whose chain
/// and name were verified; nothing is ever sent but handshakes, SETTINGS and read-only calls.
#[must_use]
pub fn probe(request: &Request<'_>) -> Observed {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return not_dialled(request, error.message()),
    };
    let observed = runtime.block_on(run(request));
    // A resolver that hangs is a thread that hangs; nobody waits for it.
    runtime.shutdown_background();
    observed
}

async fn run(request: &Request<'_>) -> Observed {
    let end = Instant::now() + request.deadline;
    let name = match server_name(request.endpoint.host()) {
        Ok(name) => name,
        Err(failure) => return not_dialled(request, failure.message()),
    };
    let addresses = match resolve(request.endpoint, end).await {
        Ok(addresses) => addresses,
        Err(why) => return first_alone(request, Outcome::Unreachable(Unreachable::Dns(why))),
    };
    let mut target = Target {
        addresses: addresses.clone(),
        name,
        authority: request.endpoint.authority(),
        expectation: ServerExpectation {
            trust: Arc::new(request.trust.clone()),
            host: request.endpoint.host().clone(),
            now: request.now,
        },
        until: end,
    };
    let (first, address) = secure(&target, first_terms(request)).await;
    let leaf = request.expired.and_then(|identity| identity.chain.first());
    let expired_since = leaf.map(|leaf| leaf.validity().not_after);
    let mut observed = Observed { addresses, address, expired_since, ..Observed::default() };
    let next = Next::after(&first.outcome);
    observed.dials.insert(first_dial(request), first);
    if let Some(address) = address {
        target.addresses = vec![address];
    }
    target.until = end - end.duration_since(Instant::now()) / SHARE_OF_THE_LAST;
    match next {
        Next::Nothing => {}
        Next::Plaintext => {
            observed.dials.insert(Dial::Plaintext, plaintext(&target).await);
        }
        Next::Diagnosis => diagnose(&target, request, &mut observed).await,
        Next::Everything => everything(&target, request, &mut observed).await,
    }
    if observed.dials.contains_key(&Dial::Tls12) && observed.answer().is_some() {
        target.until = end;
        let again = Terms { depth: Depth::Admission, ..first_terms(request) };
        observed.dials.insert(Dial::OursAgain, secure(&target, again).await.0);
    }
    name_the_plain_server(&mut observed);
    observed
}

/// A server without TLS closes on a ClientHello, and its reset may overtake the bytes that would
/// have shown it. If it speaks without TLS and has shown no certificate, it refused nobody.
fn name_the_plain_server(observed: &mut Observed) {
    let speaks = matches!(
        observed.outcome(Dial::Plaintext),
        Some(
            Outcome::Accepted(_) | Outcome::RefusedAbove(_) | Outcome::Inconclusive(Inconclusive::Greeted(_))
        )
    );
    if !speaks {
        return;
    }
    for dialled in observed.dials.values_mut() {
        let refused_early = matches!(dialled.outcome, Outcome::Refused { moment: Moment::Handshake, .. });
        if refused_early && dialled.handshake.chain.is_empty() {
            dialled.outcome = Outcome::NotTls;
        }
    }
}

/// What is worth dialling after the first dial.
enum Next {
    /// It does not answer; another dial would only wait as long again.
    Nothing,
    /// It does not speak TLS.
    Plaintext,
    /// Its certificate is at fault, so that nothing of ours may go there.
    Diagnosis,
    Everything,
}

impl Next {
    fn after(outcome: &Outcome) -> Next {
        match outcome {
            Outcome::Unreachable(_)
            | Outcome::Inconclusive(Inconclusive::TimedOut(_) | Inconclusive::NotDialled(_)) => Next::Nothing,
            Outcome::NotTls => Next::Plaintext,
            Outcome::Untrusted(_) => Next::Diagnosis,
            Outcome::Accepted(_)
            | Outcome::Refused { .. }
            | Outcome::RefusedAbove(_)
            | Outcome::Inconclusive(Inconclusive::Protocol(_) | Inconclusive::Greeted(_)) => Next::Everything,
        }
    }
}

async fn diagnose(target: &Target, request: &Request<'_>, observed: &mut Observed) {
    let (anonymous, plain) =
        tokio::join!(when(request.ours, |_| secure(target, anonymous_terms())), plaintext(target));
    observed.dials.extend(anonymous.map(|dialled| (Dial::Anonymous, dialled)));
    observed.dials.insert(Dial::Plaintext, plain);
}

async fn everything(target: &Target, request: &Request<'_>, observed: &mut Observed) {
    let old = Terms { versions: ONLY_TLS12, depth: Depth::Admission, ..first_terms(request) };
    let (anonymous, plain, old, stranger, expired, daemon_usage) = tokio::join!(
        when(request.ours, |_| secure(target, anonymous_terms())),
        plaintext(target),
        secure(target, old),
        when(request.stranger, |identity| secure(target, intruder_terms(identity))),
        when(request.expired, |identity| secure(target, intruder_terms(identity))),
        when(request.daemon_usage, |identity| secure(target, intruder_terms(identity))),
    );
    for (dial, dialled) in [
        (Dial::Anonymous, anonymous),
        (Dial::Plaintext, Some(plain)),
        (Dial::Tls12, Some(old.0)),
        (Dial::Stranger, stranger),
        (Dial::Expired, expired),
        (Dial::DaemonUsage, daemon_usage),
    ] {
        observed.dials.extend(dialled.map(|dialled| (dial, dialled)));
    }
}

/// A dial for which there may be no means.
async fn when<'a, F>(identity: Option<&'a Identity>, dial: impl FnOnce(&'a Identity) -> F) -> Option<Dialled>
where
    F: Future<Output = (Dialled, Option<SocketAddr>)>,
{
    match identity {
        Some(identity) => Some(dial(identity).await.0),
        None => None,
    }
}

fn first_dial(request: &Request<'_>) -> Dial {
    if request.ours.is_some() { Dial::Ours } else { Dial::Anonymous }
}

fn first_terms<'a>(request: &Request<'a>) -> Terms<'a> {
    let Some(ours) = request.ours else { return anonymous_terms() };
    Terms {
        offer: Offer::AsGoWould(ours),
        on_fault: OnFault::BreakOff,
        versions: ALL_VERSIONS,
        depth: Depth::Workers,
    }
}

/// Nothing of ours is in it, so that a server at fault may be looked at.
pub(super) fn anonymous_terms<'a>() -> Terms<'a> {
    Terms { offer: Offer::Nothing, on_fault: OnFault::GoOn, versions: ALL_VERSIONS, depth: Depth::Admission }
}

fn intruder_terms(identity: &Identity) -> Terms<'_> {
    Terms {
        offer: Offer::Always(identity),
        on_fault: OnFault::BreakOff,
        versions: ALL_VERSIONS,
        depth: Depth::Admission,
    }
}

pub(super) async fn resolve(endpoint: &Endpoint, end: Instant) -> Result<Vec<SocketAddr>, Message> {
    let port = endpoint.port();
    let name = match endpoint.host() {
        SubjectAltName::Ip(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        SubjectAltName::Dns(name) => name.as_str(),
    };
    match timeout_at(end, tokio::net::lookup_host((name, port))).await {
        Err(_) => Err(message!("the resolver does not answer")),
        Ok(Err(error)) => Err(resolver_error(&error)),
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.take(MOST_ADDRESSES).collect();
            if addresses.is_empty() { Err(message!("no address")) } else { Ok(addresses) }
        }
    }
}

/// The resolver's words are those of getaddrinfo, a closed set; what it could not resolve is not in
/// them.
fn resolver_error(error: &std::io::Error) -> Message {
    Remark(&error.to_string()).message()
}

fn not_dialled(request: &Request<'_>, why: Message) -> Observed {
    first_alone(request, Outcome::Inconclusive(Inconclusive::NotDialled(why)))
}

fn first_alone(request: &Request<'_>, outcome: Outcome) -> Observed {
    let dialled = Dialled { outcome, handshake: Handshake::default(), elapsed: Duration::ZERO };
    Observed { dials: [(first_dial(request), dialled)].into(), ..Observed::default() }
}

const ALL_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
/// Of the time that is left after the first dial, what is kept for the last: one that hangs may not
/// make ours look as if it were refused.
const SHARE_OF_THE_LAST: u32 = 4;
const MOST_ADDRESSES: usize = 8;
