//! Whether our own certificate gets in, and if not, why.

use super::observed::{
    AboveTls, Answer, Asked, Dial, Dialled, Handshake, Inconclusive, Moment, Observed, Outcome, Refusal,
    Withheld,
};
use super::verdict::LocalFacts;
use crate::model::{ExtendedKeyUsage, Finding, Rule, Severity};
use crate::pki::{Certificate, DistinguishedName};

/// The findings about our own certificate.
pub(super) fn ours(observed: &Observed, local: &LocalFacts) -> Vec<Finding> {
    let Some(dialled) = observed.dials.get(&Dial::Ours) else {
        return vec![
            Finding::new(Rule::Inconclusive, Severity::Error, Dial::Ours)
                .expected("accepted")
                .found("not tried")
                .cause("there was no client certificate to show, and nothing is proven without one")
                .fix("kitcert verify --client NAME"),
        ];
    };
    match &dialled.outcome {
        Outcome::Accepted(answer) => {
            let accepted = Finding::new(Rule::OursRefused, Severity::Pass, Dial::Ours);
            let mut findings = vec![accepted.expected("accepted").found("accepted"), buildkit(answer)];
            findings.extend(again(observed));
            findings
        }
        Outcome::Refused { how, moment } => {
            let (cause, fix) = cause_of_refusal(how, *moment, &dialled.handshake, local);
            let found = format!("{}, {}", dialled.outcome, when(*moment));
            vec![refused(found).cause(cause).fix(fix)]
        }
        Outcome::RefusedAbove(above) => vec![refused_above(above, dialled)],
        Outcome::Inconclusive(Inconclusive::Protocol(what)) => vec![
            Finding::new(Rule::NotBuildkit, Severity::Error, Dial::Ours)
                .expected("BuildKit's gRPC")
                .found(what)
                .cause("another service, or a proxy that does not pass HTTP/2 on"),
        ],
        Outcome::Untrusted(_) | Outcome::NotTls | Outcome::Unreachable(_) | Outcome::Inconclusive(_) => {
            Vec::new()
        }
    }
}

fn again(observed: &Observed) -> Option<Finding> {
    let outcome = observed.outcome(Dial::OursAgain)?;
    if matches!(outcome, Outcome::Accepted(_)) {
        return None;
    }
    Some(
        Finding::new(Rule::Inconclusive, Severity::Error, Dial::OursAgain)
            .expected("accepted, as before the other dials")
            .found(outcome)
            .cause("it restarted meanwhile, or several daemons answer at this address")
            .fix("kitcert verify"),
    )
}

fn buildkit(answer: &Answer) -> Finding {
    let finding = |severity| {
        Finding::new(Rule::NotBuildkit, severity, Dial::Ours).expected("BuildKit with at least one worker")
    };
    let name = match &answer.buildkit {
        Some(buildkit) => format!("{} {}", buildkit.package, buildkit.version).trim().to_owned(),
        None => "a BuildKit too old to tell its version".to_owned(),
    };
    match (&answer.buildkit, &answer.workers) {
        (None, None) => finding(Severity::Error)
            .found("gRPC that knows neither Info nor ListWorkers")
            .cause("another gRPC service listens there"),
        (_, None) => finding(Severity::Warning).found(format!("{name}, and it does not tell its workers")),
        (_, Some(workers)) if workers.is_empty() => finding(Severity::Error)
            .found(format!("{name} without a worker"))
            .cause("the daemon runs but cannot build: its log tells why no worker started"),
        (_, Some(workers)) => {
            let mut platforms: Vec<_> = workers.iter().flat_map(|worker| worker.platforms.clone()).collect();
            platforms.sort_unstable();
            platforms.dedup();
            let plural = if workers.len() == 1 { "" } else { "s" };
            let found = format!("{name}, {} worker{plural}", workers.len());
            finding(Severity::Pass).found(match platforms.as_slice() {
                [] => found,
                platforms => format!("{found} ({})", platforms.join(", ")),
            })
        }
    }
}

fn refused_above(above: &AboveTls, dialled: &Dialled) -> Finding {
    match above {
        AboveTls::Http(_) => Finding::new(Rule::NotBuildkit, Severity::Error, Dial::Ours)
            .expected("BuildKit's gRPC")
            .found(&dialled.outcome)
            .cause("a web server or a proxy answers, not BuildKit"),
        AboveTls::Grpc { status: 7 | 16, .. } => {
            refused(dialled.outcome.to_string()).cause("TLS let us in, and something above it did not")
        }
        AboveTls::Grpc { .. } => {
            refused(dialled.outcome.to_string()).cause("a proxy without a daemon behind it, most likely")
        }
    }
}

fn refused(found: String) -> Finding {
    Finding::new(Rule::OursRefused, Severity::Error, Dial::Ours).expected("accepted").found(found)
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::Handshake => "during the handshake",
        Moment::AfterHandshake => "after the handshake",
    }
}

/// Why our certificate was refused, and what mends it: told apart by whether it was sent at all,
/// by the alert, and by what the certificate itself says.
fn cause_of_refusal(
    how: &Refusal,
    moment: Moment,
    handshake: &Handshake,
    local: &LocalFacts,
) -> (String, String) {
    let Some(leaf) = local.ours.as_ref().and_then(|chain| chain.first()) else {
        return ("there was no client certificate to show".to_owned(), local.reinstall());
    };
    if let Some(withheld) = handshake.withheld {
        return cause_of_withholding(withheld, leaf, handshake, local);
    }
    if let Some(cause) = fault_of_ours(leaf, local) {
        let name = leaf.subject().common_name().unwrap_or_default();
        let name = name.strip_prefix("client ").unwrap_or("NAME").to_owned();
        return (cause, format!("kitcert issue client {name} && kitcert install client {name}"));
    }
    match how {
        Refusal::Alert(alert) => cause_of_alert(*alert, leaf, local),
        Refusal::Closed | Refusal::Reset if moment == Moment::Handshake => {
            ("the daemon, or a proxy, ends the handshake without saying why".to_owned(), local.restart())
        }
        Refusal::Closed | Refusal::Reset => (
            "the alert was lost, or its TLS sends none; most likely it trusts another CA".to_owned(),
            local.reinstall(),
        ),
    }
}

/// Why our certificate was not sent at all.
fn cause_of_withholding(
    withheld: Withheld,
    leaf: &Certificate,
    handshake: &Handshake,
    local: &LocalFacts,
) -> (String, String) {
    let why = "our certificate was not sent, nor would Go send it";
    match withheld {
        Withheld::Issuer => {
            let (issuer, named) = (leaf.issuer(), names(&handshake.asked));
            (format!("{why}: {issuer} issued it, and the daemon asks for {named}"), local.reinstall())
        }
        Withheld::Signature => (
            format!(
                "{why}: the daemon, or a proxy before it, accepts no signature of {}",
                leaf.public_key().kind()
            ),
            "sign a request for an ecdsa-p256 key: kitcert issue client NAME --csr FILE".to_owned(),
        ),
    }
}

/// What is wrong with our certificate for whoever looks at it.
fn fault_of_ours(leaf: &Certificate, local: &LocalFacts) -> Option<String> {
    let validity = leaf.validity();
    if local.now > validity.not_after {
        return Some(format!("our certificate expired at {}", validity.not_after.minute()));
    }
    if local.now < validity.not_before {
        return Some(format!("our certificate is not valid before {}", validity.not_before.minute()));
    }
    let allows =
        |usage: &ExtendedKeyUsage| matches!(usage, ExtendedKeyUsage::ClientAuth | ExtendedKeyUsage::Any);
    let wrong_usage = leaf.extended_key_usages().is_some_and(|usages| !usages.iter().any(allows));
    wrong_usage.then(|| "our certificate is not for clients: its usages lack clientAuth".to_owned())
}

/// Causes by alert, as they were seen of Go 1.27's TLS set up as buildkitd's; where rustls has
/// another word for the same (51 for a wrong signature, 43 for a wrong usage), of rustls too.
fn cause_of_alert(alert: u8, leaf: &Certificate, local: &LocalFacts) -> (String, String) {
    let until = leaf.validity().not_after.minute();
    let namesake = format!("the daemon trusts a CA named {} that has another key", leaf.issuer());
    let late = format!(
        "our certificate is valid until {until}, and it is {} here: the two clocks differ",
        local.now.minute()
    );
    let (cause, fix) = match alert {
        116 => {
            ("no certificate arrived: ours lacks its intermediate, or the daemon's ca.pem is damaged", None)
        }
        48 | 51 => (namesake.as_str(), None),
        45 => (late.as_str(), Some("timedatectl status   # here, and on the daemon's machine")),
        42 | 43 | 46 => ("an older daemon says this of every fault; most likely it trusts another CA", None),
        40 => ("in TLS 1.2 this is said of a certificate that is missing or does not fit", None),
        70 => ("the daemon speaks neither TLS 1.2 nor 1.3", Some("update the daemon")),
        112 => (
            "a proxy before the daemon knows no server of that name",
            Some("dial the daemon itself, or pass TCP through unopened"),
        ),
        120 => ("the daemon does not speak h2", Some("update the daemon")),
        _ => ("the daemon does not say why", None),
    };
    (cause.to_owned(), fix.map_or_else(|| local.reinstall(), str::to_owned))
}

fn names(asked: &Asked) -> String {
    match asked {
        Asked::For(names) if !names.is_empty() => {
            names.iter().map(DistinguishedName::to_string).collect::<Vec<_>>().join(" or ")
        }
        Asked::For(_) => "any".to_owned(),
        Asked::Nothing => "none".to_owned(),
    }
}
