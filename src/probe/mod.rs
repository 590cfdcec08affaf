//! The wire: what a daemon does when it is dialed, and what that proves.
//!
//! [`probe`] dials, completes handshakes and asks BuildKit's read-only questions; async stays
//! inside it. [`judge`] is a pure function of what was seen and of what should be. Nothing here
//! reads a file, prints, or sends anything but handshakes, SETTINGS and read-only calls.
//!
//! ```text
//! dial_list   which dials there are, and what each one offers
//! outcome     what one dial proves, by its plain facts
//! results     what all dials saw
//! verdict     what they prove together, and why
//! dial        the dials themselves; only here are sockets and TLS
//! ```
//!
//! Each uses only those above it: `dial` asks `verdict` whether a dial is settled, or must be repeated, and
//! whether daemons differ.
//!
//! Another dial of somebody who calls already has its number and what it offers in `dial_list`, where the
//! version of the list rises. A new caller has besides:
//!
//! ```text
//! dial/matrix, dial/run          when it is dialed, with which certificate, or why it is not
//! dial/request                   what it is given, by apply/verify/dial
//! verdict/refusal_checks         what it proves; verdict/evidence: whether it is required
//! dial_list::MUST_BE_REFUSED     whether the daemon is open if it is let in
//! cli/manual/verdict             its words
//! ```

mod dial;
mod dial_list;
mod outcome;
mod printable;
mod results;
mod verdict;

#[cfg(test)]
mod tests;

pub(crate) use dial::algorithm_of;
pub(crate) use dial::buildkit;
pub use dial::{CertificateAndKey, Extent, Request, UnknownCa, look_at_ports, probe};
pub use dial_list::{Alpn, Caller, DIAL_LIST_VERSION, Dial, Sni, Versions};
pub use outcome::{
    Call, Chain, End, Facts, Outcome, PlainFacts, PlainReply, RefusedBy, Shown, TlsFacts, TlsVersion, Why,
    classify,
};
pub use results::{
    AboveTls, Account, Activity, AddressSeen, Agreed, Answer, Asked, BuildkitVersion, DialResults, DialStage,
    Dialed, Handshake, Idleness, NotDialed, NotTried, Pass, Port, PortAnswer, Unreachable, Withheld, Worker,
};
#[cfg(test)]
pub(crate) use tests::{Cast, endpoint};
pub use verdict::{
    AddressResult, AddressVerdict, Again, DaemonFacts, DialRow, Expected, Verdict, judge, judge_ports,
    ports_around,
};
