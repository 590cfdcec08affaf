//! Somebody's access is taken away.

mod let_in_again;
mod revoking;
