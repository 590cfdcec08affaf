//! How long each stage of a dial may take: by the round trip and by the daemon's own handshake, so
//! that a daemon that is far away or busy is not taken for one that refuses.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

use crate::probe::results::DialStage;

/// What is known of the time that an address needs, shared by its dials.
#[derive(Default)]
pub(super) struct Timing {
    round_trip: Cell<Option<Duration>>,
    handshake: Cell<Option<Duration>>,
    changed: Notify,
}

impl Timing {
    /// Notes how long a TCP connect took; the smallest is the round trip.
    pub(super) fn connected(&self, took: Duration) {
        let smallest = self.round_trip.get().map_or(took, |known| known.min(took));
        self.round_trip.set(Some(smallest));
        self.changed.notify_waiters();
    }

    /// Notes how long a handshake took; the longest counts, since the dials share the machine.
    pub(super) fn shook_hands(&self, took: Duration) {
        let longest = self.handshake.get().map_or(took, |known| known.max(took));
        self.handshake.set(Some(longest));
        self.changed.notify_waiters();
    }

    /// The round trip; nothing before the first connect.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip.get().unwrap_or_default()
    }

    /// For how long a dial reads before it writes: what a daemon says by itself after the handshake
    /// is here by then.
    pub(super) fn moment(&self) -> Duration {
        let handshake = self.handshake.get().unwrap_or_default();
        (self.round_trip() * 2 + handshake * 2).max(SHORTEST_MOMENT)
    }

    /// How long a stage may take; None while no handshake is over, and nothing is known.
    fn limit(&self, stage: DialStage) -> Option<Duration> {
        let handshake = self.handshake.get()?;
        let limit = (self.round_trip() * 4 + handshake * 3).max(SHORTEST_LIMIT);
        // A first packet that is lost is sent again after a second (RFC 6298 section 2).
        Some(if stage == DialStage::Connecting { limit + RETRANSMISSION } else { limit })
    }
}

/// How far a dial has come, and since when.
pub(super) struct DialProgress {
    stage: Cell<DialStage>,
    since: Cell<Instant>,
    changed: Notify,
}

impl DialProgress {
    pub(super) fn new() -> DialProgress {
        DialProgress {
            stage: Cell::new(DialStage::Connecting),
            since: Cell::new(Instant::now()),
            changed: Notify::new(),
        }
    }

    pub(super) fn stage(&self) -> DialStage {
        self.stage.get()
    }

    /// How long the stage that is under way has taken.
    pub(super) fn since(&self) -> Duration {
        self.since.get().elapsed()
    }

    pub(super) fn enter(&self, stage: DialStage) {
        self.stage.set(stage);
        self.since.set(Instant::now());
        self.changed.notify_waiters();
    }

    /// Returns when the stage has taken longer than it may, or at `until`.
    ///
    /// A server that sends without end uses up what tokio lets a task do in one turn, and a timer that
    /// counts against the same budget never ends: this one does not.
    pub(super) async fn time_up(&self, timing: &Timing, until: Instant) {
        let watch = async {
            loop {
                let limit = timing.limit(self.stage.get()).map(|limit| self.since.get() + limit);
                let deadline = limit.map_or(until, |limit| limit.min(until));
                tokio::select! {
                    () = sleep_until(deadline) => return,
                    () = timing.changed.notified() => {}
                    () = self.changed.notified() => {}
                }
            }
        };
        unconstrained(watch).await;
    }
}

/// A daemon that builds has its machine to share.
const SHORTEST_LIMIT: Duration = Duration::from_secs(2);
const SHORTEST_MOMENT: Duration = Duration::from_millis(150);
const RETRANSMISSION: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::task::consume_budget;
    use tokio::time::timeout;

    use super::*;

    /// A connection that always has something to read.
    async fn endless() {
        loop {
            consume_budget().await;
        }
    }

    #[test]
    fn the_time_is_up_although_the_server_never_stops_sending() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (timing, progress) = (Timing::default(), DialProgress::new());
            let until = Instant::now() + Duration::from_millis(20);
            let dial = async {
                tokio::select! {
                    biased;
                    () = endless() => {}
                    () = progress.time_up(&timing, until) => {}
                }
            };
            timeout(Duration::from_secs(30), dial).await.unwrap();
        });
    }
}
