//! One CA gives way to another.

mod deciding;
mod left_alone;
pub mod locked_out;
mod refusals_counted;
pub mod rolling_over;
mod wandering;
