//! YAML and JSON that others write and that may carry credentials: Kubernetes objects, compose files, the
//! variables of a CI.
//!
//! Only texts are found here. Whether one is a certificate or a key is for whoever asked.

use serde::Deserialize as _;
use serde_yaml::{Deserializer, Value};
use zeroize::{Zeroize as _, Zeroizing};

/// What kind of file carries the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManifestKind {
    /// A Kubernetes Secret: the place for a key.
    Secret,
    /// Another object of Kubernetes.
    Kubernetes,
    /// A compose file.
    Compose,
    /// Any other.
    Other,
}

impl ManifestKind {
    /// In words.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ManifestKind::Secret => "Kubernetes Secret",
            ManifestKind::Kubernetes => "Kubernetes object",
            ManifestKind::Compose => "compose file",
            ManifestKind::Other => "YAML with credentials",
        }
    }
}

/// A text in such a file. It may be a key: it cannot be printed.
pub(crate) struct ManifestText {
    /// What carries it.
    pub kind: ManifestKind,
    /// Which object of the file it stands in, counted from 0.
    pub object: usize,
    /// The key that it stands behind, where that could be a file's name.
    pub name: String,
    /// Whether it is base64 of what is meant, as in `data` of a Secret.
    pub is_coded: bool,
    /// The text.
    pub text: Zeroizing<String>,
}

/// The texts of a file, object by object; None for what is no YAML of mappings.
pub(crate) fn manifest_texts(bytes: &[u8]) -> Option<Vec<ManifestText>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut found = Vec::new();
    let mut objects = 0;
    for document in Deserializer::from_str(text) {
        let root = Wiped(Value::deserialize(document).ok()?);
        match &root.0 {
            Value::Null => {}
            Value::Mapping(_) => take_object(&root.0, &mut objects, &mut found),
            _ => return None,
        }
    }
    (objects > 0).then_some(found)
}

/// Whether a file is one that Earthly would read, by its sections; an empty one is.
pub(crate) fn is_client_config(bytes: &[u8]) -> bool {
    let Some(root) = first_document(bytes) else { return true };
    let Value::Mapping(root) = &root.0 else { return true };
    root.is_empty() || SECTIONS.iter().any(|section| root.contains_key(*section))
}

/// Whether a file is a `kitcert.yaml`, by its sections.
pub(crate) fn is_inventory(bytes: &[u8]) -> bool {
    first_document(bytes).is_some_and(|root| {
        let has = |key: &str| root.0.get(key).is_some();
        has("version") && (has("daemons") || has("clients"))
    })
}

fn first_document(bytes: &[u8]) -> Option<Wiped> {
    let text = std::str::from_utf8(bytes).ok()?;
    Value::deserialize(Deserializer::from_str(text).next()?).ok().map(Wiped)
}

/// What the parser has made, of which a text may be a key: wiped when it is dropped. The parser itself wipes
/// nothing: its buffers, the events of the document that it keeps, and what it had read of one that is no
/// YAML, are given back to the allocator as they are.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0));
    }
}

fn wipe(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Sequence(items) => items.into_iter().for_each(wipe),
        Value::Mapping(entries) => entries.into_iter().for_each(|(key, value)| {
            wipe(key);
            wipe(value);
        }),
        Value::Tagged(tagged) => wipe(tagged.value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn take_object(root: &Value, objects: &mut usize, found: &mut Vec<ManifestText>) {
    let word = |key: &str| root.get(key).and_then(Value::as_str);
    if let (Some("List"), Some(Value::Sequence(items))) = (word("kind"), root.get("items")) {
        return items.iter().for_each(|item| take_object(item, objects, found));
    }
    let kind = match (word("apiVersion"), word("kind")) {
        (Some(_), Some("Secret")) => ManifestKind::Secret,
        (Some(_), Some(_)) => ManifestKind::Kubernetes,
        _ if root.get("services").is_some_and(Value::is_mapping) => ManifestKind::Compose,
        _ => ManifestKind::Other,
    };
    let object = *objects;
    *objects += 1;
    for (key, value) in root.as_mapping().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        let is_coded = kind == ManifestKind::Secret && key == "data";
        let own = if is_file_name(key) { key } else { "" };
        walk(value, own, DEEPEST, &mut |name, text| {
            let text = Zeroizing::new(text.to_owned());
            found.push(ManifestText { kind, object, name: name.to_owned(), is_coded, text });
        });
    }
}

fn walk<'a>(value: &'a Value, name: &'a str, depth: usize, found: &mut dyn FnMut(&str, &str)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(text) => found(name, text),
        Value::Sequence(items) => items.iter().for_each(|item| walk(item, name, depth, found)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let own = key.as_str().filter(|key| is_file_name(key)).unwrap_or(name);
                walk(value, own, depth, found);
            }
        }
        Value::Tagged(tagged) => walk(&tagged.value, name, depth, found),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_file_name(key: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_NAME).contains(&key.len()) && key.bytes().all(is_plain)
}

/// Of Earthly's config (its config.go), old ones too.
const SECTIONS: [&str; 3] = ["global", "git", "satellite"];
/// What the parser allows.
const DEEPEST: usize = 128;
const LONGEST_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Option<Vec<(ManifestKind, usize, String, String)>> {
        let found = manifest_texts(file.as_bytes())?;
        Some(found.into_iter().map(|one| (one.kind, one.object, one.name, one.text.to_string())).collect())
    }

    #[test]
    fn every_text_is_found_with_what_carries_it_and_its_name() {
        let secret =
            "apiVersion: v1\nkind: Secret\ndata:\n  tls.key: QUJD\nstringData:\n  ca.crt: |\n    x\n";
        let found = texts(secret).unwrap();
        assert!(found.contains(&(ManifestKind::Secret, 0, "tls.key".into(), "QUJD".into())));
        assert!(found.contains(&(ManifestKind::Secret, 0, "ca.crt".into(), "x\n".into())));
        let compose = "services:\n  b:\n    environment:\n      - A=1\n---\nkey: [x, {y: z}]\n";
        let found = texts(compose).unwrap();
        assert!(found.contains(&(ManifestKind::Compose, 0, "environment".into(), "A=1".into())));
        assert!(found.contains(&(ManifestKind::Other, 1, "y".into(), "z".into())));
        let list = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","data":{"a":"b"}}]}"#;
        assert!(texts(list).unwrap().contains(&(ManifestKind::Secret, 0, "a".into(), "b".into())));
        for none in ["", "text", "- a\n", "-----BEGIN X-----\nAA\n-----END X-----\n", "a: [\n"] {
            assert_eq!(texts(none), None, "{none}");
        }
    }

    #[test]
    fn a_config_is_known_by_its_sections() {
        for config in ["", "# nothing\n", "global:\n", "git: {}\n", "satellite: {name: x}\n", "a: [\n"] {
            assert!(is_client_config(config.as_bytes()), "{config}");
        }
        assert!(!is_client_config(b"services: {}\n"));
        assert!(is_inventory(b"version: 1\ndaemons: {}\n") && !is_inventory(b"version: 1\nservices: {}\n"));
    }
}
