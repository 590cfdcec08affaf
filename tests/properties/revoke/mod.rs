//! Somebody's access is taken away.

mod revoking;
