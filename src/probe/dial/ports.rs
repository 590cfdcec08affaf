//! What else the daemon's host offers to whoever comes without credentials.
//!
//! A port is connected to twice: once with the preface of HTTP/2 and nothing more, once with a
//! ClientHello that has no certificate. The first bytes that come back say what listens; no call is
//! made, and nothing is ever executed.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::matrix::{all, boxed};
use super::notebook::Destination;
use super::one_dial::{Opening, Talk, Terms, first_line, no_connection, secure};
use super::remark::remark;
use super::run::resolve;
use super::server_certificate::ServerExpectation;
use super::stream::Record;
use super::timing::Timing;
use super::tls::{Offer, OnFault, server_name};
use crate::message;
use crate::model::{Endpoint, Timestamp};
use crate::pki::TrustBundle;
use crate::probe::dial_list::Dial;
use crate::probe::outcome::{Chain, Facts, Outcome, Shown, TlsFacts, classify};
use crate::probe::results::{Port, PortAnswer, Unreachable};
use crate::probe::verdict::port_checks::{is_unreachable, severity};

/// Connects to those ports of the daemon's host, all at the same time, for no longer than
/// `deadline`. Never fails: where nobody can be connected to, that is the answer.
#[must_use]
pub fn look_at_ports(endpoint: &Endpoint, numbers: &[u16], deadline: Duration, now: Timestamp) -> Vec<Port> {
    let end = Instant::now() + deadline;
    let Ok(name) = server_name(endpoint.host()) else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let ports = runtime.block_on(async {
        let looks = numbers.iter().map(|&number| {
            let endpoint = Endpoint::new(endpoint.host().clone(), number);
            let name = name.clone();
            boxed(async move { Port { number, answer: look(&endpoint, &name, end, now).await } })
        });
        all(looks.collect()).await
    });
    runtime.shutdown_background();
    ports
}

/// The gravest answer of all the host's addresses.
async fn look(endpoint: &Endpoint, name: &ServerName<'static>, end: Instant, now: Timestamp) -> PortAnswer {
    let addresses = match resolve(endpoint, end).await {
        Ok(addresses) => addresses,
        Err(why) => return PortAnswer::Unreachable(Unreachable::Dns(why)),
    };
    let looks = addresses.into_iter().map(|address| {
        let expectation = ServerExpectation::new(TrustBundle::default(), endpoint.host().clone(), now);
        let authority = endpoint.authority();
        let name = name.clone();
        let timing = Timing::default();
        let destination = Destination { address, authority, expectation, name, timing, until: end };
        boxed(async move {
            let (plain, secure) = tokio::join!(
                without_tls(destination.address, end),
                with_tls(&destination, destination.name.clone())
            );
            secure.unwrap_or(plain)
        })
    });
    let answers = all(looks.collect()).await;
    let gravest = answers.into_iter().max_by_key(|answer| (severity(answer), !is_unreachable(answer)));
    gravest.unwrap_or(PortAnswer::Unreachable(Unreachable::Dns(message!("no address"))))
}

/// What comes back on the preface of HTTP/2 (RFC 9113 section 3.4).
async fn without_tls(address: SocketAddr, until: Instant) -> PortAnswer {
    let mut stream = match timeout_at(until, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return no_connection(&error).1.map_or(PortAnswer::Silent, PortAnswer::Unreachable),
        Err(_) => return PortAnswer::Unreachable(Unreachable::Filtered),
    };
    let mut record = Record::default();
    let read = async {
        stream.write_all(PREFACE).await?;
        let mut buffer = [0; 64];
        while record.first.len() < FRAME_HEADER {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => record.first.extend(buffer.iter().take(count)),
            }
        }
        std::io::Result::Ok(())
    };
    // How it ends says nothing that its first bytes do not say.
    let _ = timeout_at(until, read).await;
    match record.first.as_slice() {
        [] => PortAnswer::Silent,
        _ if record.began_with_settings() => PortAnswer::Http2,
        first if first.starts_with(b"HTTP/1.") || is_html(first) => PortAnswer::Http1,
        first => PortAnswer::Greeting(remark(first_line(first))),
    }
}

/// Python's web server leaves the status out for whoever speaks a version that it does not know.
fn is_html(bytes: &[u8]) -> bool {
    let begins = |text: &[u8]| bytes.get(..text.len()).is_some_and(|first| first.eq_ignore_ascii_case(text));
    begins(b"<!doctype html") || begins(b"<html")
}

/// What TLS does with somebody who has no certificate; None if it is no TLS.
async fn with_tls(destination: &Destination, name: ServerName<'static>) -> Option<PortAnswer> {
    let terms = Terms {
        shown: Shown::Nothing,
        offer: Offer::Nothing,
        on_fault: OnFault::GoOn,
        offers: Dial::NoCertificate(1).offers(),
        name,
        authority: destination.authority.clone(),
        talk: Talk::Listen,
        opening: Opening::Heard,
    };
    let seen = secure(destination, terms).await;
    let Facts::Tls(facts) = seen.facts else { return None };
    of_tls(&facts, classify(&seen.facts))
}

fn of_tls(facts: &TlsFacts, outcome: Outcome) -> Option<PortAnswer> {
    Some(match outcome {
        Outcome::Refused(_) | Outcome::RefusedByEnd => PortAnswer::TlsRefused,
        Outcome::LetIn => PortAnswer::TlsOptional,
        _ if facts.finished && !facts.asked => PortAnswer::TlsForAnyone,
        _ if facts.chain != Chain::Unseen => PortAnswer::Tls,
        _ => return None,
    })
}

/// A client's preface, with SETTINGS that are empty.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
const FRAME_HEADER: usize = 9;
