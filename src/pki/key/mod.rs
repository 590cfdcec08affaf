//! Keys: their public and their secret half, a secret half that a passphrase protects, and what
//! signs with one.
//!
//! It knows no certificate.

mod encrypted_key;
mod key_file;
mod key_structure;
mod passphrase;
mod private_key;
mod public_half;
mod public_key;
mod signer;

pub(crate) use encrypted_key::EncryptedKey;
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
