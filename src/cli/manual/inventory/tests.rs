use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::layout::{Defaults, Inventory};
use crate::model::Role;

const SCHEMA: &str = include_str!("../../../layout/inventory/read.rs");

fn read(text: &str) -> Inventory {
    let read = Inventory::parse(text.as_bytes(), Path::new("kitcert.yaml"));
    read.unwrap_or_else(|failure| panic!("{failure}: {text}"))
}

/// The keys that a struct of the schema accepts.
fn accepted(structure: &str, section: &str) -> BTreeSet<String> {
    let body = SCHEMA.split_once(&format!("struct {structure} {{")).unwrap().1.split_once('}').unwrap().0;
    let fields = body.lines().map(str::trim).filter(|line| line.ends_with(',') && !line.starts_with("//"));
    let names = fields.map(|line| line.split_once(':').unwrap().0.trim_start_matches('_'));
    let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
    names.map(|name| format!("{prefix}{name}")).collect()
}

#[test]
fn every_key_that_is_accepted_is_described() {
    let structures = [
        "Written",
        "WrittenAuthority",
        "WrittenDefaults",
        "WrittenDaemon",
        "WrittenInstall",
        "WrittenClient",
        "WrittenAcceptance",
    ];
    let accepted: BTreeSet<String> = structures
        .iter()
        .zip(SECTIONS)
        .flat_map(|(structure, (_, section))| accepted(structure, section))
        .collect();
    let described: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(described, accepted);
    assert_eq!(KEYS.len(), described.len(), "a key is described twice");
    let page = page();
    assert!(KEYS.iter().all(|key| page.contains(key.path)), "a section is missing");
}

/// A file in which nothing but that key is said, and what the file cannot be without.
fn document(key: &Key, value: Option<&str>) -> String {
    let said = value.map_or_else(String::new, |value| format!("{}: {value}", key.name()));
    let beside = |other: &str| if said.is_empty() { other.to_owned() } else { format!("{other}, {said}") };
    match (key.section(), key.name()) {
        ("", "version") => format!("{said}\n"),
        ("", _) => format!("version: 1\n{said}\n"),
        ("ca", _) => format!("version: 1\nca: {{{said}}}\n"),
        ("defaults", _) => format!("version: 1\ndefaults: {{{said}}}\n"),
        ("accept[]", name) => {
            let others = ["rule: key-mode", "subject: client/ana", "found: x"];
            let others = others.iter().filter(|other| !other.starts_with(name));
            let all: Vec<&str> =
                others.copied().chain(Some(said.as_str()).filter(|it| !it.is_empty())).collect();
            format!("version: 1\naccept: [{{{}}}]\n", all.join(", "))
        }
        ("daemons.NAME", "hosts") => format!("version: 1\ndaemons: {{b: {{{said}}}}}\n"),
        ("daemons.NAME", _) => format!("version: 1\ndaemons: {{b: {{{}}}}}\n", beside("hosts: [b]")),
        ("daemons.NAME.install", name) => {
            let install = if name == "layout" { said.clone() } else { beside("layout: earthly") };
            format!("version: 1\ndaemons: {{b: {{hosts: [b], install: {{{install}}}}}}}\n")
        }
        (_, _) => format!("version: 1\nclients: {{ana: {{{said}}}}}\n"),
    }
}

#[test]
fn every_example_is_accepted_and_every_default_is_the_default() {
    for key in KEYS {
        read(&document(key, Some(key.example)));
        match key.otherwise {
            Otherwise::Value(value) => {
                let [with, without] = [Some(value), None].map(|value| read(&document(key, value)));
                // What is not set is the default's of whoever asks.
                let name = "b".parse().unwrap();
                assert_eq!(with.verify_every(&name), without.verify_every(&name), "{}", key.path);
                let [with, without] = [with, without].map(|one| {
                    let lifetimes = [Role::Daemon, Role::Client].map(|role| one.defaults.lifetime(role));
                    (lifetimes, Inventory { verify_every: None, defaults: Defaults::default(), ..one })
                });
                assert_eq!(with, without, "{}", key.path);
            }
            Otherwise::Required => {
                let text = document(key, None);
                assert!(Inventory::parse(text.as_bytes(), Path::new("k")).is_err(), "{}", key.path);
            }
            Otherwise::Nothing(_) => drop(read(&document(key, None))),
        }
    }
    read(EXAMPLE);
}
