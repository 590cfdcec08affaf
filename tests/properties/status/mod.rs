//! What `status` and monitoring say.

mod overdue;
mod sarif;
mod views;
