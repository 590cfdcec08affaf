//! YAML, edited in place: keys are set in the text of a file, and nothing else in it moves.
//!
//! ```text
//! document         the first document of a file: where it is, and its value
//! mapping          where its keys and values stand in the text
//! scan, flow       line ends and blanks; where quotes and braces close
//! edit             keys, set
//! text, line       how values are written
//! fault            what is wrong with a file, in words that quote nothing of it
//! ```
//!
//! `kitcert.yaml` and Earthly's `config.yml` both go through here. The places of an edit are
//! found in the text; whether the edit was right is decided by its callers, who parse the file
//! before and after and compare every value. It does not know what a key means.

pub(super) mod document;
pub(super) mod edit;
pub(super) mod fault;
pub(super) mod flow;
pub(super) mod line;
mod mapping;
mod scan;
pub(super) mod text;
