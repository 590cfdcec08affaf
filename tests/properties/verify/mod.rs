//! What `verify` says of a daemon, and of a client's own config.

mod addresses;
mod causes;
mod client_traps;
mod distance;
mod exposed;
mod go;
mod haproxy;
mod hostile;
mod record;
mod scenarios;
mod several_daemons;
mod shown;
pub mod verified;
mod wrong_servers;
