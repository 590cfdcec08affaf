//! Commands that are killed, stopped, or at work at the same time.

mod lock_race;
mod power_cuts;
mod races;
mod rotations_survive;
pub mod survival;
mod undelivered;
