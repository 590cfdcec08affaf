//! A line of YAML for a person to write.

use std::path::Path;

use crate::message;
use crate::model::{Message, Printable};

/// A line of YAML that a person is to write: as it is, if its value may be shown as a path is.
pub(in crate::layout) struct YamlLine<'a>(pub &'a str);

impl Printable for YamlLine<'_> {
    fn message(&self) -> Message {
        let value = self.0.split_once(": ").map_or(self.0, |(_, value)| value);
        let shown = Path::new(value.trim_matches(['\'', '"', ' '])).message();
        if shown.hides_a_value() { message!("# {}", shown) } else { Message::parsed(&self.0) }
    }
}
