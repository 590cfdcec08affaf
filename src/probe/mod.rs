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
mod cross_check;
mod dial;
mod dialled;
mod evidence;
#[cfg(test)]
mod garbled;
mod intrusion;
mod list;
#[cfg(test)]
mod made;
mod matrix;
mod observed;
mod outcome;
mod ports;
mod presence;
mod printable;
mod raw;
mod refusal;
mod request;
mod run;
mod settle;
mod several;
mod summary;
mod text;
mod timing;
mod tls;
mod trust;
mod verdict;
mod watched;

pub use dialled::{Account, AddressSeen, Dialled, NotDialled, NotTried, Observed, Pass};
pub use list::{Caller, DIAL_LIST_VERSION, Dial, Sni, Versions};
pub use observed::{
    AboveTls, Agreed, Answer, Asked, BuildkitVersion, Handshake, Idleness, Stage, Unreachable, Withheld,
    Worker,
};
pub use outcome::{
    Call, Chain, End, Facts, Outcome, PlainFacts, PlainReply, RefusedBy, Shown, TlsFacts, TlsVersion, Why,
    classify,
};
pub use ports::{Port, PortAnswer, judge_ports, look_at_ports, ports_around};
pub use request::{Extent, Identity, Request};
pub use run::probe;
pub use summary::DaemonFacts;
pub use verdict::{AddressResult, AddressVerdict, DialRow, LocalFacts, Verdict, judge};
