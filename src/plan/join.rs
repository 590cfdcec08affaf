//! `join`: whether a kit may be joined here, and what has to be shown for it.

use crate::message;
use crate::model::{Failure, IdentityName, Message, Timestamp};
use crate::pki::{Certificate, Kit, KitContents, TrustBundle};

/// What a client's tool uses already.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// The client's certificate.
    pub leaf: Certificate,
    /// The CAs that it trusts.
    pub trust: TrustBundle,
}

/// How a kit stands to what is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KitStanding {
    /// It is installed already.
    Installed,
    /// It renews what is installed: a CA that is trusted here signed it for the same client.
    Renewal,
    /// Nobody here knows its CA, or not for this client.
    New,
}

/// What has to be shown before a kit is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing: a CA that is trusted already vouches for it.
    Nothing,
    /// The fingerprint of its CA, as the admin told it by another way.
    Fingerprint,
    /// The passphrase that seals it and its key.
    Passphrase,
}

impl KitStanding {
    /// What has to be shown.
    #[must_use]
    pub(crate) fn evidence(self, kit: &Kit) -> Evidence {
        match self {
            KitStanding::Installed => Evidence::Nothing,
            _ if kit.has_key() => Evidence::Passphrase,
            KitStanding::Renewal => Evidence::Nothing,
            KitStanding::New => Evidence::Fingerprint,
        }
    }
}

/// Decides how a kit stands, and refuses one that must not be joined.
///
/// # Errors
/// A certificate of another client than the kit says, a kit that is past its date or from a time
/// to come, and one that is older than what is installed. A kit that is installed already is
/// taken at any time.
pub(crate) fn kit_standing(
    kit: &Kit,
    installed: Option<&Membership>,
    now: Timestamp,
) -> Result<KitStanding, Failure> {
    let contents = kit.contents();
    let leaf = contents.leaf();
    if !has_names_of(leaf, &contents.name) {
        return Err(failure(&contents.name)
            .expected(message!("a certificate for {}", contents.name.client_dns_name()))
            .found(message!("one of {}", leaf.subject()))
            .hint(ask_for_another(contents)));
    }
    let own =
        installed.filter(|own| has_names_of(&own.leaf, &contents.name) && kit.is_of_trusted(&own.trust));
    if own.is_some_and(|own| own.leaf == *leaf) {
        return Ok(KitStanding::Installed);
    }
    if now > contents.join_before {
        return Err(failure(&contents.name)
            .expected(message!("a kit that may be joined now, {}", now))
            .found(message!("one that was to be joined before {}", contents.join_before))
            .hint(ask_for_another(contents)));
    }
    if leaf.validity().not_before > now {
        return Err(failure(&contents.name)
            .expected(message!("a certificate that is valid now, {}", now))
            .found(message!(
                "one that is valid from {} (is this clock right?)",
                leaf.validity().not_before
            )));
    }
    match own {
        None => Ok(KitStanding::New),
        Some(own) if is_older(leaf, &own.leaf) => Err(failure(&contents.name)
            .expected(message!(
                "a kit that is newer than what is installed ({}, from {})",
                own.leaf.serial(),
                own.leaf.validity().not_before
            ))
            .found(message!("an older one ({}, from {})", leaf.serial(), leaf.validity().not_before))
            .hint("{kitcert} verify   # what is installed is the newer")),
        Some(_) => Ok(KitStanding::Renewal),
    }
}

/// Whether a certificate is that client's and nobody else's: it has the client's name and its key's.
fn has_names_of(leaf: &Certificate, name: &IdentityName) -> bool {
    leaf.usable_names() == name.client_names(&leaf.public_key().fingerprint())
}

/// A certificate that was issued within an hour of its CA begins with the CA, so that the end
/// tells where the beginning does not.
fn is_older(one: &Certificate, other: &Certificate) -> bool {
    let dates =
        |certificate: &Certificate| (certificate.validity().not_before, certificate.validity().not_after);
    dates(one) < dates(other)
}

fn failure(name: &IdentityName) -> Failure {
    Failure::new("joining", message!("the kit of {}", name))
}

fn ask_for_another(contents: &KitContents) -> Message {
    message!("ask {} for a new kit", contents.contact.person())
}
