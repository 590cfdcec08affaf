//! Certificates of CAs that the daemon does not know: whoever checks less than all of a chain lets one
//! of them in.

use super::certificate_and_key::CertificateAndKey;
use crate::model::profile::PROBE_LIFETIME;
use crate::model::{AuthorityName, Failure, IdentityName, KeyAlgorithm, Role, Timestamp, Validity};
use crate::pki::{AuthorityRequest, Certificate, CertificateAuthority, LeafRequest, PrivateKey};

/// One certificate of each kind, all for clients and good now.
pub struct UnknownCa {
    /// Of a CA with the name and the key identifier of a known one, and another key.
    pub namesake: CertificateAndKey,
    /// Of no CA: signed by its own key.
    pub self_signed: CertificateAndKey,
    /// Of a CA with another name, and that CA.
    pub unrelated: CertificateAndKey,
}

impl UnknownCa {
    /// Makes them, beside a known CA. None of them ever leaves memory.
    ///
    /// # Errors
    /// A known CA of a shape that cannot be imitated.
    pub fn beside(known: &Certificate, now: Timestamp) -> Result<UnknownCa, Failure> {
        let namesake = CertificateAuthority::impersonate(known, &fresh_key()?)?;
        let key = fresh_key()?;
        let validity = Validity { not_before: now, not_after: now.plus(PROBE_LIFETIME) };
        let request = AuthorityRequest { name: AuthorityName::default(), validity };
        let unrelated = CertificateAuthority::create(&request, &key)?;
        let of_unrelated = issued(&unrelated, fresh_key()?, now)?;
        // A CA with the name and the key of the certificate that it issues.
        let own_key = fresh_key()?;
        let named = unrelated.issue(&client(now)?, own_key.public_key())?;
        let itself = CertificateAuthority::impersonate(&named, &own_key)?;
        Ok(UnknownCa {
            namesake: issued(&namesake, fresh_key()?, now)?,
            self_signed: issued(&itself, own_key, now)?,
            unrelated: CertificateAndKey {
                chain: of_unrelated.chain.into_iter().chain([unrelated.certificate().clone()]).collect(),
                key: of_unrelated.key,
            },
        })
    }
}

fn fresh_key() -> Result<PrivateKey, Failure> {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256)
}

fn client(now: Timestamp) -> Result<LeafRequest, Failure> {
    let name: IdentityName = "probe".parse()?;
    Ok(LeafRequest::new(Role::Client, name, Vec::new(), now, PROBE_LIFETIME))
}

fn issued(
    authority: &CertificateAuthority,
    key: PrivateKey,
    now: Timestamp,
) -> Result<CertificateAndKey, Failure> {
    let certificate = authority.issue(&client(now)?, key.public_key())?;
    Ok(CertificateAndKey { chain: vec![certificate], key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::cast::Cast;

    #[test]
    fn each_kind_is_what_it_is_called() {
        let cast = Cast::new("127.0.0.1");
        let known = &cast.trust.certificates()[0];
        let made = UnknownCa::beside(known, cast.now).unwrap();
        let leaf = |one: &CertificateAndKey| one.chain[0].clone();
        assert_eq!(leaf(&made.namesake).issuer(), known.subject());
        assert!(!leaf(&made.namesake).is_signed_by(known.public_key()));
        let own = leaf(&made.self_signed);
        assert!(own.subject() == own.issuer() && own.is_signed_by(own.public_key()));
        let [leaf, authority] = &made.unrelated.chain[..] else { panic!("a leaf and its CA") };
        assert!(leaf.is_signed_by(authority.public_key()) && leaf.issuer() != known.subject());
    }
}
