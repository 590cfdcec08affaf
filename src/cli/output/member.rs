//! What a member of the JSON object may be: a message, a number, a switch, and lists and objects of
//! these. A `String` is none, for the same reason for which it is not printable.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::{Finding, Generation, Message};
use crate::plan::{RolloverProgress, RotationRow, StatusRow, StepSummary, Window};
use crate::probe::DaemonFacts;

/// A value of a member.
pub(crate) trait Member {
    /// As JSON.
    fn value(&self) -> Value;
}

/// An object that a command puts together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// The members of a row.
    #[must_use]
    pub(crate) fn of(row: &RotationRow) -> Object {
        match row.value() {
            Value::Object(members) => Object(members),
            _ => Object::default(),
        }
    }

    /// With another member.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Member) -> Object {
        self.0.insert(name.to_owned(), value.value());
        self
    }
}

impl Member for Object {
    fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl<T: Member + ?Sized> Member for &T {
    fn value(&self) -> Value {
        (**self).value()
    }
}

impl<T: Member> Member for Option<T> {
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Member::value)
    }
}

impl<T: Member> Member for Vec<T> {
    fn value(&self) -> Value {
        self.iter().map(Member::value).collect()
    }
}

impl Member for (&'static str, Message) {
    fn value(&self) -> Value {
        Value::Array(vec![self.0.into(), self.1.value()])
    }
}

/// Values whose every part is one of those above.
macro_rules! members {
    ($($kind:ty),+ $(,)?) => {
        $(impl Member for $kind {
            fn value(&self) -> Value {
                of(self)
            }
        })+
    };
}

members!(
    bool,
    u8,
    u32,
    u64,
    usize,
    i64,
    f64,
    &'static str,
    Message,
    DaemonFacts,
    Finding,
    Generation,
    RolloverProgress,
    RotationRow,
    StatusRow,
    StepSummary,
    Window,
);

fn of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
