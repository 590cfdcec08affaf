//! The daemon itself: whether it is there, whether its certificate is right, and whether what it
//! runs with is what is installed.

use super::clock;
use super::observed::{AboveTls, Asked, Dial, Inconclusive, Observed, Outcome, Stage, Unreachable};
use super::verdict::LocalFacts;
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{Cause, Finding, Message, Printable, Rule, Severity};
use crate::pki::{DistinguishedName, TrustBundle};

/// A host that Earthly's client takes for its own machine.
pub(super) fn host(local: &LocalFacts) -> Option<Finding> {
    let is_earthlys = local.layout != Some(DaemonLayout::Buildkit);
    (is_earthlys && local.endpoint.is_local_to_earthly()).then(|| {
        Finding::new(Rule::LoopbackHost, Severity::Warning, &local.endpoint)
            .expected("a host that Earthly takes for another machine")
            .found(local.endpoint.host())
            .cause("Earthly starts a container of its own for 127.0.0.1, ::1 and localhost")
            .fix("use another name of this machine, and issue the daemon's certificate for it")
    })
}

/// Whether somebody answers, speaks TLS, and shows a certificate that clients accept.
pub(super) fn server(observed: &Observed, local: &LocalFacts) -> Vec<Finding> {
    let first = observed.outcome(Dial::Ours).or_else(|| observed.outcome(Dial::Anonymous));
    match first {
        Some(Outcome::Unreachable(why)) => vec![unreachable(why, local)],
        Some(Outcome::NotTls) => vec![not_tls(observed, local)],
        Some(Outcome::Untrusted(faults)) => {
            faults.iter().map(|fault| at_endpoint(fault, observed, local)).collect()
        }
        Some(Outcome::Inconclusive(Inconclusive::TimedOut(stage))) => vec![
            Finding::new(Rule::Inconclusive, Severity::Error, &local.endpoint)
                .expected("an answer within the deadline")
                .found(message!("the time was up while {}", stage.doing()))
                .because(&[if *stage == Stage::Handshake { Cause::Silent } else { Cause::Unanswered }])
                .fix(local.restart()),
        ],
        Some(Outcome::Inconclusive(Inconclusive::NotDialled(why))) => {
            vec![
                Finding::new(Rule::Inconclusive, Severity::Error, &local.endpoint)
                    .expected("a dial")
                    .found(why),
            ]
        }
        _ => verified(observed, local).into_iter().collect(),
    }
}

fn verified(observed: &Observed, local: &LocalFacts) -> Option<Finding> {
    let leaf = observed.handshake()?.leaf()?;
    Some(
        Finding::new(Rule::ServerUntrusted, Severity::Pass, &local.endpoint)
            .expected("a chain that ends in a CA of ours, and the host's name")
            .found(message!("issued by {}, valid until {}", leaf.issuer(), leaf.validity().not_after.date())),
    )
}

fn at_endpoint(fault: &Finding, observed: &Observed, local: &LocalFacts) -> Finding {
    let mut fault = match fault.causes.as_slice() {
        [Cause::ServedOtherCa] => of_another_ca(fault.clone(), observed, local),
        [Cause::ServedNotYetValid] => clock::of_one_not_yet_valid(fault.clone(), observed, local),
        _ => fault.clone(),
    };
    fault.subject = local.endpoint.message();
    fault.fix = fault.fix.or_else(|| match (fault.rule, &local.daemon) {
        (Rule::ServerNameMismatch, Some(daemon)) => Some(message!(
            "add {} to the hosts of {} in kitcert.yaml, then: kitcert rotate {}",
            local.endpoint.host(),
            daemon,
            daemon
        )),
        (Rule::ServerExpired, Some(daemon)) => Some(message!("kitcert rotate {}", daemon)),
        (Rule::ServerNameMismatch, None) => Some(message!(
            "on the daemon's machine: add {} to its hosts in kitcert.yaml, then: kitcert rotate",
            local.endpoint.host()
        )),
        _ => Some(local.reinstall()),
    });
    fault
}

/// Whom a daemon asks for their certificates tells a daemon with another's certificate from
/// something that ends TLS before it.
fn of_another_ca(fault: Finding, observed: &Observed, local: &LocalFacts) -> Finding {
    let handshake = observed.handshake();
    let is_a_leaf_alone = handshake.is_some_and(|handshake| handshake.chain.len() == 1);
    let is_ours = |name: &DistinguishedName| local.trust.subjects().contains(&name);
    match handshake.map(|handshake| &handshake.asked) {
        Some(Asked::For(names)) if is_a_leaf_alone && names.iter().any(is_ours) => fault
            .because(&[Cause::ServedIntermediateMissing, Cause::ServedOtherCa])
            .cause("it lets in clients of our CA, and its own certificate is by an intermediate that it does not serve, or by another CA"),
        Some(Asked::For(names)) if names.iter().any(is_ours) => fault
            .because(&[Cause::ServedOtherCa])
            .cause("it lets in clients of our CA, and shows a certificate of another: the wrong files are installed there"),
        Some(Asked::For(names)) if !names.is_empty() => fault.because(&[Cause::ServedOtherCa]).cause(message!(
            "another daemon, which lets in clients of {}; or the wrong ca.pem here", list(&names.iter().collect::<Vec<_>>()))),
        Some(Asked::For(_)) => fault,
        Some(Asked::Nothing) | None => fault.because(&[Cause::TlsProxy, Cause::ServedOtherCa]),
    }
}

fn unreachable(why: &Unreachable, local: &LocalFacts) -> Finding {
    let host = local.endpoint.host();
    let (cause, fix) = match why {
        Unreachable::Dns(_) => (Cause::NameUnresolved, message!("getent hosts {}", host)),
        Unreachable::Refused => (Cause::NothingListens, local.start()),
        Unreachable::Filtered => {
            (Cause::Filtered, message!("publish or open port {}", local.endpoint.port()))
        }
        Unreachable::NoRoute(_) => (Cause::NoRoute, message!("ip route get {}", host)),
    };
    Finding::new(Rule::Unreachable, Severity::Error, &local.endpoint)
        .expected("a daemon that answers")
        .found(Outcome::Unreachable(why.clone()))
        .because(&[cause])
        .fix(fix)
}

fn not_tls(observed: &Observed, local: &LocalFacts) -> Finding {
    let finding = Finding::new(Rule::NotTls, Severity::Error, &local.endpoint).expected("TLS");
    match observed.outcome(Dial::Plaintext) {
        Some(Outcome::Accepted(_)) => finding
            .found("BuildKit without TLS")
            .because(&[Cause::PlaintextDaemon])
            .cause("BUILDKIT_TLS_ENABLED is not exactly true, or [grpc.tls] lacks cert and key")
            .fix(local.reinstall()),
        Some(Outcome::RefusedAbove(above @ AboveTls::Http(_))) => finding
            .found(message!("a server without TLS that answers {}", above))
            .because(&[Cause::PlainHttpServer])
            .fix(A_DAEMONS_PORT),
        Some(Outcome::RefusedAbove(above @ AboveTls::Grpc { .. })) => finding
            .found(message!("a server without TLS that answers {}", above))
            .because(&[Cause::OtherGrpcService])
            .fix(A_DAEMONS_PORT),
        Some(Outcome::Inconclusive(Inconclusive::Greeted(greeting))) => {
            let is_ssh = greeting.as_str().starts_with("SSH-");
            finding
                .found(message!("a server without TLS that says \"{}\"", greeting))
                .because(&[if is_ssh { Cause::SshServer } else { Cause::OtherService }])
                .fix(A_DAEMONS_PORT)
        }
        _ => finding.found("something else").because(&[Cause::OtherService]).fix(A_DAEMONS_PORT),
    }
}

/// Whether the served certificate is the installed one; a daemon reads it only when it starts.
pub(super) fn served(observed: &Observed, local: &LocalFacts) -> Option<Finding> {
    let installed = local.installed_leaf.as_ref()?;
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
            .fix(local.restart())
    })
}

/// Whether the CAs that the daemon asks for are those of the installed ca.pem. A daemon that
/// names none says nothing about what it trusts.
pub(super) fn trusted(observed: &Observed, local: &LocalFacts) -> Option<Finding> {
    let installed = local.installed_trust.as_ref()?;
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
            .fix(local.restart())
    })
}

fn is_the_same_set(named: &[DistinguishedName], installed: &TrustBundle) -> bool {
    let mut named: Vec<_> = named.iter().collect();
    named.sort_unstable();
    named.dedup();
    named == installed.subjects()
}

fn list(names: &[&DistinguishedName]) -> Message {
    Message::join(names, "; ")
}

/// Whether the daemon selects h2; it matters to newer clients only.
pub(super) fn protocol(observed: &Observed) -> Option<Finding> {
    let agreed = observed.handshake()?.agreed.as_ref()?;
    let finding = |severity| Finding::new(Rule::NoAlpn, severity, "ALPN").expected("h2 by ALPN");
    Some(match &agreed.protocol {
        Some(protocol) => finding(Severity::Pass).found(protocol),
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

/// What is to be done where somebody else listens.
const A_DAEMONS_PORT: &str = "name the daemon's port, which is 8372 unless it was published as another";
