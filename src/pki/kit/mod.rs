//! A kit: everything that a client needs to use a daemon, in one text file.
//!
//! ```text
//! contents   what a kit says, and whose it is
//! text       its one form, printed and read
//! mailed     what becomes of it on its way, undone
//! sign       made, and opened with a passphrase
//! receipt    the word of a client that it has its certificate
//! ```
//!
//! ```text
//! sha256: 0b6e…                                    of every byte behind this line: against accidents
//! kitcert-kit: 1                                   the version of the form
//! name: ana
//! endpoint: tcp://builder.example.com:8372
//! contact: jo@example.com                          whom to ask
//! created: 2026-11-24T17:00:00Z
//! join-before: 2026-12-08T17:00:00Z
//! serial: 4f…                                      of the first certificate
//! certificate:
//! -----BEGIN CERTIFICATE----- …                    the client's, then what its chain needs
//! trust:
//! -----BEGIN CERTIFICATE----- …                    what becomes ca.pem
//! key:                                             only in a kit with a key
//! -----BEGIN ENCRYPTED PRIVATE KEY----- …
//! signature: 3f9c… 3045…                           by that CA of `trust`, over the lines from the
//!                                                  second to the one before the first signature
//! seal: 9d… 51…                                    only with a key: salt, and HMAC-SHA256 over the
//!                                                  lines from the second to the last signature,
//!                                                  under scrypt of passphrase and salt
//! ```
//!
//! There is one form for one kit: whatever is not to the byte what [`Kit::to_text`] would print is
//! refused. The checksum tells a kit that was cut off or mangled from one that somebody changed;
//! only signature and seal speak of who made it. During a CA rollover a kit is signed by each CA
//! whose key is at hand, so that clients of either recognize it.

mod contents;
mod mailed;
mod receipt;
mod sign;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use contents::LARGEST_KIT;
pub use contents::{Kit, KitContents};
pub use receipt::Receipt;
