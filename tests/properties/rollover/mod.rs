//! One CA gives way to another.

mod deciding;
mod left_alone;
pub mod locked_out;
mod refusals_counted;
mod rolling_over;
mod wandering;
