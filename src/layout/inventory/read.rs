//! The schema of `kitcert.yaml`: its text becomes an inventory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::entries::{
    AuthorityPolicy, ClientEntry, DaemonEntry, InstallEntry, Inventory, Owner, Renewal, RestartWhen,
};
use crate::layout::yaml::document::{BYTE_ORDER_MARK, Document};
use crate::layout::yaml::fault;
use crate::message;
use crate::model::profile::{
    AUTHORITY_LIFETIME, CLIENT_LIFETIME, DAEMON_LIFETIME, IDLE_LIMIT, RESTART_TIMEOUT,
};
use crate::model::{
    AuthorityName, Contact, Endpoint, Failure, IdentityName, KeyAlgorithm, Lifetime, Printable, Quoted,
    RenewBefore, Role, SubjectAltName,
};

impl Inventory {
    /// Reads `kitcert.yaml`. Lifetimes that are left out are those of the profile; an endpoint that
    /// is left out is the first host that can be dialled, on port 8372.
    ///
    /// # Errors
    /// What is no YAML, a key that is unknown or stands twice (a misspelt key must not pass for a
    /// default), a value that is not what its key asks for, a certificate that lives longer than half
    /// as long as its CA, and a version other than 1. The failure names the line.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Inventory, Failure> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes);
        let written: Written = serde_yaml::from_slice(bytes).map_err(|error| {
            let subject = match fault::line_of(&error) {
                Some(line) => message!("{} line {}", path, line),
                None => path.message(),
            };
            Failure::new("reading", subject)
                .found(fault::fault(&error))
                .hint(message!("edit {}", Quoted(path)))
        })?;
        let authority = written.ca.unwrap_or_default();
        let inventory = Inventory {
            contact: written.contact.map(|Parsed(contact)| contact),
            renew_before: written.renew_before.map(|Parsed(renew)| renew),
            verify_every: written.verify_every.map(|Parsed(lifetime)| lifetime),
            authority: AuthorityPolicy {
                name: authority.name.map(|Parsed(name)| name).unwrap_or_default(),
                lifetime: authority.lifetime.map_or(AUTHORITY_LIFETIME, |Parsed(lifetime)| lifetime),
                key: authority.key.map(|Parsed(key)| key).unwrap_or_default(),
            },
            daemons: written.daemons.unwrap_or_default().0,
            clients: written.clients.unwrap_or_default().0,
        };
        inventory.refuse_long_lifetimes(bytes, path)?;
        Ok(inventory)
    }

    /// Refuses certificates that live longer than half as long as their CA: rollovers would never end.
    fn refuse_long_lifetimes(&self, bytes: &[u8], path: &Path) -> Result<(), Failure> {
        let daemons = self.daemons.iter().map(|(name, daemon)| (Role::Daemon, name, daemon.lifetime));
        let clients = self.clients.iter().map(|(name, client)| (Role::Client, name, client.lifetime));
        for (role, whose, lifetime) in daemons.chain(clients) {
            let Some(allowed) = self.authority.refused(lifetime) else { continue };
            // Without a key of its own, the entry has the lifetime of the profile.
            let document = Document::parse(bytes, path).ok();
            let line_of = |keys: &[&str]| document.as_ref()?.line_of(keys);
            let (section, name) = (role.folder(), whose.as_str());
            let line = line_of(&[section, name, "lifetime"]).or_else(|| line_of(&[section, name]));
            let subject = line.map_or_else(|| path.message(), |line| message!("{} line {}", path, line));
            return Err(Failure::new("reading", subject)
                .expected(message!("a lifetime of {} {} of {}", role, whose, allowed))
                .found(lifetime)
                .hint(message!("${EDITOR:-vi} {}", Quoted(path))));
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
    daemons: Option<Named<DaemonEntry>>,
    clients: Option<Named<ClientEntry>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAuthority {
    name: Option<Parsed<AuthorityName>>,
    lifetime: Option<Parsed<Lifetime>>,
    key: Option<Parsed<KeyAlgorithm>>,
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
    owner: Option<Parsed<Owner>>,
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

/// A word that its own type reads.
struct Parsed<T>(T);

impl<'de, T: FromStr<Err = Failure>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parsed<T>, D::Error> {
        deserializer.deserialize_str(ParsedVisitor(PhantomData))
    }
}

/// The word is read within the visitor, since only so does the parser add the line of the word
/// itself to an error.
struct ParsedVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = Failure>> Visitor<'_> for ParsedVisitor<T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, in quotes where it looks like a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Parsed<T>, E> {
        text.parse().map(Parsed).map_err(|failure: Failure| fault::carried(failure))
    }
}

/// Entries by name, each name once.
struct Named<T>(BTreeMap<IdentityName, T>);

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<T>, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with what they are")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(Parsed(name)) = map.next_key::<Parsed<IdentityName>>()? {
            let entry = map.next_value()?;
            if entries.contains_key(&name) {
                return Err(fault::carried(message!("{} is there twice", name)));
            }
            entries.insert(name, entry);
        }
        Ok(Named(entries))
    }
}

impl<'de> Deserialize<'de> for DaemonEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DaemonEntry, D::Error> {
        let written = WrittenDaemon::deserialize(deserializer)?;
        let hosts: Vec<SubjectAltName> = written.hosts.into_iter().map(|Parsed(host)| host).collect();
        let is_wildcard =
            |host: &SubjectAltName| matches!(host, SubjectAltName::Dns(name) if name.is_wildcard());
        let endpoint = match written.endpoint {
            Some(Parsed(endpoint)) => endpoint,
            None => {
                let host = hosts.iter().find(|host| !is_wildcard(host));
                let host = host
                    .ok_or_else(|| fault::carried("expected an endpoint, or a host that can be dialled"))?;
                Endpoint::new(host.clone(), Endpoint::DEFAULT_PORT)
            }
        };
        if hosts.is_empty() {
            return Err(fault::carried("hosts: expected at least one, found none"));
        }
        Ok(DaemonEntry {
            hosts,
            endpoint,
            addresses: written.addresses.unwrap_or_default(),
            lifetime: written.lifetime.map_or(DAEMON_LIFETIME, |Parsed(lifetime)| lifetime),
            install: written.install.map(install_entry).transpose()?,
            restart: written.restart.unwrap_or_default(),
            restart_when: written.restart_when.map(|Parsed(when)| when).unwrap_or_default(),
            restart_timeout: written.restart_timeout.map_or(RESTART_TIMEOUT, |Parsed(timeout)| timeout),
            idle_limit: written.idle_limit.map_or(IDLE_LIMIT, |Parsed(limit)| limit),
            renew_before: written.renew_before.map(|Parsed(renew)| renew),
            verify_every: written.verify_every.map(|Parsed(lifetime)| lifetime),
            installed: absolute(written.installed)?,
        })
    }
}

/// The folders of `installed`.
fn absolute<E: Error>(folders: Option<Vec<PathBuf>>) -> Result<Vec<PathBuf>, E> {
    let folders = folders.unwrap_or_default();
    match folders.iter().find(|folder| !folder.is_absolute()) {
        Some(folder) => Err(fault::carried(message!("installed: expected absolute paths, found {}", folder))),
        None => Ok(folders),
    }
}

fn install_entry<E: Error>(written: WrittenInstall) -> Result<InstallEntry, E> {
    let root = written.root.unwrap_or_else(|| PathBuf::from("/"));
    if !root.is_absolute() {
        return Err(fault::carried(message!("install.root: expected an absolute path, found {}", root)));
    }
    Ok(InstallEntry { layout: written.layout.0, root, owner: written.owner.map(|Parsed(owner)| owner) })
}

impl<'de> Deserialize<'de> for ClientEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClientEntry, D::Error> {
        let written = Option::<WrittenClient>::deserialize(deserializer)?.unwrap_or_default();
        Ok(ClientEntry {
            lifetime: written.lifetime.map_or(CLIENT_LIFETIME, |Parsed(lifetime)| lifetime),
            renew: written.renew.map(|Parsed(renew)| renew).unwrap_or_default(),
            endpoint: written.endpoint.map(|Parsed(endpoint)| endpoint),
            renew_before: written.renew_before.map(|Parsed(renew)| renew),
            installed: absolute(written.installed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Inventory, Failure> {
        Inventory::parse(text.as_bytes(), Path::new("kitcert.yaml"))
    }

    const DESIGN: &str = "\
version: 1
ca: {name: Acme builders, lifetime: 10y, key: ecdsa-p256}
daemons:
  builder:
    hosts: [builder.example.com, 10.0.0.5]
    endpoint: tcp://builder.example.com:8372
    lifetime: 397d
    install: {layout: earthly, root: /srv/builder}
    restart: [docker, restart, earthly-buildkitd]
    restart_when: idle            # when no build is running
clients:
  ana: {lifetime: 90d}
  ci: {lifetime: 7d, renew: auto}
";

    #[test]
    fn the_file_of_the_design_is_rendered_as_it_is_read() {
        let inventory = read(DESIGN).unwrap();
        let daemon = &inventory.daemons[&"builder".parse().unwrap()];
        assert_eq!(daemon.restart, ["docker", "restart", "earthly-buildkitd"]);
        assert_eq!(daemon.restart_when, RestartWhen::Idle);
        assert_eq!(inventory.clients[&"ci".parse().unwrap()].renew, Renewal::Auto);
        let rendered = inventory.render();
        assert_eq!(read(&rendered).unwrap(), inventory);
        let body: Vec<&str> = rendered.lines().filter(|line| !line.starts_with('#')).collect();
        let design: Vec<&str> =
            DESIGN.lines().map(|line| line.split(" #").next().unwrap().trim_end()).collect();
        assert_eq!(body, design);
    }

    #[test]
    fn what_is_left_out_is_the_profiles() {
        let inventory =
            read("version: 1\ndaemons:\n  b: {hosts: ['*.example.com', '::1']}\nclients:\n  ana:\n").unwrap();
        let daemon = &inventory.daemons[&"b".parse().unwrap()];
        assert_eq!(daemon.endpoint.to_string(), "tcp://[::1]:8372");
        assert_eq!(daemon.lifetime, DAEMON_LIFETIME);
        assert_eq!(inventory.authority.lifetime, AUTHORITY_LIFETIME);
        let client = &inventory.clients[&"ana".parse().unwrap()];
        assert_eq!((client.lifetime, client.renew), (CLIENT_LIFETIME, Renewal::Manual));
    }

    #[test]
    fn names_that_yaml_takes_for_other_things_are_read_back() {
        let names = ["true", "no", "null", "0", "1e3", "12.5", "0x1f", "1-2", "2026-11-23", "y", "ana"];
        let client = ClientEntry::of_lifetime(CLIENT_LIFETIME);
        let mut inventory = read("version: 1").unwrap();
        inventory.clients = names.iter().map(|name| (name.parse().unwrap(), client.clone())).collect();
        assert_eq!(read(&inventory.render()).unwrap(), inventory);
    }

    #[test]
    fn every_fault_names_its_line() {
        for (line, text) in [
            (1, "version: 2\n"),
            (3, "version: 1\nca:\n  lifetim: 10y\n"),
            (2, "version: 1\nclientz: {}\n"),
            (3, "version: 1\nclients:\n  ana: {lifetime: 90x}\n"),
            (4, "version: 1\nclients:\n  bob: {}\n  ana: {renew: never}\n"),
            (3, "version: 1\nclients:\n  Ana: {}\n"),
            (3, "version: 1\ndaemons:\n  b: {hosts: []}\n"),
            (3, "version: 1\ndaemons:\n  b: {hosts: [010.0.0.1]}\n"),
            (5, "version: 1\ndaemons:\n  b:\n    hosts: [b]\n    endpoint: b\n"),
            (3, "version: 1\ndaemons:\n  b: {hosts: [b], install: {layout: earthly, root: srv}}\n"),
            (3, "version: 1\ndaemons:\n  b: {hosts: [b], install: {layout: earthly, owner: root}}\n"),
            (3, "version: 1\nclients:\n\tana: {}\n"),
        ] {
            let failure = read(text).expect_err(text);
            assert!(failure.subject().ends_with(&format!(" line {line}")), "{text}: {failure}");
            assert!(!failure.what_was_found().contains(" at line "), "{failure}");
        }
    }

    #[test]
    fn a_lifetime_of_more_than_half_the_cas_is_refused_with_its_line() {
        for (line, text) in [
            (4, "version: 1\nclients:\n  ana:\n    lifetime: 20y\n"),
            (3, "version: 1\nclients:\n  ana: {renew: auto, lifetime: '1825d1s'}\n"),
            (5, "version: 1\ndaemons:\n  b:\n    hosts: [b]\n    lifetime: 20y\nca: {lifetime: 10y}\n"),
            (5, "version: 1\nca:\n  lifetime: 1y\ndaemons:\n  b: {hosts: [b]}\n"),
            (4, "version: 1\nca: {lifetime: 100d}\nclients:\n  ana:\n"),
        ] {
            let failure = read(text).expect_err(text);
            assert!(failure.subject().ends_with(&format!(" line {line}")), "{text}: {failure}");
            assert!(failure.what_was_expected().contains("half of the CA's lifetime"), "{failure}");
        }
        for text in [
            "version: 1\nclients:\n  ana: {lifetime: 1825d}\n",
            "version: 1\nca: {lifetime: 180d}\nclients:\n  ana:\n",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_file_that_says_something_twice_or_nothing_is_refused() {
        for text in [
            "",
            "ca: {}\n",
            "version: 1\nversion: 1\n",
            "version: 1\nclients: {ana: {}, ana: {}}\n",
            "version: 1\nclients:\n  ana: {lifetime: 1d, lifetime: 2d}\n",
            "version: 1\n---\nversion: 1\n",
            "version: 1\nclients: [ana]\n",
            "- version: 1\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
