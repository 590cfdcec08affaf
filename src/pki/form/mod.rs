//! Forms in which files arrive that no consumer reads: what happened to them, and how they are read again.
//!
//! It knows no key and no certificate: what is in the PEM that it makes is for those who asked.

mod der_kind;
mod foreign_key;
mod lost_newlines;
mod wrong_form;

pub use foreign_key::ForeignKey;
pub use wrong_form::WrongForm;
