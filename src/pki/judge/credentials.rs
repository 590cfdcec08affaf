//! The files of one identity, judged together.

use super::peer::{Peer, Refusal, no_points};
use super::profile::{self, Standard};
use crate::message;
use crate::model::{
    Failure, Finding, IdentityName, Printable, Role, Rule, Severity, SubjectAltName, Timestamp,
};
use crate::pki::key::PublicKey;
use crate::pki::x509::{Certificate, TrustBundle};

/// The credentials of one identity. They are borrowed, so that a bulk issue copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Whose they are.
    pub role: Role,
    /// cert.pem, the leaf first; empty for a client without a certificate.
    pub chain: &'a [Certificate],
    /// The public half of key.pem; None if the key is elsewhere.
    pub key: Option<&'a PublicKey>,
    /// ca.pem.
    pub trust: &'a TrustBundle,
}

/// What the files of credentials are called in findings: paths, where there are any.
#[derive(Clone, Copy)]
pub struct FileNames<'a> {
    /// cert.pem.
    pub certificate: &'a dyn Printable,
    /// key.pem.
    pub key: &'a dyn Printable,
}

/// Whether the files belong together: a peer with the same ca.pem accepts the chain, the key is
/// that of the certificate, and every host of a daemon is among its names.
///
/// # Errors
/// Every reason against them, the chain's first.
pub fn check(
    credentials: &Credentials<'_>,
    hosts: &[SubjectAltName],
    now: Timestamp,
) -> Result<(), Vec<Refusal>> {
    let refusals = refusals(credentials, hosts, now);
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// [`check`] for whoever is about to write or install the credentials of `name`.
///
/// # Errors
/// The first reason against them.
pub fn require(
    credentials: &Credentials<'_>,
    name: &IdentityName,
    hosts: &[SubjectAltName],
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(refusal) = refusals(credentials, hosts, now).into_iter().next() else { return Ok(()) };
    let failure = Failure::new(message!("checking the files of {}", credentials.role), name);
    Err(match refusal {
        Refusal::Chain(fault) => failure.expected("a certificate that its peer accepts").found(fault),
        Refusal::OtherKey => failure.expected("the key of the certificate").found("another key"),
        Refusal::LeafNotFirst { position } => {
            failure.expected("the leaf first").found(message!("it as certificate {} of the file", position))
        }
        Refusal::Host { host, .. } => {
            failure.expected("a certificate for each host").found(message!("none for {}", host))
        }
    })
}

/// [`check`] as findings, with what the profile, the dates and the bundle give reason to say.
#[must_use]
pub fn credentials(
    credentials: &Credentials<'_>,
    hosts: &[SubjectAltName],
    (standard, now): (Standard, Timestamp),
    names: FileNames<'_>,
) -> Vec<Finding> {
    let Credentials { role, chain, trust, .. } = *credentials;
    let mut findings = Vec::new();
    // What the others are worth as a leaf is of no interest.
    if let Some(refusal) = leaf_not_first(chain, credentials.key) {
        findings.push(refusal.finding(names.certificate, names.key));
        findings.extend(profile::bundle(trust));
        return findings;
    }
    if let Some(leaf) = chain.first() {
        let issuer = trust.certificates().iter().find(|anchor| anchor.subject() == leaf.issuer());
        findings.extend(profile::leaf(leaf, role, issuer, standard));
        findings.extend(profile::dates(leaf, now));
    }
    // A peer reads every certificate that it is sent.
    findings.extend(no_points(chain));
    findings.extend(profile::bundle(trust));
    findings.extend(shared_issuer(role, chain, trust));
    findings.extend(no_root(&Peer { trust, accepts: role, host: None, now }, chain));
    for refusal in refusals(credentials, hosts, now) {
        let refused = refusal.finding(names.certificate, names.key);
        // What the profile says of the leaf is why a peer refuses the chain.
        let is_told = |told: &Finding| told.rule == refused.rule && told.severity >= refused.severity;
        if !matches!(refusal, Refusal::Chain(_)) || !findings.iter().any(is_told) {
            findings.push(refused);
        }
    }
    findings
}

/// An anchor of a daemon with CAs below it: the clients of each of them get in. With a company's root
/// there, whoever has a certificate of that company can run code on the daemon's machine.
fn shared_issuer(role: Role, chain: &[Certificate], trust: &TrustBundle) -> Option<Finding> {
    let is_below = |link: &&Certificate| {
        let is_anchor = |anchor: &Certificate| anchor.subject() == link.issuer() && !link.is_self_issued();
        link.is_authority() && trust.certificates().iter().any(is_anchor)
    };
    let mut links = chain.iter().skip(1).chain(trust.certificates());
    let link = links.find(is_below).filter(|_| role == Role::Daemon)?;
    Some(
        Finding::new(Rule::SharedIssuer, Severity::Warning, link.issuer())
            .expected("a CA for this daemon's clients alone in its ca.pem")
            .found(message!("a root with CAs below it, such as {}", link.subject()))
            .cause("whoever has any client certificate below that root can run code there")
            .fix("put the one CA that issues the clients into ca.pem, or a CA of its own"),
    )
}

/// An anchor that has an issuer, or seems to: Go is content with it, openssl looks for the root.
fn no_root(peer: &Peer<'_>, chain: &[Certificate]) -> Option<Finding> {
    let path = peer.accept(chain).ok()?;
    let anchor = path.last().filter(|_| path.len() > 1)?;
    let own = anchor.subject_key_identifier();
    let is_of_another =
        anchor.authority_key_identifier().is_some_and(|issuer| own.is_some_and(|own| own != issuer));
    // With the root in the bundle, they find it.
    let is_root = |one: &Certificate| one.is_self_issued() && one.subject() == anchor.issuer();
    let has_root = !anchor.is_self_issued() && peer.trust.certificates().iter().any(is_root);
    (!has_root && (!anchor.is_self_issued() || is_of_another)).then(|| {
        Finding::new(Rule::ChainUntrusted, Severity::Warning, anchor.subject())
            .expected("a self-signed certificate of the CA in ca.pem")
            .found(message!("one that {} issued", anchor.issuer()))
            .cause("Go and gRPC's C core take an intermediate for an anchor; openssl, Python, nginx and haproxy do not")
            .fix(
                "put a self-signed certificate of the same CA in its place; or the root beside it, if whoever has a \
                 certificate below the root may get in",
            )
    })
}

/// Where the leaf of a file is, if it does not come first: the certificate of the key, or without a key
/// the first that is no CA's. A CA's key beside a leaf is another key.
#[must_use]
pub fn leaf_not_first(chain: &[Certificate], key: Option<&PublicKey>) -> Option<Refusal> {
    let is_leaf = |certificate: &Certificate| match key {
        Some(key) => certificate.public_key() == key,
        None => !certificate.is_authority(),
    };
    let at = chain.iter().position(is_leaf).filter(|at| *at > 0)?;
    let [first, leaf] = [chain.first()?, chain.get(at)?].map(Certificate::is_authority);
    (first || !leaf).then_some(Refusal::LeafNotFirst { position: at + 1 })
}

fn refusals(credentials: &Credentials<'_>, hosts: &[SubjectAltName], now: Timestamp) -> Vec<Refusal> {
    let Credentials { role, chain, key, trust } = *credentials;
    if let Some(refusal) = leaf_not_first(chain, key) {
        return vec![refusal];
    }
    let peer = Peer { trust, accepts: role, host: None, now };
    let mut refusals: Vec<Refusal> = peer.first_refusal(chain).into_iter().collect();
    if let Some(leaf) = chain.first() {
        let is_other_key = key.is_some_and(|key| key != leaf.public_key());
        refusals.extend(is_other_key.then_some(Refusal::OtherKey));
        // A wildcard among the hosts stands for itself.
        let is_named = |host: &SubjectAltName| leaf.covers(host) || leaf.usable_names().contains(host);
        let unnamed = hosts.iter().filter(|host| !is_named(host));
        refusals.extend(unnamed.map(|host| Refusal::other_host(leaf, host)));
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lifetime;
    use crate::pki::specimens::{dns, now, root};

    const NAMES: FileNames<'static> = FileNames { certificate: &"cert.pem", key: &"key.pem" };

    fn hosts(texts: &[&str]) -> Vec<SubjectAltName> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn files_that_belong_together_have_no_reason_against_them() {
        let authority = root(|_| ());
        let leaf = authority.leaf(Role::Daemon, |leaf| leaf.subject_alt_names.push(dns("*.example.org")));
        let trust = TrustBundle::new(vec![authority.certificate.clone()]);
        let chain = [leaf.clone()];
        let key = Some(leaf.public_key());
        let ours = Credentials { role: Role::Daemon, chain: &chain, key, trust: &trust };
        let named = hosts(&["builder.example.com", "a.example.org", "*.example.org"]);
        assert_eq!(check(&ours, &named, now()), Ok(()));
        assert_eq!(check(&Credentials { key: None, ..ours }, &named, now()), Ok(()));
        assert!(require(&ours, &"builder".parse().unwrap(), &named, now()).is_ok());
    }

    #[test]
    fn every_reason_is_told_and_the_chain_comes_first() {
        let (authority, other) = (root(|_| ()), root(|_| ()));
        let chain = [authority.leaf(Role::Client, |_| ())];
        let trust = TrustBundle::new(vec![authority.certificate.clone()]);
        let key = Some(other.certificate.public_key());
        let ours = Credentials { role: Role::Daemon, chain: &chain, key, trust: &trust };
        let refusals = check(&ours, &hosts(&["one.example", "two.example"]), now()).unwrap_err();
        assert!(
            matches!(
                refusals.as_slice(),
                [Refusal::Chain(_), Refusal::OtherKey, Refusal::Host { .. }, Refusal::Host { .. }]
            ),
            "{refusals:?}"
        );
        let name = "builder".parse().unwrap();
        let as_client = Credentials { role: Role::Client, ..ours };
        let found = |credentials: &Credentials<'_>, hosts: &[SubjectAltName]| {
            require(credentials, &name, hosts, now()).unwrap_err().what_was_found().to_string()
        };
        assert!(found(&ours, &[]).ends_with("is for clientAuth, not for serverAuth"));
        assert_eq!(found(&as_client, &[]), "another key");
        let without_key = Credentials { key: None, ..as_client };
        assert_eq!(found(&without_key, &hosts(&["one.example"])), "none for one.example");
        let nothing = Credentials { chain: &[], ..ours };
        assert_eq!(found(&nothing, &hosts(&["one.example"])), "no certificate");
    }

    #[test]
    fn a_leaf_behind_its_ca_is_told_as_that_and_nothing_else() {
        let authority = root(|_| ());
        let (leaf, other) = (authority.leaf(Role::Daemon, |_| ()), root(|_| ()).certificate);
        let ca = &authority.certificate;
        let trust = TrustBundle::new(vec![ca.clone()]);
        let place = |chain: &[&Certificate], key: Option<&Certificate>| {
            let chain: Vec<_> = chain.iter().map(|one| (*one).clone()).collect();
            let key = key.map(Certificate::public_key);
            let ours = Credentials { role: Role::Daemon, chain: &chain, key, trust: &trust };
            let findings = super::credentials(&ours, &[], (Standard::Profile, now()), NAMES);
            let is_told = findings.iter().map(|one| one.rule).collect::<Vec<_>>() == [Rule::ChainOrder];
            let refusals = check(&ours, &[], now()).err().unwrap_or_default();
            assert_eq!(
                is_told,
                matches!(refusals.as_slice(), [Refusal::LeafNotFirst { .. }]),
                "{findings:?}"
            );
            is_told
        };
        assert!(place(&[ca, &leaf], Some(&leaf)) && place(&[ca, &other, &leaf], None));
        for (chain, key) in [(vec![&leaf, ca], Some(&leaf)), (vec![&leaf, ca], Some(ca)), (vec![ca], None)] {
            assert!(!place(&chain, key));
        }
    }

    #[test]
    fn what_the_profile_says_of_a_leaf_is_not_told_again_of_its_chain() {
        let authority = root(|_| ());
        let chain = [authority.leaf(Role::Daemon, |_| ())];
        let trust = TrustBundle::new(vec![authority.certificate.clone()]);
        let ours = Credentials { role: Role::Daemon, chain: &chain, key: None, trust: &trust };
        let says = |credentials: &Credentials<'_>, hosts: &[SubjectAltName], now: Timestamp| -> Vec<_> {
            let findings = super::credentials(credentials, hosts, (Standard::Profile, now), NAMES);
            findings.iter().map(|finding| (finding.rule, finding.subject.to_string())).collect()
        };
        assert_eq!(says(&ours, &hosts(&["builder.example.com"]), now()), []);
        let later = now().plus(Lifetime::days(91));
        assert_eq!(says(&ours, &[], later), [(Rule::Expired, "CN=leaf".to_owned())]);
        let stranger = root(|_| ());
        let trust = TrustBundle::new(vec![stranger.certificate.clone()]);
        let key = Some(stranger.certificate.public_key());
        let torn = Credentials { trust: &trust, key, ..ours };
        assert_eq!(
            says(&torn, &hosts(&["one.example", "two.example"]), now()),
            [
                (Rule::ChainUntrusted, "cert.pem".to_owned()),
                (Rule::KeyMismatch, "key.pem".to_owned()),
                (Rule::ServerNameMismatch, "cert.pem".to_owned()),
                (Rule::ServerNameMismatch, "cert.pem".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_in_use_is_judged_more_gently_than_our_own() {
        let authority = root(|_| ());
        let chain =
            [authority.leaf(Role::Client, |leaf| leaf.use_authority_key_identifier_extension = false)];
        let trust = TrustBundle::new(vec![authority.certificate.clone()]);
        let ours = Credentials { role: Role::Client, chain: &chain, key: None, trust: &trust };
        let gravest = |standard| Finding::gravest(&super::credentials(&ours, &[], (standard, now()), NAMES));
        assert_eq!(gravest(Standard::Profile), Severity::Error);
        assert_eq!(gravest(Standard::InUse), Severity::Warning);
    }
}
