//! The dials: TCP, TLS, HTTP/2 and BuildKit's two read-only calls.
//!
//! ```text
//! run                  every address of the name, each with the whole list
//! matrix               the list at one address: all at once, and again what is not settled
//! ports                what else the host offers
//! one_dial             one dial, and every fact that was seen on the way
//! request              what a probe is asked to do, and with what
//! other_ways           whether another service behind the same port leads to the daemon
//! notebook             where a dial goes, and what it has seen so far
//! buildkit, http1      the calls
//! tls                  what is offered, to whom, and what the handshake showed
//! unknown_ca           certificates that must be refused, whoever is at hand
//! server_certificate   whether a client accepts the daemon's
//! stream, timing       below TLS and above it; how long each stage may take
//! certificate_and_key  what a peer of TLS shows
//! remark               what a peer says, as far as a message may repeat it
//! ```
//! The dials: TCP, TLS, HTTP/2 and BuildKit's two read-only calls.
//!
//! ```text
//! run                  every address of the name, each with the whole list
//! matrix               the list at one address: all at once, and again what is not settled
//! ports                what else the host offers
//! one_dial             one dial, and every fact that was seen on the way
//! request              what a probe is asked to do, and with what
//! other_ways           whether another service behind the same port leads to the daemon
//! notebook             where a dial goes, and what it has seen so far
//! buildkit, http1      the calls
//! tls                  what is offered, to whom, and what the handshake showed
//! unknown_ca           certificates that must be refused, whoever is at hand
//! server_certificate   whether a client accepts the daemon's
//! stream, timing       below TLS and above it; how long each stage may take
//! ```

pub(crate) mod buildkit;
mod certificate_and_key;
mod http1;
mod matrix;
mod notebook;
mod one_dial;
mod other_ways;
mod ports;
mod remark;
mod request;
mod run;
mod server_certificate;
mod stream;
mod timing;
mod tls;
mod unknown_ca;

pub use certificate_and_key::CertificateAndKey;
#[cfg(test)]
pub(super) use one_dial::no_connection;
pub use ports::look_at_ports;
pub use request::{Extent, Request};
pub use run::probe;
pub use unknown_ca::UnknownCa;
pub(crate) use unknown_ca::algorithm_of;
