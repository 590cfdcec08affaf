//! What the dials of a probe saw, as plain values: nothing here dials or judges.

mod daemon_answers;
mod dial_results;
mod port;

pub use daemon_answers::{
    AboveTls, Activity, Agreed, Answer, Asked, BuildkitVersion, DialStage, Handshake, Idleness, Unreachable,
    Withheld, Worker,
};
pub use dial_results::{Account, AddressSeen, DialResults, Dialed, NotDialed, NotTried, Pass};
pub use port::{Port, PortAnswer};
