//! The values of this layer that a message may contain.

use crate::model::{Message, Printable};

/// The system's own words for its own error numbers.
impl Printable for rustix::io::Errno {
    fn message(&self) -> Message {
        std::io::Error::from(*self).message()
    }
}
