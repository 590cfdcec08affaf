//! Words: the values that every other module speaks in.
//!
//! Text from outside becomes one of these types once, at the edge, and is right from then on:
//! an [`IdentityName`] is safe as a folder name, a [`SubjectAltName`] holds an address or a DNS
//! name and never confuses the two, a [`Lifetime`] is positive. Nothing here reads a file, a
//! clock or a random number, and nothing here does cryptography; one look whether a path exists keeps a
//! key that was given as a path from being printed.
//!
//! Every closed set of words is here: [`Rule`] (what a finding can be about), [`Cause`], [`KeyAlgorithm`],
//! [`Role`], [`ExitCode`]; and [`profile`], the numbers of what we issue. What is done with a word is
//! elsewhere: `pki/key` for an algorithm, `pki/judge/profile` for a rule about certificates. Tools and
//! layouts, whose words are paths, are in `layout`.

mod authority_id;
mod cause;
mod contact;
mod endpoint;
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
mod renew_before;
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
pub(crate) use role::ExtendedKeyUsage;
pub use role::Role;
pub use rule::Rule;
pub use selector::Selector;
pub(crate) use serial::SerialNumber;
pub(crate) use shell::{Quoted, shell_word};
pub(crate) use subject_alt_name::DnsName;
pub use subject_alt_name::SubjectAltName;
pub use timestamp::Timestamp;
pub(crate) use unparsed::is_cut_key;
pub use validity::Validity;
