//! Results that do not get where they were to go: what happened is still said by the exit code, and a
//! secret that nobody has seen is not the only copy.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::rotate::rotating::Site;
use crate::support::held::Held;
use crate::support::peers;
use crate::support::workspace::Workspace;

/// Ends with that code when standard output cannot be written.
#[track_caller]
fn ends_unheard(mut command: Command, codes: &[i32]) {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(codes.contains(&output.status.code().unwrap()), "{command:?}: {:?} {told}", output.status);
    assert!(told.contains("No space left"), "{command:?}: {told}");
}

#[test]
fn what_cannot_be_printed_hides_no_graver_exit_code() {
    const TEST: &str = "what_cannot_be_printed_hides_no_graver_exit_code";
    let Some(site) = Site::aged(TEST, 300) else { return };
    site.describe("restart_timeout", &json!("1s"));
    site.daemon.ask("always down");
    ends_unheard(site.workspace.command(["rotate", "builder"]), &[7]);
    ends_unheard(site.workspace.command(["rotate", "builder", "--format", "json"]), &[6, 7]);
    ends_unheard(site.workspace.command(["verify", "builder"]), &[3]);
    // A plugin has codes of its own: critical, and for all that is less grave, unknown.
    ends_unheard(site.workspace.command(["verify", "builder", "--format", "nagios"]), &[2]);
    ends_unheard(site.workspace.command(["rotate", "--format", "nagios"]), &[3]);
    // What cannot be printed is a failure of its own.
    ends_unheard(site.workspace.command(["status"]), &[1]);
    ends_unheard(site.workspace.command(["status", "--check"]), &[1]);
    ends_unheard(site.workspace.command(["--help"]), &[1]);
    ends_unheard(site.workspace.command(["status", "--no-such-option", "--format", "json"]), &[2]);
}

#[test]
fn a_key_is_removed_only_once_the_passphrase_of_its_kit_was_printed() {
    for format in ["text", "json"] {
        let workspace = Workspace::with_state();
        let key = workspace.path("state/clients/ana/current/key.pem");
        let invite = || workspace.command(["invite", "ana", "--format", format]);
        ends_unheard(invite(), &[1]);
        assert!(key.exists(), "{format}: the key is gone, and nobody has the passphrase");
        // Nobody reads what is printed into a pipe that is closed.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = invite().stdin(Stdio::null()).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}: {output:?}");
        assert!(key.exists(), "{format}: the key is gone, and nobody has the passphrase");

        let said = workspace.run(["invite", "ana", "--format", "json"]).succeeded().json();
        assert!(!key.exists(), "{format}");
        let friend = Workspace::new();
        let kit = friend.write_private("ana.kit", workspace.read("ana.kit"));
        let passphrase = friend.write_private("passphrase", said["passphrase"].as_str().unwrap());
        let join = ["join", &kit, "--tool", "earthly", "--timeout", "2s", "--passphrase-file", &passphrase];
        // No daemon is there to be verified.
        friend.run(join).ended_with(3);
        assert_eq!(friend.files_named("key.pem").len(), 1, "{format}: the kit does not open");
    }
}

#[test]
fn a_dash_is_standard_output_and_no_file() {
    let workspace = Workspace::with_state();
    let said = workspace.run(["status", "--output", "-"]).succeeded();
    assert!(said.out.contains("builder"), "{said:?}");
    assert!(!workspace.path("-").exists());
}

#[test]
fn a_key_that_another_command_has_made_meanwhile_is_in_the_kit_or_stays() {
    const TEST: &str = "a_key_that_another_command_has_made_meanwhile_is_in_the_kit_or_stays";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    for nth in 1.. {
        let workspace = Workspace::with_state();
        let Some(held) = Held::at(&workspace, &["invite", "ana", "--format", "json"], nth, TEST) else {
            assert!(nth > 2, "it was held nowhere");
            return;
        };
        let renewed = workspace.run(["rotate", "--force", "--new-key", "client/ana"]);
        let invited = held.finish();
        let current = "state/clients/ana/current";
        let public = |arguments: &[&str]| {
            let mut command = Command::new(&openssl);
            command.args(arguments);
            workspace.finish(command, "").succeeded().out
        };
        let certificate = workspace.path(&format!("{current}/cert.pem"));
        let wanted = public(&["x509", "-noout", "-pubkey", "-in", certificate.to_str().unwrap()]);
        let key = workspace.path(&format!("{current}/key.pem"));
        let has = match key.exists() {
            true => public(&["pkey", "-pubout", "-in", key.to_str().unwrap()]),
            false => {
                let passphrase = format!("pass:{}", invited.json()["passphrase"].as_str().unwrap());
                let kit = workspace.read("ana.kit");
                let from = kit.find("-----BEGIN ENCRYPTED").unwrap();
                let sealed = workspace.write("key.enc", &kit[from..kit.find("signature:").unwrap()]);
                public(&["pkey", "-pubout", "-in", &sealed, "-passin", &passphrase])
            }
        };
        assert_eq!(has, wanted, "at lock {nth}: {invited:?}, {renewed:?}");
    }
}
