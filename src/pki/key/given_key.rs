//! The key of a CA that another program made: in whichever wrapping, and perhaps under a passphrase.

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use zeroize::Zeroizing;

use super::key_file::FoundKey;
use super::passphrase::Passphrase;
use super::private_key::PrivateKey;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Message, Printable, Quoted};
use crate::pki::pem::{PemBlock, PemFault};

/// The key of a file that somebody gives.
pub(crate) enum GivenKey {
    /// It can be used as it stands.
    Plain(PrivateKey),
    /// It is under a passphrase.
    Locked(LockedKey),
}

/// An encrypted PKCS#8 (RFC 5958) that another program wrote. It holds nothing that can be read without
/// the passphrase.
pub(crate) struct LockedKey {
    der: Zeroizing<Vec<u8>>,
    subject: Message,
}

impl GivenKey {
    /// Reads the first private key of a PEM file. `subject` is its path, for messages.
    ///
    /// # Errors
    /// No key, one that is damaged, one that cannot sign here, and an encryption that is not that of PKCS#8.
    pub(crate) fn read(bytes: &[u8], subject: impl Printable) -> Result<GivenKey, Failure> {
        let subject = subject.message();
        if bytes.len() <= LARGEST_PEM {
            let first = PemBlock::all_of(bytes).into_iter().find(|block| block.label.is_private_key());
            match first.map(|block| (block.label == "ENCRYPTED PRIVATE KEY", block.contents)) {
                Some((true, Ok(der))) => return LockedKey::of(der, subject).map(GivenKey::Locked),
                // The derivation of its key is MD5, once.
                Some((_, Err(PemFault::Headers))) => {
                    return Err(Failure::new("reading the key of the CA", &subject)
                        .expected("a key without a passphrase, or an encrypted PKCS#8")
                        .found("one that is encrypted as OpenSSL did before PKCS#8 (Proc-Type: 4,ENCRYPTED)")
                        .hint(message!(
                            "(umask 077; openssl pkcs8 -topk8 -v2 aes-256-cbc -in {} -out {}.p8)",
                            Quoted(&subject),
                            Quoted(&subject)
                        )));
                }
                _ => {}
            }
        }
        PrivateKey::from_pem(bytes, subject).map(GivenKey::Plain)
    }
}

impl LockedKey {
    fn of(der: Zeroizing<Vec<u8>>, subject: Message) -> Result<LockedKey, Failure> {
        let refused = |found: Message| {
            Err(Failure::new("reading the key of the CA", &subject)
                .expected("an encrypted PKCS#8 with AES and with PBKDF2 or scrypt")
                .found(found)
                .hint(message!(
                    "(umask 077; openssl pkcs8 -topk8 -v2 aes-256-cbc -in {} -out {}.p8)",
                    Quoted(&subject),
                    Quoted(&subject)
                )))
        };
        let scheme = EncryptedPrivateKeyInfoRef::from_der(&der).map(|read| read.encryption_algorithm);
        match scheme {
            Err(_) => return refused(message!("something else")),
            // Whoever wrote the file could ask for any amount of time and memory.
            Ok(EncryptionScheme::Pbes2(scheme)) => match &scheme.kdf {
                pbes2::Kdf::Pbkdf2(kdf) if kdf.iteration_count <= MOST_ITERATIONS => {}
                pbes2::Kdf::Pbkdf2(kdf) => {
                    return refused(message!("{} iterations", kdf.iteration_count));
                }
                pbes2::Kdf::Scrypt(kdf) => {
                    let cost = kdf.cost_parameter.saturating_mul(u64::from(kdf.block_size));
                    let cost = cost.saturating_mul(u64::from(kdf.parallelization));
                    if cost > MOST_SCRYPT {
                        return refused(message!("scrypt with N·r·p = {}", cost));
                    }
                }
                _ => return refused(message!("another derivation")),
            },
            Ok(_) => return refused(message!("another encryption")),
        }
        Ok(LockedKey { der, subject })
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// Another passphrase, an algorithm that is not read here, a key that cannot sign here.
    pub(crate) fn unlock(&self, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
        let failure = || Failure::new("decrypting the key of the CA", &self.subject);
        let read = EncryptedPrivateKeyInfoRef::from_der(&self.der)
            .map_err(|_| failure().expected("an encrypted PKCS#8").found("something else"))?;
        let plain = read
            .decrypt(passphrase.expose_words())
            .map_err(|_| failure().expected("its passphrase").found("another"))?;
        match FoundKey::of(Zeroizing::new(plain.as_bytes().to_vec())) {
            Some((FoundKey::Ours(key), ..)) => Ok(key),
            Some((FoundKey::Other(key), ..)) => Err(failure()
                .expected("a key of ECDSA on P-256 or P-384, of Ed25519, or of RSA with 2048 to 4096 bits")
                .found(message!("{}, with which kitcert cannot sign", key.kind))),
            // A wrong passphrase can leave something that is padded as it should be.
            None => Err(failure().expected("its passphrase").found("another")),
        }
    }
}

/// A hundred times what OpenSSL 3.5 writes by default is some seconds.
const MOST_ITERATIONS: u32 = 20_000_000;
/// 1 GiB of 128 bytes.
const MOST_SCRYPT: u64 = 1 << 23;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyAlgorithm;
    use crate::pki::key::EncryptedKey;
    use crate::pki::pem::encode_secret;

    fn locked(key: &PrivateKey, passphrase: &str) -> Zeroizing<String> {
        let passphrase = Passphrase::verbatim(passphrase).ok().unwrap();
        encode_secret("ENCRYPTED PRIVATE KEY", EncryptedKey::lock(key, &passphrase).unwrap().der())
    }

    #[test]
    fn a_key_under_a_passphrase_is_opened_by_exactly_that_one() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let file = locked(&key, " Two  Words");
        let Ok(GivenKey::Locked(given)) = GivenKey::read(file.as_bytes(), "ca.key") else { panic!() };
        let open = |text: &str| given.unlock(&Passphrase::verbatim(text).ok().unwrap()).ok();
        assert!(
            open(" Two  Words\n").unwrap().public_key() == key.public_key(),
            "the end of the line is none"
        );
        assert!(open("two words").is_none());
        let Ok(GivenKey::Plain(plain)) = GivenKey::read(key.expose_pem().as_bytes(), "ca.key") else {
            panic!()
        };
        assert!(plain.public_key() == key.public_key());
    }

    #[test]
    fn a_legacy_encryption_is_refused_with_the_way_to_another() {
        let file = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
                    -----END EC PRIVATE KEY-----\n";
        let failure = GivenKey::read(file.as_bytes(), "ca key.pem").err().unwrap();
        assert!(failure.remedy().unwrap().as_str().contains("openssl pkcs8 -topk8"));
    }
}
