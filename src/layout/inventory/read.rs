//! The schema of `kitcert.yaml`: its text becomes an inventory.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::accept::{AcceptableRule, Acceptance, FoundText, Until};
use super::entries::{
    AuthorityPolicy, ClientEntry, DaemonEntry, Defaults, GroupName, InstallEntry, Inventory, OwnerName,
    Renewal, RestartWhen,
};
use super::parsed::{Named, Parsed};
use crate::layout::yaml::document::{BYTE_ORDER_MARK, Document};
use crate::layout::yaml::fault;
use crate::layout::yaml::flow::is_too_deep;
use crate::message;
use crate::model::profile::{AUTHORITY_LIFETIME, IDLE_LIMIT, RESTART_TIMEOUT};
use crate::model::{
    AuthorityName, Contact, Endpoint, Failure, KeyAlgorithm, Lifetime, Message, Printable, Quoted,
    RenewBefore, Role, Selector, SubjectAltName,
};

/// Whether a `kitcert.yaml` says nothing: it was emptied, by an editor or a full disk.
#[must_use]
pub(crate) fn is_nothing(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

impl Inventory {
    /// Reads `kitcert.yaml`. Lifetimes that are left out are those of `defaults`; an endpoint that
    /// is left out is the first host that can be dialed, on port 8372.
    ///
    /// # Errors
    /// What is no YAML, a key that is unknown or stands twice (a misspelt key must not pass for a
    /// default), a value that is not what its key asks for, a certificate that lives longer than half
    /// as long as its CA, and a version other than 1. The failure names the line.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Inventory, Failure> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes);
        if std::str::from_utf8(bytes).is_ok_and(is_too_deep) {
            let failure = Failure::new("reading", path.display()).found(fault::TOO_DEEP);
            return Err(failure.hint(message!("${EDITOR:-vi} {}", Quoted(path))));
        }
        let written: Written = serde_yaml::from_slice(bytes).map_err(|error| {
            let subject = match fault::line_of(&error) {
                Some(line) => message!("{} line {}", path, line),
                None => path.message(),
            };
            let is_emptied = is_nothing(bytes);
            let failure = Failure::new("reading", subject).found(match is_emptied {
                true => message!("nothing"),
                false => fault::fault(&error),
            });
            match is_emptied {
                true => failure.hint("{kitcert} recover   # writes it again, from the certificates"),
                false => failure.hint(message!("${EDITOR:-vi} {}", Quoted(path))),
            }
        })?;
        let authority = written.ca.unwrap_or_default();
        let defaults = written.defaults.unwrap_or_default();
        let defaults = Defaults {
            daemon_lifetime: defaults.daemon_lifetime.map(|Parsed(lifetime)| lifetime),
            client_lifetime: defaults.client_lifetime.map(|Parsed(lifetime)| lifetime),
            key: defaults.key.map(|Parsed(key)| key),
            endpoint: defaults.endpoint.map(|Parsed(endpoint)| endpoint),
        };
        let daemons = written.daemons.unwrap_or_default().0.into_iter();
        let clients = written.clients.unwrap_or_default().0.into_iter();
        let inventory = Inventory {
            contact: written.contact.map(|Parsed(contact)| contact),
            renew_before: written.renew_before.map(|Parsed(renew)| renew),
            verify_every: written.verify_every.map(|Parsed(lifetime)| lifetime),
            authority: AuthorityPolicy {
                name: authority.name.map(|Parsed(name)| name).unwrap_or_default(),
                lifetime: authority.lifetime.map_or(AUTHORITY_LIFETIME, |Parsed(lifetime)| lifetime),
                key: authority.key.map(|Parsed(key)| key).unwrap_or_default(),
                key_group: authority.key_group.map(|Parsed(group)| group),
            },
            daemons: daemons.map(|(name, daemon)| (name, daemon.entry(&defaults))).collect(),
            clients: clients.map(|(name, client)| (name, client.entry(&defaults))).collect(),
            accept: written.accept.unwrap_or_default().into_iter().map(WrittenAcceptance::into).collect(),
            defaults,
        };
        inventory.refuse_long_lifetimes(bytes, path)?;
        Ok(inventory)
    }

    /// Refuses certificates that live longer than half as long as their CA: rollovers would never end.
    fn refuse_long_lifetimes(&self, bytes: &[u8], path: &Path) -> Result<(), Failure> {
        let daemons = self.daemons.iter().map(|(name, daemon)| (Role::Daemon, name, daemon.lifetime));
        let clients = self.clients.iter().map(|(name, client)| (Role::Client, name, client.lifetime));
        let document = || Document::parse(bytes, path).ok();
        let refused = |line: Option<usize>, whose: Message, allowed: Message, lifetime: Lifetime| {
            let subject = line.map_or_else(|| path.message(), |line| message!("{} line {}", path, line));
            Err(Failure::new("reading", subject)
                .expected(message!("a lifetime of {} of {}", whose, allowed))
                .found(lifetime)
                .hint(message!("${EDITOR:-vi} {}", Quoted(path))))
        };
        let defaults = [
            ("daemon_lifetime", self.defaults.daemon_lifetime),
            ("client_lifetime", self.defaults.client_lifetime),
        ];
        for (key, lifetime) in defaults {
            let Some(lifetime) = lifetime else { continue };
            let Some(allowed) = self.authority.refused(lifetime) else { continue };
            let line = document().and_then(|document| document.line_of(&["defaults", key]));
            return refused(line, message!("defaults.{}", key), allowed, lifetime);
        }
        for (role, whose, lifetime) in daemons.chain(clients) {
            let Some(allowed) = self.authority.refused(lifetime) else { continue };
            // Without a key of its own, the entry has the default lifetime.
            let document = document();
            let line_of = |keys: &[&str]| document.as_ref()?.line_of(keys);
            let (section, name) = (role.folder(), whose.as_str());
            let line = line_of(&[section, name, "lifetime"]).or_else(|| line_of(&[section, name]));
            return refused(line, message!("{} {}", role, whose), allowed, lifetime);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "version")]
    _version: Version,
    contact: Option<Parsed<Contact>>,
    renew_before: Option<Parsed<RenewBefore>>,
    verify_every: Option<Parsed<Lifetime>>,
    ca: Option<WrittenAuthority>,
    defaults: Option<WrittenDefaults>,
    daemons: Option<Named<ReadDaemon>>,
    clients: Option<Named<ReadClient>>,
    accept: Option<Vec<WrittenAcceptance>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDefaults {
    daemon_lifetime: Option<Parsed<Lifetime>>,
    client_lifetime: Option<Parsed<Lifetime>>,
    key: Option<Parsed<KeyAlgorithm>>,
    endpoint: Option<Parsed<Endpoint>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAcceptance {
    rule: Parsed<AcceptableRule>,
    subject: Parsed<Selector>,
    found: Parsed<FoundText>,
    reason: Option<Parsed<FoundText>>,
    until: Option<Parsed<Until>>,
}

impl From<WrittenAcceptance> for Acceptance {
    fn from(written: WrittenAcceptance) -> Acceptance {
        Acceptance {
            rule: written.rule.0.rule(),
            subject: written.subject.0,
            found: written.found.0,
            reason: written.reason.map(|Parsed(reason)| reason),
            until: written.until.map(|Parsed(until)| until.instant()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAuthority {
    name: Option<Parsed<AuthorityName>>,
    lifetime: Option<Parsed<Lifetime>>,
    key: Option<Parsed<KeyAlgorithm>>,
    key_group: Option<Parsed<GroupName>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDaemon {
    hosts: Vec<Parsed<SubjectAltName>>,
    endpoint: Option<Parsed<Endpoint>>,
    addresses: Option<Vec<IpAddr>>,
    lifetime: Option<Parsed<Lifetime>>,
    install: Option<WrittenInstall>,
    restart: Option<Vec<String>>,
    restart_when: Option<Parsed<RestartWhen>>,
    restart_timeout: Option<Parsed<Lifetime>>,
    idle_limit: Option<Parsed<Lifetime>>,
    renew_before: Option<Parsed<RenewBefore>>,
    verify_every: Option<Parsed<Lifetime>>,
    installed: Option<Vec<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenInstall {
    layout: Parsed<crate::layout::DaemonLayout>,
    root: Option<PathBuf>,
    owner: Option<Parsed<OwnerName>>,
    key_group: Option<Parsed<GroupName>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClient {
    lifetime: Option<Parsed<Lifetime>>,
    renew: Option<Parsed<Renewal>>,
    endpoint: Option<Parsed<Endpoint>>,
    renew_before: Option<Parsed<RenewBefore>>,
    installed: Option<Vec<PathBuf>>,
}

struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Version),
            other => Err(fault::carried(message!(
                "expected version 1, found {}, which a newer kitcert may have written",
                other
            ))),
        }
    }
}

/// A daemon, and its lifetime if it says one.
struct ReadDaemon(DaemonEntry, Option<Lifetime>);

impl ReadDaemon {
    fn entry(self, defaults: &Defaults) -> DaemonEntry {
        let lifetime = self.1.unwrap_or_else(|| defaults.lifetime(Role::Daemon));
        DaemonEntry { lifetime, ..self.0 }
    }
}

/// A client, and its lifetime if it says one.
struct ReadClient(ClientEntry, Option<Lifetime>);

impl ReadClient {
    fn entry(self, defaults: &Defaults) -> ClientEntry {
        let lifetime = self.1.unwrap_or_else(|| defaults.lifetime(Role::Client));
        ClientEntry { lifetime, ..self.0 }
    }
}

/// A program below the working directory would be another one for each cron job and each admin.
fn restart_command<E: serde::de::Error>(words: Vec<String>) -> Result<Vec<String>, E> {
    let is_relative = words.first().is_some_and(|program| program.contains('/') && !program.starts_with('/'));
    if is_relative {
        return Err(fault::carried(
            "restart: expected a program of PATH, or one by its path from / on, found another path",
        ));
    }
    Ok(words)
}

impl<'de> Deserialize<'de> for ReadDaemon {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ReadDaemon, D::Error> {
        let written = WrittenDaemon::deserialize(deserializer)?;
        let hosts: Vec<SubjectAltName> = written.hosts.into_iter().map(|Parsed(host)| host).collect();
        let is_wildcard =
            |host: &SubjectAltName| matches!(host, SubjectAltName::Dns(name) if name.is_wildcard());
        let endpoint = match written.endpoint {
            Some(Parsed(endpoint)) => endpoint,
            None => {
                let host = hosts.iter().find(|host| !is_wildcard(host));
                let host =
                    host.ok_or_else(|| fault::carried("expected an endpoint, or a host that can be dialed"))?;
                Endpoint::new(host.clone(), Endpoint::DEFAULT_PORT)
            }
        };
        if hosts.is_empty() {
            return Err(fault::carried("hosts: expected at least one, found none"));
        }
        let lifetime = written.lifetime.map(|Parsed(lifetime)| lifetime);
        let entry = DaemonEntry {
            hosts,
            endpoint,
            addresses: written.addresses.unwrap_or_default(),
            lifetime: Defaults::default().lifetime(Role::Daemon),
            install: written.install.map(install_entry).transpose()?,
            restart: written.restart.map(restart_command).transpose()?.unwrap_or_default(),
            restart_when: written.restart_when.map(|Parsed(when)| when).unwrap_or_default(),
            restart_timeout: written.restart_timeout.map_or(RESTART_TIMEOUT, |Parsed(timeout)| timeout),
            idle_limit: written.idle_limit.map_or(IDLE_LIMIT, |Parsed(limit)| limit),
            renew_before: written.renew_before.map(|Parsed(renew)| renew),
            verify_every: written.verify_every.map(|Parsed(lifetime)| lifetime),
            installed: absolute(written.installed)?,
        };
        Ok(ReadDaemon(entry, lifetime))
    }
}

/// The folders of `installed`.
fn absolute<E: Error>(folders: Option<Vec<PathBuf>>) -> Result<Vec<PathBuf>, E> {
    let folders = folders.unwrap_or_default();
    match folders.iter().find(|folder| !folder.is_absolute() || folder.message().hides_a_value()) {
        Some(folder) => Err(fault::carried(message!("installed: expected absolute paths, found {}", folder))),
        None => Ok(folders),
    }
}

fn install_entry<E: Error>(written: WrittenInstall) -> Result<InstallEntry, E> {
    let root = written.root.unwrap_or_else(|| PathBuf::from("/"));
    // A folder of that name would be made, and would then be one that may be shown.
    if !root.is_absolute() || root.message().hides_a_value() {
        return Err(fault::carried(message!("install.root: expected an absolute path, found {}", root)));
    }
    Ok(InstallEntry {
        layout: written.layout.0,
        root,
        owner: written.owner.map(|Parsed(owner)| owner),
        key_group: written.key_group.map(|Parsed(group)| group),
    })
}

impl<'de> Deserialize<'de> for ReadClient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ReadClient, D::Error> {
        let written = Option::<WrittenClient>::deserialize(deserializer)?.unwrap_or_default();
        let lifetime = written.lifetime.map(|Parsed(lifetime)| lifetime);
        let entry = ClientEntry {
            lifetime: Defaults::default().lifetime(Role::Client),
            renew: written.renew.map(|Parsed(renew)| renew).unwrap_or_default(),
            endpoint: written.endpoint.map(|Parsed(endpoint)| endpoint),
            renew_before: written.renew_before.map(|Parsed(renew)| renew),
            installed: absolute(written.installed)?,
        };
        Ok(ReadClient(entry, lifetime))
    }
}

#[cfg(test)]
mod tests;
