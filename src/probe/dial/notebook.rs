//! Where a dial goes, and what is noted on the way.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::time::Instant;

use super::server_certificate::ServerExpectation;
use super::stream::{Ending, Record, SharedBeginning};
use super::timing::{DialProgress, Timing};
use super::tls::SharedNotes;
use crate::model::Printable;
use crate::probe::outcome::{Call, End, TlsVersion};
use crate::probe::results::{AboveTls, Account, DialStage, Unreachable};

/// Where dials go, and what they expect there.
pub(super) struct Destination {
    pub(super) address: SocketAddr,
    /// `host:port`, for HTTP/2.
    pub(super) authority: String,
    pub(super) expectation: ServerExpectation,
    /// The host as TLS carries it.
    pub(super) name: ServerName<'static>,
    pub(super) timing: Timing,
    /// When a dial that is under way is given up.
    pub(super) until: Instant,
}

/// What is noted on the way, for whoever has to say so when the time is up.
pub(super) struct Notebook {
    pub(super) tls: SharedNotes,
    pub(super) beginning: SharedBeginning,
    pub(super) record: Rc<RefCell<Record>>,
    pub(super) progress: DialProgress,
    pub(super) finished: Cell<bool>,
    pub(super) version: Cell<Option<TlsVersion>>,
    pub(super) call: Cell<Call>,
    /// The status with which a call over HTTP/1.1 was turned down.
    pub(super) http1: Cell<Option<u16>>,
    pub(super) account: RefCell<Account>,
}

impl Notebook {
    pub(super) fn new() -> Notebook {
        Notebook {
            tls: SharedNotes::default(),
            beginning: SharedBeginning::default(),
            record: Rc::default(),
            progress: DialProgress::new(),
            finished: Cell::new(false),
            version: Cell::new(None),
            call: Cell::new(Call::Unanswered),
            http1: Cell::new(None),
            account: RefCell::default(),
        }
    }

    pub(super) async fn in_time(
        &self,
        destination: &Destination,
        dial: impl Future<Output = Result<End, End>>,
    ) -> (End, Duration) {
        let started = Instant::now();
        let end = tokio::select! {
            biased;
            end = dial => end.unwrap_or_else(|end| end),
            () = self.progress.time_up(&destination.timing, destination.until) => self.time_up(destination),
        };
        (end, started.elapsed())
    }

    pub(super) fn time_up(&self, destination: &Destination) -> End {
        match self.progress.stage() {
            // Where others connect, it was this side that had no time left.
            DialStage::Connecting if destination.timing.round_trip().is_zero() => {
                self.account.borrow_mut().unreachable = Some(Unreachable::Filtered);
                End::Unreached
            }
            _ => End::TimedOut,
        }
    }

    /// How far it came: SETTINGS may have arrived while they were waited for.
    pub(super) fn stage(&self) -> DialStage {
        match self.progress.stage() {
            DialStage::Settings if self.record.borrow().began_with_settings() => DialStage::Call,
            stage => stage,
        }
    }

    pub(super) fn trouble(&self, trouble: impl Printable) {
        self.account.borrow_mut().trouble = Some(trouble.message());
    }

    pub(super) fn turned_down(&self, above: AboveTls) {
        self.call.set(above.call());
        self.account.borrow_mut().above = Some(above);
    }

    pub(super) fn ended(&self, ending: Ending) -> End {
        if let Some(trouble) = ending.trouble {
            self.trouble(trouble);
        }
        ending.end
    }
}
