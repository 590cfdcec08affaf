//! The judge: what a chain, the files of an identity, or a bundle are worth.
//!
//! ```text
//! chain, chain_fault   a chain as Go's crypto/x509 sees it, and why it is refused
//! peer                 a peer that looks at a chain: Go's word, and that of stricter ones
//! connection           whether a client reaches a daemon: mutual TLS without a wire
//! credentials          the files of one identity, together
//! certificates         certificates without a peer: of a file, of a kit, of an unknown daemon
//! key_file             who can read a key's file
//! profile              the lint of what is issued
//! ```
//!
//! The wire, the files, the guard, `inspect`, `join` and the test corpora all call it, and nobody
//! composes its rules elsewhere. A [`Peer`] accepts a chain or refuses it, [`connect`] says whether
//! a client reaches a daemon, [`check`] and [`credentials()`] whether the files of an identity
//! belong together. Certificates without a peer have [`certificate_file`], [`kit_certificates`] and
//! [`served_certificates`].
//!
//! Other doors are for one caller each: [`would_send`] for the TLS client of a dial, [`leaf_not_first`] for
//! whoever dials with a file, [`new_leaf`] and [`new_authority`] for the CA, before a certificate leaves it,
//! and [`key_mode`], [`key_owner`], [`key_file`], [`wrong_form`], [`foreign_key`] and [`read_by_go_alone`] for whoever has looked
//! at a file of PEM.

mod certificates;
mod chain;
mod chain_fault;
mod connection;
mod credentials;
mod key_file;
mod peer;
mod profile;

pub use certificates::{
    bundle, certificate_file, kit_certificates, new_authority, new_leaf, role_of, served_certificates,
};
pub use chain::{is_for, would_send};
pub use chain_fault::ChainFault;
pub use connection::{NoConnection, admit, connect};
pub use credentials::{Credentials, FileNames, check, credentials, leaf_not_first, require};
pub use key_file::{
    foreign_key, key_file, key_mode, key_owner, read_by_go_alone, written_by_others, wrong_form,
};
pub use peer::{Peer, Refusal};
pub use profile::Standard;
