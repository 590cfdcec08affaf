//! What the dials of a probe saw, as plain values: nothing here dials or judges.

mod daemon_answers;
mod dial_results;
mod port;

pub use daemon_answers::{
    AboveTls, Agreed, Answer, Asked, BuildkitVersion, Handshake, Idleness, Stage, Unreachable, Withheld,
    Worker,
};
pub use dial_results::{Account, AddressSeen, Dialled, NotDialled, NotTried, Observed, Pass};
pub use port::{Port, PortAnswer};
