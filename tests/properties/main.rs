//! Properties that must hold for every certificate, chain, file and command, and the other
//! programs that agree.
#![allow(
    unreachable_pub,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod adopt;
mod config;
mod crash;
#[path = "../figures.rs"]
mod figures;
mod input;
mod install;
mod join;
mod keys;
mod pki;
mod revoke;
mod rollover;
mod rotate;
mod source;
mod state;
mod status;
mod support;
mod verify;
mod words;
