//! What a rollout waits for, shown to a person who looks on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::Progress;
use crate::cli::session::Session;
use crate::message;
use crate::model::{IdentityName, Message};

/// The daemons that are waited for, on one line of the terminal.
pub(super) struct Waiting {
    line: ProgressBar,
    daemons: Mutex<BTreeMap<IdentityName, Message>>,
}

impl Waiting {
    pub(super) fn shown_by(session: &Session<'_>) -> Waiting {
        let is_watched = session.console.terminals().err && !session.global.quiet;
        let target = if is_watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let line = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} waiting: {wide_msg}");
        let line = style.map_or(line.clone(), |style| line.with_style(style));
        Waiting { line, daemons: Mutex::default() }
    }

    pub(super) fn watch(&self, progress: Progress) {
        let Progress::Waiting(name, what) = progress else { return };
        let mut daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => drop(daemons.insert(name, what)),
            None => drop(daemons.remove(&name)),
        }
        let each = daemons.iter().map(|(name, what)| message!("{}: {}", name, what));
        let all = Message::join(each.collect::<Vec<_>>(), "; ");
        if daemons.is_empty() {
            return self.line.finish_and_clear();
        }
        if self.line.is_finished() {
            self.line.reset();
        }
        self.line.set_message(all.as_str().to_owned());
        self.line.tick();
    }
}
