//! YAML and JSON that others write and that may carry credentials: Kubernetes objects, compose files, the
//! variables of a CI.
//!
//! Only texts are found here. Whether one is a certificate or a key is for whoever asked.

use serde::Deserialize as _;
use serde_yaml::{Deserializer, Value};
use zeroize::{Zeroize as _, Zeroizing};

use crate::layout::yaml::flow::is_too_deep;
use crate::message;
use crate::model::{Message, Word};

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

/// What such a file carries.
#[derive(Default)]
pub(crate) struct Manifest {
    /// The texts, object by object. Of a Secret that has a name in `data` and in `stringData`, what is mounted: the
    /// latter.
    pub texts: Vec<ManifestText>,
    /// For what Kubernetes refuses a Secret, with the object.
    pub faults: Vec<(usize, Message)>,
}

/// What a file carries; None for what is no YAML of mappings.
pub(crate) fn manifest_of(bytes: &[u8]) -> Option<Manifest> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !is_too_deep(text))?;
    let mut found = Manifest::default();
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
    let text = std::str::from_utf8(bytes).ok().filter(|text| !is_too_deep(text))?;
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

fn take_object(root: &Value, objects: &mut usize, found: &mut Manifest) {
    let word = |key: &str| root.get(key).and_then(Value::as_str);
    if let (Some("List" | "SecretList"), Some(Value::Sequence(items))) = (word("kind"), root.get("items")) {
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
    if kind == ManifestKind::Secret {
        found.faults.extend(faults_of_secret(root).into_iter().map(|fault| (object, fault)));
    }
    let overrides = |name: &str| root.get("stringData").is_some_and(|plain| plain.get(name).is_some());
    for (key, value) in root.as_mapping().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        let is_coded = kind == ManifestKind::Secret && key == "data";
        let own = if is_file_name(key) { key } else { "" };
        let mut take = |name: &str, text: &str| {
            if !(is_coded && overrides(name)) {
                let text = Zeroizing::new(text.to_owned());
                found.texts.push(ManifestText { kind, object, name: name.to_owned(), is_coded, text });
            }
        };
        walk(value, own, DEEPEST, &mut take);
        // What is null is mounted as an empty file.
        let files = value.as_mapping().into_iter().flatten().filter(|_| is_coded);
        for name in files.filter(|(_, value)| value.is_null()).filter_map(|(name, _)| name.as_str()) {
            take(name, "");
        }
    }
}

/// For what the API server refuses a Secret (`core/v1.Secret`: maps of texts; its validation by type).
fn faults_of_secret(root: &Value) -> Vec<Message> {
    let mut faults = Vec::new();
    for section in ["data", "stringData"] {
        match root.get(section) {
            None | Some(Value::Null) => {}
            Some(Value::Mapping(files)) => {
                let is_text =
                    |value: &Value| matches!(value, Value::String(_) | Value::Null | Value::Tagged(_));
                let wrong = files.iter().find(|(_, value)| !is_text(value));
                faults.extend(wrong.map(|(name, _)| {
                    let name = name.as_str().unwrap_or_default();
                    message!("{} in {}, which is no text", Word(name), section)
                }));
            }
            Some(_) => faults.push(message!("{} that is no list of names", section)),
        }
    }
    if root.get("type").and_then(Value::as_str) == Some("kubernetes.io/tls") {
        let has = |name: &str| {
            ["data", "stringData"]
                .iter()
                .any(|section| root.get(section).is_some_and(|all| all.get(name).is_some()))
        };
        let missing = ["tls.crt", "tls.key"].into_iter().find(|name| !has(name));
        faults.extend(missing.map(|name| message!("no {}, which its type kubernetes.io/tls needs", name)));
    }
    faults
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
        let found = manifest_of(file.as_bytes())?.texts;
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
    fn a_secret_is_what_kubernetes_makes_of_it() {
        let secret = |rest: &str| {
            let text = format!("apiVersion: v1\nkind: Secret\n{rest}");
            let Manifest { texts, faults } = manifest_of(text.as_bytes()).unwrap();
            let texts: Vec<(String, String)> =
                texts.into_iter().map(|one| (one.name, one.text.to_string())).collect();
            (texts, faults.len())
        };
        let (texts, faults) = secret("data: {ca.crt: QQ==, tls.key: null}\nstringData: {ca.crt: B}\n");
        let named = |name: &str| {
            texts.iter().filter(|one| one.0 == name).map(|one| one.1.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((named("ca.crt"), named("tls.key"), faults), (vec!["B"], vec![""], 0));
        for refused in [
            "data: {certs: {ca.crt: QQ==}}",
            "data: [QQ==]",
            "stringData: {a: 1}",
            "type: kubernetes.io/tls\ndata: {tls.crt: QQ==}",
        ] {
            assert_eq!(secret(refused).1, 1, "{refused}");
        }
        assert_eq!(secret("type: kubernetes.io/tls\ndata: {tls.crt: QQ==}\nstringData: {tls.key: x}").1, 0);
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
