//! The daemon itself: whether it is there, whether its certificate is right, and whether what it
//! runs with is what is installed.

use super::observed::{Asked, Dial, Inconclusive, Observed, Outcome, Unreachable};
use super::verdict::LocalFacts;
use crate::layout::DaemonLayout;
use crate::model::{Finding, Rule, Severity};
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
        Some(Outcome::Untrusted(faults)) => faults.iter().map(|fault| at_endpoint(fault, local)).collect(),
        Some(Outcome::Inconclusive(Inconclusive::TimedOut(stage))) => vec![
            Finding::new(Rule::Inconclusive, Severity::Error, &local.endpoint)
                .expected("an answer within the deadline")
                .found(format!("the time was up while {}", stage.doing()))
                .cause(
                    "the port is open and nobody speaks: a proxy without a daemon, or a process that hangs",
                )
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
            .found(format!("issued by {}, valid until {}", leaf.issuer(), leaf.validity().not_after.date())),
    )
}

fn at_endpoint(fault: &Finding, local: &LocalFacts) -> Finding {
    let mut fault = fault.clone();
    fault.subject = local.endpoint.to_string();
    fault.fix = fault.fix.or_else(|| match (fault.rule, &local.daemon) {
        (Rule::ServerNameMismatch, Some(daemon)) => Some(format!(
            "add {} to the hosts of {daemon} in kitcert.yaml, then: kitcert rotate {daemon}",
            local.endpoint.host()
        )),
        (Rule::ServerExpired, Some(daemon)) => Some(format!("kitcert rotate {daemon}")),
        (Rule::ServerNameMismatch, None) => Some(format!(
            "on the daemon's machine: add {} to its hosts in kitcert.yaml, then: kitcert rotate",
            local.endpoint.host()
        )),
        _ => Some(local.reinstall()),
    });
    fault
}

fn unreachable(why: &Unreachable, local: &LocalFacts) -> Finding {
    let host = local.endpoint.host();
    let (cause, fix) = match why {
        Unreachable::Dns(_) => ("the name does not resolve here".to_owned(), format!("getent hosts {host}")),
        Unreachable::Refused => ("nothing listens on that port".to_owned(), local.start()),
        Unreachable::Filtered => (
            "no answer at all: a firewall, an unpublished port, or the address of no machine".to_owned(),
            format!("publish or open port {}", local.endpoint.port()),
        ),
        Unreachable::NoRoute(_) => {
            ("the network has no way there".to_owned(), format!("ip route get {host}"))
        }
    };
    Finding::new(Rule::Unreachable, Severity::Error, &local.endpoint)
        .expected("a daemon that answers")
        .found(Outcome::Unreachable(why.clone()))
        .cause(cause)
        .fix(fix)
}

fn not_tls(observed: &Observed, local: &LocalFacts) -> Finding {
    let finding = Finding::new(Rule::NotTls, Severity::Error, &local.endpoint).expected("TLS");
    match observed.outcome(Dial::Plaintext) {
        Some(Outcome::Accepted(_)) => finding
            .found("BuildKit without TLS")
            .cause("BUILDKIT_TLS_ENABLED is not exactly true, or [grpc.tls] lacks cert and key")
            .fix(local.reinstall()),
        Some(Outcome::RefusedAbove(above)) => finding
            .found(format!("a plain server that answers {above}"))
            .cause("another service listens there"),
        _ => finding.found("something else").cause("another service listens there"),
    }
}

/// Whether the served certificate is the installed one; a daemon reads it only when it starts.
pub(super) fn served(observed: &Observed, local: &LocalFacts) -> Option<Finding> {
    let installed = local.installed_leaf.as_ref()?;
    let leaf = observed.handshake()?.leaf()?;
    let finding = |severity| {
        Finding::new(Rule::ServedIsStale, severity, "served certificate")
            .expected(format!("the installed certificate, serial {}", installed.serial()))
    };
    Some(if leaf == *installed {
        finding(Severity::Pass).found("the installed one")
    } else {
        finding(Severity::Error)
            .found(format!("serial {}, valid until {}", leaf.serial(), leaf.validity().not_after.date()))
            .cause("it has not been restarted since, or its container sees other files")
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
            .expected(format!("the CAs of the installed ca.pem: {}", list(&installed.subjects())))
    };
    if named.is_empty() {
        return Some(finding(Severity::Info).found("unknown: the daemon does not name its CAs"));
    }
    Some(if is_the_same_set(named, installed) {
        finding(Severity::Pass).found("those of the installed ca.pem")
    } else {
        finding(Severity::Error)
            .found(list(&named.iter().collect::<Vec<_>>()))
            .cause("it has not been restarted since, or its container sees other files")
            .fix(local.restart())
    })
}

fn is_the_same_set(named: &[DistinguishedName], installed: &TrustBundle) -> bool {
    let mut named: Vec<_> = named.iter().collect();
    named.sort_unstable();
    named.dedup();
    named == installed.subjects()
}

fn list(names: &[&DistinguishedName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Whether the daemon selects h2; it matters to newer clients only.
pub(super) fn protocol(observed: &Observed) -> Option<Finding> {
    let agreed = observed.handshake()?.agreed.as_ref()?;
    let finding = |severity| Finding::new(Rule::NoAlpn, severity, "ALPN").expected("h2 by ALPN");
    Some(match &agreed.protocol {
        Some(protocol) => finding(Severity::Pass).found(protocol),
        None => finding(Severity::Warning)
            .found("no protocol")
            .cause(
                "buildkitd before v0.17 and earthly/buildkitd up to v0.8.16 select none; buildctl from \
                 v0.19 and EarthBuild from 0.8.18 refuse that",
            )
            .fix("update the daemon, or set GRPC_ENFORCE_ALPN_ENABLED=false for those clients"),
    })
}
