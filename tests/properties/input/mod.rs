//! Whatever is read: wrong, damaged, mixed up, of somebody else.

mod bad_input;
mod carried;
pub mod fed;
mod fuzzed;
mod inspected;
mod mixed;
