//! The types of this layer in the JSON schema of what commands print.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{AuthorityId, Cause, Generation, Message, Rule, Timestamp};

/// A value that stands in JSON as that primitive type.
macro_rules! primitive {
    ($name:ident, $kind:literal) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": $kind})
            }
        }
    };
}

primitive!(AuthorityId, "string");
primitive!(Cause, "string");
primitive!(Generation, "integer");
primitive!(Message, "string");
primitive!(Rule, "string");
primitive!(Timestamp, "string");
