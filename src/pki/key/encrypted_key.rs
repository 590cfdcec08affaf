//! A private key under a passphrase.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use zeroize::Zeroizing;

use super::passphrase::{COST, Passphrase, random};
use super::private_key::PrivateKey;
use crate::message;
use crate::model::{Failure, Message, Printable};

/// An EncryptedPrivateKeyInfo (RFC 5958 section 3): PBES2 with scrypt (RFC 7914 section 7) and
/// AES-256-CBC, as `openssl pkcs8 -topk8 -scrypt` writes it and `openssl pkey` reads it.
///
/// The encryption says nothing about who made it or whether it was changed; whoever carries one
/// has to authenticate it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncryptedKey {
    der: Vec<u8>,
}

impl EncryptedKey {
    /// Encrypts a key.
    ///
    /// # Errors
    /// The machine gives no random numbers; a key that is not PKCS#8, which we never make.
    pub(crate) fn lock(key: &PrivateKey, passphrase: &Passphrase) -> Result<EncryptedKey, Failure> {
        let salt: [u8; 16] = random()?;
        let scheme = pbes2::Parameters::generate_scrypt_aes256cbc(COST.parameters()?, &salt, random()?);
        let scheme = scheme.map_err(|error| failure("encrypting", &error))?;
        let plain = key.expose_pkcs8()?;
        let data = scheme
            .encrypt(passphrase.expose_words(), plain)
            .map_err(|error| failure("encrypting", &error))?;
        let made = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: EncryptionScheme::from(scheme),
            encrypted_data: data
                .as_slice()
                .try_into()
                .map_err(|error: pkcs8::der::Error| failure("encrypting", &error))?,
        };
        Ok(EncryptedKey { der: made.to_der().map_err(|error| failure("encrypting", &error))? })
    }

    /// Takes the DER of an encrypted key. Only our own scheme at our own cost is taken: another's
    /// could ask for any amount of memory.
    ///
    /// # Errors
    /// Anything else.
    pub(crate) fn from_der(der: &[u8]) -> Result<EncryptedKey, Failure> {
        let refused = |found: Message| {
            Err(Failure::new("reading", "the encrypted key")
                .expected(message!("PKCS#8 under scrypt with {}", COST))
                .found(found))
        };
        let Ok(read) = EncryptedPrivateKeyInfoRef::from_der(der) else {
            return refused(message!("something else"));
        };
        let EncryptionScheme::Pbes2(scheme) = &read.encryption_algorithm else {
            return refused(message!("another encryption"));
        };
        match scheme.kdf.scrypt() {
            Some(kdf) if COST.is_of(kdf) => Ok(EncryptedKey { der: der.to_vec() }),
            Some(kdf) => refused(message!(
                "N = {}, r = {}, p = {}",
                kdf.cost_parameter,
                kdf.block_size,
                kdf.parallelization
            )),
            None => refused(message!("another derivation")),
        }
    }

    /// Its DER.
    #[must_use]
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Decrypts the key.
    ///
    /// # Errors
    /// Another passphrase.
    pub(crate) fn unlock(&self, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
        let read = EncryptedPrivateKeyInfoRef::from_der(&self.der);
        let read = read.map_err(|error| failure("decrypting", &error))?;
        let plain = read
            .decrypt(passphrase.expose_words())
            .map_err(|_| Failure::new("decrypting", "the key").expected("its passphrase").found("another"))?;
        PrivateKey::from_pkcs8(Zeroizing::new(plain.as_bytes().to_vec()))
            .ok_or_else(|| Failure::new("decrypting", "the key").expected("a key").found("something else"))
    }
}

fn failure(doing: &'static str, error: &impl Printable) -> Failure {
    Failure::new(doing, "the key").found(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyAlgorithm;

    #[test]
    fn a_key_is_opened_by_its_passphrase_alone() {
        let passphrase = Passphrase::generate().ok().unwrap();
        for algorithm in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let locked = EncryptedKey::lock(&key, &passphrase).unwrap();
            let again = EncryptedKey::from_der(locked.der()).unwrap();
            assert!(again.unlock(&passphrase).ok().unwrap().public_key() == key.public_key());
            assert!(again.unlock(&Passphrase::typed("another").ok().unwrap()).is_err());
            assert_ne!(EncryptedKey::lock(&key, &passphrase).unwrap(), locked, "salt and vector are fresh");
        }
    }

    #[test]
    fn a_cost_that_is_not_ours_is_refused_before_it_is_paid() {
        let scheme = |log_n, block_size, parallelization| {
            let cost = pkcs8::pkcs5::scrypt::Params::new(log_n, block_size, parallelization).unwrap();
            let scheme = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &[1; 16], [2; 16]).unwrap();
            let data = [0; 64];
            let made = EncryptedPrivateKeyInfoRef {
                encryption_algorithm: EncryptionScheme::from(scheme),
                encrypted_data: data.as_slice().try_into().unwrap(),
            };
            EncryptedKey::from_der(&made.to_der().unwrap()).map_err(|failure| failure.to_string())
        };
        assert!(scheme(13, 8, 4).is_ok());
        assert!(scheme(30, 8, 4).unwrap_err().ends_with("found N = 1073741824, r = 8, p = 4"));
        assert!(scheme(13, 9, 4).is_err());
        assert!(scheme(13, 8, 5).is_err());
        assert!(EncryptedKey::from_der(b"0").is_err());
    }
}
