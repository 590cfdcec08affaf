//! `init` and `issue`: the same request again changes nothing, a plan is what is then done, and
//! what a person wrote is neither lost nor passed over.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use kitcert::pki::{Certificate, CertificateRequest};

use crate::support::peers;
use crate::support::workspace::Workspace;

const INIT: [&str; 7] = ["init", "--host", "127.0.0.1", "--host", "localhost", "--client", "ana"];

fn leaf(workspace: &Workspace, relative: &str) -> Certificate {
    let pem = workspace.read(relative);
    Certificate::chain_from_pem(pem.as_bytes(), std::path::Path::new(relative)).unwrap().remove(0)
}

fn with<'a>(first: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [first, more].concat()
}

fn steps(plan: &Value) -> Vec<String> {
    let rows = plan["plan"].as_array().unwrap();
    rows.iter().map(|row| format!("{} {}", row["step"], row["subject"])).collect()
}

#[test]
fn the_same_init_again_writes_nothing() {
    let workspace = Workspace::new();
    let install = format!("--install={}", workspace.text("root"));
    let init = with(&INIT, &[&install]);
    workspace.run(&init).succeeded();
    let before = workspace.snapshot();
    let said = workspace.run(&init).succeeded();
    assert!(said.out.contains("nothing to do"), "{}", said.out);
    let json = workspace.run(with(&init, &["--format", "json"])).succeeded().json();
    assert_eq!(json["changed"], false);
    before.assert_is(&workspace.snapshot(), "init");
}

#[test]
fn a_different_init_names_the_difference_and_changes_nothing() {
    let workspace = Workspace::new();
    let install = format!("--install={}", workspace.text("root"));
    let elsewhere = format!("--install={}", workspace.text("elsewhere"));
    let init = with(&INIT, &[&install]);
    workspace.run(&init).succeeded();
    let before = workspace.snapshot();
    for (more, what) in [
        (&["--host", "10.0.0.5"][..], "hosts"),
        (&["--ca-name", "Other"], "CA name"),
        (&["--ca-lifetime", "5y"], "CA lifetime"),
        (&["--key-type", "ed25519"], "key type"),
        (&["--lifetime", "30d"], "daemon lifetime"),
        (&["--client-lifetime", "7d"], "client lifetime"),
        (&["--client", "bob"], "clients"),
        (&["--name", "other"], "daemon"),
        (&["--endpoint", "tcp://localhost:1"], "endpoint"),
        (&["--layout", "buildkit"], "installation"),
    ] {
        let said = workspace.run(with(&init, more)).ended_with(1);
        assert!(said.err.contains(&format!("the {what} that it was made with")), "{more:?}: {}", said.err);
        assert!(
            said.err.contains(", found ")
                && ["\ntry: ", "\nfix: "].iter().any(|word| said.err.contains(word)),
            "{more:?}: {}",
            said.err
        );
        before.assert_is(&workspace.snapshot(), &format!("init {more:?}"));
    }
    let said = workspace.run(with(&INIT, &[&elsewhere])).ended_with(1);
    assert!(said.err.contains("the installation"), "{}", said.err);
    before.assert_is(&workspace.snapshot(), "init elsewhere");
}

#[test]
fn a_dry_run_writes_nothing_and_its_plan_is_what_is_then_done() {
    let workspace = Workspace::new();
    let (install, root) = (format!("--install={}", workspace.text("root")), workspace.text("other-root"));
    let list = workspace.write("names", "bob\ncarol\n");
    for command in [
        with(&INIT, &[&install]),
        vec!["issue", "daemon", "second", "--host", "10.0.0.7", "--host", "::1"],
        vec!["issue", "client", "ci", "--lifetime", "7d"],
        vec!["issue", "client", "--from", &list],
        vec!["install", "daemon", "second", "--root", &root, "--layout", "earthbuild"],
        vec!["install", "client", "ana", "--endpoint", "tcp://builder.example.com:8372"],
        vec!["install", "client", "ci", "--tool", "buildctl", "--endpoint", "tcp://builder.example.com:1"],
    ] {
        let before = workspace.snapshot();
        let dry = workspace.run(with(&command, &["--dry-run", "--format", "json"])).succeeded().json();
        let shown = workspace.run(with(&command, &["--dry-run"])).succeeded();
        assert!(shown.out.ends_with("nothing was changed (--dry-run)\n"), "{command:?}: {}", shown.out);
        before.assert_is(&workspace.snapshot(), &format!("{command:?} --dry-run"));
        assert_eq!((&dry["changed"], &dry["dry_run"]), (&Value::Bool(false), &Value::Bool(true)));
        assert!(!steps(&dry).is_empty(), "{command:?}: {dry}");

        let done = workspace.run(with(&command, &["--format", "json"])).succeeded().json();
        assert_eq!(dry["plan"], done["plan"], "{command:?}");
        assert_eq!(done["changed"], true, "{command:?}");

        let before = workspace.snapshot();
        let again = workspace.run(with(&command, &["--format", "json"])).succeeded().json();
        assert_eq!(again["changed"], false, "{command:?}");
        before.assert_is(&workspace.snapshot(), &format!("{command:?} again"));
    }
}

#[test]
fn what_a_person_wrote_into_the_inventory_stays_and_is_issued() {
    let workspace = Workspace::with_state();
    let inventory = workspace.read("state/kitcert.yaml");
    let edited = inventory.replace("clients:\n", "# the team\nclients:\n  bob: {lifetime: 30d} # on leave\n");
    workspace.write("state/kitcert.yaml", &edited);
    let status = workspace.run(["status"]).succeeded();
    assert!(status.out.contains("not issued"), "{}", status.out);
    workspace.run(["status", "--check"]).ended_with(4);

    let said = workspace.run(["issue", "client"]).succeeded();
    assert!(said.out.contains("bob") && !said.out.contains("ana"), "{}", said.out);
    assert_eq!(workspace.read("state/kitcert.yaml"), edited);
    let validity = leaf(&workspace, "state/clients/bob/current/cert.pem").validity();
    assert_eq!(validity.seconds(), 30 * 86_400 + 3_600);

    workspace.run(["issue", "client", "ci"]).succeeded();
    let after = workspace.read("state/kitcert.yaml");
    for line in edited.lines() {
        assert!(after.lines().any(|one| one == line), "{line:?} is gone from {after}");
    }
    assert_eq!(after.lines().count(), edited.lines().count() + 1);
}

#[test]
fn changed_hosts_are_issued_for_the_same_key_under_a_new_serial() {
    let workspace = Workspace::with_state();
    let first = leaf(&workspace, "state/daemons/builder/current/cert.pem");
    let key = workspace.read("state/daemons/builder/current/key.pem");
    let inventory = workspace.read("state/kitcert.yaml");
    workspace.write(
        "state/kitcert.yaml",
        inventory.replace("[127.0.0.1, localhost]", "[127.0.0.1, localhost, '::1']"),
    );
    workspace.run(["issue", "daemon", "builder"]).succeeded();
    let second = leaf(&workspace, "state/daemons/builder/current/cert.pem");
    assert_eq!(second.usable_names().len(), 3);
    assert!(second.usable_names().contains(&"::1".parse().unwrap()));
    assert_eq!(second.public_key(), first.public_key());
    assert_eq!(workspace.read("state/daemons/builder/current/key.pem"), key);
    assert_ne!(second.serial(), first.serial());
    assert!(workspace.path("state/daemons/builder/gen-0001/cert.pem").exists());
    for serial in [first.serial(), second.serial()] {
        assert!(workspace.path(&format!("state/issued/{serial}.pem")).exists());
    }
}

#[test]
fn a_list_of_names_is_issued_as_a_whole_or_not_at_all() {
    let workspace = Workspace::with_state();
    for (list, found) in [
        ("bob\ncarol\n# again\nbob\n", "bob in lines 1 and 4"),
        ("bob\nNot A Name\n", "a value of 10 characters in line 2"),
        ("bob\n../../etc\n", "a value of 9 characters in line 2"),
        ("# nobody\n\n", "found none"),
    ] {
        let path = workspace.write("home/names", list);
        let before = workspace.snapshot();
        let said = workspace.run(["issue", "client", "--from", &path]).ended_with(2);
        assert!(said.err.contains(found) && said.err.contains(&path), "{list:?}: {}", said.err);
        before.assert_is(&workspace.snapshot(), list);
    }
    std::fs::remove_file(workspace.path("home/names")).unwrap();
    let said = workspace.run_with_input(["issue", "client", "--from", "-"], "bob\n\u{0}\n").ended_with(2);
    assert!(said.err.contains("line 2"), "{}", said.err);
    let said = workspace.run(["issue", "client", "--from", "nowhere"]).ended_with(1);
    assert!(said.err.contains("nowhere"), "{}", said.err);

    let names = "# the team\r\nbob\r\n\r\ncarol # since May\r\n  dave  \r\n";
    let said = workspace.run_with_input(["issue", "client", "--from", "-"], names).succeeded();
    for name in ["bob", "carol", "dave"] {
        assert!(said.out.contains(name), "{}", said.out);
        leaf(&workspace, &format!("state/clients/{name}/current/cert.pem"));
    }
}

#[test]
fn three_hundred_names_are_one_change() {
    let workspace = Workspace::with_state();
    let many = |count: usize| (0..count).map(|number| format!("c{number:03}\n")).collect::<String>();
    // What stands in the place of a folder is put aside, and leads nowhere.
    std::fs::create_dir_all(workspace.path("state/clients")).unwrap();
    symlink("/nowhere", workspace.path("state/clients/c250")).unwrap();
    let list = workspace.write("home/names", many(300));
    let said = workspace.run(["issue", "client", "--from", &list]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!Path::new("/nowhere").exists());
    assert!(workspace.path("state/clients/c250").symlink_metadata().unwrap().is_dir());
    let entries = std::fs::read_dir(workspace.path("state")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(entries.into_iter().any(|name| name.to_string_lossy().starts_with("aside-")));
    assert!(said.out.contains("300 clients"), "{}", said.out);
    let status = workspace.run(["status", "--format", "json"]).succeeded().json();
    assert_eq!(status["identities"].as_array().unwrap().len(), 303);
    let inventory = workspace.read("state/kitcert.yaml");
    assert_eq!(inventory.matches(": {lifetime: 90d}").count(), 301, "{inventory}");
    assert_eq!(workspace.read("state/log.jsonl").lines().count(), 303);
    assert_eq!(std::fs::read_dir(workspace.path("state/issued")).unwrap().count(), 303);
}

#[test]
fn a_request_gives_its_key_and_nothing_else() {
    const TEST: &str = "a_request_gives_its_key_and_nothing_else";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let workspace = Workspace::with_state();
    for (name, key) in [
        ("p256", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        ("p384", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("rsa", &["-newkey", "rsa:2048"]),
        ("ed25519", &["-newkey", "ed25519"]),
    ] {
        let (csr, key_file) =
            (workspace.text(&format!("{name}.csr")), workspace.text(&format!("{name}.key")));
        let mut command = std::process::Command::new(&openssl);
        command.args([
            "req",
            "-new",
            "-nodes",
            "-subj",
            "/O=Evil/CN=root",
            "-out",
            &csr,
            "-keyout",
            &key_file,
        ]);
        command.args([
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "subjectAltName=DNS:evil.example",
        ]);
        command.args(["-addext", "extendedKeyUsage=serverAuth"]).args(key);
        let output = peers::run(&mut command, "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let before = workspace.snapshot();

        let asked = ["issue", "client", name, "--csr", &csr];
        workspace.run(asked).ended_with(2);
        let fingerprint = CertificateRequest::from_pem(&std::fs::read(&csr).unwrap(), "csr").unwrap();
        let fingerprint = fingerprint.fingerprint().to_string();
        let wrong = "0".repeat(64);
        let said = workspace.run(with(&asked, &["--fingerprint", &wrong])).ended_with(1);
        assert!(!said.err.contains(&fingerprint), "{}", said.err);
        workspace.run(with(&asked, &["--fingerprint", &fingerprint[..16]])).ended_with(2);
        before.assert_is(&workspace.snapshot(), "a request that was not confirmed");

        workspace.run(with(&asked, &["--fingerprint", &fingerprint])).succeeded();
        let issued = leaf(&workspace, &format!("state/clients/{name}/current/cert.pem"));
        let of_key = format!("{}.key.kitcert.internal", &fingerprint[..32]);
        let names: Vec<_> = issued.usable_names().iter().map(ToString::to_string).collect();
        assert_eq!(names, [format!("{name}.client.kitcert.internal"), of_key]);
        assert!(!workspace.path(&format!("state/clients/{name}/current/key.pem")).exists());
        let text = peers::run(
            std::process::Command::new(&openssl)
                .args(["x509", "-noout", "-text", "-in"])
                .arg(workspace.path(&format!("state/clients/{name}/current/cert.pem"))),
            "",
        );
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(
            !text.contains("evil") && !text.contains("Evil") && !text.contains("TLS Web Server"),
            "{text}"
        );
        assert!(text.contains("CA:FALSE") && text.contains("TLS Web Client"), "{text}");
        let public =
            |arguments: &[&str]| peers::run(std::process::Command::new(&openssl).args(arguments), "").stdout;
        let certificate = workspace.text(&format!("state/clients/{name}/current/cert.pem"));
        let of_certificate = public(&["x509", "-noout", "-pubkey", "-in", &certificate]);
        assert_eq!(of_certificate, public(&["pkey", "-pubout", "-in", &key_file]));

        let before = workspace.snapshot();
        workspace.run(with(&asked, &["--fingerprint", &fingerprint])).succeeded();
        before.assert_is(&workspace.snapshot(), "the same request again");
    }
}

#[test]
fn a_leaf_of_more_than_half_its_cas_life_is_refused_before_anything_is_written() {
    let workspace = Workspace::new();
    for lifetimes in ["--ca-lifetime 30d --lifetime 20d", "--ca-lifetime 30d --client-lifetime 20d"] {
        workspace.run(["init", "--host", "a.example"].into_iter().chain(lifetimes.split(' '))).ended_with(2);
        assert!(!workspace.path("state").exists(), "{lifetimes}");
    }
    let lifetimes = "--ca-lifetime 20d --lifetime 10d --client-lifetime 5d";
    workspace.run(["init", "--host", "a.example"].into_iter().chain(lifetimes.split(' '))).succeeded();
    let before = workspace.snapshot();
    for line in [
        "issue client ana --lifetime 11d",
        "issue daemon b --host b.example --lifetime 11d",
        "issue daemon builder --host a.example --lifetime 11d",
        "invite ana --lifetime 11d",
    ] {
        let said = workspace.run(line.split(' ')).ended_with(2);
        assert!(said.err.contains("expected at most 10d, half of the CA's lifetime (20d)"), "{said:?}");
        before.assert_is(&workspace.snapshot(), line);
    }
    workspace.run(["issue", "client", "ana", "--lifetime", "10d"]).succeeded();
    let text = workspace.read("state/kitcert.yaml").replace("ana: {lifetime: 10d}", "ana: {lifetime: 20y}");
    workspace.write("state/kitcert.yaml", &text);
    let line = 1 + text.lines().position(|line| line.contains("20y")).unwrap();
    let said = workspace.run(["rotate"]).ended_with(1);
    assert!(
        said.err.contains(&format!("kitcert.yaml line {line}: expected a lifetime of client ana")),
        "{said:?}"
    );
}
