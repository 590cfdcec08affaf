//! `install client`: the files beside the tool's config, the config edited in place, and a
//! `verify` that dials what the config says.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::daemon::Daemon;
use crate::support::workspace::{Said, Workspace};

const CONFIG: &str = "home/.earthly/config.yml";
const ENDPOINT: [&str; 2] = ["--endpoint", "tcp://builder.example.com:8372"];

fn install(workspace: &Workspace, more: &[&str]) -> Said {
    let arguments = ["install", "client"].iter().chain(&ENDPOINT).chain(more);
    workspace.run(arguments)
}

fn mode(workspace: &Workspace, relative: &str) -> u32 {
    workspace.path(relative).metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_config_is_made_where_there_is_none() {
    let workspace = Workspace::with_state();
    let said = install(&workspace, &[]).succeeded();
    assert_eq!(
        workspace.read(CONFIG),
        "global:\n  buildkit_host: tcp://builder.example.com:8372\n  tls_enabled: true\n  \
         tlsca: ./certs/ca.pem\n  tlscert: ./certs/cert.pem\n  tlskey: ./certs/key.pem\n  \
         buildkitd_tlscert: ./certs/cert.pem\n  buildkitd_tlskey: ./certs/key.pem\n"
    );
    assert_eq!(mode(&workspace, CONFIG), 0o600);
    assert_eq!(mode(&workspace, "home/.earthly/certs/key.pem"), 0o600);
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let installed = workspace.read(&format!("home/.earthly/certs/{file}"));
        assert_eq!(installed, workspace.read(&format!("state/clients/ana/current/{file}")));
    }
    assert!(said.out.contains("EARTHLY_BUILDKIT_HOST=tcp://builder.example.com:8372"), "{}", said.out);
    assert!(said.out.contains("not verified yet; next: kitcert verify"), "{}", said.out);

    let before = workspace.snapshot();
    let again = install(&workspace, &["--format", "json"]).succeeded();
    assert_eq!(again.json()["changed"], false);
    before.assert_is(&workspace.snapshot(), "the second installation");
}

#[test]
fn a_persons_config_is_edited_in_place_and_never_shown() {
    let workspace = Workspace::with_state();
    let token = "dckr_pat_0123456789";
    let config = format!(
        "# mine\nglobal:\n  # slow line\n  conversion_parallelism: 4 # cores\n  tlsca: /old/ca.pem\n\n\
         git:\n  github.com:\n    password: {token}\n"
    );
    workspace.write(CONFIG, &config);
    std::fs::set_permissions(workspace.path(CONFIG), std::fs::Permissions::from_mode(0o640)).unwrap();
    for more in [&["--dry-run"][..], &["--dry-run", "--format", "json"], &["-v"], &["--format", "json"]] {
        let said = install(&workspace, more).succeeded();
        assert!(!format!("{said:?}").contains(token), "{more:?}");
    }
    let edited = workspace.read(CONFIG);
    for line in config.lines().filter(|line| !line.contains("tlsca")) {
        assert!(edited.lines().any(|one| one == line), "{line:?} is gone from {edited}");
    }
    assert_eq!(edited.matches("tlsca: ").count(), 1);
    assert!(edited.contains("  tlsca: ./certs/ca.pem\n"), "{edited}");
    assert_eq!(mode(&workspace, CONFIG), 0o640, "the mode stays as it was");

    workspace.write(CONFIG, config.replace("password:", "password: ["));
    let said = install(&workspace, &[]).ended_with(1);
    assert!(!format!("{said:?}").contains(token), "{said:?}");
    let said = workspace.run(["inspect", &workspace.text(CONFIG)]);
    assert!(!format!("{said:?}").contains(token), "{said:?}");
}

#[test]
fn an_old_config_yaml_is_edited_and_not_hidden() {
    let workspace = Workspace::with_state();
    workspace.write("home/.earthly/config.yaml", "global:\n  cache_size_mb: 1\n");
    install(&workspace, &[]).succeeded();
    assert!(!workspace.path(CONFIG).exists());
    assert!(workspace.read("home/.earthly/config.yaml").contains("tlskey: ./certs/key.pem"));
}

#[test]
fn values_are_absolute_where_the_config_lies_elsewhere() {
    for by_variable in [true, false] {
        let workspace = Workspace::with_state();
        let elsewhere = workspace.text("home/elsewhere.yml");
        let mut command = workspace.command(["install", "client"].iter().chain(&ENDPOINT));
        if by_variable {
            command.env("EARTHLY_CONFIG", &elsewhere);
        } else {
            command.args(["--config", &elsewhere]);
        }
        workspace.finish(command, "").succeeded();
        let key = workspace.text("home/.earthly/certs/key.pem");
        let config = workspace.read("home/elsewhere.yml");
        assert!(config.contains(&format!("tlskey: {key}")), "{config}");
        assert!(!workspace.path(CONFIG).exists());
    }
}

#[test]
fn a_link_stays_a_link_and_its_target_is_edited() {
    let workspace = Workspace::with_state();
    workspace.write("home/dotfiles/earthly.yml", "global: {}\n");
    std::fs::create_dir(workspace.path("home/.earthly")).unwrap();
    symlink("../dotfiles/earthly.yml", workspace.path(CONFIG)).unwrap();
    install(&workspace, &[]).succeeded();
    assert!(workspace.path(CONFIG).is_symlink());
    assert!(workspace.read("home/dotfiles/earthly.yml").contains("tlsca: "));
}

#[test]
fn tls_that_was_turned_off_is_turned_on_only_when_asked() {
    let workspace = Workspace::with_state();
    workspace.write(CONFIG, "global:\n  tls_enabled: false # for now\n");
    let before = workspace.snapshot();
    let said = install(&workspace, &[]).ended_with(1);
    assert!(said.err.contains("tls_enabled") && said.err.contains("--enable-tls"), "{}", said.err);
    before.assert_is(&workspace.snapshot(), "a refused installation");
    install(&workspace, &["--enable-tls"]).succeeded();
    assert!(workspace.read(CONFIG).contains("  tls_enabled: true"), "{}", workspace.read(CONFIG));
}

#[test]
fn the_daemons_two_files_are_left_alone_where_they_are_there() {
    let workspace = Workspace::with_state();
    workspace.write("home/.earthly/certs/buildkit_cert.pem", "theirs");
    workspace.write("home/.earthly/certs/buildkit_key.pem", "theirs");
    install(&workspace, &[]).succeeded();
    assert!(!workspace.read(CONFIG).contains("buildkitd_tls"), "{}", workspace.read(CONFIG));

    std::fs::remove_file(workspace.path("home/.earthly/certs/buildkit_key.pem")).unwrap();
    install(&workspace, &[]).succeeded();
    assert!(workspace.read(CONFIG).contains("buildkitd_tlskey: ./certs/key.pem"), "one alone is none");
}

#[test]
fn the_tools_own_daemon_gets_the_files_of_the_daemon_at_hand() {
    let workspace = Workspace::with_state();
    let said = workspace.run(["install", "client"]).succeeded();
    let config = workspace.read(CONFIG);
    for (key, link, file) in
        [("tlscert", "daemon_cert.pem", "cert.pem"), ("tlskey", "daemon_key.pem", "key.pem")]
    {
        assert!(config.contains(&format!("buildkitd_{key}: ./certs/{link}\n")), "{config}");
        let installed = workspace.read(&format!("home/.earthly/certs/{link}"));
        assert_eq!(installed, workspace.read(&format!("state/daemons/builder/current/{file}")));
    }
    assert_eq!(mode(&workspace, "home/.earthly/certs/daemon_key.pem"), 0o600);
    assert!(said.out.contains("docker rm -f earthly-buildkitd"), "{}", said.out);
    let keys = workspace.files_named("key.pem");
    let installed: Vec<_> =
        keys.into_iter().filter(|path| path.starts_with(workspace.path("home"))).collect();
    let of_authority: Vec<_> =
        workspace.keys_of_cas("state").iter().map(|key| std::fs::read(key).unwrap()).collect();
    assert_eq!((of_authority.len(), installed.len()), (1, 2));
    for path in installed {
        assert!(!of_authority.contains(&std::fs::read(path).unwrap()), "the CA's key stays in the state");
    }

    let before = workspace.snapshot();
    let again = workspace.run(["install", "client", "--format", "json"]).succeeded();
    assert_eq!(again.json()["changed"], false);
    before.assert_is(&workspace.snapshot(), "the second installation");

    let earth = workspace.run(["install", "client", "--tool", "earthbuild"]).succeeded();
    assert!(earth.out.contains("docker rm -f earth-buildkitd"), "{}", earth.out);
}

#[test]
fn a_daemon_that_is_not_the_states_is_given_no_files() {
    let workspace = Workspace::with_state();
    workspace.run(["install", "client", "--endpoint", "tcp://localhost:9999"]).succeeded();
    assert!(!workspace.path("home/.earthly/certs/daemon_key.pem").exists());
    assert!(!workspace.read(CONFIG).contains("buildkitd_tls"), "{}", workspace.read(CONFIG));
    std::fs::remove_file(workspace.path("state/daemons/builder/current/key.pem")).unwrap();
    workspace.run(["install", "client"]).succeeded();
    assert!(!workspace.path("home/.earthly/certs/daemon_key.pem").exists());
}

#[test]
fn each_tool_gets_its_files_and_the_command_that_uses_them() {
    for (tool, folder, says) in [
        ("earthbuild", "home/.earth/certs", "earth +build"),
        (
            "buildctl",
            "home/.config/kitcert/buildctl/builder.example.com-8372",
            "buildctl --addr tcp://builder.example.com:8372 --tlsdir ",
        ),
        ("buildx", "home/.config/kitcert/buildx/builder.example.com-8372", "docker buildx create"),
    ] {
        let workspace = Workspace::with_state();
        let said = install(&workspace, &["--tool", tool]).succeeded();
        assert!(said.out.contains(says), "{tool}: {}", said.out);
        assert!(workspace.path(folder).join("key.pem").exists(), "{tool}");
        assert!(!workspace.path("home/.earthly").exists(), "{tool}");
        assert_eq!(workspace.path("home/.earth/config.yml").exists(), tool == "earthbuild");
    }
}

#[test]
fn verify_without_arguments_dials_what_the_config_says_with_its_files() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    workspace.run(["install", "client", "ana"]).succeeded();
    let daemon = Daemon::start(&workspace, port, &[]);
    let said = workspace.run(["verify"]).succeeded();
    assert!(said.out.starts_with(&format!("tcp://127.0.0.1:{port}  as ")), "{}", said.out);
    // The developer's machine has no state: the config and its three files are all there is.
    std::fs::rename(workspace.path("state"), workspace.path("moved")).unwrap();
    let said = workspace.run(["verify", "--format", "json"]).succeeded().json();
    assert_eq!(said["target"], format!("tcp://127.0.0.1:{port}"));
    let ours =
        said["findings"].as_array().unwrap().iter().find(|one| one["rule"] == "client-refused").unwrap();
    assert_eq!(ours["severity"], "pass", "{said:#}");
    drop(daemon);
    workspace.run(["verify", "--timeout", "1s"]).ended_with(3);
}
