//! The judge: what a chain is worth to the peer that looks at it.

pub mod audit;
pub mod chain;
mod chain_fault;
pub mod handshake;
mod key_file;
pub mod profile;

pub use chain_fault::ChainFault;
pub use key_file::{key_mode, key_owner};
