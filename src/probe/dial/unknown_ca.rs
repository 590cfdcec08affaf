//! Certificates of CAs that the daemon does not know: whoever checks less than all of a chain lets one
//! of them in.

use super::certificate_and_key::CertificateAndKey;
use crate::model::profile::PROBE_LIFETIME;
use crate::model::{AuthorityName, Failure, KeyAlgorithm, Role, Timestamp, Validity};
use crate::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, LeafRequest, PrivateKey, PublicKeyKind,
};

/// One certificate of each kind, all for clients and good now, with the names of the client that is
/// dialed as: whoever decides by these alone lets them in.
pub struct UnknownCa {
    /// Of a CA with the name and the key identifier of a known one, and another key; and that CA.
    pub namesake: CertificateAndKey,
    /// Of no CA: signed by its own key.
    pub self_signed: CertificateAndKey,
    /// Of a CA with another name, and that CA.
    pub unrelated: CertificateAndKey,
}

impl UnknownCa {
    /// Makes them, beside a known CA and as the client, if there is one. None of them ever leaves memory.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn beside(
        known: &Certificate,
        client: Option<&Certificate>,
        now: Timestamp,
    ) -> Result<UnknownCa, Failure> {
        let algorithm = algorithm_of(client);
        let fresh_key = || PrivateKey::generate(algorithm);
        // A daemon whose clock is another has to refuse them for their CA, and not for their dates.
        let of_known = known.validity();
        let validity = Validity {
            not_before: of_known.not_before.min(now),
            not_after: of_known.not_after.max(now.plus(PROBE_LIFETIME)),
        };
        let issued = |authority: &CertificateAuthority, key: PrivateKey| {
            let leaf = match client {
                Some(client) => authority.issue_like(client, validity, key.public_key())?,
                None => authority.issue(&nobody(validity)?, key.public_key())?,
            };
            Ok::<_, Failure>(CertificateAndKey { chain: vec![leaf], key })
        };
        let with_its_ca = |authority: &CertificateAuthority| {
            let CertificateAndKey { mut chain, key } = issued(authority, fresh_key()?)?;
            chain.push(authority.certificate().clone());
            Ok::<_, Failure>(CertificateAndKey { chain, key })
        };
        let namesake = CertificateAuthority::impersonate(known, &fresh_key()?, validity)?;
        let request = AuthorityRequest { name: AuthorityName::default(), validity };
        let unrelated = CertificateAuthority::create(&request, &fresh_key()?)?;
        // A CA with the name and the key of the certificate that it issues.
        let own_key = fresh_key()?;
        let CertificateAndKey { chain, key: own_key } = issued(&unrelated, own_key)?;
        let named = chain.first().map_or_else(|| known.clone(), Clone::clone);
        // A client without a name in its subject has none that a CA could have.
        let itself = match CertificateAuthority::impersonate(&named, &own_key, validity) {
            Ok(itself) => itself,
            Err(_) => {
                let named = unrelated.issue(&nobody(validity)?, own_key.public_key())?;
                CertificateAuthority::impersonate(&named, &own_key, validity)?
            }
        };
        Ok(UnknownCa {
            namesake: with_its_ca(&namesake)?,
            self_signed: issued(&itself, own_key)?,
            unrelated: with_its_ca(&unrelated)?,
        })
    }
}

/// The kind of key that the client has, which a server that lets it in can judge; for RSA, which is not
/// made here, and without a client the default.
pub(crate) fn algorithm_of(client: Option<&Certificate>) -> KeyAlgorithm {
    match client.map(|client| client.public_key().kind()) {
        Some(PublicKeyKind::Generated(algorithm)) => *algorithm,
        _ => KeyAlgorithm::default(),
    }
}

fn nobody(validity: Validity) -> Result<LeafRequest, Failure> {
    Ok(LeafRequest { role: Role::Client, name: "probe".parse()?, hosts: Vec::new(), validity })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::cast::Cast;

    #[test]
    fn each_kind_is_what_it_is_called() {
        let cast = Cast::new("127.0.0.1");
        let known = &cast.trust.certificates()[0];
        let made = UnknownCa::beside(known, Some(&cast.client.chain[0]), cast.now).unwrap();
        let leaf = |one: &CertificateAndKey| one.chain[0].clone();
        assert_eq!(leaf(&made.namesake).issuer(), known.subject());
        assert!(!leaf(&made.namesake).is_signed_by(known.public_key()));
        for one in [&made.namesake, &made.self_signed, &made.unrelated] {
            assert_eq!(leaf(one).subject(), cast.client.chain[0].subject());
            assert_eq!(leaf(one).names(), cast.client.chain[0].names());
        }
        let own = leaf(&made.self_signed);
        assert!(own.subject() == own.issuer() && own.is_signed_by(own.public_key()));
        let [leaf, authority] = &made.unrelated.chain[..] else { panic!("a leaf and its CA") };
        assert!(leaf.is_signed_by(authority.public_key()) && leaf.issuer() != known.subject());
    }

    /// As of a cert-manager without a common name.
    #[test]
    fn a_client_without_a_subject_costs_no_kind() {
        let cast = Cast::new("127.0.0.1");
        let mut parameters = rcgen::CertificateParams::new(vec!["ana.example".to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let client = Certificate::from_der(parameters.self_signed(&key).unwrap().der()).unwrap();
        let made = UnknownCa::beside(&cast.trust.certificates()[0], Some(&client), cast.now).unwrap();
        for one in [&made.namesake, &made.self_signed, &made.unrelated] {
            assert_eq!(one.chain[0].names(), client.names());
            assert_eq!(one.chain[0].public_key().kind(), client.public_key().kind());
        }
    }
}
