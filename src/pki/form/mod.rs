//! Forms in which files arrive that no consumer reads: what happened to them, and how they are read again.
//!
//! It knows no key and no certificate: what is in the PEM that it makes is for those who asked.
//!
//! ```text
//! wrong_form     what every consumer would read, in a form that none does
//! lost_newlines  the same on one line
//! der_kind       what is in DER
//! foreign_key    a key as other programs keep it
//! ```

mod der_kind;
mod foreign_key;
mod lost_newlines;
mod wrong_form;

pub use foreign_key::ForeignKey;
pub use wrong_form::WrongForm;
