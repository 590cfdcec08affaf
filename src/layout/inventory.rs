//! kitcert.yaml: what should exist.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::daemon_layout::DaemonLayout;
use crate::model::profile::{AUTHORITY_LIFETIME, CLIENT_LIFETIME, DAEMON_LIFETIME};
use crate::model::{
    AuthorityName, Endpoint, ExitCode, Failure, IdentityName, KeyAlgorithm, Lifetime, SubjectAltName,
};

/// What kitcert.yaml says should exist. A key that it does not know is an error: a misspelt
/// `lifetme` must not mean the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// `ca`: what the CA is like, and the next one will be.
    pub authority: AuthorityPolicy,
    /// `daemons`, by name.
    pub daemons: BTreeMap<IdentityName, DaemonEntry>,
    /// `clients`, by name.
    pub clients: BTreeMap<IdentityName, ClientEntry>,
}

/// `ca: {name, lifetime, key}`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorityPolicy {
    /// The first part of its common name.
    #[serde(with = "text")]
    pub name: AuthorityName,
    /// How long it lives.
    #[serde(with = "text")]
    pub lifetime: Lifetime,
    /// The type of every key.
    #[serde(with = "text")]
    pub key: KeyAlgorithm,
}

impl Default for AuthorityPolicy {
    fn default() -> AuthorityPolicy {
        AuthorityPolicy {
            name: AuthorityName::default(),
            lifetime: AUTHORITY_LIFETIME,
            key: KeyAlgorithm::default(),
        }
    }
}

/// A daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DaemonEntry {
    /// The names and addresses of its certificate.
    #[serde(serialize_with = "texts")]
    pub hosts: Vec<SubjectAltName>,
    /// Where clients reach it; by default the first host, port 8372.
    #[serde(serialize_with = "text::serialize")]
    pub endpoint: Endpoint,
    /// How long its certificate lives.
    #[serde(serialize_with = "text::serialize")]
    pub lifetime: Lifetime,
    /// Where its files are installed on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallEntry>,
    /// The command, word by word, that restarts it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<String>,
    /// When it may be restarted.
    #[serde(skip_serializing_if = "is_default")]
    pub restart_when: RestartWhen,
}

/// `install: {layout, root, owner}`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InstallEntry {
    /// Which daemon reads them.
    #[serde(with = "text", default)]
    pub layout: DaemonLayout,
    /// The root that the paths are under.
    pub root: PathBuf,
    /// Whose they are; root's or ours without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// A user and a group as they are typed: `1000:1000`, `buildkit:buildkit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    user: String,
    group: String,
}

/// When a daemon may be restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartWhen {
    /// At once; running builds are cut.
    #[default]
    Now,
    /// When its Info shows no session, which Earthly's daemon tells.
    Idle,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientEntry {
    /// How long its certificate lives.
    #[serde(with = "text")]
    pub lifetime: Lifetime,
    /// Who renews it.
    #[serde(skip_serializing_if = "is_default")]
    pub renew: Renewal,
}

impl Default for ClientEntry {
    fn default() -> ClientEntry {
        ClientEntry { lifetime: CLIENT_LIFETIME, renew: Renewal::default() }
    }
}

/// Who renews a client whose key was made elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Renewal {
    /// Somebody asks for it.
    #[default]
    Manual,
    /// It is renewed when it is due.
    Auto,
}

impl Inventory {
    /// Reads kitcert.yaml; `path` is for messages.
    ///
    /// # Errors
    /// Text that is no YAML, keys that are not known, values that are none, another version: with
    /// the line.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Inventory, Failure> {
        let wrong = |found: String| {
            Failure::new("reading", path.display())
                .expected("what the manual says of kitcert.yaml, version 1")
                .found(found)
                .hint(format!("edit {}", path.display()))
        };
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("bytes that are no text".to_owned()))?;
        let file: InventoryFile = serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if file.version != VERSION {
            return Err(wrong(format!("version {}", file.version)));
        }
        let daemons = file.daemons.unwrap_or_default().into_iter().map(|(name, daemon)| {
            let entry = daemon.entry().map_err(|found| wrong(format!("daemon {name}: {found}")))?;
            Ok((name.0, entry))
        });
        Ok(Inventory {
            authority: file.ca.unwrap_or_default(),
            daemons: daemons.collect::<Result<_, Failure>>()?,
            clients: file
                .clients
                .unwrap_or_default()
                .into_iter()
                .map(|(name, client)| (name.0, client.unwrap_or_default()))
                .collect(),
        })
    }

    /// A new kitcert.yaml, with what a person needs to know to edit it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("{HEADER}version: {VERSION}\nca: {}\n", flow(&self.authority));
        text.push_str("daemons:\n");
        for (name, daemon) in &self.daemons {
            text.push_str(&daemon_lines(name, daemon, "\n", "  "));
        }
        text.push_str("clients:");
        text.push_str(if self.clients.is_empty() { " {}\n" } else { "\n" });
        for (name, client) in &self.clients {
            text.push_str(&client_line(name, client, "\n", "  "));
        }
        text
    }
}

/// The lines of a daemon, as it stands below `daemons:`.
pub(super) fn daemon_lines(
    name: &IdentityName,
    daemon: &DaemonEntry,
    line_end: &str,
    indent: &str,
) -> String {
    let hosts = daemon.hosts.iter().map(|host| scalar(&host.to_string())).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("{indent}{}:", scalar(name.as_str())),
        format!("{indent}{indent}hosts: [{hosts}]"),
        format!("{indent}{indent}endpoint: {}", scalar(&daemon.endpoint.to_string())),
        format!("{indent}{indent}lifetime: {}", daemon.lifetime),
    ];
    if let Some(install) = &daemon.install {
        lines.push(install_line(install, &indent.repeat(2)));
    }
    lines.into_iter().map(|line| line + line_end).collect()
}

/// The line that says where a daemon is installed.
pub(super) fn install_line(install: &InstallEntry, indent: &str) -> String {
    format!("{indent}install: {}", flow(install))
}

/// The line of a client, as it stands below `clients:`.
pub(super) fn client_line(name: &IdentityName, client: &ClientEntry, line_end: &str, indent: &str) -> String {
    format!("{indent}{}: {}{line_end}", scalar(name.as_str()), flow(client))
}

/// A value as `{key: value, …}` on one line.
fn flow(value: &impl Serialize) -> String {
    let Ok(serde_yaml::Value::Mapping(members)) = serde_yaml::to_value(value) else { return "{}".to_owned() };
    let member = |(key, value): (&serde_yaml::Value, &serde_yaml::Value)| {
        format!("{}: {}", key.as_str().unwrap_or_default(), scalar(value.as_str().unwrap_or_default()))
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
}

/// A text as a scalar that means itself also within `[…]` and `{…}`: plain where YAML cannot
/// take it for anything else, in double quotes (a JSON string) otherwise.
fn scalar(text: &str) -> String {
    let plain_character = |character: char| character.is_ascii_alphanumeric() || "-_./ ".contains(character);
    let begins_well =
        text.starts_with(|character: char| character.is_ascii_alphanumeric() || character == '/');
    let is_text =
        || serde_yaml::from_str::<serde_yaml::Value>(text).is_ok_and(|value| value.as_str() == Some(text));
    let is_url = text.starts_with("tcp://") && !text.contains('[');
    let plain =
        text.chars().all(plain_character) || (is_url && text.chars().all(|c| plain_character(c) || c == ':'));
    // YAML 1.1, which Go's readers still follow here and there, has more words for true and false.
    let word = ["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if plain && begins_well && !word && !text.ends_with(' ') && is_text() {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InventoryFile {
    version: u32,
    ca: Option<AuthorityPolicy>,
    daemons: Option<BTreeMap<Name, DaemonFile>>,
    clients: Option<BTreeMap<Name, Option<ClientEntry>>>,
}

/// A name as a key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(IdentityName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        text::deserialize(deserializer).map(Name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DaemonFile {
    hosts: Vec<Text<SubjectAltName>>,
    endpoint: Option<Text<Endpoint>>,
    lifetime: Option<Text<Lifetime>>,
    install: Option<InstallEntry>,
    #[serde(default)]
    restart: Vec<String>,
    #[serde(default)]
    restart_when: RestartWhen,
}

impl DaemonFile {
    fn entry(self) -> Result<DaemonEntry, String> {
        let hosts: Vec<SubjectAltName> = self.hosts.into_iter().map(|host| host.0).collect();
        let first = hosts.first().cloned().ok_or("no hosts")?;
        Ok(DaemonEntry {
            endpoint: self
                .endpoint
                .map_or_else(|| Endpoint::new(first, Endpoint::DEFAULT_PORT), |endpoint| endpoint.0),
            hosts,
            lifetime: self.lifetime.map_or(DAEMON_LIFETIME, |lifetime| lifetime.0),
            install: self.install,
            restart: self.restart,
            restart_when: self.restart_when,
        })
    }
}

/// A value that is read from text.
struct Text<T>(T);

impl<'de, T: FromStr<Err = Failure>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<T>, D::Error> {
        text::deserialize(deserializer).map(Text)
    }
}

impl Owner {
    /// The user, a name or a number.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The group, a name or a number.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }
}

impl FromStr for Owner {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Owner, Failure> {
        match text.split_once(':') {
            Some((user, group)) if !user.is_empty() && !group.is_empty() && !group.contains(':') => {
                Ok(Owner { user: user.to_owned(), group: group.to_owned() })
            }
            _ => Err(Failure::new("reading the owner", format!("{text:?}"))
                .expected("USER:GROUP, such as 1000:1000")
                .found("something else")
                .exit(ExitCode::Usage)),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Owner, D::Error> {
        text::deserialize(deserializer)
    }
}

fn texts<S: Serializer>(values: &[SubjectAltName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Values that are text in the file and a type here.
mod text {
    use super::{Deserialize, Deserializer, Failure, FromStr, Serializer, fmt};
    use serde::de::Error as _;

    pub fn serialize<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr<Err = Failure>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|failure: Failure| {
            D::Error::custom(format!("{text:?}, where {} was expected", failure.what_was_expected()))
        })
    }
}

const VERSION: u32 = 1;

const HEADER: &str = "\
# What should exist. Commands edit this file and keep your comments; you may edit it too:
# `kitcert issue` brings the disk to what it says. Durations: 10y (of 365 days), 397d, 12h.
# A daemon may also say   restart: [docker, restart, earthly-buildkitd]
";
