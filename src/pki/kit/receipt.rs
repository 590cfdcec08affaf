//! The word of a client that it has its certificate.

use std::fmt;
use std::str::FromStr;

use crate::message;
use crate::model::{ExitCode, Failure, Hex, IdentityName};
use crate::pki::key::{PrivateKey, Signer};
use crate::pki::x509::Certificate;

/// What `join` prints for the admin, in one word that survives any chat:
/// `kitcert-receipt:1:ana:<serial in hex>:<signature in hex>`. The signature is by the client's
/// key, over everything before it; whoever holds the certificate can check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    name: IdentityName,
    serial: String,
    signature: Vec<u8>,
}

impl Receipt {
    /// The receipt for that certificate.
    ///
    /// # Errors
    /// A key that cannot sign.
    pub fn sign(
        name: &IdentityName,
        certificate: &Certificate,
        key: &PrivateKey,
    ) -> Result<Receipt, Failure> {
        let serial = certificate.serial().to_string();
        let signature = Signer::new(key)?.sign(statement(name, &serial).as_bytes())?;
        Ok(Receipt { name: name.clone(), serial, signature })
    }

    /// Who has it.
    #[must_use]
    pub fn name(&self) -> &IdentityName {
        &self.name
    }

    /// The serial number of what they have, in hex.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Whether it is for that certificate, and by its key.
    #[must_use]
    pub fn is_for(&self, certificate: &Certificate) -> bool {
        let statement = statement(&self.name, &self.serial);
        certificate.serial().to_string() == self.serial
            && certificate.public_key().signed(statement.as_bytes(), &self.signature)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", statement(&self.name, &self.serial), Hex(&self.signature))
    }
}

impl FromStr for Receipt {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Receipt, Failure> {
        let parse = || {
            let (name, rest) = text.trim().strip_prefix(PREFIX)?.split_once(':')?;
            let (serial, signature) = rest.split_once(':')?;
            Hex::parse(serial)?;
            let signature = Hex::parse(signature).filter(|signature| !signature.is_empty())?;
            Some(Receipt { name: name.parse().ok()?, serial: serial.to_owned(), signature })
        };
        parse().ok_or_else(|| {
            Failure::new("reading", "the receipt")
                .expected(message!("{}NAME:SERIAL:SIGNATURE, as kitcert join prints it", PREFIX))
                .found("something else")
                .exit(ExitCode::Usage)
        })
    }
}

/// What is signed. A certificate begins with another byte, and what a TLS client signs with 64
/// blanks (RFC 8446 section 4.4.3), so that one cannot stand for another.
fn statement(name: &IdentityName, serial: &str) -> String {
    format!("{PREFIX}{name}:{serial}:")
}

const PREFIX: &str = "kitcert-receipt:1:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
    use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest};

    #[test]
    fn a_receipt_is_the_word_of_the_key_that_the_certificate_is_for() {
        let now = Timestamp::from_unix(1_800_000_000);
        let validity = Validity::issued(now, Lifetime::days(365), Lifetime::from_seconds(3600));
        let ca_key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let request = AuthorityRequest { name: "Test".parse().unwrap(), validity };
        let authority = CertificateAuthority::create(&request, &ca_key).unwrap();
        let name: IdentityName = "ana.1".parse().unwrap();
        for algorithm in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let request = LeafRequest::new(Role::Client, name.clone(), Vec::new(), now, Lifetime::days(90));
            let certificate = authority.issue(&request, key.public_key()).unwrap();
            let other = authority.issue(&request, key.public_key()).unwrap();
            let receipt = Receipt::sign(&name, &certificate, &key).unwrap();
            let read: Receipt = format!(" {receipt}\n").parse().unwrap();
            assert_eq!(read, receipt);
            assert!(read.is_for(&certificate) && !read.is_for(&other), "{algorithm}");
            let by_another = Receipt::sign(&name, &certificate, &ca_key).unwrap();
            assert!(!by_another.is_for(&certificate), "{algorithm}");
        }
    }

    #[test]
    fn a_receipt_is_one_word_of_one_form() {
        for text in
            ["", "kitcert-receipt:1:ana:0f", "kitcert-receipt:1:ana:0f:", "kitcert-receipt:2:ana:0f:30"]
        {
            assert!(text.parse::<Receipt>().is_err(), "{text}");
        }
        let receipt: Receipt = "kitcert-receipt:1:ana:0f:30".parse().unwrap();
        assert_eq!((receipt.name().as_str(), receipt.serial()), ("ana", "0f"));
        assert_eq!(receipt.to_string(), "kitcert-receipt:1:ana:0f:30");
    }
}
