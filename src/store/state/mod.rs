//! The state directory: what it holds, as values, and the one transaction by which it changes.

mod change;
mod history;
mod issued;
pub(super) mod journal;
mod log;
mod log_end;
mod observe;
mod observed;
mod requests;
mod state_directory;
mod verified;

pub use change::StagedChange;
pub use history::{DaemonHistory, WorkedGeneration};
pub use issued::observe_issued;
pub use log::{LogEvent, LogLine};
pub use log_end::newest_log_time;
pub use observe::{observe, observe_generation};
pub use observed::{
    Interest, KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity,
};
pub use requests::{ObservedRequest, observe_request, request_folder, request_generations};
pub use state_directory::{StateDirectory, StateLock};
pub use verified::{Vantage, VerifiedAddress, VerifiedRecord};
