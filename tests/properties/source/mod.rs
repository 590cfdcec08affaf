//! What the source itself must keep to.

pub mod house;
mod knots;
mod maps;
