//! What Earthly's loader accepts: the first YAML document, and the type of each key that it
//! knows (Earthly v0.8.16, config/config.go, decoded by yaml.v3 without strictness).

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

/// Every document of a config. Earthly reads the first alone, and the beginning of the next on
/// the way; one that is no YAML is refused wherever it stands, which is stricter by a hair.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, String> {
    if declares_another_version(text) {
        return Err("a %YAML line of another version than 1.1".to_owned());
    }
    let documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
    documents.collect::<Result<_, _>>().map_err(|error| describe(&error))
}

/// The `global` section with what it merges (`<<`), empty where there is none.
///
/// # Errors
/// What Earthly refuses to load, as the text of `found`; no value of the file is quoted.
pub(super) fn checked_global(root: Option<&Value>) -> Result<Mapping, String> {
    let mut root = match root {
        None | Some(Value::Null) => return Ok(Mapping::new()),
        Some(root) => root.clone(),
    };
    root.apply_merge().map_err(|_| "a merge key (<<) whose value is no mapping".to_owned())?;
    let Value::Mapping(sections) = root else {
        return Err("a list or a single value instead of sections".to_owned());
    };
    check_git(sections.get("git"))?;
    match sections.get("global") {
        None | Some(Value::Null) => Ok(Mapping::new()),
        Some(Value::Mapping(global)) => {
            check_section("global", global, GLOBAL)?;
            Ok(global.clone())
        }
        Some(_) => Err("a single value or a list under global".to_owned()),
    }
}

/// What yaml.v3 makes of a value for a boolean key: YAML 1.1's words count, quoted or not, but
/// a quoted "true" or "false" does not.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(word) => match word.as_str() {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The key that Earthly knows and that `key` was probably meant to be: the same letters in
/// another case, or with other underscores and hyphens.
pub(super) fn meant_by(key: &str) -> Option<&'static str> {
    let letters = |key: &str| key.replace(['_', '-'], "").to_lowercase();
    if GLOBAL.iter().any(|(known, _)| *known == key) {
        return None;
    }
    GLOBAL.iter().map(|(known, _)| *known).find(|known| letters(known) == letters(key))
}

fn check_git(git: Option<&Value>) -> Result<(), String> {
    let sites = match git {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Mapping(sites)) => sites,
        Some(_) => return Err("a single value or a list under git".to_owned()),
    };
    for site in sites.values() {
        match site {
            Value::Null => {}
            Value::Mapping(site) => check_section("an entry of git", site, GIT)?,
            _ => return Err("an entry of git that is no mapping".to_owned()),
        }
    }
    Ok(())
}

fn check_section(section: &str, values: &Mapping, known: &[(&str, Kind)]) -> Result<(), String> {
    for (key, kind) in known {
        if let Some(value) = values.get(*key)
            && !kind.accepts(value)
        {
            return Err(format!("{key} in {section}, which must be {}", kind.word()));
        }
    }
    Ok(())
}

/// yaml.v3 refuses such a file, and our parser does not.
fn declares_another_version(text: &str) -> bool {
    let is_before_content = |line: &&str| line.is_empty() || line.starts_with(['#', '%']);
    let mut directives = text.trim_start_matches('\u{feff}').lines().take_while(is_before_content);
    directives.any(|line| {
        line.strip_prefix("%YAML").is_some_and(|version| version.split_whitespace().next() != Some("1.1"))
    })
}

/// Syntax errors of the parser quote nothing; that of a key given twice quotes the key.
fn describe(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let problem = if text.contains("duplicate entry") {
        "a key that stands there twice"
    } else if text.contains("unknown anchor") {
        "an alias of no anchor"
    } else if text.contains("as u128") || text.contains("as i128") {
        "a number of more than 64 bits without quotes"
    } else if text.contains("cannot start any token") {
        "a tab as indentation, or another character that cannot begin a value"
    } else {
        "no valid YAML"
    };
    match error.location() {
        Some(place) => format!("{problem}, near line {}", place.line()),
        None => problem.to_owned(),
    }
}

/// The Go type of a key.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Boolean,
    Integer,
    Unsigned16,
    Duration,
    Texts,
}

impl Kind {
    /// Whether yaml.v3 decodes the value to that type. Null keeps a default, and an unknown tag
    /// is passed over.
    fn accepts(self, value: &Value) -> bool {
        let scalar = |value: &Value| !matches!(value, Value::Sequence(_) | Value::Mapping(_));
        match (self, value) {
            (_, Value::Null | Value::Tagged(_)) => true,
            (Kind::Text, value) => scalar(value),
            (Kind::Boolean, value) => boolean(value).is_some(),
            (Kind::Integer, Value::String(text)) => is_integer_of_yaml_1_1(text),
            (Kind::Integer, value) => value.is_number(),
            (Kind::Unsigned16, value) => {
                value.as_f64().is_some_and(|number| (0.0..=65535.0).contains(&number))
            }
            (Kind::Duration, Value::String(text)) => {
                text.ends_with(['s', 'm', 'h']) && text.contains(|letter: char| letter.is_ascii_digit())
            }
            (Kind::Duration, value) => value.is_number(),
            (Kind::Texts, Value::Sequence(items)) => items.iter().all(scalar),
            (Kind::Texts, _) => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Boolean => "true or false without quotes",
            Kind::Integer => "a number",
            Kind::Unsigned16 => "a number from 0 to 65535",
            Kind::Duration => "a duration",
            Kind::Texts => "a list of texts",
        }
    }
}

/// `1_000` and `010`, which are numbers to yaml.v3 and text to our parser. Other digits that
/// come as text were quoted, and are refused by yaml.v3.
fn is_integer_of_yaml_1_1(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_right = digits.starts_with(|first: char| first.is_ascii_digit());
    starts_right
        && (digits.contains('_') || (digits.len() > 1 && digits.starts_with('0')))
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

const GLOBAL: &[(&str, Kind)] = &[
    ("cache_size_mb", Kind::Integer),
    ("cache_size_pct", Kind::Integer),
    ("buildkit_cache_keep_duration_s", Kind::Integer),
    ("buildkit_image", Kind::Text),
    ("buildkit_restart_timeout_s", Kind::Integer),
    ("buildkit_additional_args", Kind::Texts),
    ("buildkit_additional_config", Kind::Text),
    ("buildkit_max_parallelism", Kind::Integer),
    ("conversion_parallelism", Kind::Integer),
    ("cni_mtu", Kind::Unsigned16),
    ("buildkit_host", Kind::Text),
    ("local_registry_host", Kind::Text),
    ("darwin_proxy_image", Kind::Text),
    ("darwin_proxy_wait", Kind::Duration),
    ("tlsca", Kind::Text),
    ("tlsca_key", Kind::Text),
    ("tlscert", Kind::Text),
    ("tlskey", Kind::Text),
    ("buildkitd_tlscert", Kind::Text),
    ("buildkitd_tlskey", Kind::Text),
    ("tls_enabled", Kind::Boolean),
    ("container_frontend", Kind::Text),
    ("ip_tables", Kind::Text),
    ("secret_provider", Kind::Text),
    ("git_image", Kind::Text),
    ("cache_path", Kind::Text),
    ("buildkit_transport", Kind::Text),
];

const GIT: &[(&str, Kind)] = &[
    ("pattern", Kind::Text),
    ("substitute", Kind::Text),
    ("suffix", Kind::Text),
    ("auth", Kind::Text),
    ("user", Kind::Text),
    ("port", Kind::Integer),
    ("prefix", Kind::Text),
    ("password", Kind::Text),
    ("serverkey", Kind::Text),
    ("strict_host_key_checking", Kind::Boolean),
    ("ssh_command", Kind::Text),
];

/// The keys under `global` that we set, in the order in which we write them.
pub(super) const OUR_KEYS: [&str; 5] = ["buildkit_host", "tls_enabled", "tlsca", "tlscert", "tlskey"];
