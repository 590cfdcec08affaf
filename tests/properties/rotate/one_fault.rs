//! One fault stops nobody else: what is wrong with one identity is its own result, and nobody waits for
//! another's restart.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::rotate::rotating::{Site, issue_to_another_machine, serial};
use crate::support::daemon::Daemon;
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::supervised::SupervisedDaemon;
use crate::support::workspace::{Said, Workspace};

/// A machine with one daemon.
struct Machine {
    name: String,
    place: Workspace,
    daemon: SupervisedDaemon,
}

/// One state, with many daemons.
struct Park {
    admin: Workspace,
    machines: Vec<Machine>,
}

impl Park {
    /// Daemons that are installed and verified; `None`, and a skip, without Go.
    fn new(test: &str, names: &[String]) -> Option<Park> {
        peers::program("go-peer", test)?;
        let admin = Workspace::new();
        let mut park = Park { admin, machines: Vec::new() };
        let mut described = String::new();
        for name in names {
            let port = Daemon::free_port();
            let endpoint = format!("tcp://127.0.0.1:{port}");
            let hosts = ["--host", "127.0.0.1", "--endpoint", &endpoint];
            let first = ["init", "--name", name];
            let other = ["issue", "daemon", name];
            let command = if park.machines.is_empty() { &first } else { &other };
            park.admin.run(command.iter().chain(&hosts)).succeeded();
            let place = Workspace::new();
            park.admin.run(["install", "daemon", name, "--root", &place.text("root")]).succeeded();
            let daemon = SupervisedDaemon::start(test, &place, "root/etc", port, &[])?;
            described.push_str(&format!("{name} {}\n", json!(daemon.restart())));
            park.machines.push(Machine { name: name.clone(), place, daemon });
        }
        let mut text = park.admin.read("state/kitcert.yaml");
        for line in described.lines() {
            let (name, restart) = line.split_once(' ').unwrap();
            let head = format!("  {name}:\n");
            text = text.replace(&head, &format!("{head}    restart: {restart}\n    restart_timeout: 3s\n"));
        }
        park.admin.write("state/kitcert.yaml", text);
        park.admin.run(["issue", "client", "probe"]).succeeded();
        park.admin.run(["verify", "--all"]).succeeded();
        Some(park)
    }

    fn current(&self, name: &str) -> String {
        serial(&self.admin, &format!("state/daemons/{name}/current"))
    }

    fn install(&self, client: &str) {
        let endpoint = self.endpoint();
        let home = self.admin.path(&format!("homes/{client}"));
        std::fs::create_dir_all(&home).unwrap();
        let mut command = self.admin.command(["install", "client", client, "--endpoint", &endpoint]);
        command.env("HOME", home);
        self.admin.finish(command, "").succeeded();
    }

    /// A host that no tool takes for a daemon of the state, whose files it would be given too.
    fn endpoint(&self) -> String {
        let text = self.admin.read("state/kitcert.yaml");
        let line = text.lines().find(|line| line.trim_start().starts_with("endpoint:")).unwrap();
        line.trim_start().trim_start_matches("endpoint:").trim().trim_matches('"').to_owned()
    }
}

/// What became of each identity, by its name.
fn results(report: &Value) -> BTreeMap<String, (String, u64)> {
    let rows = report["results"].as_array().unwrap_or_else(|| panic!("no results: {report:#}"));
    let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "name"), (text(row, "result"), row["exit"].as_u64().unwrap()))).collect()
}

fn said(said: &Said) -> String {
    format!("{}{}", said.out, said.err)
}

#[test]
fn what_is_wrong_with_some_stops_none_of_the_others() {
    const TEST: &str = "what_is_wrong_with_some_stops_none_of_the_others";
    const KINDS: [&str; 6] = ["sound", "refuses", "falls", "foreign", "busy", "hangs"];
    let daemons = number("KITCERT_PARK", 6);
    let clients = daemons * 10;
    let kind = |nth: usize| KINDS[nth % KINDS.len()];
    let names: Vec<String> = (0..daemons).map(|number| format!("{}-{number}", kind(number))).collect();
    let Some(park) = Park::new(TEST, &names) else { return };
    let people: Vec<String> = (0..clients).map(|number| format!("client-{number}")).collect();
    park.admin.run(["issue", "client"].into_iter().chain(people.iter().map(String::as_str))).succeeded();
    let installed: Vec<&String> = people.iter().take(daemons).collect();
    installed.iter().for_each(|client| park.install(client));
    // What a client's own user can do without any privilege.
    let (mut broken, mut absent) = (Vec::new(), Vec::new());
    for (number, client) in installed.iter().enumerate() {
        let certs = park.admin.path(&format!("homes/{client}/.earthly/certs"));
        let away = park.admin.path(&format!("homes/{client}/elsewhere"));
        match number % 5 {
            1 => {
                std::fs::rename(certs.join("kitcert"), &away).unwrap();
                symlink("/tmp", certs.join("kitcert")).unwrap();
            }
            2 => {
                std::fs::remove_file(certs.join("cert.pem")).unwrap();
                std::fs::write(certs.join("cert.pem"), "mine").unwrap();
            }
            3 => {
                let (home, gone) = (format!("homes/{client}"), format!("gone-{client}"));
                std::fs::rename(park.admin.path(&home), park.admin.path(&gone)).unwrap();
                absent.push((*client).clone());
                continue;
            }
            _ => continue,
        }
        broken.push((*client).clone());
    }
    let mut held = Vec::new();
    for machine in &park.machines {
        let installed = machine.place.path("root/etc/cert.pem");
        match machine.name.split('-').next().unwrap() {
            "refuses" => drop(machine.daemon.ask("next refuse")),
            "falls" => drop(machine.daemon.ask("always down")),
            "hangs" => drop(machine.daemon.ask("always hang")),
            "foreign" => {
                std::fs::remove_file(&installed).unwrap();
                std::fs::write(&installed, "somebody else's").unwrap();
            }
            "busy" => {
                let lock = park.admin.path(&format!("state/daemons/{}/.lock", machine.name));
                let lock = std::fs::File::options().create(true).append(true).open(lock).unwrap();
                lock.lock().unwrap();
                held.push(lock);
            }
            _ => {}
        }
    }
    let before: BTreeMap<&String, String> = names.iter().map(|name| (name, park.current(name))).collect();
    let serials = |people: &[String]| -> Vec<String> {
        people.iter().map(|name| serial(&park.admin, &format!("state/clients/{name}/current"))).collect()
    };
    let of_people = serials(&people);
    let report = park.admin.run(["rotate", "--force", "--format", "json"]).ended_with(7).json();
    let renewed = serials(&people).iter().zip(&of_people).filter(|(now, before)| now != before).count();
    assert_eq!(renewed, people.len(), "clients were not renewed for the sake of others");
    let results = results(&report);
    let expected = |name: &str| match name.split('-').next().unwrap() {
        "sound" => ("done", 0),
        "refuses" | "hangs" => ("rolled-back", 1),
        "falls" => ("down", 7),
        "foreign" => ("failed", 6),
        "busy" => ("busy", 5),
        _ if broken.iter().any(|one| one == name) => ("failed", 1),
        _ if absent.iter().any(|one| one == name) => ("waiting", 0),
        _ => ("done", 0),
    };
    for (name, (result, exit)) in &results {
        assert_eq!((result.as_str(), *exit), expected(name), "{name}: {report:#}");
    }
    let all = names.iter().chain(&people);
    all.for_each(|name| assert!(results.contains_key(name), "nothing is said of {name}: {report:#}"));
    for machine in &park.machines {
        let is_new = park.current(&machine.name) != before[&machine.name];
        match machine.name.split('-').next().unwrap() {
            "sound" => {
                assert!(is_new);
                assert_eq!(machine.daemon.serial(), Some(park.current(&machine.name)), "{}", machine.name);
            }
            "busy" => assert!(!is_new, "{} is somebody else's to change", machine.name),
            _ => {}
        }
    }
    let counts = report["counts"].as_object().unwrap();
    let counted: u64 = counts.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counted, results.len() as u64);
    println!("{daemons} daemons, {clients} clients: {}", report["counts"]);
}

#[test]
fn a_restart_that_takes_long_keeps_nobody_else_waiting() {
    const TEST: &str = "a_restart_that_takes_long_keeps_nobody_else_waiting";
    let Some(park) = Park::new(TEST, &["builder".to_owned(), "spare".to_owned()]) else { return };
    let text = park.admin.read("state/kitcert.yaml").replace("restart_timeout: 3s", "restart_timeout: 5m");
    park.admin.write("state/kitcert.yaml", text);
    let [builder, spare] = &park.machines[..] else { panic!("two daemons") };
    builder.daemon.ask("next hang");
    std::thread::scope(|scope| {
        let rotation = scope.spawn(|| park.admin.run(["rotate", "--force", "builder", "spare"]));
        builder.daemon.ask("await attempts 1");
        spare.daemon.ask("await restarts 1");
        // One command after the other, while that restart goes on.
        let busy = park.admin.run(["rotate", "--force", "builder"]).ended_with(5);
        assert!(said(&busy).contains(": rotate"), "who is at work on it: {}", said(&busy));
        park.admin.run(["rollback", "builder"]).ended_with(5);
        park.admin.run(["rotate", "--force", "spare"]).succeeded();
        park.admin.run(["issue", "client", "eve"]).succeeded();
        park.admin.run(["verify", "spare"]).succeeded();
        park.admin.run(["rollback", "spare"]).succeeded();
        assert_eq!(builder.daemon.count("restarts"), 0);
        builder.daemon.ask("release");
        rotation.join().unwrap().succeeded();
    });
    assert_eq!(builder.daemon.serial(), Some(park.current("builder")));
    assert_eq!(spare.daemon.serial(), Some(park.current("spare")));
    park.admin.run(["status", "--check"]).succeeded();
}

#[test]
fn builds_are_waited_for_all_at_once() {
    const TEST: &str = "builds_are_waited_for_all_at_once";
    let names = ["one", "two", "three"].map(str::to_owned);
    let Some(park) = Park::new(TEST, &names) else { return };
    let text = park.admin.read("state/kitcert.yaml");
    park.admin
        .write("state/kitcert.yaml", text.replace("    restart:", "    restart_when: idle\n    restart:"));
    let asked: Vec<u64> = park
        .machines
        .iter()
        .map(|machine| {
            machine.daemon.ask("idle 1 0");
            machine.daemon.count("information")
        })
        .collect();
    std::thread::scope(|scope| {
        let rotation = scope.spawn(|| {
            park.admin.run(["rotate", "--force"].into_iter().chain(names.iter().map(String::as_str)))
        });
        for (machine, asked) in park.machines.iter().zip(asked) {
            machine.daemon.ask(&format!("await information {}", asked + 2));
        }
        // The last that is named ends its build first, and is not kept waiting by the others.
        for machine in park.machines.iter().rev() {
            machine.daemon.ask("idle 0 60");
            machine.daemon.ask("await restarts 1");
        }
        rotation.join().unwrap().succeeded();
    });
}

#[test]
fn an_emergency_beside_a_rotation_that_waits_is_rolled_out_at_once() {
    const TEST: &str = "an_emergency_beside_a_rotation_that_waits_is_rolled_out_at_once";
    let Some(site) = Site::new(TEST) else { return };
    site.describe("restart_when", &json!("idle"));
    let previous = site.workspace.read("state/daemons/builder/current/ca.pem");
    site.daemon.ask("idle 1 0");
    let asked = site.daemon.count("information");
    std::thread::scope(|scope| {
        let rotation = scope.spawn(|| site.rotate(&["--force", "builder"]));
        site.daemon.ask(&format!("await information {}", asked + 2));
        assert_eq!(site.daemon.count("attempts"), 0, "a running build was cut");
        // The build goes on: nobody waits for it any more.
        let emergency = site.workspace.run(["ca", "rollover", "start", "--compromised"]);
        emergency.succeeded();
        rotation.join().unwrap().succeeded();
    });
    site.assert_served();
    let trusted = site.workspace.read("root/etc/ca.pem");
    assert!(!trusted.contains(previous.trim()), "the daemon still trusts the CA that is compromised");
}

#[test]
fn a_rotation_that_was_killed_after_its_commit_is_finished_by_the_next() {
    const TEST: &str = "a_rotation_that_was_killed_after_its_commit_is_finished_by_the_next";
    let Some(site) = Site::new(TEST) else { return };
    site.describe("restart_timeout", &json!("5m"));
    site.daemon.ask("next hang");
    let mut rotation = site.workspace.command(["rotate", "--force", "builder"]).spawn().unwrap();
    site.daemon.ask("await attempts 1");
    rotation.kill().unwrap();
    rotation.wait().unwrap();
    site.daemon.ask("release");
    let committed = site.generation("current");
    site.workspace.run(["status", "--check"]).ended_with(4);
    site.rotate(&[]).succeeded();
    assert_eq!(site.generation("current"), committed, "it goes on, and renews nothing again");
    site.assert_served();
}

#[test]
fn a_daemon_whose_clock_is_wrong_keeps_no_other_from_being_renewed() {
    const TEST: &str = "a_daemon_whose_clock_is_wrong_keeps_no_other_from_being_renewed";
    let names = ["one", "two", "three"].map(str::to_owned);
    let Some(mut park) = Park::new(TEST, &names) else { return };
    let machine = park.machines.pop().unwrap();
    let port = port_of(&park, &machine.name);
    let place = machine.place;
    drop(machine.daemon);
    // It may have left its socket behind.
    let _ = std::fs::remove_file(place.path("control"));
    let options = ["--clock-offset=87600h"];
    let Some(daemon) = SupervisedDaemon::start(TEST, &place, "root/etc", port, &options) else { return };
    let before: Vec<String> = names.iter().map(|name| park.current(name)).collect();
    let report = park.admin.run(["rotate", "--force", "--format", "json"]).ended_with(1).json();
    let results = results(&report);
    assert_eq!(results["three"], ("failed".to_owned(), 1), "{report:#}");
    assert_eq!((results["one"].1, results["two"].1), (0, 0), "{report:#}");
    let changed: Vec<bool> =
        names.iter().zip(&before).map(|(name, before)| park.current(name) != *before).collect();
    assert_eq!(
        changed,
        [true, true, false],
        "what is issued by a clock that is in doubt is not for that daemon"
    );
    drop(daemon);
}

fn port_of(park: &Park, name: &str) -> u16 {
    let text = park.admin.read("state/kitcert.yaml");
    let (_, entry) = text.split_once(&format!("  {name}:\n")).unwrap();
    let line = entry.lines().find(|line| line.trim_start().starts_with("endpoint:")).unwrap();
    line.trim().trim_matches('"').rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn an_installed_home_that_is_gone_is_not_called_done() {
    const TEST: &str = "an_installed_home_that_is_gone_is_not_called_done";
    let Some(park) = Park::new(TEST, &["builder".to_owned()]) else { return };
    park.admin.run(["issue", "client", "ana"]).succeeded();
    park.install("ana");
    std::fs::rename(park.admin.path("homes/ana"), park.admin.path("away")).unwrap();
    let report = park.admin.run(["rotate", "--force", "ana", "--format", "json"]).json();
    let results = results(&report);
    assert_eq!(results["ana"].0, "waiting", "{report:#}");
    assert!(!Path::new(&park.admin.path("homes/ana")).exists(), "nobody makes a home");
}

#[test]
fn a_second_daemon_stops_no_renewal_of_a_client_whose_key_is_elsewhere() {
    const TEST: &str = "a_second_daemon_stops_no_renewal_of_a_client_whose_key_is_elsewhere";
    let Some(site) = Site::aged(TEST, 80) else { return };
    issue_to_another_machine(&site, "bob", 80);
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("bob: {", "bob: {renew: auto, "));
    site.workspace.run(["issue", "daemon", "spare", "--host", "spare.example.com"]).succeeded();
    let before = ["ana", "bob"].map(|name| serial(&site.workspace, &format!("state/clients/{name}/current")));
    let report = site.rotate(&["ana", "bob", "--format", "json"]).succeeded().json();
    let results = results(&report);
    for (name, before) in ["ana", "bob"].iter().zip(before) {
        assert_eq!(results[*name].0, "done", "{report:#}");
        assert_ne!(serial(&site.workspace, &format!("state/clients/{name}/current")), before, "{name}");
    }
    assert!(site.workspace.path("state/kits/bob.kit").exists());
    // It knows the daemon that it used, and no other.
    let kit = site.workspace.run(["inspect", "state/kits/bob.kit"]).succeeded().out;
    assert!(kit.contains(&format!("tcp://127.0.0.1:{}", site.port)) && !kit.contains("spare"), "{kit}");
    // Nor does one that somebody has added by hand, for anybody else.
    let text = site.workspace.read("state/kitcert.yaml");
    let without: Vec<&str> =
        text.lines().filter(|line| !line.contains("defaults:") && !line.starts_with("  endpoint:")).collect();
    site.workspace.write("state/kitcert.yaml", without.join("\n") + "\n");
    let said = site.rotate(&["--force", "ana", "bob", "--format", "json"]).ended_with(2).json();
    let results = self::results(&said);
    assert_eq!((results["ana"].0.as_str(), results["bob"].0.as_str()), ("done", "failed"), "{said:#}");
    let hint = said["results"].to_string();
    assert!(hint.contains("endpoint:"), "{hint}");
}

#[test]
fn in_an_emergency_a_daemon_whose_clock_is_wrong_stops_no_other() {
    const TEST: &str = "in_an_emergency_a_daemon_whose_clock_is_wrong_stops_no_other";
    let names = ["one", "two", "three"].map(str::to_owned);
    let Some(mut park) = Park::new(TEST, &names) else { return };
    let machine = park.machines.pop().unwrap();
    let (port, place) = (port_of(&park, &machine.name), machine.place);
    drop(machine.daemon);
    // It may have left its socket behind.
    let _ = std::fs::remove_file(place.path("control"));
    let options = ["--clock-offset=87600h"];
    let Some(_wrong) = SupervisedDaemon::start(TEST, &place, "root/etc", port, &options) else { return };
    let previous = park.admin.read("state/daemons/one/current/ca.pem");
    let said = park.admin.run(["ca", "rollover", "start", "--compromised"]);
    assert!([6, 7].contains(&said.code), "{said:?}");
    for machine in &park.machines {
        let trusted = machine.place.read("root/etc/ca.pem");
        assert!(!trusted.contains(previous.trim()), "{}: {said:?}", machine.name);
        assert_eq!(machine.daemon.serial(), Some(park.current(&machine.name)), "{said:?}");
    }
    assert!(!place.read("root/etc/ca.pem").contains(previous.trim()), "its files shut the thief out too");
}
