//! The dials: TCP, TLS, HTTP/2 and BuildKit's two read-only calls.
//!
//! ```text
//! run                  every address of the name, each with the whole list
//! matrix               the list at one address: all at once, and again what is not settled
//! ports                what else the host offers
//! one_dial             one dial, and every fact that was seen on the way
//! buildkit             the calls
//! tls                  what is offered, to whom, and what is noted
//! server_certificate   whether a client accepts the daemon's
//! stream, timing       below TLS and above it; how long each stage may take
//! ```

pub(crate) mod buildkit;
mod matrix;
mod one_dial;
mod ports;
mod remark;
mod request;
mod run;
mod server_certificate;
mod stream;
mod timing;
mod tls;

#[cfg(test)]
pub(super) use one_dial::no_connection;
pub use ports::look_at_ports;
pub use request::{CertificateAndKey, Extent, Request};
pub use run::probe;
