//! What kitcert.yaml says for all identities, and which findings it accepts.

use serde_json::Value;

use crate::rotate::rotating::Site;
use crate::support::daemon::Daemon;
use crate::support::workspace::{Said, Workspace};

fn run(workspace: &Workspace, line: &str) -> Said {
    workspace.run(line.split(' '))
}

/// The days that the certificate of an identity lives.
fn days(workspace: &Workspace, identity: &str) -> i64 {
    let path = workspace.path(&format!("state/{identity}/current/cert.pem"));
    let chain = kitcert::pki::Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), "it").unwrap();
    chain[0].validity().lifetime().seconds() / 86_400
}

fn edit(workspace: &Workspace, from: &str, to: &str) {
    let text = workspace.read("state/kitcert.yaml");
    assert!(text.contains(from), "no {from}: {text}");
    workspace.write("state/kitcert.yaml", text.replace(from, to));
}

/// What `init` was given holds for all that come later, until they say otherwise.
#[test]
fn what_init_is_given_holds_for_later_identities_too() {
    let workspace = Workspace::new();
    let init = "init --host b.example.com --client ana --lifetime 100d --client-lifetime 20d --contact jo@example.com";
    run(&workspace, init).succeeded();
    let text = workspace.read("state/kitcert.yaml");
    assert!(text.contains("contact: jo@example.com\n"), "{text}");
    assert!(text.contains("defaults: {daemon_lifetime: 100d, client_lifetime: 20d}\n"), "{text}");
    // The same request again changes nothing; another contact is a difference.
    let before = workspace.snapshot();
    run(&workspace, init).succeeded();
    before.assert_is(&workspace.snapshot(), "the same init");
    run(&workspace, &init.replace("jo@", "mo@")).ended_with(1);

    edit(&workspace, "version: 1", "version: 1 # mine");
    run(&workspace, "issue client ben").succeeded();
    run(&workspace, "issue client eve --lifetime 7d").succeeded();
    run(&workspace, "issue daemon spare --host s.example.com").succeeded();
    let said = run(&workspace, "invite cleo --endpoint tcp://b.example.com:8372 --format json");
    assert_eq!(said.succeeded().json()["kit"]["contact"], "jo@example.com");
    for (identity, expected) in [
        ("clients/ana", 20),
        ("clients/ben", 20),
        ("clients/eve", 7),
        ("clients/cleo", 20),
        ("daemons/builder", 100),
        ("daemons/spare", 100),
    ] {
        assert_eq!(days(&workspace, identity), expected, "{identity}");
    }
    let text = workspace.read("state/kitcert.yaml");
    assert!(text.contains("version: 1 # mine") && text.contains("eve: {lifetime: 7d}"), "{text}");
    assert_eq!(text.matches("lifetime: ").count(), 4, "the default is said once: {text}");
    // Another default holds from the next renewal on.
    edit(&workspace, "client_lifetime: 20d,", "client_lifetime: 30d, key: ed25519,");
    run(&workspace, "rotate --force --new-key client/ben client/eve").succeeded();
    assert_eq!((days(&workspace, "clients/ben"), days(&workspace, "clients/eve")), (30, 7));
    let said = run(&workspace, &format!("inspect {}", workspace.text("state/clients/ben/current/cert.pem")));
    assert!(said.out.contains("ed25519"), "{said:?}");
}

#[test]
fn a_default_that_does_not_fit_is_refused_with_its_line() {
    let workspace = Workspace::with_state();
    let text = workspace.read("state/kitcert.yaml");
    for (wrong, word) in [
        ("defaults: {client_lifetime: 6y}", "half of the CA's lifetime"),
        ("defaults: {client_lifetime: 6}", "duration"),
        ("defaults: {lifetime: 6d}", "unknown key"),
        ("defaults: {key: rsa}", "ecdsa"),
    ] {
        workspace.write("state/kitcert.yaml", format!("{text}{wrong}\n"));
        let said = run(&workspace, "status").ended_with(1);
        let line = format!("kitcert.yaml line {}", text.lines().count() + 1);
        assert!(said.err.contains(&line), "{wrong}: {said:?}");
        assert!(said.err.contains(word), "{wrong}: {said:?}");
    }
}

/// Whoever accepts it is not told every day, and is told again as soon as something else is found.
#[test]
fn an_accepted_finding_is_shown_and_decides_nothing_until_it_changes() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    let verify = "verify builder --fail-on warning";
    run(&workspace, verify).ended_with(4);
    let accept =
        "accept:\n- {rule: loopback-host, subject: daemon/builder, found: 127.0.0.1, reason: a test}\n";
    let text = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", format!("{text}{accept}"));
    let said = run(&workspace, &format!("{verify} -v")).succeeded();
    assert!(said.out.contains("accepted: a test"), "{said:?}");
    assert_eq!(run(&workspace, &format!("{verify} -q")).succeeded().out, "");
    // It ends, and it is about what is found alone.
    for other in [
        accept.replace("reason: a test", "until: 2020-01-01"),
        accept.replace("found: 127.0.0.1", "found: localhost"),
        accept.replace("daemon/builder", "client/builder"),
    ] {
        workspace.write("state/kitcert.yaml", format!("{text}{other}"));
        run(&workspace, verify).ended_with(4);
    }
}

#[test]
fn what_is_due_is_accepted_in_status_and_in_rotate() {
    let workspace = Workspace::with_state();
    run(&workspace, "issue client gone").succeeded();
    let text = workspace.read("state/kitcert.yaml");
    let line = text.lines().find(|line| line.trim().starts_with("gone:")).unwrap().to_owned();
    let text = text.replace(&format!("{line}\n"), "");
    workspace.write("state/kitcert.yaml", &text);
    let nag = "kitcert retire client/gone";
    let rotate = run(&workspace, "rotate -q --no-restart client/gone");
    assert!(rotate.out.contains(nag), "{rotate:?}");
    let status = run(&workspace, "status").succeeded();
    assert!(status.out.contains("not listed"), "{status:?}");

    let accept = "accept: [{rule: not-listed, subject: client/gone, found: not listed}]\n";
    workspace.write("state/kitcert.yaml", format!("{text}{accept}"));
    assert_eq!(run(&workspace, "rotate -q --no-restart client/gone").succeeded().out, "");
    let status = run(&workspace, "status --format json").succeeded().json();
    let rows = status["identities"].as_array().unwrap();
    let gone = rows.iter().find(|row| row["name"] == "gone").unwrap();
    assert_eq!((&gone["state"], &gone["accepted"]), (&"not-listed".into(), &"accepted".into()));

    // The other way out, which is what the nag says.
    workspace.write("state/kitcert.yaml", &text);
    run(&workspace, "retire client/gone").succeeded();
    assert_eq!(run(&workspace, "rotate -q --no-restart client/ana").out, "");
    // Whoever asks for it by name is told that it is not renewed any more.
    for line in ["rotate client/gone", "rotate --force client/gone client/ana"] {
        let said = run(&workspace, line).ended_with(2);
        assert!(said.err.contains("retired"), "{line}: {said:?}");
    }
}

/// Each command that is printed goes on from there, with what was given already.
#[test]
fn a_client_of_two_daemons_is_installed_by_the_commands_that_are_printed() {
    let workspace = Workspace::with_state();
    run(&workspace, "issue client bob").succeeded();
    run(&workspace, "issue daemon second --host second.example").succeeded();
    // As it was written before there was a default.
    let text = workspace.read("state/kitcert.yaml");
    let lines =
        text.lines().filter(|line| !line.trim_start().starts_with("endpoint:") || line.contains("localhost"));
    workspace.write("state/kitcert.yaml", lines.map(|line| format!("{line}\n")).collect::<String>());
    let tried = |said: &Said| {
        said.err.lines().find_map(|line| line.strip_prefix("try: kitcert ")).unwrap().to_owned()
    };
    let mut said = run(&workspace, "install client --tool buildctl");
    for _ in 0..3 {
        if said.code == 0 {
            return;
        }
        said = run(&workspace, &format!("{} --tool buildctl", tried(&said)));
    }
    panic!("{said:?}");
}

#[test]
fn whatever_lets_somebody_in_or_locks_somebody_out_cannot_be_accepted() {
    let workspace = Workspace::with_state();
    let text = workspace.read("state/kitcert.yaml");
    let lines = text.lines().count();
    for rule in [
        "no-certificate-accepted",
        "unknown-ca-accepted",
        "plaintext-accepted",
        "expired-accepted",
        "wrong-usage-accepted",
        "asks-nobody",
        "client-refused",
        "unreachable",
        "not-up-yet",
        "served-is-stale",
        "trust-is-stale",
        "unknown-leaf",
        "not-verified",
        "nonsense",
    ] {
        let accept = format!("accept:\n- rule: {rule}\n  subject: daemon/builder\n  found: x\n");
        workspace.write("state/kitcert.yaml", format!("{text}{accept}"));
        let said = run(&workspace, "status").ended_with(1);
        assert!(said.err.contains(&format!("kitcert.yaml line {}", lines + 2)), "{rule}: {said:?}");
    }
    // What may be accepted needs to be said whole.
    for wrong in [
        "{rule: key-mode}",
        "{rule: key-mode, subject: builder/x, found: x}",
        "{rule: key-mode, subject: b, found: ''}",
    ] {
        workspace.write("state/kitcert.yaml", format!("{text}accept:\n- {wrong}\n"));
        let said = run(&workspace, "status").ended_with(1);
        assert!(said.err.contains("kitcert.yaml line "), "{wrong}: {said:?}");
    }
}

/// README's cron line is quiet on the image that README prints.
#[test]
fn earthlys_own_daemon_without_alpn_is_no_reason_to_mail() {
    const TEST: &str = "earthlys_own_daemon_without_alpn_is_no_reason_to_mail";
    // What was taken over has a layout of files alone; Earthly's daemon tells how long it has been idle.
    for (layout, options, severity) in [
        ("earthly", &["--no-alpn"][..], "info"),
        ("files", &["--no-alpn", "--idle", "42"], "info"),
        ("files", &["--no-alpn"], "warning"),
        ("buildkit", &["--no-alpn", "--idle", "42"], "warning"),
    ] {
        let Some(site) = Site::new(TEST) else { return };
        let workspace = &site.workspace;
        edit(workspace, "layout: earthly", &format!("layout: {layout}"));
        let port = Daemon::free_port();
        edit(workspace, &format!(":{}", site.port), &format!(":{port}"));
        let folder = "state/daemons/builder/current";
        let Some(_daemon) = Daemon::on_files(workspace, folder, port, options) else { return };
        let text = workspace.read("state/kitcert.yaml");
        let accept = "accept: [{rule: loopback-host, subject: daemon/builder, found: 127.0.0.1}]\n";
        workspace.write("state/kitcert.yaml", format!("{text}{accept}"));
        let said = run(workspace, "verify builder --fail-on warning --format json");
        let report = said.json();
        let findings = report["findings"].as_array().unwrap().iter();
        let found: Vec<&Value> =
            findings.filter(|one| one["rule"] == "no-alpn").map(|one| &one["severity"]).collect();
        assert_eq!(found, [severity], "{layout}, {options:?}: {report:#}");
        if layout == "earthly" {
            said.succeeded();
            assert_eq!(run(workspace, "verify -q builder --fail-on warning").succeeded().out, "");
        }
    }
}

/// After a compromise `join` trusts none of the kit's CAs, and asks for the words.
#[test]
fn the_words_that_join_asks_for_are_printed_beside_the_kit() {
    let workspace = Workspace::new();
    run(&workspace, "init --host 127.0.0.1 --endpoint tcp://127.0.0.1:9 --client ana").succeeded();
    // Its key is with the client.
    run(&workspace, "invite ana").succeeded();
    edit(&workspace, "ana: {lifetime: 90d}", "ana: {lifetime: 90d, renew: auto}");
    let start = run(&workspace, "ca rollover start --compromised --no-restart");
    let issuer = {
        let path = workspace.path("state/clients/ana/current/cert.pem");
        let leaf = kitcert::pki::Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), "it").unwrap();
        let key = leaf[0].authority_key_identifier().unwrap().to_vec();
        key.iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    let path = workspace.path(&format!("state/ca/{issuer}/ca.pem"));
    let ca = kitcert::pki::Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), "ca").unwrap();
    let words = ca[0].fingerprint().words().to_string();
    assert!(workspace.path("state/kits/ana.kit").exists(), "{start:?}");
    assert!(start.out.contains(&words), "the command that makes the kit: {start:?}");
    for line in [
        "rotate --no-restart".to_owned(),
        "status -v".to_owned(),
        format!("inspect {}", workspace.text("state/kits/ana.kit")),
        format!("inspect {}", path.display()),
    ] {
        let said = run(&workspace, &line);
        assert!(said.out.contains(&words), "{line}: {said:?}");
    }
}
