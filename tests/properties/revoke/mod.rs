//! Somebody's access is taken away.

mod clocks;
mod forgotten;
mod in_again;
mod let_in_again;
mod names_of_others;
mod revoking;
mod said_by_a_person;
