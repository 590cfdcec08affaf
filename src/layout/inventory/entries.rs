//! What should exist, as `kitcert.yaml` lists it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::accept::Acceptance;
use crate::layout::daemon::DaemonLayout;
use crate::message;
use crate::model::profile::{
    AUTHORITY_LIFETIME, CLIENT_LIFETIME, DAEMON_LIFETIME, IDLE_LIMIT, RESTART_TIMEOUT, VERIFY_EVERY,
};
use crate::model::{
    AuthorityName, Contact, Endpoint, ExitCode, Failure, IdentityName, KeyAlgorithm, Lifetime, Message,
    RenewBefore, Role, Rule, SubjectAltName, Timestamp, Word,
};

/// What should exist, as an admin writes it: the CA's policy, the daemons and the clients. The
/// certificates are the truth of what does exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Whom a developer asks, as kits say it; None: whoever makes the kit.
    pub contact: Option<Contact>,
    /// How long before its end a certificate is renewed, where its own entry does not say.
    pub renew_before: Option<RenewBefore>,
    /// How long a verification of a daemon counts, if its own entry does not say.
    pub verify_every: Option<Lifetime>,
    /// What a new CA is to be like; `ca` in the file.
    pub authority: AuthorityPolicy,
    /// The daemons, by name.
    pub daemons: BTreeMap<IdentityName, DaemonEntry>,
    /// The clients, by name.
    pub clients: BTreeMap<IdentityName, ClientEntry>,
    /// What holds for identities that do not say otherwise.
    pub defaults: Defaults,
    /// The findings that a person accepts.
    pub accept: Vec<Acceptance>,
}

/// What holds for identities that do not say otherwise; None: what the profile says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// How long a daemon's certificates are valid.
    pub daemon_lifetime: Option<Lifetime>,
    /// How long a client's certificates are valid.
    pub client_lifetime: Option<Lifetime>,
    /// The type of a new key of theirs; None: the CA's.
    pub key: Option<KeyAlgorithm>,
    /// The daemon of clients; None: the only one.
    pub endpoint: Option<Endpoint>,
}

impl Defaults {
    /// How long the certificates of an identity are valid that does not say it.
    #[must_use]
    pub fn lifetime(&self, role: Role) -> Lifetime {
        match role {
            Role::Daemon => self.daemon_lifetime.unwrap_or(DAEMON_LIFETIME),
            Role::Client => self.client_lifetime.unwrap_or(CLIENT_LIFETIME),
        }
    }
}

/// What a new CA is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityPolicy {
    /// What it is called, before its key id is appended.
    pub name: AuthorityName,
    /// How long it is valid.
    pub lifetime: Lifetime,
    /// The type of every key, the CA's and the leaves'.
    pub key: KeyAlgorithm,
    /// The group that may read the keys of the CAs beside their owner; None: nobody else.
    pub key_group: Option<GroupName>,
}

/// A daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonEntry {
    /// The names and addresses in its certificate; at least one.
    pub hosts: Vec<SubjectAltName>,
    /// Where it is dialed.
    pub endpoint: Endpoint,
    /// The addresses of the endpoint's host that count for the verdict; none for every one.
    pub addresses: Vec<IpAddr>,
    /// How long its certificates are valid.
    pub lifetime: Lifetime,
    /// Where its files are installed, if on this machine.
    pub install: Option<InstallEntry>,
    /// The program with its arguments that restarts it; empty where nothing does. Never a shell's
    /// line.
    pub restart: Vec<String>,
    /// When it may be restarted.
    pub restart_when: RestartWhen,
    /// How long the restart command may run, and again how long the daemon may take to serve.
    pub restart_timeout: Lifetime,
    /// How long a restart that waits for idleness waits.
    pub idle_limit: Lifetime,
    /// How long before its end its certificate is renewed.
    pub renew_before: Option<RenewBefore>,
    /// How long a verification of it counts.
    pub verify_every: Option<Lifetime>,
    /// The folders on this machine where `install client` has put its files beside a client's,
    /// whose tool starts the daemon itself; absolute. A renewal reaches them too.
    pub installed: Vec<PathBuf>,
}

/// Where a daemon's files are installed on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallEntry {
    /// Which daemon it is, and so which paths it reads.
    pub layout: DaemonLayout,
    /// The directory that stands for the daemon's `/`; absolute.
    pub root: PathBuf,
    /// Whose the files are to be; None: whoever installs them.
    pub owner: Option<OwnerName>,
    /// The group that may read the key beside its owner; None: nobody else.
    pub key_group: Option<GroupName>,
}

/// When a daemon may be restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartWhen {
    /// At once.
    #[default]
    Now,
    /// When it builds nothing, as its build history tells; at once if it has none and tells no sessions.
    Idle,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEntry {
    /// How long its certificates are valid.
    pub lifetime: Lifetime,
    /// Who renews it.
    pub renew: Renewal,
    /// The daemon that it uses, as its kits say it; None: the only one.
    pub endpoint: Option<Endpoint>,
    /// How long before its end its certificate is renewed.
    pub renew_before: Option<RenewBefore>,
    /// The folders on this machine where `install client` has put its files; absolute. A renewal
    /// reaches them too.
    pub installed: Vec<PathBuf>,
}

/// Who renews a client's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renewal {
    /// A person, by a kit or an install.
    #[default]
    Manual,
    /// Every `rotate` for which it is due.
    Auto,
}

/// A user and a group, names or numbers, as `chown` takes them: `user:group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerName {
    user: String,
    group: String,
}

/// A group, its name or its number, as `chgrp` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl Inventory {
    /// How long before its end that identity's certificate is renewed.
    #[must_use]
    pub fn renew_before(&self, role: Role, name: &IdentityName) -> RenewBefore {
        let own = match role {
            Role::Daemon => self.daemons.get(name).and_then(|daemon| daemon.renew_before),
            Role::Client => self.clients.get(name).and_then(|client| client.renew_before),
        };
        own.or(self.renew_before).unwrap_or_default()
    }

    /// The type of a new key of a daemon or a client.
    #[must_use]
    pub fn leaf_key(&self) -> KeyAlgorithm {
        self.defaults.key.unwrap_or(self.authority.key)
    }

    /// The acceptance of what is found of an identity, if there is one as of `now`.
    #[must_use]
    pub fn accepted(
        &self,
        identity: (Role, &IdentityName),
        found: (Rule, &Message),
        now: Timestamp,
    ) -> Option<&Acceptance> {
        self.accept.iter().find(|acceptance| acceptance.is_about(identity, found, now))
    }

    /// How long a verification of that daemon counts.
    #[must_use]
    pub fn verify_every(&self, name: &IdentityName) -> Lifetime {
        let own = self.daemons.get(name).and_then(|daemon| daemon.verify_every);
        own.or(self.verify_every).unwrap_or(VERIFY_EVERY)
    }

    /// The folders where `install client` has put that identity's files; None where it is not listed.
    #[must_use]
    pub fn installed(&self, role: Role, name: &IdentityName) -> Option<&[PathBuf]> {
        match role {
            Role::Daemon => self.daemons.get(name).map(|daemon| daemon.installed.as_slice()),
            Role::Client => self.clients.get(name).map(|client| client.installed.as_slice()),
        }
    }
}

/// That of the profile.
impl Default for AuthorityPolicy {
    fn default() -> AuthorityPolicy {
        AuthorityPolicy {
            name: AuthorityName::default(),
            lifetime: AUTHORITY_LIFETIME,
            key: KeyAlgorithm::default(),
            key_group: None,
        }
    }
}

impl AuthorityPolicy {
    /// How long a certificate may live, in words for whoever wants a longer one; None if it may live
    /// that long.
    #[must_use]
    pub(crate) fn refused(&self, lifetime: Lifetime) -> Option<Message> {
        let longest = self.lifetime.longest_leaf();
        (lifetime > longest)
            .then(|| message!("at most {}, half of the CA's lifetime ({})", longest, self.lifetime))
    }
}

impl DaemonEntry {
    /// One that is not installed on this machine and that nothing here restarts.
    #[must_use]
    pub fn new(hosts: Vec<SubjectAltName>, endpoint: Endpoint, lifetime: Lifetime) -> DaemonEntry {
        DaemonEntry {
            hosts,
            endpoint,
            addresses: Vec::new(),
            lifetime,
            install: None,
            restart: Vec::new(),
            restart_when: RestartWhen::default(),
            restart_timeout: RESTART_TIMEOUT,
            idle_limit: IDLE_LIMIT,
            renew_before: None,
            verify_every: None,
            installed: Vec::new(),
        }
    }
}

impl ClientEntry {
    /// One with nothing else set.
    #[must_use]
    pub fn of_lifetime(lifetime: Lifetime) -> ClientEntry {
        ClientEntry {
            lifetime,
            renew: Renewal::default(),
            endpoint: None,
            renew_before: None,
            installed: Vec::new(),
        }
    }
}

impl OwnerName {
    /// The user's name or number.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The group's name or number.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }
}

impl FromStr for OwnerName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<OwnerName, Failure> {
        match text.split_once(':') {
            Some((user, group)) if is_account(user) && is_account(group) => {
                Ok(OwnerName { user: user.to_owned(), group: group.to_owned() })
            }
            _ => Err(Failure::new("reading the owner", message!("{}", Word(text)))
                .expected("user:group, names or numbers, such as root:docker or 1000:1000")
                .found("something else")
                .exit(ExitCode::Usage)),
        }
    }
}

impl GroupName {
    /// The group's name or number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<GroupName, Failure> {
        if is_account(text) {
            return Ok(GroupName(text.to_owned()));
        }
        Err(Failure::new("reading the group", message!("{}", Word(text)))
            .expected("the name or the number of a group, such as backup or 1000")
            .found("something else")
            .exit(ExitCode::Usage))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it may be the name or the number of a user or a group.
fn is_account(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte);
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(allowed)
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

impl RestartWhen {
    /// Every value, the default first.
    pub const ALL: [RestartWhen; 2] = [RestartWhen::Now, RestartWhen::Idle];

    /// The word for it in kitcert.yaml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RestartWhen::Now => "now",
            RestartWhen::Idle => "idle",
        }
    }
}

impl Renewal {
    /// Every value, the default first.
    pub const ALL: [Renewal; 2] = [Renewal::Manual, Renewal::Auto];

    /// The word for it in kitcert.yaml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Renewal::Manual => "manual",
            Renewal::Auto => "auto",
        }
    }
}

impl FromStr for RestartWhen {
    type Err = Failure;

    fn from_str(text: &str) -> Result<RestartWhen, Failure> {
        let word = RestartWhen::ALL.into_iter().find(|word| word.as_str() == text);
        word.ok_or_else(|| another_word("when to restart", text, "now or idle"))
    }
}

impl FromStr for Renewal {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Renewal, Failure> {
        let word = Renewal::ALL.into_iter().find(|word| word.as_str() == text);
        word.ok_or_else(|| another_word("who renews", text, "manual or auto"))
    }
}

fn another_word(what: &'static str, text: &str, expected: &'static str) -> Failure {
    Failure::new(message!("reading {}", what), message!("{}", Word(text)))
        .expected(expected)
        .found("another word")
}
