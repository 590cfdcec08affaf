//! The daemon itself: whether it is there, whether its certificate is right, and whether what it
//! runs with is what is installed.

use super::clock_difference;
use super::evidence::Evidence;
use super::expected::Expected;
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{Cause, Finding, Message, Printable, Rule, Severity};
use crate::pki::{DistinguishedName, TrustBundle};
use crate::probe::dial_list::Dial;
use crate::probe::outcome::{Outcome, Why};
use crate::probe::results::{AboveTls, Asked, DialResults, DialStage, Dialed, NotDialed, Unreachable};

/// A host that Earthly's client takes for its own machine.
pub(super) fn host(expected: &Expected) -> Option<Finding> {
    let is_earthlys = expected.layout != Some(DaemonLayout::Buildkit);
    (is_earthlys && expected.endpoint.is_local_to_earthly()).then(|| {
        Finding::new(Rule::LoopbackHost, Severity::Warning, &expected.endpoint)
            .expected("a host that Earthly takes for another machine")
            .found(expected.endpoint.host())
            .cause("Earthly starts a container of its own for 127.0.0.1, ::1 and localhost")
            .fix("use another name of this machine, and issue the daemon's certificate for it")
    })
}

/// Why nothing more than the first dials can tell anything.
enum Obstacle<'a> {
    /// Nothing was dialed.
    NotDialed(&'a NotDialed),
    /// Nobody can be connected to.
    Unreachable(&'a Unreachable),
    /// What answers does not speak TLS.
    NotTls,
    /// Its certificate is at fault.
    Untrusted(&'a Dialed),
    /// It has not come so far as a ServerHello.
    NotUpYet(&'a Dialed),
}

fn obstacle<'a>(evidence: &Evidence<'a>) -> Option<Obstacle<'a>> {
    let observed = evidence.observed;
    if let Some(why) = &observed.not_dialed {
        return Some(Obstacle::NotDialed(why));
    }
    let mut dials = observed.dials().peekable();
    dials.peek()?;
    if dials.all(|dialed| dialed.account.unreachable.is_some()) {
        let why = observed.dials().find_map(|dialed| dialed.account.unreachable.as_ref())?;
        return Some(Obstacle::Unreachable(why));
    }
    let untrusted = observed.first().filter(|first| first.is_untrusted());
    let untrusted = untrusted.or_else(|| {
        let first = |dialed: &&Dialed| matches!(dialed.dial, Dial::Client | Dial::NoCertificate(1));
        observed.dials().filter(first).find(|dialed| dialed.is_untrusted())
    });
    if let Some(untrusted) = untrusted {
        return Some(Obstacle::Untrusted(untrusted));
    }
    if observed.saw_server_hello() {
        return None;
    }
    let is_alert = |dialed: &Dialed| matches!(dialed.outcome, Outcome::Inconclusive(Why::Alert(_)));
    let first = observed.first()?;
    if is_alert(first) {
        return None;
    }
    if observed.speaks_plainly() || observed.dials().any(|dialed| dialed.account.is_no_tls) {
        return Some(Obstacle::NotTls);
    }
    Some(Obstacle::NotUpYet(first))
}

/// Whether the first dials already ended for a reason that has nothing to do with who calls.
pub(super) fn has_said_it_all(evidence: &Evidence<'_>) -> bool {
    obstacle(evidence).is_some()
}

/// The same of one dial of the client's: an address that refuses connections has its own finding.
pub(super) fn explains(evidence: &Evidence<'_>, dialed: &Dialed) -> bool {
    has_said_it_all(evidence) || dialed.is_untrusted() || dialed.account.unreachable.is_some()
}

/// Whether somebody answers, speaks TLS, and shows a certificate that clients accept.
pub(super) fn server(evidence: &Evidence<'_>, expected: &Expected) -> Vec<Finding> {
    match obstacle(evidence) {
        Some(Obstacle::NotDialed(why)) => vec![not_dialed(why, expected)],
        Some(Obstacle::Unreachable(why)) => vec![unreachable(why, expected)],
        Some(Obstacle::NotTls) => vec![not_tls(evidence.observed, expected)],
        Some(Obstacle::Untrusted(dialed)) => {
            let faults = dialed.account.faults.iter();
            faults.map(|fault| at_endpoint(fault, evidence.observed, expected)).collect()
        }
        Some(Obstacle::NotUpYet(dialed)) => vec![not_up_yet(dialed, expected)],
        None => verified(evidence.observed, expected).into_iter().collect(),
    }
}

/// The addresses that were not judged, and those where nobody can connect, beside others that are
/// served.
pub(super) fn addresses(evidence: &Evidence<'_>) -> Vec<Finding> {
    if has_said_it_all(evidence) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for seen in &evidence.observed.addresses {
        let why = seen.dials().find_map(|dialed| dialed.account.unreachable.as_ref());
        let why = why.map(Printable::message).unwrap_or_default();
        if seen.is_not_served() {
            findings.push(
                Finding::new(Rule::AddressNotServed, Severity::Warning, seen.address)
                    .expected("the daemon at every address of its name")
                    .found(why)
                    .because(&[Cause::NothingListens])
                    .cause(
                        "the name has an address at which nothing listens; clients try it first, or in vain",
                    )
                    .fix("take the address out of the name's records, or publish the port there too"),
            );
        } else if seen.is_unreached() {
            findings.push(
                Finding::new(Rule::AddressNotJudged, Severity::Error, seen.address)
                    .expected("every address of the name to be judged")
                    .found(why)
                    .cause("anyone who can reach that address may get in there")
                    .fix("verify from a machine that reaches it, or name the addresses that count: --address, or addresses: in kitcert.yaml"),
            );
        }
    }
    findings
}

fn not_dialed(why: &NotDialed, expected: &Expected) -> Finding {
    match why {
        NotDialed::Unresolved(why) => unreachable(&Unreachable::Dns(why.clone()), expected),
        NotDialed::TooManyAddresses(count) => {
            Finding::new(Rule::AddressNotJudged, Severity::Error, &expected.endpoint)
                .expected("at most 16 addresses")
                .found(message!("{} addresses", count))
                .cause("kitcert dials no more than that, and an address that was not dialed is not verified")
                .fix("name the addresses that count: --address, or addresses: in kitcert.yaml")
        }
        NotDialed::Broken(why) => Finding::new(Rule::Inconclusive, Severity::Error, &expected.endpoint)
            .expected("a dial")
            .found(why),
    }
}

/// Nothing was asked for yet, so that nobody was refused.
fn not_up_yet(dialed: &Dialed, expected: &Expected) -> Finding {
    let finding = Finding::new(Rule::NotUpYet, Severity::Error, &expected.endpoint)
        .expected("a ServerHello")
        .found(dialed);
    if dialed.is_timed_out() {
        let is_silent = dialed.account.stage == Some(DialStage::Handshake);
        return finding
            .because(&[if is_silent { Cause::Silent } else { Cause::Unanswered }])
            .fix(expected.restart());
    }
    finding.because(&[Cause::NotUpYet]).fix(message!("{} --wait", expected.again.same()))
}

fn verified(observed: &DialResults, expected: &Expected) -> Option<Finding> {
    let leaf = observed.handshake()?.leaf()?;
    Some(
        Finding::new(Rule::ServerUntrusted, Severity::Pass, &expected.endpoint)
            .expected("a chain that ends in a trusted CA, and the host's name")
            .found(message!("issued by {}, valid until {}", leaf.issuer(), leaf.validity().not_after.date())),
    )
}

fn at_endpoint(fault: &Finding, observed: &DialResults, expected: &Expected) -> Finding {
    let mut fault = match fault.causes.as_slice() {
        [Cause::ServedOtherCa] => of_another_ca(fault.clone(), observed, expected),
        [Cause::ServedNotYetValid] => {
            clock_difference::of_one_not_yet_valid(fault.clone(), observed, expected)
        }
        _ => fault.clone(),
    };
    fault.subject = expected.endpoint.message();
    if fault.fix.is_some() {
        return fault;
    }
    let fix = match (fault.rule, &expected.daemon) {
        // Its own certificate has the name: it was not restarted since, or it is not what answers.
        (Rule::ServerNameMismatch, Some(daemon)) if expected.is_issued_for_its_host() => message!(
            "{}   # if another daemon answers there, correct the endpoint of {} in kitcert.yaml",
            expected.restart().parted().0,
            daemon
        ),
        (Rule::ServerNameMismatch, Some(daemon)) => message!(
            "add {} to the hosts of {} in kitcert.yaml, then: {kitcert} rotate {}",
            expected.endpoint.host(),
            daemon,
            daemon
        ),
        (Rule::ServerExpired, Some(daemon)) => message!("{kitcert} rotate {}", daemon),
        (Rule::ServerExpired, None) => message!("the admin of the daemon renews it, with: kitcert rotate"),
        (Rule::ServerUntrusted, _) if fault.causes == [Cause::ServedOtherCa] => expected.reunite(),
        (Rule::ServerNameMismatch, None) => message!(
            "on the daemon's machine: add {} to its hosts in kitcert.yaml, then: kitcert rotate",
            expected.endpoint.host()
        ),
        _ => expected.reinstall(),
    };
    fault.fix(fix)
}

/// Whom a daemon asks for their certificates tells a daemon with another's certificate from
/// something that ends TLS before it.
fn of_another_ca(fault: Finding, observed: &DialResults, expected: &Expected) -> Finding {
    let handshake = observed.handshake();
    let is_a_leaf_alone = handshake.is_some_and(|handshake| handshake.chain.len() == 1);
    let is_trusted = |name: &DistinguishedName| expected.trust.subjects().contains(&name);
    match handshake.map(|handshake| &handshake.asked) {
        Some(Asked::For(names)) if is_a_leaf_alone && names.iter().any(is_trusted) => fault
            .because(&[Cause::ServedIntermediateMissing, Cause::ServedOtherCa])
            .cause("it lets in clients of a CA that is trusted here, and its own certificate is by an intermediate that it does not serve, or by another CA"),
        Some(Asked::For(names)) if names.iter().any(is_trusted) => fault
            .because(&[Cause::ServedOtherCa])
            .cause("it lets in clients of a CA that is trusted here, and shows a certificate of another: the wrong files are installed there"),
        Some(Asked::For(names)) if !names.is_empty() => fault.because(&[Cause::ServedOtherCa]).cause(message!("another daemon, which lets in clients of {}; or its CA was replaced, and the client still has its previous files", list(&names.iter().collect::<Vec<_>>()))),
        Some(Asked::For(_)) => fault,
        Some(Asked::Nothing) | None => fault.because(&[Cause::TlsProxy, Cause::ServedOtherCa]),
    }
}

fn unreachable(why: &Unreachable, expected: &Expected) -> Finding {
    let host = expected.endpoint.host();
    let (cause, fix) = match why {
        Unreachable::Dns(_) => (Cause::NameUnresolved, message!("getent hosts {}", host)),
        Unreachable::Refused => (Cause::NothingListens, expected.start()),
        Unreachable::Filtered => {
            (Cause::Filtered, message!("publish or open port {}", expected.endpoint.port()))
        }
        Unreachable::NoRoute(_) => (Cause::NoRoute, message!("ip route get {}", host)),
    };
    Finding::new(Rule::Unreachable, Severity::Error, &expected.endpoint)
        .expected("a daemon that answers")
        .found(why)
        .because(&[cause])
        .fix(fix)
}

fn not_tls(observed: &DialResults, expected: &Expected) -> Finding {
    let finding = Finding::new(Rule::NotTls, Severity::Error, &expected.endpoint).expected("TLS");
    let plain = observed.dials().filter(|dialed| dialed.dial == Dial::Plaintext);
    let plain = plain.max_by_key(|dialed| dialed.outcome == Outcome::Open);
    if plain.is_some_and(|plain| plain.outcome == Outcome::Open) {
        return finding
            .found("BuildKit without TLS")
            .because(&[Cause::PlaintextDaemon])
            .cause("BUILDKIT_TLS_ENABLED is not exactly true, or [grpc.tls] lacks cert and key")
            .fix(expected.give());
    }
    let account = plain.map(|plain| &plain.account);
    if let Some(above) = account.and_then(|account| account.above.as_ref()) {
        let cause = match above {
            AboveTls::Http(_) | AboveTls::Http2(_) => Cause::PlainHttpServer,
            AboveTls::Grpc { .. } => Cause::OtherGrpcService,
        };
        let found = message!("a server without TLS that answers {}", above);
        return finding.found(found).because(&[cause]).fix(A_DAEMONS_PORT);
    }
    match account.and_then(|account| account.greeting.as_ref()) {
        Some(greeting) => {
            let is_ssh = greeting.as_str().starts_with("SSH-");
            finding
                .found(message!("a server without TLS that says \"{}\"", greeting))
                .because(&[if is_ssh { Cause::SshServer } else { Cause::OtherService }])
                .fix(A_DAEMONS_PORT)
        }
        None => finding.found("something else").because(&[Cause::OtherService]).fix(A_DAEMONS_PORT),
    }
}

/// Whether the served certificate is the installed one; a daemon reads it only when it starts.
pub(super) fn served(observed: &DialResults, expected: &Expected) -> Option<Finding> {
    let installed = expected.installed_leaf.as_ref()?;
    let leaf = observed.handshake()?.leaf()?;
    let finding = |severity| {
        Finding::new(Rule::ServedIsStale, severity, "served certificate")
            .expected(message!("the installed certificate, serial {}", installed.serial()))
    };
    Some(if leaf == *installed {
        finding(Severity::Pass).found("the installed one")
    } else {
        finding(Severity::Error)
            .found(message!("serial {}, valid until {}", leaf.serial(), leaf.validity().not_after.date()))
            .because(&[Cause::NotRestarted])
            .fix(expected.restart())
    })
}

/// Whether the CAs that the daemon asks for are those of the installed ca.pem. A daemon that
/// names none says nothing about what it trusts.
pub(super) fn trusted(observed: &DialResults, expected: &Expected) -> Option<Finding> {
    let installed = expected.installed_trust.as_ref()?;
    let Asked::For(named) = &observed.handshake()?.asked else { return None };
    let finding = |severity| {
        Finding::new(Rule::TrustIsStale, severity, "acceptable CAs")
            .expected(message!("the CAs of the installed ca.pem: {}", list(&installed.subjects())))
    };
    if named.is_empty() {
        return Some(finding(Severity::Info).found("unknown: the daemon does not name its CAs"));
    }
    Some(if is_the_same_set(named, installed) {
        finding(Severity::Pass).found("those of the installed ca.pem")
    } else {
        finding(Severity::Error)
            .found(list(&named.iter().collect::<Vec<_>>()))
            .because(&[Cause::NotRestarted])
            .fix(expected.restart())
    })
}

fn is_the_same_set(named: &[DistinguishedName], installed: &TrustBundle) -> bool {
    let mut sorted: Vec<_> = named.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted == installed.subjects() && named.iter().all(|name| times(named, name) <= installed.named(name))
}

/// How often a name stands there.
fn times(names: &[DistinguishedName], name: &DistinguishedName) -> usize {
    names.iter().filter(|one| *one == name).count()
}

fn list(names: &[&DistinguishedName]) -> Message {
    Message::join(names, "; ")
}

/// Whether the daemon selects h2; it matters to newer clients only.
pub(super) fn protocol(observed: &DialResults, expected: &Expected) -> Option<Finding> {
    let agreed = observed.handshake()?.agreed.as_ref()?;
    let finding = |severity| Finding::new(Rule::NoAlpn, severity, "ALPN").expected("h2 by ALPN");
    Some(match &agreed.protocol {
        Some(protocol) => finding(Severity::Pass).found(protocol),
        // Its image is so, and the clients that it is made for do not mind.
        None if is_earthlys(observed, expected.layout) => {
            finding(Severity::Info).found("no protocol").because(&[Cause::NoAlpn]).cause(
                "Earthly's daemon selects none; buildctl from v0.19 and EarthBuild from 0.8.18 refuse that",
            )
        }
        None => finding(Severity::Warning)
            .found("no protocol")
            .because(&[Cause::NoAlpn])
            .cause(
                "buildkitd before v0.17 and earthly/buildkitd up to v0.8.16 select none; buildctl from \
                 v0.19 and EarthBuild from 0.8.18 refuse that",
            )
            .fix("update the daemon, or set GRPC_ENFORCE_ALPN_ENABLED=false for those clients"),
    })
}

/// Whether it is Earthly's daemon, by the layout of its files; or, where that only names a folder, as for what was
/// taken over, by its answer: Earthly's alone tell how long they have been idle.
fn is_earthlys(observed: &DialResults, layout: Option<DaemonLayout>) -> bool {
    match layout {
        Some(DaemonLayout::Earthly) => true,
        Some(
            DaemonLayout::Files
            | DaemonLayout::FilesCrt
            | DaemonLayout::FilesTlsca
            | DaemonLayout::FilesEarth,
        ) => observed.answer().is_some_and(|answer| answer.idleness.is_some()),
        Some(DaemonLayout::Earthbuild | DaemonLayout::Buildkit) | None => false,
    }
}

/// What is to be done where somebody else listens.
const A_DAEMONS_PORT: &str = "name the daemon's port, which is 8372 unless it was published as another";
