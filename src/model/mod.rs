//! Words: the values that every other module speaks in.
//!
//! Text from outside becomes one of these types once, at the edge, and is right from then on:
//! an [`IdentityName`] is safe as a folder name, a [`SubjectAltName`] holds an address or a DNS
//! name and never confuses the two, a [`Lifetime`] is positive. Nothing here reads a clock, a random number or
//! what is in a file, and nothing here does cryptography.
//!
//! ```text
//! name, role, selector         who: a daemon or a client, and what a person types for one
//! exclusion                    a name that a trust anchor excludes
//! endpoint, subject_alt_name   where a daemon listens, and the names of a certificate
//! authority_id, fingerprint    which CA, and the SHA-256 of something public
//! generation, serial           which version of an identity's credentials, which certificate
//! timestamp, lifetime          an instant and a span of time
//! validity, renew_before       from when until when, and when it is renewed
//! key_algorithm                the kinds of keys that are made
//! profile                      the numbers of what is issued, each with its reason
//! rule, cause, finding         what is looked at, why two do not come together, and what was seen
//! failure, exit                the one form of an error, and what a command tells the shell
//! programs                     the programs that a command to paste may begin with
//! message                      what a message may contain: never a key by accident
//! remark                       what is to be said of a command, and where
//! unparsed, shell, hex         texts in a message: what nobody parsed, quoted, bytes
//! in_files, in_schema          the same values in our files, and in the schema of the JSON
//! contact, revocation_reason   whom to ask, and why access was taken away
//! file_mode                    the permission bits of a file
//! ```
//!
//! Words that several layers speak in are here; what is done with one is elsewhere. A rule has its word,
//! cause and fix in `rule`, and stands in `UNACCEPTABLE` if a person must not accept it. Certificates are
//! looked at in `pki/judge/profile`, configs in `layout/client` and `layout/daemon`, dials in
//! `probe/verdict`, the files at hand in `apply/verify`. Tools and daemon layouts, whose words are paths, are
//! in `layout`.

mod authority_id;
mod cause;
mod contact;
mod endpoint;
mod exclusion;
mod exit;
mod failure;
mod file_mode;
mod finding;
mod fingerprint;
mod generation;
mod hex;
mod in_files;
mod in_schema;
mod key_algorithm;
mod lifetime;
mod message;
mod name;
mod printable;
pub mod profile;
mod programs;
mod remark;
mod renew_before;
mod revocation_reason;
mod role;
mod rule;
mod selector;
mod serial;
mod shell;
mod subject_alt_name;
mod timestamp;
mod unparsed;
mod validity;

pub(crate) use authority_id::AuthorityId;
pub use cause::Cause;
pub use contact::Contact;
pub use endpoint::Endpoint;
pub use exclusion::Exclusion;
pub use exit::ExitCode;
pub use failure::{Again, Failure};
pub(crate) use file_mode::FileMode;
pub use finding::{Finding, Severity};
pub(crate) use fingerprint::Fingerprint;
pub use fingerprint::FingerprintPrefix;
pub(crate) use generation::Generation;
#[cfg(test)]
pub(crate) use generation::numbered;
pub(crate) use hex::Hex;
pub use key_algorithm::KeyAlgorithm;
pub use lifetime::Lifetime;
pub(crate) use message::parsed;
pub(crate) use message::{HexDigits, Line, Remark, Word};
pub use message::{Message, Printable};
pub use name::{AuthorityName, IdentityName};
pub use renew_before::RenewBefore;
pub use revocation_reason::RevocationReason;
pub(crate) use role::ExtendedKeyUsage;
pub use role::Role;
pub use rule::Rule;
pub use selector::Selector;
pub(crate) use serial::SerialNumber;
pub(crate) use shell::{Quoted, shell_word};
pub(crate) use subject_alt_name::DnsName;
pub use subject_alt_name::SubjectAltName;
pub use timestamp::Timestamp;
pub(crate) use unparsed::{is_cut_key, is_on_disk};
pub use validity::Validity;
