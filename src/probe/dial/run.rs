//! A probe: every address of the name, each with the whole list of dials.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::matrix::{Boxed, Means, all, boxed, glance, pass, sni};
use super::notebook::Destination;
use super::request::{Extent, Request};
use super::server_certificate::ServerExpectation;
use super::timing::Timing;
use super::tls::{Prepared, foreign_name, server_name};
use crate::message;
use crate::model::{Endpoint, Failure, Message, Printable, Remark, SubjectAltName};
use crate::probe::dial_list::Dial;
use crate::probe::results::{AddressSeen, DialResults, NotDialed, NotTried, Pass};
use crate::probe::verdict::agreement::{Passes, differences};

/// Dials the daemon in every way that the request has means for, and says what was seen.
///
/// Blocks until the last dial has ended; owns its runtime. Never fails: every trouble is the
/// outcome of a dial. The client's certificate goes only to a server whose chain and name were verified;
/// nothing is ever sent but handshakes, SETTINGS and read-only calls.
#[must_use]
pub fn probe(request: &Request<'_>) -> DialResults {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return not_dialed(NotDialed::Broken(error.message())),
    };
    let observed = runtime.block_on(run(request));
    // A resolver that hangs is a thread that hangs; nobody waits for it.
    runtime.shutdown_background();
    observed
}

async fn run(request: &Request<'_>) -> DialResults {
    let began = Instant::now();
    let means = match means(request) {
        Ok(means) => means,
        Err(failure) => return not_dialed(NotDialed::Broken(failure.message())),
    };
    let mut pause = SHORTEST_PAUSE;
    let mut look_began = began;
    loop {
        let mut observed = once(request, &means, look_began).await;
        observed.time_left = request.deadline.saturating_sub(look_began.elapsed());
        let has_answered = observed.saw_server_hello() || observed.speaks_plainly();
        let is_decided = has_answered || observed.not_dialed.is_some();
        if is_decided || began.elapsed() + pause > request.wait {
            return observed;
        }
        // A daemon says nothing to anybody when it is ready.
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        look_began = Instant::now();
    }
}

/// One look at the daemon, in the time that it may take.
async fn once(request: &Request<'_>, means: &Means, began: Instant) -> DialResults {
    let end = began + request.deadline;
    let addresses = match addresses(request, began + request.deadline / SHARE_OF_RESOLVING).await {
        Ok(addresses) => addresses,
        Err(why) => return not_dialed(NotDialed::Unresolved(why)),
    };
    if addresses.len() > MOST_ADDRESSES {
        return not_dialed(NotDialed::TooManyAddresses(addresses.len()));
    }
    let leaf = request.expired.and_then(|identity| identity.chain.first());
    let mut observed = DialResults {
        is_ip_address: matches!(request.host(), SubjectAltName::Ip(_)),
        resolved: addresses.len(),
        narrowed_to: request.addresses.to_vec(),
        not_tried: not_tried(request),
        expired_since: leaf.map(|leaf| leaf.validity().not_after),
        ..DialResults::default()
    };
    let destinations: Vec<Destination> =
        addresses.iter().map(|address| destination(request, (*address, &means.name), end)).collect();
    if request.extent != Extent::Matrix {
        glance_at_the_first(means, &destinations, &mut observed).await;
        return observed;
    }
    for sample in 0..request.samples.max(1) {
        if sample > 0 && Instant::now() >= end {
            observed.samples_left = request.samples - sample;
            break;
        }
        add_a_pass(means, &destinations, &mut observed).await;
    }
    // What several samples differ in is no restart that a second look would explain.
    let is_one = request.samples <= 1;
    if is_one && !differences(&observed, Passes::All).is_empty() && Instant::now() < end {
        observed.is_second_look = true;
        add_a_pass(means, &destinations, &mut observed).await;
    }
    observed.not_tried.extend(hosts_beyond(means));
    observed
}

/// The dials to other hosts that were not made, since they are too many.
fn hosts_beyond(means: &Means) -> Vec<NotTried> {
    let numbers = (1..=u8::MAX).skip(means.other_hosts.borrow().len()).chain(std::iter::repeat(u8::MAX));
    let beyond = means.hosts_beyond.borrow();
    let not_tried = |(host, number): (&ServerName<'_>, u8)| {
        let host =
            host.to_str().parse().map_or(message!("another host"), |host: SubjectAltName| host.message());
        let why = message!("{}: no more than 8 other hosts are dialed", host);
        NotTried { dial: Dial::OtherHost(number), why }
    };
    beyond.iter().zip(numbers).map(not_tried).collect()
}

fn destination(
    request: &Request<'_>,
    (address, name): (SocketAddr, &ServerName<'static>),
    until: Instant,
) -> Destination {
    Destination {
        address,
        authority: Endpoint::new(request.host().clone(), request.endpoint.port()).authority(),
        expectation: ServerExpectation::new(request.trust.clone(), request.host().clone(), request.now),
        name: name.clone(),
        timing: Timing::default(),
        until,
    }
}

/// Dials the whole list at every address, four addresses at a time.
async fn add_a_pass(means: &Means, destinations: &[Destination], observed: &mut DialResults) {
    let turns = Semaphore::new(MOST_AT_ONCE);
    let passes = destinations.iter().map(|destination| -> Boxed<'_, Pass> {
        let turns = &turns;
        boxed(async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            pass(destination, means).await
        })
    });
    for (destination, pass) in destinations.iter().zip(all(passes.collect()).await) {
        match observed.addresses.iter_mut().find(|seen| seen.address == destination.address) {
            Some(seen) => seen.passes.push(pass),
            None => observed.addresses.push(AddressSeen { address: destination.address, passes: vec![pass] }),
        }
    }
}

/// Each address gets a head start before the next is tried (RFC 8305 section 5), so that one that
/// does not answer does not use up the deadline.
async fn glance_at_the_first(means: &Means, destinations: &[Destination], observed: &mut DialResults) {
    for (index, destination) in destinations.iter().enumerate() {
        let is_last = index + 1 == destinations.len();
        let limit = if is_last { destination.until } else { Instant::now() + HEAD_START };
        let Ok(pass) = timeout_at(limit, glance(destination, means)).await else { continue };
        let is_reached = pass.dials.iter().any(|dialed| dialed.account.unreachable.is_none());
        observed.addresses = vec![AddressSeen { address: destination.address, passes: vec![pass] }];
        if is_reached {
            return;
        }
    }
}

fn means(request: &Request<'_>) -> Result<Means, Failure> {
    let prepared = |identity: Option<&_>| identity.map(Prepared::new).transpose();
    let namesake = prepared(request.unknown_ca.map(|unknown| &unknown.namesake))?;
    let unrelated = prepared(request.unknown_ca.map(|unknown| &unknown.unrelated))?;
    Ok(Means {
        name: server_name(request.host())?,
        foreign: foreign_name()?,
        client: prepared(request.client)?,
        namesake: namesake.as_ref().map(Prepared::alone),
        namesake_with_ca: namesake,
        self_signed: prepared(request.unknown_ca.map(|unknown| &unknown.self_signed))?,
        unrelated: unrelated.as_ref().map(Prepared::alone),
        unrelated_with_ca: unrelated,
        expired: prepared(request.expired)?,
        wrong_usage: prepared(request.wrong_usage)?,
        pace: request.pace,
        extent: request.extent,
        other_hosts: RefCell::new(request.other_hosts.iter().filter_map(sni).collect()),
        hosts_beyond: RefCell::default(),
    })
}

/// The dials for which there are no means.
fn not_tried(request: &Request<'_>) -> Vec<NotTried> {
    let missing = [
        (request.client.is_none(), Dial::Client, "no client certificate is at hand"),
        (request.unknown_ca.is_none(), Dial::UnknownCa(1), "no CA is at hand to imitate"),
        (
            request.wrong_usage.is_none(),
            Dial::WrongUsage,
            "no certificate that is for daemons alone can be had here",
        ),
        (
            request.expired.is_none(),
            Dial::Expired,
            "neither such a certificate of the CA nor its key is here",
        ),
    ];
    let missing = missing.into_iter().filter(|(is_missing, ..)| *is_missing);
    missing.map(|(_, dial, why)| NotTried { dial, why: why.message() }).collect()
}

/// The addresses to dial: those that a person named, else every one of the host.
async fn addresses(request: &Request<'_>, until: Instant) -> Result<Vec<SocketAddr>, Message> {
    let port = request.endpoint.port();
    if !request.addresses.is_empty() {
        return Ok(request.addresses.iter().map(|address| SocketAddr::new(*address, port)).collect());
    }
    resolve(request.endpoint, until).await
}

/// Every address of the endpoint's host, each once.
pub(super) async fn resolve(endpoint: &Endpoint, until: Instant) -> Result<Vec<SocketAddr>, Message> {
    let port = endpoint.port();
    let name = match endpoint.host() {
        SubjectAltName::Ip(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        SubjectAltName::Dns(name) => name.as_str(),
    };
    match timeout_at(until, tokio::net::lookup_host((name, port))).await {
        Err(_) => Err(message!("the resolver does not answer")),
        Ok(Err(error)) => Err(resolver_error(&error)),
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() { Err(message!("no address")) } else { Ok(addresses) }
        }
    }
}

/// The resolver's words are those of getaddrinfo, a closed set; what it could not resolve is not in
/// them.
fn resolver_error(error: &std::io::Error) -> Message {
    Remark(&error.to_string()).message()
}

fn not_dialed(why: NotDialed) -> DialResults {
    DialResults { not_dialed: Some(why), ..DialResults::default() }
}

/// More are not dialed, and the daemon is not verified.
const MOST_ADDRESSES: usize = 16;
const MOST_AT_ONCE: usize = 4;
/// Of the deadline, what the resolver may take.
const SHARE_OF_RESOLVING: u32 = 4;
const HEAD_START: Duration = Duration::from_millis(1500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
