//! `verify` without a target: the client's own config is read as its tool reads it, and each trap of
//! it is told, while the daemon itself is sound.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::workspace::{Said, Workspace};

const CONFIG: &str = "home/.earthly/config.yml";

/// A client whose state is gone: a config, its files, and a sound daemon.
struct Client {
    workspace: Workspace,
    port: u16,
    /// Held for what it does when it is dropped.
    _daemon: Daemon,
}

impl Client {
    /// The client's machine after `install client`, with `earthly` and `docker` on PATH.
    fn new() -> Client {
        Client::of("earthly", &["127.0.0.1", "localhost"], "127.0.0.1")
    }

    fn of(tool: &str, hosts: &[&str], host: &str) -> Client {
        let port = Daemon::free_port();
        let workspace = Workspace::new();
        let mut arguments = vec!["init".to_owned(), "--client".to_owned(), "ana".to_owned()];
        for one in hosts {
            arguments.extend(["--host".to_owned(), (*one).to_owned()]);
        }
        arguments.extend(["--endpoint".to_owned(), format!("tcp://{host}:{port}")]);
        workspace.run(&arguments).succeeded();
        workspace.run(["install", "client", "--tool", tool]).succeeded();
        let daemon = Daemon::start(&workspace, port, &[]);
        std::fs::rename(workspace.path("state"), workspace.path("moved")).unwrap();
        for program in [if tool == "earthly" { "earthly" } else { "earth" }, "docker"] {
            let path = workspace.write(&format!("bin/{program}"), "#!/bin/sh\n");
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        Client { workspace, port, _daemon: daemon }
    }

    fn endpoint(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    fn command(&self, more: &[&str]) -> Command {
        let words = ["verify", "--format", "json", "--timeout", "3s"];
        let mut command = self.workspace.command(words.iter().chain(more));
        command.env("PATH", self.workspace.path("bin"));
        command
    }

    fn verify(&self, more: &[&str]) -> Said {
        self.finish(self.command(more))
    }

    fn finish(&self, command: Command) -> Said {
        self.workspace.finish(command, "")
    }

    fn edit(&self, from: &str, to: &str) {
        let config = self.workspace.read(CONFIG);
        assert!(config.contains(from), "{from:?} in {config}");
        self.workspace.write(CONFIG, config.replace(from, to));
    }
}

/// The findings that are no pass, as rule and severity.
fn said_of(said: &Said) -> Vec<(String, String)> {
    let report = said.json();
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{said:?}")).clone();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let told = findings.iter().filter(|finding| word(finding, "severity") != "pass");
    told.map(|finding| (word(finding, "rule"), word(finding, "severity"))).collect()
}

/// The finding of that rule, which has a cause and a fix.
#[track_caller]
fn trap(said: &Said, rule: &str, severity: &str) -> Value {
    let report = said.json();
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{said:?}")).clone();
    let found = findings.into_iter().find(|one| one["rule"] == rule && one["severity"] == severity);
    let found = found.unwrap_or_else(|| panic!("no {severity} of {rule} in {report:#}"));
    assert!(found["cause"].is_string() && found["fix"].is_string(), "{found:#}");
    found
}

#[test]
fn a_client_that_is_set_up_well_hears_of_no_trap() {
    let client = Client::new();
    let said = client.verify(&[]).succeeded();
    let traps: Vec<_> = said_of(&said).into_iter().filter(|(_, severity)| severity != "info").collect();
    assert_eq!(traps, []);
    assert_eq!(said.json()["target"], client.endpoint());
}

#[test]
fn a_host_that_is_passed_over_is_a_warning_with_the_variable_to_set() {
    let client = Client::new();
    std::fs::remove_file(client.workspace.path("bin/docker")).unwrap();
    let found = trap(&client.verify(&[]).succeeded(), "host-ignored", "warning");
    assert_eq!(found["fix"], format!("export EARTHLY_BUILDKIT_HOST={}", client.endpoint()));

    let mut command = client.command(&[]);
    command.env("EARTHLY_BUILDKIT_HOST", client.endpoint());
    let said = client.finish(command).succeeded();
    assert!(!said_of(&said).iter().any(|(rule, _)| rule == "host-ignored"), "{said:?}");
}

#[test]
fn a_host_that_a_variable_overrides_is_a_warning_and_the_variable_is_dialed() {
    let client = Client::new();
    client.edit(&client.endpoint(), "tcp://elsewhere.example:8372");
    let mut command = client.command(&[]);
    command.env("EARTHLY_BUILDKIT_HOST", client.endpoint());
    let said = client.finish(command).succeeded();
    assert_eq!(said.json()["target"], client.endpoint());
    assert_eq!(trap(&said, "host-ignored", "warning")["fix"], "unset EARTHLY_BUILDKIT_HOST");

    let mut command = client.command(&[]);
    command.env("EARTH_BUILDKIT_HOST", "tcp://other.example:1");
    client.finish(command).ended_with(3);
}

#[test]
fn a_loopback_host_is_a_warning_unless_the_tools_own_daemon_has_its_files() {
    let client = Client::new();
    assert!(said_of(&client.verify(&[])).contains(&("loopback-host".to_owned(), "info".to_owned())));
    client.edit("buildkitd_tlscert: ./certs/daemon_cert.pem", "buildkitd_tlscert: ./certs/cert.pem");
    trap(&client.verify(&[]).succeeded(), "loopback-host", "warning");
}

#[test]
fn five_files_of_which_some_are_missing_are_a_warning() {
    let client = Client::new();
    client.edit("  buildkitd_tlskey: ./certs/daemon_key.pem\n", "");
    let found = trap(&client.verify(&[]).succeeded(), "config-path", "warning");
    assert_eq!(found["found"], "no file for buildkitd_tlskey");
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_key_value_and_place() {
    let client = Client::new();
    let home = client.workspace.text("home");
    let elsewhere = client.workspace.text("home/other.pem");
    std::fs::copy(client.workspace.path("home/.earthly/certs/ca.pem"), &elsewhere).unwrap();
    let secret = "-----BEGIN PRIVATE KEY----- MIGHAgEAMBMG";
    for (value, found, fix) in [
        ("./certs/no.pem", format!("./certs/no.pem, which is {home}/.earthly/certs/no.pem: none"), None),
        (
            "~/other.pem",
            format!("~/other.pem, which is {home}/.earthly/~/other.pem: none"),
            Some("other.pem"),
        ),
        (
            "$HOME/other.pem",
            format!("$HOME/other.pem, which is {home}/.earthly/$HOME/other.pem: none"),
            Some("other.pem"),
        ),
        ("certs\\ca.pem", format!("certs\\ca.pem, which is {home}/.earthly/certs\\ca.pem: none"), None),
        ("''", format!("an empty path, which is {home}/.earthly"), None),
        (&format!("'{secret}'"), "something that is no path".to_owned(), None),
    ] {
        client.workspace.write("home/.earthly/config.yml.copy", client.workspace.read(CONFIG));
        client.edit("tlsca: ./certs/ca.pem", &format!("tlsca: {value}"));
        let said = client.verify(&[]).ended_with(3);
        let told = trap(&said, "config-path", "error");
        assert_eq!((&told["found"], &told["expected"]), (&Value::from(found), &Value::from("tlsca: a file")));
        if let Some(name) = fix {
            assert_eq!(told["fix"], format!("tlsca: {home}/{name}"));
        }
        assert!(!format!("{said:?}").contains("MIGHAgEAMBMG"), "what may be a key is never shown");
        let copy = client.workspace.read("home/.earthly/config.yml.copy");
        client.workspace.write(CONFIG, copy);
    }
    client.edit("  tlsca: ./certs/ca.pem\n", "");
    let found = trap(&client.verify(&[]).ended_with(3), "config-path", "error");
    assert!(found["found"].as_str().unwrap().contains("no such key, so ./certs/ca_cert.pem"), "{found:#}");
}

#[test]
fn where_the_state_is_at_hand_a_missing_file_does_not_hide_that_the_daemon_is_sound() {
    let client = Client::new();
    std::fs::rename(client.workspace.path("moved"), client.workspace.path("state")).unwrap();
    std::fs::remove_file(client.workspace.path("home/.earthly/certs/key.pem")).unwrap();
    let said = client.verify(&[]).ended_with(3);
    trap(&said, "config-path", "error");
    let findings = said.json()["findings"].as_array().unwrap().clone();
    assert!(findings.iter().any(|one| one["rule"] == "client-refused" && one["severity"] == "pass"));
}

#[test]
fn paths_begin_in_the_tools_directory_wherever_the_config_lies() {
    let client = Client::new();
    let config = client.workspace.read(CONFIG).replace("./certs/", "tls/");
    let path = client.workspace.write("elsewhere/config.yml", config);
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let from = client.workspace.read(&format!("home/.earthly/certs/{file}"));
        client.workspace.write(&format!("elsewhere/tls/{file}"), from);
    }
    let found = trap(&client.verify(&["--config", &path]).ended_with(3), "config-path", "error");
    assert!(found["cause"].as_str().unwrap().contains("not beside the config"), "{found:#}");
    assert_eq!(found["fix"], format!("tlsca: {}", client.workspace.text("elsewhere/tls/ca.pem")));

    let config = client.workspace.read(CONFIG);
    let path = client.workspace.write("elsewhere/config.yml", config);
    client.verify(&["--config", &path]).succeeded();
    std::fs::remove_file(client.workspace.path(CONFIG)).unwrap();
    let mut command = client.command(&[]);
    command.env("EARTHLY_CONFIG", &path);
    client.finish(command).succeeded();
}

#[test]
fn a_config_that_is_named_and_not_there_is_an_error() {
    let client = Client::new();
    let said = client.verify(&["--config", "/nowhere/config.yml"]).ended_with(3);
    assert!(said.out.contains("--config names"), "{said:?}");
    let mut command = client.command(&[]);
    command.env("EARTHLY_CONFIG", "/nowhere/config.yml");
    let said = client.finish(command).ended_with(3);
    assert!(
        said.out.contains("EARTHLY_CONFIG names") && said.out.contains("unset EARTHLY_CONFIG"),
        "{said:?}"
    );
}

#[test]
fn a_hidden_config_yaml_is_a_warning() {
    let client = Client::new();
    client.workspace.write("home/.earthly/config.yaml", "global: {}\n");
    let found = trap(&client.verify(&[]).succeeded(), "config-elsewhere", "warning");
    assert!(found["subject"].as_str().unwrap().ends_with("config.yaml"), "{found:#}");
}

#[test]
fn a_config_of_the_other_tool_is_a_warning() {
    let client = Client::new();
    std::fs::rename(client.workspace.path("bin/earthly"), client.workspace.path("bin/earth")).unwrap();
    let found = trap(&client.verify(&[]).succeeded(), "config-elsewhere", "warning");
    assert!(found["expected"].as_str().unwrap().contains("/home/.earth/config.yml"), "{found:#}");
    assert_eq!(
        found["fix"],
        "join the kit that you were sent with --tool earthbuild, or ask the admin of the daemon for a new one"
    );

    let client = Client::of("earthbuild", &["127.0.0.1"], "127.0.0.1");
    client.verify(&["--tool", "earthbuild"]).succeeded();
    let mut command = client.command(&["--tool", "earthly"]);
    command.env("EARTHLY_BUILDKIT_HOST", client.endpoint());
    let found = trap(&client.finish(command).ended_with(3), "config-elsewhere", "warning");
    assert_eq!(
        found["fix"],
        "join the kit that you were sent with --tool earthly, or ask the admin of the daemon for a new one"
    );
}

#[test]
fn of_two_configs_that_of_the_program_on_path_is_read() {
    let client = Client::new();
    client.workspace.write("home/.earth/config.yml", "global:\n  buildkit_host: tcp://127.0.0.1:1\n");
    client.verify(&[]).succeeded();
    std::fs::rename(client.workspace.path("bin/earthly"), client.workspace.path("bin/earth")).unwrap();
    client.verify(&[]).ended_with(3);
    std::fs::remove_file(client.workspace.path("bin/earth")).unwrap();
    let said = client.verify(&[]).succeeded();
    assert!(said_of(&said).contains(&("config-elsewhere".to_owned(), "info".to_owned())), "{said:?}");
}

#[test]
fn tls_that_is_turned_off_and_misspelt_keys_are_errors() {
    let client = Client::new();
    client.edit("tls_enabled: true", "tls_enabled: false");
    trap(&client.verify(&[]).ended_with(3), "tls-disabled", "error");
    client.edit("tls_enabled: false", "tls_enable: true");
    trap(&client.verify(&[]).ended_with(3), "config-broken", "error");
}

#[test]
fn a_host_that_cannot_be_dialed_is_told_and_nobody_is_dialed() {
    let client = Client::new();
    client.edit(&client.endpoint(), "tcp://127.0.0.1");
    let said = client.verify(&[]).ended_with(3);
    assert_eq!(trap(&said, "config-endpoint", "error")["fix"], "buildkit_host: tcp://127.0.0.1:8372");
    assert!(said.json()["verdict"].as_str().unwrap().starts_with("not dialed"), "{said:?}");

    client.edit("tcp://127.0.0.1", "docker-container://earthly-buildkitd");
    std::fs::rename(client.workspace.path("moved"), client.workspace.path("state")).unwrap();
    let said = client.verify(&[]).succeeded();
    trap(&said, "config-endpoint", "warning");
    assert_eq!(said.json()["target"], client.endpoint(), "the only daemon of the state is dialed");
}

#[test]
fn a_certificate_that_does_not_name_the_host_as_it_is_written_is_an_error() {
    let client = Client::of("earthly", &["127.0.0.1"], "127.0.0.1");
    client.edit(&client.endpoint(), &format!("tcp://localhost:{}", client.port));
    trap(&client.verify(&[]).ended_with(3), "server-name-mismatch", "error");
}

#[test]
fn the_same_file_twice_is_a_warning() {
    let client = Client::new();
    client.edit("tlskey: ./certs/key.pem", "tlskey: ./certs/both.pem");
    client.edit("tlscert: ./certs/cert.pem", "tlscert: ./certs/both.pem");
    let said = client.verify(&[]).ended_with(3);
    trap(&said, "config-path", "warning");
}

#[test]
fn a_cas_key_at_the_client_is_a_warning() {
    let client = Client::new();
    let key = client.workspace.keys_of_cas("moved").remove(0);
    std::fs::copy(key, client.workspace.path("home/.earthly/certs/ca_key.pem")).unwrap();
    let found = trap(&client.verify(&[]).succeeded(), "authority-key-at-client", "warning");
    let cause = found["cause"].as_str().unwrap();
    assert!(cause.contains("for anybody") && cause.contains("`earthly bootstrap` fails"), "{cause}");

    client.workspace.write("home/.earthly/certs/ca_key.pem", "no PEM");
    let found = trap(&client.verify(&[]).succeeded(), "authority-key-at-client", "warning");
    assert!(found["cause"].as_str().unwrap().contains("bootstrap` fails"), "{found:#}");
}

#[test]
fn buildctls_variable_counts_where_no_config_names_a_host() {
    let client = Client::new();
    let files = client.workspace.text("home/.earthly/certs");
    client.edit(&format!("  buildkit_host: {}\n", client.endpoint()), "");
    let with_host = |more: &[&str]| {
        let mut command = client.command(more);
        command.env("BUILDKIT_HOST", client.endpoint());
        client.finish(command)
    };
    assert!(with_host(&[]).ended_with(2).out.contains("--tlsdir"));
    let said = with_host(&["--tlsdir", &files]).succeeded();
    assert_eq!(said.json()["target"], client.endpoint());
    with_host(&["--tool", "buildctl", "--tlsdir", &files]).succeeded();
    client.verify(&["--tool", "buildctl", "--tlsdir", &files]).ended_with(2);
    with_host(&["--tool", "buildctl", "--config", "x"]).ended_with(2);

    let mut command = client.command(&["--tlsdir", &files]);
    command.env("BUILDKIT_HOST", "unix:///run/buildkit/buildkitd.sock");
    trap(&client.finish(command).ended_with(3), "config-endpoint", "error");
}

#[test]
fn a_file_that_the_tool_cannot_read_either_is_an_error() {
    let client = Client::new();
    client.workspace.write("home/.earthly/certs/bad.pem", "no PEM");
    client.edit("tlscert: ./certs/cert.pem", "tlscert: ./certs/bad.pem");
    let said = client.verify(&[]).ended_with(3);
    trap(&said, "unreadable-file", "error");
    assert!(said.json()["verdict"].as_str().unwrap().starts_with("not dialed"), "{said:?}");
}

#[test]
fn where_nothing_names_a_daemon_it_is_said_what_was_looked_for() {
    let said = Workspace::new().run(["verify"]).ended_with(2);
    assert!(said.err.contains("or a client's config that names a host, found none, and no state in /"));
    assert!(said.err.contains("\nfix: name the daemon's endpoint"), "{}", said.err);
}
