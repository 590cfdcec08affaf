//! kitcert: certificates and verified mutual TLS for build daemons that speak BuildKit's gRPC.
//!
//! # The map
//!
//! ```text
//! model     words: names, roles, validity, endpoints, findings
//! pki       certificates: keys, issuing, and the judge of chains, credentials and bundles
//! layout    places: where a daemon and each client read their files; the configs' editors
//! store     files: the state directory, the one transaction, installed copies
//! probe     the wire: the dials, BuildKit's gRPC, the verdict
//! plan      decisions: a pure planner for each command that changes something
//! apply     deeds: stage, check, commit, restart, verify, roll back
//! cli       words on a screen
//! ```
//!
//! Each uses only those before it, `model <- pki <- layout <- store <- probe <- plan <- apply <- cli`,
//! and a test holds that. [`mod@env`] stands beside `model`; [`practice`], the daemon of `kitcert demo`,
//! beside `probe`.
//!
//! # How a change flows
//!
//! ```text
//! observe -> plan -> stage -> check -> commit -> restart -> verify
//! ```
//!
//! A command observes what is there, a planner decides without touching anything, the new files
//! are written beside the live ones, read back and judged as both peers would, and published by
//! one rename. The daemon is believed only when it was dialed.
//!
//! The first lines of each folder's `mod.rs` say what is in its files, and where something new goes.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod apply;
pub mod cli;
pub mod env;
pub mod layout;
pub mod model;
pub mod pki;
pub mod plan;
pub mod practice;
pub mod probe;
pub mod store;
