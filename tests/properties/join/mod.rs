//! Kits: made, handed over, taken in.

mod handed_over;
pub mod joining;
mod joining_stopped;
mod mailed;
