//! A state that is lost, damaged, or an old copy.

mod damaged_log;
mod old_copies;
mod recovering;
