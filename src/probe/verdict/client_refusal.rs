//! Why a daemon refuses the client's certificate, told apart by whether it was sent at all, by the alert,
//! and by what the files say.

use super::clock_difference;
use super::expected::Expected;
use crate::message;
use crate::model::{Cause, ExtendedKeyUsage, Finding, IdentityName, Message, Role};
use crate::pki::judge::{ChainFault, Peer, Refusal};
use crate::pki::{Certificate, DistinguishedName};
use crate::probe::results::{Asked, Handshake, Withheld};

/// By what and when the client was refused.
pub(super) enum HowRefused {
    /// A TLS alert, by its number.
    Alert(u8),
    /// The connection ended during the handshake.
    EndInHandshake,
    /// It ended after the handshake.
    EndAfterHandshake,
}

/// The finding of the client's refusal, with its causes and what fixes them.
pub(super) fn refusal(
    finding: Finding,
    how: &HowRefused,
    handshake: &Handshake,
    expected: &Expected,
) -> Finding {
    let Some(leaf) = expected.client.as_ref().and_then(|chain| chain.first()) else {
        return finding.cause("there was no client certificate to show").fix(expected.reinstall());
    };
    match handshake.withheld {
        Some(Withheld::Issuer) if expected.renew.is_none() => {
            return issuer_withheld(finding, leaf, handshake, expected);
        }
        Some(Withheld::Signature) => {
            let kind = leaf.public_key().kind();
            return finding
                .because(&[Cause::ClientSignatureUnsupported])
                .cause(message!(
                    "{}: the daemon, or a proxy before it, accepts no signature of {}",
                    WITHHELD,
                    kind
                ))
                .fix("take a key of the type ecdsa-p256, and ask for another certificate with it");
        }
        Some(Withheld::Issuer) | None => {}
    }
    if let Some((cause, said)) = fault_of_client(leaf, expected) {
        // Where the state is, or where it is not.
        let fix = match (&expected.daemon, IdentityName::of_client(&leaf.usable_names())) {
            (Some(_), Some(name)) => {
                message!("{kitcert} issue client {} && {kitcert} install client {}", name, name)
            }
            (Some(_), None) => message!("issue the client another certificate, and install it"),
            (None, _) => expected.reunite(),
        };
        return finding.because(&[cause]).cause(said).fix(fix);
    }
    if let Some(renew) = &expected.renew {
        let said = message!("{} issued it, a CA that this state has replaced", leaf.issuer());
        return finding.because(&[Cause::ClientOfOtherCa]).cause(said).fix(renew);
    }
    match how {
        HowRefused::Alert(alert) => alert_received(finding, *alert, leaf, handshake, expected),
        HowRefused::EndInHandshake => {
            let said = "the daemon, or a proxy, ends the handshake without saying why";
            finding.because(&[Cause::RefusedUnsaid]).cause(said).fix(expected.restart())
        }
        HowRefused::EndAfterHandshake => finding
            .because(&[Cause::RefusedUnsaid, Cause::DaemonTrustsOtherCa])
            .cause("the alert was lost, or its TLS sends none; most likely it trusts another CA")
            .fix(expected.reinstall()),
    }
}

/// A client of Go's sends nothing to a daemon that accepts none of its issuers.
fn issuer_withheld(
    finding: Finding,
    leaf: &Certificate,
    handshake: &Handshake,
    expected: &Expected,
) -> Finding {
    let issuer = leaf.issuer();
    let (causes, fix) = causes_of_withholding(issuer, handshake, expected);
    let said =
        message!("{}: {} issued it, and the daemon asks for {}", WITHHELD, issuer, names(&handshake.asked));
    let why = Message::join(causes.iter().map(|cause| cause.clause()), "; or ");
    finding.because(&causes).cause(message!("{}; {}", said, why)).fix(fix)
}

fn causes_of_withholding(
    issuer: &DistinguishedName,
    handshake: &Handshake,
    expected: &Expected,
) -> (Vec<Cause>, Message) {
    let served = handshake.chain.iter().skip(1).filter_map(|der| Certificate::from_der(der).ok());
    if served.into_iter().any(|link| link.subject() == issuer) {
        return (vec![Cause::ClientIntermediateMissing], Cause::ClientIntermediateMissing.fix());
    }
    let own_ca_is_asked_for = match &handshake.asked {
        Asked::For(named) => named.iter().any(|name| expected.trust.subjects().contains(&name)),
        Asked::Nothing => false,
    };
    if own_ca_is_asked_for && !expected.trust.subjects().contains(&issuer) {
        let causes = vec![Cause::ClientOfOtherCa, Cause::ClientIntermediateMissing];
        return (causes, Cause::ClientOfOtherCa.fix());
    }
    match &expected.installed_trust {
        Some(installed) if installed.subjects().contains(&issuer) => {
            (vec![Cause::NotRestarted], expected.restart())
        }
        Some(installed) if !installed.dropped().is_empty() => {
            (vec![Cause::BundleBlockDropped], expected.reinstall())
        }
        Some(_) => (vec![Cause::DaemonTrustsOtherCa], expected.reinstall()),
        None => (
            vec![Cause::DaemonTrustsOtherCa, Cause::NotRestarted, Cause::BundleBlockDropped],
            expected.reunite(),
        ),
    }
}

/// What is wrong with the client's certificate for whoever looks at it.
fn fault_of_client(leaf: &Certificate, expected: &Expected) -> Option<(Cause, Message)> {
    let validity = leaf.validity();
    if expected.now > validity.not_after {
        let said = message!("the client's certificate expired at {}", validity.not_after.minute());
        return Some((Cause::ClientExpired, said));
    }
    if expected.now < validity.not_before {
        let said = message!(
            "the client's certificate is not valid before {}: the clock here is {} behind or more, or where \
             it was made the clock was ahead",
            validity.not_before.minute(),
            clock_difference::apart(validity.not_before, expected.now)
        );
        return Some((Cause::ClientNotYetValid, said));
    }
    let allows =
        |usage: &ExtendedKeyUsage| matches!(usage, ExtendedKeyUsage::ClientAuth | ExtendedKeyUsage::Any);
    let wrong_usage = leaf.extended_key_usages().is_some_and(|usages| !usages.iter().any(allows));
    let said = message!("the client's certificate is not for clients: its usages lack clientAuth");
    wrong_usage.then_some((Cause::ClientWrongUsage, said))
}

/// Causes by alert, as they were seen of Go 1.27's TLS set up as buildkitd's; where rustls has
/// another word for the same (51 for a wrong signature, 43 for a wrong usage), of rustls too.
fn alert_received(
    finding: Finding,
    alert: u8,
    leaf: &Certificate,
    handshake: &Handshake,
    expected: &Expected,
) -> Finding {
    let unclear = |said: &'static str| finding.clone().because(&[Cause::RefusedUnclear]).cause(said);
    match alert {
        48 | 51 => unknown_authority(finding, leaf, handshake, expected),
        45 => finding
            .because(&[Cause::ClocksDiffer])
            .cause(clock_difference::of_a_refused_client(leaf, expected.now))
            .fix(clock_difference::LOOK),
        70 => finding.because(&[Cause::NoCommonTlsVersion]).fix("update the daemon"),
        112 => finding
            .because(&[Cause::UnknownServerName])
            .fix("dial the daemon directly, or let the proxy pass TCP through"),
        120 => finding.because(&[Cause::ProtocolRefused]).fix("name the daemon's port, or update the daemon"),
        116 => unclear("no certificate arrived, though one was sent: a proxy between does not pass it on")
            .fix(expected.reinstall()),
        42 if is_asked_for(leaf, &handshake.asked) => {
            let said = message!(
                "the daemon asks for certificates of {}, and refuses this one: most likely it was revoked; an \
                 older daemon says this of every fault",
                leaf.issuer()
            );
            let fix = match &expected.daemon {
                Some(_) => message!("{kitcert} status   # names who is revoked"),
                None => expected.reunite(),
            };
            finding.because(&[Cause::ClientRevoked, Cause::RefusedUnclear]).cause(said).fix(fix)
        }
        42 | 43 | 46 => unclear("an older daemon says this of every fault; most likely it trusts another CA")
            .fix(expected.reinstall()),
        40 => unclear("in TLS 1.2 this is said of a certificate that is missing or does not fit")
            .fix(expected.reinstall()),
        _ => unclear("the daemon does not say why").fix(expected.reinstall()),
    }
}

/// The client's certificate was sent and leads to nobody whom the daemon trusts.
fn unknown_authority(
    finding: Finding,
    leaf: &Certificate,
    handshake: &Handshake,
    expected: &Expected,
) -> Finding {
    let client = expected.client.as_deref().unwrap_or_default();
    let own_daemon = Peer { trust: &expected.trust, accepts: Role::Client, host: None, now: expected.now };
    let is_telling = |refusal: &Refusal| {
        matches!(
            refusal,
            Refusal::Chain(ChainFault::SameNameOtherKey { .. } | ChainFault::UnsupportedSignature { .. })
        )
    };
    match own_daemon.accept(client).err().and_then(|refusals| refusals.into_iter().find(is_telling)) {
        Some(Refusal::Chain(ChainFault::SameNameOtherKey { .. })) => {
            return finding
                .because(&[Cause::ClientOfOtherCa])
                .cause(
                    "the client's certificate is by another key than its own ca.pem has, under the same name",
                )
                .fix(Cause::ClientOfOtherCa.fix());
        }
        Some(Refusal::Chain(fault @ ChainFault::UnsupportedSignature { .. })) => {
            return finding
                .because(&[Cause::ClientSignatureUnsupported])
                .cause(fault)
                .fix(Cause::ClientSignatureUnsupported.fix());
        }
        _ => {}
    }
    let is_named = matches!(&handshake.asked, Asked::For(names) if !names.is_empty());
    if is_named {
        let namesake = message!("the daemon trusts a CA named {} that has another key", leaf.issuer());
        return finding.because(&[Cause::DaemonTrustsNamesakeCa]).cause(namesake).fix(expected.reinstall());
    }
    finding
        .because(&[
            Cause::DaemonTrustsOtherCa,
            Cause::DaemonTrustsNamesakeCa,
            Cause::ClientIntermediateMissing,
        ])
        .fix(expected.reinstall())
}

/// Whether a daemon asks for certificates of the CA that issued this one, which has the name that daemons can
/// exclude.
fn is_asked_for(leaf: &Certificate, asked: &Asked) -> bool {
    let has_name = IdentityName::of_client(&leaf.usable_names()).is_some();
    has_name && matches!(asked, Asked::For(names) if names.contains(leaf.issuer()))
}

fn names(asked: &Asked) -> Message {
    match asked {
        Asked::For(names) if !names.is_empty() => Message::join(names, " or "),
        Asked::For(_) => message!("any"),
        Asked::Nothing => message!("none"),
    }
}

const WITHHELD: &str = "the client's certificate was not sent, nor would Go send it";
