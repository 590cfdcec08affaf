//! `kitcert.yaml`, edited in place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entries::{ClientEntry, DaemonEntry, InstallEntry, Inventory};
use super::write::{client_node, daemon_node, install_fields, installed_field, named};
use crate::layout::yaml::document::Document;
use crate::layout::yaml::edit::{Position, set_at};
use crate::layout::yaml::line::YamlLine;
use crate::layout::yaml::text::{Fields, Node, lines};
use crate::message;
use crate::model::{Endpoint, Failure, IdentityName, Message, Role};

/// One change of `kitcert.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventoryChange {
    /// A daemon that is not there yet.
    AddDaemon(IdentityName, DaemonEntry),
    /// Clients that are not there yet.
    AddClients(Vec<(IdentityName, ClientEntry)>),
    /// Where a daemon that is there is installed.
    SetInstall(IdentityName, InstallEntry),
    /// Which daemon a client uses that says no other.
    SetDefaultEndpoint(Endpoint),
    /// Which daemon a client that is there uses.
    SetEndpoint(IdentityName, Endpoint),
    /// One more folder where `install client` has put the files of a daemon or a client that is
    /// there.
    AddInstalled(Role, IdentityName, PathBuf),
}

/// The text of `kitcert.yaml` after some changes. Every byte that is not part of a change stays:
/// comments, quotes, order, line ends. What is there already as it should be is left alone.
///
/// # Errors
/// A file that [`Inventory::parse`] refuses; a change that contradicts what is there; and a text
/// that cannot be edited so that the result says exactly what it should: the failure's hint has
/// the lines to add by hand.
pub fn edit_inventory(text: &[u8], path: &Path, changes: &[InventoryChange]) -> Result<Vec<u8>, Failure> {
    let mut expected = Inventory::parse(text, path)?;
    let mut steps = Vec::new();
    for change in changes {
        let step = step(&expected, change, path)?;
        apply(&mut expected, change);
        steps.extend(step);
    }
    let mut edited = text.to_vec();
    for step in &steps {
        let document = Document::parse(&edited, path)?;
        let keys: Vec<&str> = step.path.iter().map(String::as_str).collect();
        let after = set_at(&document, &keys, &step.fields, Position::Last);
        edited = after.ok_or_else(|| by_hand(path, &steps))?.into_bytes();
    }
    match Inventory::parse(&edited, path) {
        Ok(inventory) if inventory == expected => Ok(edited),
        _ => Err(by_hand(path, &steps)),
    }
}

/// Fields that are set in the mapping at a path.
struct Step {
    path: Vec<String>,
    fields: Fields,
}

/// What a change means for the text; None if it is there already.
fn step(inventory: &Inventory, change: &InventoryChange, path: &Path) -> Result<Option<Step>, Failure> {
    let differs = |kind: &'static str, name: &IdentityName| {
        Failure::new(message!("adding the {} {} to", kind, name), path.display())
            .expected("no such entry, or the same")
            .found("another of that name")
    };
    let (section, fields) = match change {
        InventoryChange::AddDaemon(name, daemon) => match inventory.daemons.get(name) {
            Some(there) if there != daemon => return Err(differs("daemon", name)),
            Some(_) => return Ok(None),
            None => (vec!["daemons"], vec![named(name, daemon_node(daemon, &inventory.defaults))]),
        },
        InventoryChange::AddClients(clients) => {
            let mut added = BTreeMap::new();
            let mut fields = Vec::new();
            for (name, client) in clients {
                match inventory.clients.get(name).or_else(|| added.get(name).copied()) {
                    Some(there) if there != client => return Err(differs("client", name)),
                    Some(_) => {}
                    None => {
                        fields.push(named(name, client_node(client, &inventory.defaults)));
                        added.insert(name, client);
                    }
                }
            }
            (vec!["clients"], fields)
        }
        InventoryChange::SetInstall(name, install) => match inventory.daemons.get(name) {
            None => {
                return Err(Failure::new("setting the place of", name)
                    .expected(message!("a daemon of that name in {}", path.display()))
                    .found("none"));
            }
            Some(daemon) if daemon.install.as_ref() == Some(install) => return Ok(None),
            Some(daemon) if daemon.install.is_some() => {
                (vec!["daemons", name.as_str(), "install"], install_fields(install))
            }
            Some(_) => {
                let install = ("install".to_owned(), Node::Inline(install_fields(install)));
                (vec!["daemons", name.as_str()], vec![install])
            }
        },
        InventoryChange::SetDefaultEndpoint(endpoint) => match &inventory.defaults.endpoint {
            Some(there) if there == endpoint => return Ok(None),
            _ => (vec!["defaults"], vec![("endpoint".to_owned(), Node::Text(endpoint.to_string()))]),
        },
        InventoryChange::SetEndpoint(name, endpoint) => match inventory.clients.get(name) {
            None => {
                return Err(Failure::new("setting the endpoint of", name)
                    .expected(message!("a client of that name in {}", path.display()))
                    .found("none"));
            }
            Some(client) if client.endpoint.as_ref() == Some(endpoint) => return Ok(None),
            Some(_) => {
                let endpoint = ("endpoint".to_owned(), Node::Text(endpoint.to_string()));
                (vec!["clients", name.as_str()], vec![endpoint])
            }
        },
        InventoryChange::AddInstalled(role, name, folder) => match inventory.installed(*role, name) {
            None => {
                return Err(Failure::new("noting where it is installed:", name)
                    .expected(message!("a {} of that name in {}", role, path.display()))
                    .found("none"));
            }
            Some(folders) if folders.contains(folder) => return Ok(None),
            Some(folders) => {
                let mut folders = folders.to_vec();
                folders.push(folder.clone());
                let section = match role {
                    Role::Daemon => "daemons",
                    Role::Client => "clients",
                };
                (vec![section, name.as_str()], vec![installed_field(&folders)])
            }
        },
    };
    let path = section.into_iter().map(str::to_owned).collect();
    Ok((!fields.is_empty()).then_some(Step { path, fields }))
}

fn apply(inventory: &mut Inventory, change: &InventoryChange) {
    match change {
        InventoryChange::AddDaemon(name, daemon) => {
            inventory.daemons.insert(name.clone(), daemon.clone());
        }
        InventoryChange::AddClients(clients) => inventory.clients.extend(clients.iter().cloned()),
        InventoryChange::SetDefaultEndpoint(endpoint) => {
            inventory.defaults.endpoint = Some(endpoint.clone());
        }
        InventoryChange::SetInstall(name, install) => {
            if let Some(daemon) = inventory.daemons.get_mut(name) {
                daemon.install = Some(install.clone());
            }
        }
        InventoryChange::SetEndpoint(name, endpoint) => {
            if let Some(client) = inventory.clients.get_mut(name) {
                client.endpoint = Some(endpoint.clone());
            }
        }
        InventoryChange::AddInstalled(role, name, folder) => {
            let folders = match role {
                Role::Daemon => inventory.daemons.get_mut(name).map(|daemon| &mut daemon.installed),
                Role::Client => inventory.clients.get_mut(name).map(|client| &mut client.installed),
            };
            if let Some(folders) = folders.filter(|folders| !folders.contains(folder)) {
                folders.push(folder.clone());
            }
        }
    }
}

fn by_hand(path: &Path, steps: &[Step]) -> Failure {
    let fields = steps.iter().map(|step| {
        let shown = step.fields.iter().take(LINES_SHOWN).cloned().collect();
        step.path.iter().rev().fold(shown, |inner: Fields, key| vec![(key.clone(), Node::Nested(inner))])
    });
    let text: String = fields.map(|fields| lines(&fields, 0, 2)).collect();
    let left: usize = steps.iter().map(|step| step.fields.len().saturating_sub(LINES_SHOWN)).sum();
    let more = if left == 0 { message!("") } else { message!("\n… and {} more like these", left) };
    Failure::new("editing", path.display())
        .expected("a form that can be edited safely")
        .found("one that cannot; the file is unchanged")
        .hint(message!(
            "${EDITOR:-vi} {}   # so that it says:\n{}{}",
            path,
            Message::join(text.lines().map(YamlLine), "\n"),
            more
        ))
}

/// How many lines of a change are shown that must be made by hand.
const LINES_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::DaemonLayout;
    use crate::model::Lifetime;

    const PATH: &str = "kitcert.yaml";

    fn edit(text: &str, changes: &[InventoryChange]) -> Result<String, Failure> {
        edit_inventory(text.as_bytes(), Path::new(PATH), changes)
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn client(name: &str, days: u32) -> (IdentityName, ClientEntry) {
        (name.parse().unwrap(), ClientEntry::of_lifetime(Lifetime::days(days)))
    }

    fn add_client(name: &str) -> [InventoryChange; 1] {
        [InventoryChange::AddClients(vec![client(name, 90)])]
    }

    fn daemon() -> DaemonEntry {
        let hosts = vec!["b.example".parse().unwrap(), "::1".parse().unwrap()];
        DaemonEntry::new(hosts, Endpoint::new("b.example".parse().unwrap(), 8372), Lifetime::days(397))
    }

    fn install(root: &str) -> InstallEntry {
        InstallEntry { layout: DaemonLayout::Earthly, root: root.into(), owner: None, key_group: None }
    }

    #[test]
    fn one_more_folder_is_noted_in_whatever_form_the_others_are_written() {
        let change = InventoryChange::AddInstalled(Role::Client, "ana".parse().unwrap(), "/b".into());
        for (client, noted) in [
            ("{lifetime: 90d}", "{lifetime: 90d, installed: [/b]}"),
            ("{installed: [/a], lifetime: 90d} # c", "{installed: [/a, /b], lifetime: 90d} # c"),
            ("\n    installed: [ /a ]   # c", "\n    installed: [/a, /b]   # c"),
            ("{installed: [/a, /b]}", "{installed: [/a, /b]}"),
        ] {
            let edited =
                edit(&format!("version: 1\nclients:\n  ana: {client}\n"), std::slice::from_ref(&change));
            assert_eq!(edited.as_deref(), Ok(format!("version: 1\nclients:\n  ana: {noted}\n").as_str()));
        }
        let lines = edit("version: 1\nclients:\n  ana:\n    installed:\n    - /a\n", &[change]);
        assert!(lines.unwrap_err().remedy().unwrap().contains("installed: [/a, /b]"));
    }

    #[test]
    fn a_client_is_told_its_endpoint_in_whatever_form_it_is_written() {
        let change = InventoryChange::SetEndpoint("ana".parse().unwrap(), "tcp://b:1".parse().unwrap());
        for (before, after) in [
            ("{lifetime: 7d}  # hers", "{lifetime: 7d, endpoint: tcp://b:1}  # hers"),
            ("{endpoint: 'tcp://a:1'}", "{endpoint: 'tcp://b:1'}"),
            ("{}", "\n    endpoint: tcp://b:1"),
            ("\n    lifetime: 7d # x", "\n    lifetime: 7d # x\n    endpoint: tcp://b:1"),
            ("", "\n    endpoint: tcp://b:1"),
        ] {
            let file = |entry: &str| format!("version: 1\nclients:\n  ana: {entry}\n").replace(": \n", ":\n");
            let edited = edit(&file(before), std::slice::from_ref(&change)).unwrap();
            assert_eq!(edited, file(after));
            assert_eq!(edit(&edited, std::slice::from_ref(&change)).unwrap(), edited);
        }
    }

    #[test]
    fn a_client_is_added_below_the_last_and_nothing_else_moves() {
        for (before, after) in [
            (
                "version: 1 # one\nclients:\n    bob: {lifetime: '7d'}  # two\n    # three\n\nca: {}\n",
                "version: 1 # one\nclients:\n    bob: {lifetime: '7d'}  # two\n    ana: {lifetime: 90d}\n    # three\n\nca: {}\n",
            ),
            ("version: 1\nclients:\n", "version: 1\nclients:\n  ana: {lifetime: 90d}\n"),
            ("version: 1\nclients: # none\n", "version: 1\nclients: # none\n  ana: {lifetime: 90d}\n"),
            ("version: 1\nclients: {} # none\n", "version: 1\nclients: # none\n  ana: {lifetime: 90d}\n"),
            ("version: 1\nclients: ~\n", "version: 1\nclients:\n  ana: {lifetime: 90d}\n"),
            ("version: 1\n# end\n", "version: 1\n# end\nclients:\n  ana: {lifetime: 90d}\n"),
            ("version: 1", "version: 1\nclients:\n  ana: {lifetime: 90d}"),
            (
                "version: 1\r\nclients:\r\n  bob:\r\nca: {}\r\n",
                "version: 1\r\nclients:\r\n  bob:\r\n  ana: {lifetime: 90d}\r\nca: {}\r\n",
            ),
            ("version: 1\nclients: {bob: {}}\n", "version: 1\nclients: {bob: {}, ana: {lifetime: 90d}}\n"),
            ("{version: 1, clients: {}}\n", "{version: 1, clients: {ana: {lifetime: 90d}}}\n"),
            ("{version: 1}\n", "{version: 1, clients: {ana: {lifetime: 90d}}}\n"),
            (
                "version: 1\nclients:\n  bob:\n    lifetime: 7d\n    # his\n  # all\n",
                "version: 1\nclients:\n  bob:\n    lifetime: 7d\n  ana: {lifetime: 90d}\n    # his\n  # all\n",
            ),
            ("---\nversion: 1\n...\n", "---\nversion: 1\nclients:\n  ana: {lifetime: 90d}\n...\n"),
            ("\u{feff}version: 1\n", "\u{feff}version: 1\nclients:\n  ana: {lifetime: 90d}\n"),
        ] {
            assert_eq!(edit(before, &add_client("ana")).unwrap(), after);
        }
    }

    #[test]
    fn what_is_there_already_changes_nothing() {
        let text = "version: 1\ndaemons:\n  b: {hosts: [b.example, '::1'], install: {layout: earthly, root: /}}\nclients:\n  ana:\n";
        assert_eq!(edit(text, &add_client("ana")).unwrap(), text);
        let set = InventoryChange::SetInstall("b".parse().unwrap(), install("/"));
        assert_eq!(edit(text, &[set]).unwrap(), text);
        let mut there = daemon();
        there.install = Some(install("/"));
        assert_eq!(edit(text, &[InventoryChange::AddDaemon("b".parse().unwrap(), there)]).unwrap(), text);
    }

    #[test]
    fn a_contradiction_is_refused() {
        let text = "version: 1\ndaemons:\n  b: {hosts: [b]}\nclients:\n  ana: {lifetime: 7d}\n";
        let twice = InventoryChange::AddClients(vec![client("eve", 1), client("eve", 2)]);
        for change in [
            InventoryChange::AddClients(vec![client("ana", 90)]),
            twice,
            InventoryChange::AddDaemon("b".parse().unwrap(), daemon()),
            InventoryChange::SetInstall("other".parse().unwrap(), install("/")),
        ] {
            assert!(edit(text, std::slice::from_ref(&change)).is_err(), "{change:?}");
        }
    }

    #[test]
    fn a_daemon_and_its_place_are_written_as_the_rest_is() {
        let name: IdentityName = "b".parse().unwrap();
        let changes = [
            InventoryChange::AddDaemon(name.clone(), daemon()),
            InventoryChange::SetInstall(name, install("/srv/my builder")),
        ];
        let edited = edit("version: 1\nclients:\n    ana:\n", &changes).unwrap();
        assert_eq!(
            edited,
            "version: 1\nclients:\n    ana:\ndaemons:\n    b:\n        hosts: [b.example, '::1']\n        \
             endpoint: tcp://b.example:8372\n        lifetime: 397d\n        \
             install: {layout: earthly, root: /srv/my builder}\n"
        );
    }

    #[test]
    fn another_place_replaces_the_values_alone() {
        let set = |root: &str| [InventoryChange::SetInstall("b".parse().unwrap(), install(root))];
        for (before, after) in [
            (
                "version: 1\ndaemons:\n  b:\n    hosts: [b]\n    install:\n      layout: buildkit # old\n      root: \"/a\" # here\n",
                "version: 1\ndaemons:\n  b:\n    hosts: [b]\n    install:\n      layout: earthly # old\n      root: \"/srv\" # here\n",
            ),
            (
                "version: 1\ndaemons: {b: {hosts: [b], install: {layout: earthly}}}\n",
                "version: 1\ndaemons: {b: {hosts: [b], install: {layout: earthly, root: /srv}}}\n",
            ),
            (
                "version: 1\ndaemons:\n  b: {hosts: [b]}\n",
                "version: 1\ndaemons:\n  b: {hosts: [b], install: {layout: earthly, root: /srv}}\n",
            ),
        ] {
            assert_eq!(edit(before, &set("/srv")).unwrap(), after);
        }
    }

    #[test]
    fn what_cannot_be_edited_is_left_with_the_lines_to_add() {
        let names: Vec<_> = (0..7).map(|number| client(&format!("c{number}"), 7)).collect();
        let text = "version: 1\nclients: &all\n  ? bob\n  : {}\n";
        let failure = edit(text, &[InventoryChange::AddClients(names)]).unwrap_err();
        let hint = failure.remedy().unwrap();
        assert!(hint.contains("clients:\n  c0: {lifetime: 7d}\n"), "{hint}");
        assert!(hint.ends_with("… and 2 more like these"), "{hint}");
    }

    #[test]
    fn an_aliased_section_is_not_grown_behind_its_others_back() {
        let text = "version: 1\ndaemons:\n  a: &a\n    hosts: [a]\n  b: *a\n";
        let set = |name: &str| [InventoryChange::SetInstall(name.parse().unwrap(), install("/"))];
        assert!(edit(text, &set("a")).is_err());
        assert!(edit(text, &set("b")).is_err());
    }

    #[test]
    fn ten_thousand_clients_are_one_edit() {
        let names: Vec<_> = (0..10_000).map(|number| client(&format!("c{number}"), 7)).collect();
        let before = "version: 1\nclients:\n  ana: {} # first\n";
        let edited = edit(before, &[InventoryChange::AddClients(names)]).unwrap();
        assert!(edited.starts_with(before));
        assert_eq!(edited.lines().count(), 10_003);
    }
}
