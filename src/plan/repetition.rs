//! A list that must name each thing once.

use std::collections::BTreeSet;

use crate::message;
use crate::model::{ExitCode, Failure, Printable};

/// Refuses a list that names something twice: what was meant is not known.
pub(super) fn refuse_repetition<T: Ord + Printable>(
    option: &'static str,
    items: &[T],
) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match items.iter().find(|item| !seen.insert(*item)) {
        None => Ok(()),
        Some(repeated) => Err(Failure::new("reading", option)
            .expected("each name once")
            .found(message!("{} twice", repeated))
            .exit(ExitCode::Usage)),
    }
}
