//! Certificates: keys, what is written in certificates, what they are worth, and issuing them.
//!
//! ```text
//! pem         PEM, block by block, as Go reads it
//! element     elements of DER, taken apart and put together
//! form        forms in which files arrive that no consumer reads
//! key         private and public keys
//! x509        what is written in a certificate
//! judge       what a chain, the files of an identity or a bundle are worth: it alone says so
//! anchor      a CA's certificate again, with names that it excludes
//! authority   a CA, and what it issues
//! kit         all that a client needs, in one text file
//! request     a request for a certificate; it is read here and judged by nobody
//! specimens   certificates of any shape, for tests
//! ```
//!
//! Each uses those above it. Everything here turns bytes and values into bytes and values; the only thing it
//! asks of the machine is random numbers. It knows no path, no clock and no network. Private keys live in
//! [`PrivateKey`] alone, whose bytes leave by doors that a test counts the users of; a [`Passphrase`] has
//! doors of its own.

mod anchor;
mod authority;
mod element;
mod form;
pub mod judge;
mod key;
pub mod kit;
mod pem;
mod printable;
mod request;
#[cfg(test)]
mod specimens;
mod x509;

pub(crate) use self::pem::{PemBlock, PemFault, PemLabel};
pub use authority::{AuthorityRequest, CertificateAuthority, LeafRequest};
pub use form::{ForeignKey, WrongForm};
pub use key::{FoundKey, KeyFile};
pub(crate) use key::{GivenKey, KeyEncoding, PublicKeyKind, checksum};
pub use key::{Passphrase, PrivateKey, PublicKey};
pub use kit::{Kit, KitContents, Receipt};
pub use request::CertificateRequest;
pub use x509::{Certificate, Exclusions, TrustBundle};
pub(crate) use x509::{DistinguishedName, DroppedBlock, NameKind, SignatureAlgorithm};
