use super::*;
use crate::model::profile::{CLIENT_LIFETIME, DAEMON_LIFETIME};

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
    let design: Vec<&str> = DESIGN.lines().map(|line| line.split(" #").next().unwrap().trim_end()).collect();
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
