//! kitcert: certificates and proven mutual TLS for build daemons that speak BuildKit's gRPC.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod env;
pub mod layout;
pub mod model;
pub mod pki;
pub mod practice;
pub mod probe;
pub mod store;
