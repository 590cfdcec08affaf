//! The list of dials at one address: all at once, and again, one at a time, whatever ended without a
//! word.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::time::{Instant, sleep};

use super::notebook::Destination;
use super::one_dial::{Opening, Talk, Terms, plaintext, plaintext_http1, secure};
use super::request::Extent;
use super::tls::{Offer, OnFault, Prepared, random_bytes, server_name};
use crate::model::SubjectAltName;
use crate::probe::dial_list::{
    Caller, Dial, NAMESAKE_WITH_CA, SELF_SIGNED, Sni, UNRELATED, UNRELATED_WITH_CA,
};
use crate::probe::outcome::{End, Outcome, Shown, classify};
use crate::probe::results::{Dialed, Pass};
use crate::probe::verdict::settle::needs_repeat;

/// What is at hand for the dials of every address.
pub(super) struct Means {
    pub(super) name: ServerName<'static>,
    pub(super) client: Option<Prepared>,
    pub(super) namesake: Option<Prepared>,
    pub(super) namesake_with_ca: Option<Prepared>,
    pub(super) self_signed: Option<Prepared>,
    pub(super) unrelated: Option<Prepared>,
    pub(super) unrelated_with_ca: Option<Prepared>,
    pub(super) expired: Option<Prepared>,
    pub(super) wrong_usage: Option<Prepared>,
    pub(super) pace: Duration,
    /// How much of the list is dialed.
    pub(super) extent: Extent,
    /// A name that no server can know.
    pub(super) foreign: ServerName<'static>,
    /// The hosts of `S1`, `S2`, …, in that order; filled from the served leaf.
    pub(super) other_hosts: RefCell<Vec<ServerName<'static>>>,
    /// Those for which there was no such dial, since they are too many.
    pub(super) hosts_beyond: RefCell<Vec<ServerName<'static>>>,
}

/// One pass over the list.
pub(super) async fn pass(destination: &Destination, means: &Means) -> Pass {
    let mut pass = Pass { dials: at_once(destination, means, &first_phase(means)).await };
    // At most two repeats each, and those of the client's between which several of them stand: a
    // server that sends no alerts needs two of every dial that must be refused.
    let budget = pass.dials.len() * 5;
    if is_every_one_cut_off(&pass) && has_time_for_another(destination, means) {
        // A limit may let one connection in, and that was the first.
        sleep(pause(destination, means)).await;
        pass.dials.push(alone(destination, means, Dial::Client, Opening::Heard).await);
    }
    if !is_worth_more(&pass) {
        return pass;
    }
    repeat_unsettled(destination, means, &mut pass, budget).await;
    if pass.attempts(Dial::Client).all(|(_, client)| client.outcome != Outcome::Accepted) {
        return pass;
    }
    let mut second = other_hosts(means, &pass);
    second.extend([Dial::NoCertificateAgain, Dial::ClientAgain]);
    if pass.dials.iter().any(Dialed::is_cut_off) {
        // Where a limit on connections cut somebody off, two at once would cut each other off.
        for dial in second {
            if !has_time_for_another(destination, means) {
                break;
            }
            sleep(pause(destination, means)).await;
            pass.dials.push(alone(destination, means, dial, Opening::Heard).await);
        }
    } else {
        pass.dials.extend(at_once(destination, means, &second).await);
    }
    repeat_unsettled(destination, means, &mut pass, budget).await;
    pass
}

/// The one dial that says whether the daemon is there and lets the client in, or lets it in no more.
pub(super) async fn glance(destination: &Destination, means: &Means) -> Pass {
    let (dial, opening) = match &means.client {
        // It speaks first, as clients do: an end of patience is no refusal.
        Some(_) if means.extent == Extent::Distrusted => (Dial::Distrusted, Opening::Spoken),
        Some(_) => (Dial::Client, Opening::Heard),
        None => (Dial::NoCertificate(1), Opening::Heard),
    };
    Pass { dials: vec![alone(destination, means, dial, opening).await] }
}

fn first_phase(means: &Means) -> Vec<Dial> {
    let has_means = |dial: &Dial| dial.caller() != Caller::UnknownCa || means.namesake.is_some();
    let has_name = matches!(means.name, ServerName::DnsName(_));
    let mut list: Vec<Dial> = Dial::refusals(has_name).filter(has_means).collect();
    list.extend(means.wrong_usage.as_ref().map(|_| Dial::WrongUsage));
    list.extend(means.expired.as_ref().map(|_| Dial::Expired));
    list.extend(means.client.as_ref().map(|_| Dial::Client));
    list
}

/// The hosts of the served leaf, too, are names under which the daemon may have another door.
fn other_hosts(means: &Means, pass: &Pass) -> Vec<Dial> {
    let mut hosts = means.other_hosts.borrow_mut();
    let leaf = pass.attempts(Dial::Client).filter_map(|(_, client)| client.handshake.leaf()).last();
    hosts.extend(leaf.iter().flat_map(|leaf| leaf.usable_names()).filter_map(|host| sni(&host)));
    let mut others: Vec<ServerName<'static>> = Vec::new();
    let mut beyond = means.hosts_beyond.borrow_mut();
    for host in hosts.drain(..).filter(|host| *host != means.name) {
        let is_known = others.contains(&host) || beyond.contains(&host);
        match others.len() < MOST_OTHER_HOSTS {
            _ if is_known => {}
            true => others.push(host),
            false => beyond.push(host),
        }
    }
    *hosts = others;
    (1..).take(hosts.len()).map(Dial::OtherHost).collect()
}

/// The host as SNI. An address is never sent, and a wildcard is no name.
pub(super) fn sni(host: &SubjectAltName) -> Option<ServerName<'static>> {
    match host {
        SubjectAltName::Dns(_) => server_name(host).ok(),
        SubjectAltName::Ip(_) => None,
    }
}

/// Whether more than the first dials can tell anything: the server shows a certificate that is in
/// order, and does not refuse the client by a clear word.
fn is_worth_more(pass: &Pass) -> bool {
    let speaks_tls = pass.dials.iter().any(Dialed::saw_server_hello);
    let is_refused = |client: &Dialed| match client.outcome {
        Outcome::Refused(_) => true,
        Outcome::LetIn => !client.is_cut_off(),
        _ => client.is_untrusted(),
    };
    speaks_tls && pass.last(Dial::Client).is_some_and(|client| !is_refused(client))
}

/// Whether the server took the client's connection and ended it before a ServerHello, as all others.
fn is_every_one_cut_off(pass: &Pass) -> bool {
    let client = pass.last(Dial::Client);
    let is_cut = client.is_some_and(|client| matches!(client.end(), End::Eof | End::Reset));
    is_cut && !pass.dials.iter().any(Dialed::saw_server_hello)
}

/// How long it takes until the server has seen the end of the dial before.
fn pause(destination: &Destination, means: &Means) -> Duration {
    (SHORTEST_PAUSE + destination.timing.round_trip()).max(means.pace)
}

fn has_time_for_another(destination: &Destination, means: &Means) -> bool {
    Instant::now() + pause(destination, means) < destination.until
}

/// Dials again, alone and in an irregular order with the client's, whatever is not settled; at most twice
/// each, and no more than the budget in all, for as long as there is time.
async fn repeat_unsettled(destination: &Destination, means: &Means, pass: &mut Pass, budget: usize) {
    for round in 0..REPEATS {
        let mut pending: Vec<Dial> = pass.list();
        pending.retain(|dial| needs_repeat(pass, *dial) && repeats(pass, *dial) <= round);
        if pending.is_empty() {
            return;
        }
        let is_after_client = pass.dials.last().is_some_and(|last| {
            last.is_alone && last.dial.caller() == Caller::Client && last.outcome == Outcome::Accepted
        });
        let mut order = irregular(&pending, means.client.is_some());
        if is_after_client && order.first() == Some(&Dial::Client) {
            order.remove(0);
        }
        for dial in order {
            if pass.dials.len() >= budget || !has_time_for_another(destination, means) {
                return;
            }
            sleep(pause(destination, means)).await;
            // Whoever waits for a word of ours and then ends has refused nobody.
            let opening = if repeats(pass, dial) == 1 { Opening::Spoken } else { Opening::Heard };
            pass.dials.push(alone(destination, means, dial, opening).await);
        }
    }
}

fn repeats(pass: &Pass, dial: Dial) -> usize {
    pass.attempts(dial).count().saturating_sub(1)
}

/// The dials in a random order, each between two of the client's, with more of those among them by
/// chance:
/// whoever counts connections cannot tell who is next.
fn irregular(pending: &[Dial], has_client: bool) -> Vec<Dial> {
    let mut random = [0; 64];
    // Without random numbers the order is merely regular.
    let _ = random_bytes(&mut random);
    let mut left: Vec<Dial> =
        pending.iter().copied().filter(|dial| dial.caller() != Caller::Client).collect();
    let mut order = Vec::new();
    let mut chance = random.iter().copied().cycle();
    let client = has_client.then_some(Dial::Client);
    order.extend(client);
    while !left.is_empty() {
        let at = usize::from(chance.next().unwrap_or_default()) % left.len();
        order.push(left.swap_remove(at));
        if chance.next().unwrap_or_default() % 6 == 0 {
            order.extend(client);
        }
    }
    order.extend(client.filter(|_| order.last() != Some(&Dial::Client)));
    if pending.contains(&Dial::ClientAgain) {
        order.push(Dial::ClientAgain);
    }
    order
}

/// Opens them in that order, all at once; with a pace, one after the other.
async fn at_once(destination: &Destination, means: &Means, list: &[Dial]) -> Vec<Dialed> {
    if means.pace.is_zero() {
        let is_alone = list.len() == 1;
        let dials =
            list.iter().map(|dial| boxed(make(destination, means, *dial, (is_alone, Opening::Heard))));
        return all(dials.collect()).await;
    }
    let mut dials = Vec::new();
    for dial in list {
        if !dials.is_empty() {
            if !has_time_for_another(destination, means) {
                break;
            }
            sleep(means.pace).await;
        }
        dials.push(alone(destination, means, *dial, Opening::Heard).await);
    }
    dials
}

async fn alone(destination: &Destination, means: &Means, dial: Dial, opening: Opening) -> Dialed {
    make(destination, means, dial, (true, opening)).await
}

async fn make(
    destination: &Destination,
    means: &Means,
    dial: Dial,
    (is_alone, opening): (bool, Opening),
) -> Dialed {
    let seen = match (terms(destination, means, dial, opening), dial) {
        (Some(terms), _) => secure(destination, terms).await,
        (None, Dial::PlaintextHttp1) => plaintext_http1(destination).await,
        (None, _) => plaintext(destination).await,
    };
    let outcome = classify(&seen.facts);
    Dialed {
        dial,
        is_alone,
        facts: seen.facts,
        outcome,
        handshake: seen.handshake,
        account: seen.account,
        elapsed: seen.elapsed,
    }
}

/// None for plaintext.
fn terms<'a>(destination: &Destination, means: &'a Means, dial: Dial, opening: Opening) -> Option<Terms<'a>> {
    let offers = dial.offers();
    fn always(prepared: Option<&Prepared>) -> Offer<'_> {
        prepared.map_or(Offer::Nothing, Offer::Always)
    }
    let (shown, offer, on_fault) = match dial.caller() {
        Caller::Plaintext => return None,
        Caller::Client => {
            let client = means.client.as_ref().map_or(Offer::Nothing, Offer::AsGoWould);
            (Shown::Client, client, OnFault::BreakOff)
        }
        Caller::NoCertificate => (Shown::Nothing, Offer::Nothing, OnFault::GoOn),
        Caller::UnknownCa => {
            let shown = match dial {
                Dial::UnknownCa(NAMESAKE_WITH_CA) => &means.namesake_with_ca,
                Dial::UnknownCa(SELF_SIGNED) => &means.self_signed,
                Dial::UnknownCa(UNRELATED) => &means.unrelated,
                Dial::UnknownCa(UNRELATED_WITH_CA) => &means.unrelated_with_ca,
                _ => &means.namesake,
            };
            (Shown::Unwanted, always(shown.as_ref()), OnFault::GoOn)
        }
        // These are of the client's CA, and go only to a server that has proved itself.
        Caller::Expired => (Shown::Unwanted, always(means.expired.as_ref()), OnFault::BreakOff),
        Caller::WrongUsage => (Shown::Unwanted, always(means.wrong_usage.as_ref()), OnFault::BreakOff),
        Caller::Distrusted | Caller::Revoked => {
            (Shown::Unwanted, always(means.client.as_ref()), OnFault::BreakOff)
        }
    };
    let name = match dial {
        Dial::OtherHost(number) => {
            let hosts = means.other_hosts.borrow();
            usize::from(number).checked_sub(1).and_then(|index| hosts.get(index).cloned())?
        }
        _ if offers.sni == Sni::Foreign => means.foreign.clone(),
        _ => means.name.clone(),
    };
    // As whoever dials that host would say it.
    let authority = match dial {
        Dial::OtherHost(_) => format!("{}:{}", name.to_str(), destination.address.port()),
        _ => destination.authority.clone(),
    };
    let talk = if means.extent == Extent::Activity { Talk::AskForBuilds } else { Talk::Call };
    Some(Terms { shown, offer, on_fault, offers, name, authority, talk, opening })
}

/// A future that is one of several.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

pub(super) fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Boxed<'a, T> {
    Box::pin(future)
}

/// Runs them all at once, begun in their order, and gives their results in that order. Each turn
/// starts with the next, so that one whose server never stops sending leaves room for the others.
pub(super) async fn all<T>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut first = 0;
    std::future::poll_fn(|context| {
        let mut is_over = true;
        let mut turn: Vec<_> = futures.iter_mut().zip(&mut results).collect();
        let length = turn.len().max(1);
        turn.rotate_left(first % length);
        first += 1;
        for (future, result) in turn {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => is_over = false,
                }
            }
        }
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

const REPEATS: usize = 2;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const MOST_OTHER_HOSTS: usize = 8;
