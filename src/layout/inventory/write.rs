//! The text of an inventory, as `kitcert.yaml` has it.

use std::fmt;
use std::path::PathBuf;

use super::entries::{
    AuthorityPolicy, ClientEntry, DaemonEntry, Defaults, InstallEntry, Inventory, Renewal, RestartWhen,
};
use crate::layout::yaml::text::{Fields, Node, lines};
use crate::model::profile::{IDLE_LIMIT, RESTART_TIMEOUT};
use crate::model::{IdentityName, Lifetime};

impl Inventory {
    /// A fresh `kitcert.yaml` that says this, with a comment on top on how to edit it. What is accepted a
    /// person writes.
    #[must_use]
    pub fn render(&self) -> String {
        let AuthorityPolicy { name, lifetime, key, key_group } = &self.authority;
        let mut authority = vec![text("name", name), text("lifetime", lifetime), text("key", key)];
        authority.extend(key_group.as_ref().map(|group| text("key_group", group)));
        let defaults = &self.defaults;
        let daemons = self.daemons.iter().map(|(name, daemon)| named(name, daemon_node(daemon, defaults)));
        let clients = self.clients.iter().map(|(name, client)| named(name, client_node(client, defaults)));
        let mut fields = vec![("version".to_owned(), Node::Word("1"))];
        fields.extend(self.contact.as_ref().map(|contact| text("contact", contact)));
        fields.extend(self.renew_before.map(|renew| text("renew_before", renew)));
        fields.extend(self.verify_every.map(|lifetime| text("verify_every", lifetime)));
        fields.push(("ca".to_owned(), Node::Inline(authority)));
        let lifetime = |key: &str, lifetime: Option<Lifetime>| lifetime.map(|lifetime| text(key, lifetime));
        let said: Fields = [
            lifetime("daemon_lifetime", defaults.daemon_lifetime),
            lifetime("client_lifetime", defaults.client_lifetime),
            defaults.key.map(|key| text("key", key)),
            defaults.endpoint.as_ref().map(|endpoint| text("endpoint", endpoint)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !said.is_empty() {
            fields.push(("defaults".to_owned(), Node::Inline(said)));
        }
        fields.extend([
            ("daemons".to_owned(), Node::Nested(daemons.collect())),
            ("clients".to_owned(), Node::Nested(clients.collect())),
        ]);
        format!("{HEADER}{}", lines(&fields, 0, STEP))
    }
}

/// A daemon's keys and values, without those that say the default.
pub(super) fn daemon_node(daemon: &DaemonEntry, defaults: &Defaults) -> Node {
    let hosts = daemon.hosts.iter().map(ToString::to_string).collect();
    let mut fields = vec![("hosts".to_owned(), Node::List(hosts)), text("endpoint", &daemon.endpoint)];
    if defaults.daemon_lifetime != Some(daemon.lifetime) {
        fields.push(text("lifetime", daemon.lifetime));
    }
    if !daemon.addresses.is_empty() {
        let addresses = daemon.addresses.iter().map(ToString::to_string).collect();
        fields.push(("addresses".to_owned(), Node::List(addresses)));
    }
    if let Some(install) = &daemon.install {
        fields.push(("install".to_owned(), Node::Inline(install_fields(install))));
    }
    if !daemon.restart.is_empty() {
        fields.push(("restart".to_owned(), Node::List(daemon.restart.clone())));
    }
    if daemon.restart_when != RestartWhen::default() {
        fields.push(text("restart_when", daemon.restart_when.as_str()));
    }
    if daemon.restart_timeout != RESTART_TIMEOUT {
        fields.push(text("restart_timeout", daemon.restart_timeout));
    }
    if daemon.idle_limit != IDLE_LIMIT {
        fields.push(text("idle_limit", daemon.idle_limit));
    }
    fields.extend(daemon.renew_before.map(|renew| text("renew_before", renew)));
    fields.extend(daemon.verify_every.map(|lifetime| text("verify_every", lifetime)));
    if !daemon.installed.is_empty() {
        fields.push(installed_field(&daemon.installed));
    }
    Node::Nested(fields)
}

/// A client's keys and values, without those that say the default.
pub(super) fn client_node(client: &ClientEntry, defaults: &Defaults) -> Node {
    let mut fields = Vec::new();
    if defaults.client_lifetime != Some(client.lifetime) {
        fields.push(text("lifetime", client.lifetime));
    }
    if client.renew != Renewal::default() {
        fields.push(text("renew", client.renew.as_str()));
    }
    fields.extend(client.endpoint.as_ref().map(|endpoint| text("endpoint", endpoint)));
    fields.extend(client.renew_before.map(|renew| text("renew_before", renew)));
    if !client.installed.is_empty() {
        fields.push(installed_field(&client.installed));
    }
    Node::Inline(fields)
}

/// The key `installed` of a daemon or a client with its value.
pub(super) fn installed_field(folders: &[PathBuf]) -> (String, Node) {
    let folders = folders.iter().map(|folder| folder.display().to_string());
    ("installed".to_owned(), Node::List(folders.collect()))
}

/// The keys and values of `install`.
pub(super) fn install_fields(install: &InstallEntry) -> Fields {
    let mut fields = vec![text("layout", install.layout), text("root", install.root.display())];
    fields.extend(install.owner.as_ref().map(|owner| text("owner", owner)));
    fields.extend(install.key_group.as_ref().map(|group| text("key_group", group)));
    fields
}

/// A name as a key.
pub(super) fn named(name: &IdentityName, node: Node) -> (String, Node) {
    (name.to_string(), node)
}

fn text(key: &str, value: impl fmt::Display) -> (String, Node) {
    (key.to_owned(), Node::Text(value.to_string()))
}

const HEADER: &str = "\
# What should exist. Edit it by hand or let kitcert do so: comments stay. `kitcert rotate`
# brings the certificates to what it says; `kitcert status` shows what is due.
# Durations: 10y, 397d, 12h. A y is 365 days.
";

const STEP: usize = 2;
