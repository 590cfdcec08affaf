//! Keys: their public and their secret half, a secret half that a passphrase protects, and what
//! signs with one.
//!
//! ```text
//! private_key     the secret half: made, read, and kept from being printed
//! public_key      the public half, as certificates have it
//! encrypted_key   a private key under a passphrase
//! passphrase      what opens it
//! given_key       the key of a CA that another program made
//! key_file        the key of a PEM file, whether or not we can sign with it
//! key_structure   what stands in its DER, whatever its label says
//! inverse         whether the exponents of an RSA key belong together
//! public_half     the public half of a number that stands alone in its file
//! signer          what signs, for rcgen
//! ```
//!
//! It knows no certificate. A new algorithm is a variant of `KeyAlgorithm` in `model`: made in `private_key`,
//! read and checked in `public_key`, it signs in `signer`, and its identifiers are in
//! `x509/signature_algorithm` and `x509/shape`. The compiler asks for the rest, but not for the lists in
//! words: `authority`, `request`, `judge/profile/every_certificate` and `cli/manual/inventory/keys`. A key
//! that does not leave a device would be another kind of `signer`, opened in `apply/authorities`.

mod encrypted_key;
mod given_key;
mod inverse;
mod key_file;
mod key_structure;
mod passphrase;
mod private_key;
mod public_half;
mod public_key;
mod signer;

pub(crate) use encrypted_key::EncryptedKey;
pub(crate) use given_key::GivenKey;
pub use key_file::{FoundKey, KeyFile};
pub(crate) use key_structure::KeyEncoding;
pub use passphrase::Passphrase;
pub(super) use passphrase::{Cost, random};
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub(crate) use public_key::PublicKeyKind;
pub(crate) use public_key::checksum;
pub(super) use public_key::sha256;
pub(super) use signer::{Signer, Unsigned};
