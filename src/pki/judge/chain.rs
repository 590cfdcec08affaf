//! Chains as a BuildKit peer sees them: Go's `crypto/x509` `Verify`, decision by decision.
//!
//! rustls builds chains by other rules: it never looks at an anchor's dates, and takes a leaf
//! without extended key usage. A proof that rests on rustls alone would bless an expired root
//! that every Go client refuses.

use super::chain_fault::ChainFault;
use crate::model::profile::LARGEST_BUNDLE;
use crate::model::{ExtendedKeyUsage, Role, Timestamp};
use crate::pki::x509::{
    Certificate, DistinguishedName, NameConstraints, NameKind, READ_BY_GO, SignatureAlgorithm, TrustBundle,
    oid,
};

/// Whether a Go peer that trusts `trust` accepts `chain` (the leaf first, as it is sent) as that of
/// a `role` at `now`; if so, the path from the leaf to the anchor, both included. What Go looks at
/// is told of `Peer::accept`.
///
/// # Errors
/// Why it is refused; of several paths, the fault of the one that came nearest.
pub(super) fn verify(
    chain: &[Certificate],
    trust: &TrustBundle,
    role: Role,
    now: Timestamp,
) -> Result<Vec<Certificate>, ChainFault> {
    let Some((leaf, sent)) = chain.split_first() else { return Err(ChainFault::NothingSent) };
    if chain.len() > LARGEST_BUNDLE {
        return Err(ChainFault::TooLong { count: chain.len() });
    }
    if let Some((certificate, why)) = chain.iter().find_map(|one| Some((one, one.unreadable_to_go()?))) {
        return Err(ChainFault::Unreadable { certificate: certificate.subject().clone(), why });
    }
    judge_alone(leaf, now)?;
    let mut search =
        Search { sent, anchors: trust.certificates(), now, checks: 0, paths: Vec::new(), fault: None };
    if trust.certificates().contains(leaf) {
        search.paths.push(vec![leaf]);
    } else {
        search.extend(&[leaf]);
    }
    if search.paths.is_empty() {
        return Err(search.nearest_fault(leaf));
    }
    let mut refusal = None;
    for path in search.paths {
        match judge_path(&path, role) {
            Ok(()) => return Ok(path.into_iter().cloned().collect()),
            Err(fault) => refusal = refusal.or(Some(fault)),
        }
    }
    Err(refusal.unwrap_or(ChainFault::NothingSent))
}

/// Whether a Go client with this chain answers a server that accepts the `acceptable` names: it
/// sends a certificate only where the list is empty, or where one of the chain is issued by a
/// name in it (`CertificateRequestInfo.SupportsCertificate`); else it sends none, and the server
/// says "certificate required".
#[must_use]
pub fn would_send(chain: &[Certificate], acceptable: &[DistinguishedName]) -> bool {
    acceptable.is_empty() || chain.iter().any(|certificate| acceptable.contains(certificate.issuer()))
}

/// The search for paths from a leaf up to an anchor.
struct Search<'a> {
    sent: &'a [Certificate],
    anchors: &'a [Certificate],
    now: Timestamp,
    checks: usize,
    paths: Vec<Vec<&'a Certificate>>,
    fault: Option<(Nearness, ChainFault)>,
}

/// How near to acceptance a dead end came; the greatest is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    NobodyOfThatName(usize),
    OtherKey,
    RightKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChainPosition {
    Anchor,
    Intermediate,
}

impl<'a> Search<'a> {
    /// Tries every possible issuer of the last certificate of `path`: anchors first, as Go does.
    fn extend(&mut self, path: &[&'a Certificate]) {
        let Some(child) = path.last() else { return };
        let anchors = possible_issuers(child, self.anchors).map(|issuer| (ChainPosition::Anchor, issuer));
        let sent = possible_issuers(child, self.sent).map(|issuer| (ChainPosition::Intermediate, issuer));
        let candidates: Vec<_> = anchors.chain(sent).collect();
        if candidates.is_empty() {
            let fault = ChainFault::UnknownAuthority { issuer: child.issuer().clone() };
            self.note(Nearness::NobodyOfThatName(path.len()), fault);
        }
        for (standing, issuer) in candidates {
            self.checks += 1;
            if self.checks > MOST_CHECKS {
                return self.note(Nearness::RightKey, ChainFault::TooManyChecks);
            }
            if path.iter().any(|earlier| is_the_same_entity(earlier, issuer)) {
                continue;
            }
            match judge_issuer(path, issuer, standing, self.now) {
                Err((nearness, fault)) => self.note(nearness, fault),
                Ok(()) => {
                    let longer = [path, &[issuer]].concat();
                    match standing {
                        ChainPosition::Anchor => self.paths.push(longer),
                        ChainPosition::Intermediate => self.extend(&longer),
                    }
                }
            }
        }
    }

    fn note(&mut self, nearness: Nearness, fault: ChainFault) {
        if self.fault.as_ref().is_none_or(|(nearest, _)| nearness > *nearest) {
            self.fault = Some((nearness, fault));
        }
    }

    fn nearest_fault(self, leaf: &Certificate) -> ChainFault {
        let unknown = ChainFault::UnknownAuthority { issuer: leaf.issuer().clone() };
        let fault = self.fault.map_or(unknown, |(_, fault)| fault);
        // Something else that was sent does lead to an anchor: the link between is what is missing.
        let known = |name| self.anchors.iter().any(|anchor| anchor.subject() == name);
        match fault {
            ChainFault::UnknownAuthority { issuer }
                if !known(&issuer) && self.sent.iter().any(|certificate| known(certificate.issuer())) =>
            {
                ChainFault::MissingIntermediate { issuer }
            }
            fault => fault,
        }
    }
}

/// Those of `among` that bear the name of `child`'s issuer, in Go's order: equal key
/// identifiers, one side without, different ones.
fn possible_issuers<'a>(
    child: &Certificate,
    among: &'a [Certificate],
) -> impl Iterator<Item = &'a Certificate> + use<'a> {
    let hint = child.authority_key_identifier();
    let order = |issuer: &&Certificate| match (issuer.subject_key_identifier(), hint) {
        (own, hint) if own == hint => 0,
        (None, _) | (_, None) => 1,
        _ => 2,
    };
    let mut issuers: Vec<_> = among.iter().filter(|issuer| issuer.subject() == child.issuer()).collect();
    issuers.sort_by_key(order);
    issuers.into_iter()
}

/// Go's `alreadyInChain`, which ends loops of mutual cross-signatures.
fn is_the_same_entity(one: &Certificate, other: &Certificate) -> bool {
    one.subject() == other.subject()
        && one.public_key().spki_der() == other.public_key().spki_der()
        && one.names() == other.names()
}

/// What Go asks of every certificate by itself: no unknown critical extension, and its dates.
fn judge_alone(certificate: &Certificate, now: Timestamp) -> Result<(), ChainFault> {
    let subject = || certificate.subject().clone();
    if let Some(identifier) = unhandled_critical_extension(certificate) {
        let identifier = identifier.to_owned();
        return Err(ChainFault::CriticalExtension { certificate: subject(), identifier });
    }
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(ChainFault::NotYetValid { certificate: subject(), not_before: validity.not_before });
    }
    if now > validity.not_after {
        return Err(ChainFault::Expired { certificate: subject(), not_after: validity.not_after });
    }
    Ok(())
}

/// The first critical extension that Go does not handle: one that it does not know, names of
/// which it knows none, or constraints of kinds that it does not know.
pub(super) fn unhandled_critical_extension(certificate: &Certificate) -> Option<&str> {
    let known = |name: &NameKind| !matches!(name, NameKind::Other);
    let unhandled = certificate.extensions().iter().find(|extension| {
        let handled = match extension.identifier.as_str() {
            oid::SUBJECT_ALT_NAME => certificate.names().is_none_or(|names| names.iter().any(known)),
            oid::NAME_CONSTRAINTS => {
                certificate.name_constraints().is_none_or(NameConstraints::is_known_to_go)
            }
            identifier => READ_BY_GO.contains(&identifier),
        };
        extension.critical && !handled
    });
    unhandled.map(|extension| extension.identifier.as_str())
}

/// Go's `CheckSignatureFrom` and `isValid` of a possible issuer of the last of `path`.
fn judge_issuer(
    path: &[&Certificate],
    issuer: &Certificate,
    standing: ChainPosition,
    now: Timestamp,
) -> Result<(), (Nearness, ChainFault)> {
    let Some(child) = path.last() else { return Ok(()) };
    let may_sign = issuer.key_usage().is_none_or(|usage| usage.key_cert_sign || usage.is_empty());
    let is_authority = match issuer.basic_constraints() {
        Some(constraints) => constraints.is_authority,
        None => issuer.version() < 3,
    };
    if !is_authority || !may_sign {
        return Err((
            Nearness::OtherKey,
            ChainFault::NotAnAuthority { certificate: issuer.subject().clone() },
        ));
    }
    judge_signature(child, issuer)?;
    let near = |fault| (Nearness::RightKey, fault);
    judge_alone(issuer, now).map_err(near)?;
    if standing == ChainPosition::Intermediate && !issuer.is_authority() {
        return Err(near(ChainFault::NotAnAuthority { certificate: issuer.subject().clone() }));
    }
    let between = path.len() - 1;
    match issuer.basic_constraints().and_then(|constraints| constraints.path_length) {
        Some(allowed) if between > allowed as usize => {
            Err(near(ChainFault::PathTooLong { certificate: issuer.subject().clone(), allowed }))
        }
        _ => Ok(()),
    }
}

fn judge_signature(child: &Certificate, issuer: &Certificate) -> Result<(), (Nearness, ChainFault)> {
    let subject = child.subject().clone();
    let algorithm = child.signature_algorithm();
    if algorithm.is_obsolete() {
        let fault = ChainFault::WeakSignature { certificate: subject, algorithm: algorithm.to_string() };
        return Err((Nearness::RightKey, fault));
    }
    if *algorithm == SignatureAlgorithm::OtherPss {
        let fault =
            ChainFault::UnsupportedSignature { certificate: subject, algorithm: algorithm.to_string() };
        return Err((Nearness::RightKey, fault));
    }
    if child.is_signed_by(issuer.public_key()) {
        return Ok(());
    }
    if algorithm.is_verifiable() && issuer.public_key().kind().is_verifiable() {
        return Err((Nearness::OtherKey, ChainFault::SameNameOtherKey { issuer: child.issuer().clone() }));
    }
    let algorithm = format!("{algorithm} by a key of {}", issuer.public_key().kind());
    Err((Nearness::OtherKey, ChainFault::UnverifiableSignature { certificate: subject, algorithm }))
}

/// Whether a certificate's own extendedKeyUsage lets it be a daemon's, or a client's: one without the extension is for
/// everything (RFC 5280, section 4.2.1.12).
#[must_use]
pub fn is_for(certificate: &Certificate, role: Role) -> bool {
    let usages = certificate.extended_key_usages().unwrap_or_default();
    let wanted = role.extended_key_usage();
    usages.is_empty() || usages.contains(&wanted) || usages.contains(&ExtendedKeyUsage::Any)
}

/// What Go asks of a whole path: usages nested from the anchor down, and name constraints.
fn judge_path(path: &[&Certificate], role: Role) -> Result<(), ChainFault> {
    for certificate in path.iter().rev() {
        if !is_for(certificate, role) {
            let usages = certificate.extended_key_usages().unwrap_or_default();
            let found = usages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let certificate = certificate.subject().clone();
            return Err(ChainFault::WrongUsage { certificate, role, found });
        }
    }
    judge_policies(path)?;
    judge_names(path)
}

/// Go follows policies from the anchor down, the anchor's own left out; a CA that constrains them
/// may make it refuse.
fn judge_policies(path: &[&Certificate]) -> Result<(), ChainFault> {
    let below_the_anchor = path.iter().take(path.len().saturating_sub(1));
    let mut constrained =
        below_the_anchor.filter(|certificate| certificate.criticality(oid::POLICY_CONSTRAINTS).is_some());
    match constrained.next() {
        Some(certificate) => Err(ChainFault::PoliciesRequired { certificate: certificate.subject().clone() }),
        None => Ok(()),
    }
}

/// The names of every certificate of the path by the constraints of every one above it.
fn judge_names(path: &[&Certificate]) -> Result<(), ChainFault> {
    for (at, certificate) in path.iter().enumerate() {
        let above = path.iter().skip(at + 1);
        for issuer in above {
            let Some(constraints) = issuer.name_constraints() else { continue };
            let names = certificate.names().unwrap_or_default();
            if let Some(name) = names.iter().find(|name| !constraints.allow(name)) {
                let certificate = issuer.subject().clone();
                return Err(ChainFault::NameNotAllowed { certificate, name: name.to_string() });
            }
        }
    }
    Ok(())
}

/// After that many signature checks Go gives up (`maxChainSignatureChecks`).
const MOST_CHECKS: usize = 100;

#[cfg(test)]
mod tests;
