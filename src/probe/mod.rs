//! The wire: what a daemon does when it is dialled, and what that proves.
//!
//! [`probe`] dials, completes handshakes and asks BuildKit's read-only questions; async stays
//! inside it. [`judge`] is a pure function of what was seen and of what should be. Nothing here
//! reads a file, prints, or sends anything but handshakes, SETTINGS and read-only calls.

mod admission;
#[cfg(test)]
mod against_practice;
pub(crate) mod buildkit;
#[cfg(test)]
mod cast;
mod clock;
mod dial;
#[cfg(test)]
mod garbled;
mod intrusion;
mod observed;
mod ports;
mod presence;
mod printable;
mod refusal;
mod request;
mod run;
mod summary;
mod text;
mod tls;
mod trust;
mod verdict;
mod watched;

pub use observed::{
    AboveTls, Agreed, Answer, Asked, BuildkitVersion, Dial, Dialled, Handshake, Idleness, Inconclusive,
    Moment, Observed, Outcome, Refusal, Stage, Unreachable, Withheld, Worker,
};
pub use ports::{Port, PortAnswer, judge_ports, look_at_ports, ports_around};
pub use request::{Identity, Request};
pub use run::probe;
pub use summary::DaemonFacts;
pub use verdict::{LocalFacts, Verdict, judge};
