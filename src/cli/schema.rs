//! The members of the JSON objects that commands print, told from the types of these objects: what
//! their fields' documentation says is what kitcert-json(7) says.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::command::*;
use super::output::{Everywhere, IssuedObject, KitObject, Planned};

/// Members that some commands have.
pub struct Group {
    /// The commands, as the member `command` names them; none for all.
    pub commands: &'static [&'static str],
    schema: fn() -> Schema,
}

/// A member, by its path: `[]` stands for each of an array.
#[derive(Clone, Debug)]
pub struct Member {
    /// `findings[].rule`
    pub path: String,
    /// Its type, and what it may be besides: `string or null`, `array of strings`, `object of numbers`,
    /// `boolean, or not there`.
    pub kind: String,
    /// What it says, and its unit or form.
    pub meaning: String,
}

/// Every member of every command.
pub const GROUPS: &[Group] = &[
    Group { commands: &[], schema: schema::<Everywhere<'static>> },
    Group { commands: CHANGING, schema: schema::<Planned> },
    Group { commands: &["init", "install daemon"], schema: schema::<StartObject> },
    Group { commands: &["init"], schema: schema::<InitObject> },
    Group { commands: &["issue daemon", "issue client", "invite"], schema: schema::<IssuedObject> },
    Group { commands: &["issue client", "invite"], schema: schema::<KitObject> },
    Group { commands: &["invite"], schema: schema::<PassphraseObject<'static>> },
    Group { commands: &["request"], schema: schema::<RequestObject> },
    Group { commands: &["join"], schema: schema::<JoinObject> },
    Group { commands: &["verify", "join"], schema: schema::<DaemonObject> },
    Group { commands: &["verify"], schema: schema::<VerifyObject> },
    Group {
        commands: &["rotate", "revoke", "ca rollover start", "ca rollover abort"],
        schema: schema::<RotationObject>,
    },
    Group { commands: &["status"], schema: schema::<StatusObject<'static>> },
    Group { commands: &["revoke"], schema: schema::<RevokeObject> },
    Group { commands: &["rollback"], schema: schema::<RollbackObject> },
    Group { commands: &["recover"], schema: schema::<RecoverObject> },
    Group { commands: &["inspect"], schema: schema::<InspectObject> },
    Group { commands: &["completions"], schema: schema::<CompletionsObject<'static>> },
];

const CHANGING: &[&str] = &[
    "init",
    "issue daemon",
    "issue client",
    "invite",
    "request",
    "join",
    "install daemon",
    "install client",
    "rotate",
    "revoke",
    "rollback",
    "confirm",
    "retire",
    "ca rollover start",
    "ca rollover abort",
    "ca rollover skip",
    "ca rollover finish",
    "ca delete-former-keys",
    "recover",
];

impl Group {
    /// Its members, each before those that it has.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        add("", (self.schema)().as_value(), &mut members);
        members
    }
}

/// The members of that command's object.
#[must_use]
pub fn members_of(command: &str) -> Vec<Member> {
    let is_of = |group: &&Group| group.commands.is_empty() || group.commands.contains(&command);
    GROUPS.iter().filter(is_of).flat_map(Group::members).collect()
}

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.with(|settings| settings.inline_subschemas = true).into_generator().into_root_schema_for::<T>()
}

/// The members of what is at that path, and theirs.
fn add(path: &str, schema: &Value, members: &mut Vec<Member>) {
    for alternative in alternatives(schema) {
        let required = alternative["required"].as_array().cloned().unwrap_or_default();
        for (name, of) in alternative["properties"].as_object().unwrap_or(&Map::new()) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            members.push(member(&path, of, required.contains(&name.as_str().into())));
            add(&path, of, members);
        }
        if let Some(of) = alternative.get("items") {
            add(&format!("{path}[]"), of, members);
        }
    }
}

fn member(path: &str, schema: &Value, is_required: bool) -> Member {
    let kinds: Vec<_> = kinds(schema).into_iter().filter(|kind| is_required || kind != "null").collect();
    let kind = kinds.join(" or ");
    let words: Vec<_> = alternatives(schema).into_iter().filter_map(word).collect();
    let meaning = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    Member {
        path: path.to_owned(),
        kind: if is_required { kind } else { format!("{kind}, or not there") },
        meaning: if words.is_empty() { meaning } else { format!("{meaning} {}", words.join(" ")) },
    }
}

/// A word of a list of words, and what it means: `expired`: It is over.
fn word(schema: &Value) -> Option<String> {
    let meaning = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    schema["const"].as_str().map(|word| format!("`{word}`: {meaning}"))
}

/// What a value may be, each by its own schema.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let among = ["anyOf", "oneOf"].into_iter().filter_map(|all| schema[all].as_array()).flatten();
    let among: Vec<_> = among.flat_map(alternatives).collect();
    if among.is_empty() { vec![schema] } else { among }
}

/// The JSON types of a value, each once.
fn kinds(schema: &Value) -> Vec<String> {
    let mut kinds = Vec::new();
    for alternative in alternatives(schema) {
        let named = match &alternative["type"] {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        };
        for kind in named.iter().filter_map(Value::as_str) {
            let kind = match kind {
                "integer" => "number".to_owned(),
                "array" => format!("array of {}s", self::kinds(&alternative["items"]).join(" or ")),
                "object" if alternative["additionalProperties"].is_object() => {
                    format!("object of {}s", self::kinds(&alternative["additionalProperties"]).join(" or "))
                }
                kind => kind.to_owned(),
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    kinds
}
