//! Renewing, rolling out, going back.

mod damaged;
mod one_fault;
mod own_copies;
mod restarts;
mod rolling_back;
pub mod rotating;
mod twenty_years;
mod upkeep;
