//! Whatever is wrong is named, with what was expected and what was found, the documented exit
//! code, and nothing changed on disk.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use crate::support::workspace::Workspace;

/// One thing that is wrong: how it is made, what is typed, and what is said of it.
struct Case {
    what: &'static str,
    make: fn(&Workspace),
    typed: Vec<&'static str>,
    code: i32,
    /// Words that the message must hold; `{…}` is a path of the workspace.
    says: Vec<&'static str>,
}

fn case(
    what: &'static str,
    make: fn(&Workspace),
    line: &'static str,
    code: i32,
    says: &[&'static str],
) -> Case {
    Case { what, make, typed: line.split(' ').collect(), code, says: says.to_vec() }
}

fn nothing(_: &Workspace) {}

/// Puts the workspace's folder for `{…}`.
fn filled(workspace: &Workspace, text: &str) -> String {
    text.replace("{}", workspace.text("").trim_end_matches('/'))
}

fn each(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for Case { what, make, typed, code, says } in cases {
        let workspace = Workspace::with_state();
        make(&workspace);
        let before = workspace.snapshot();
        let said = workspace.run(typed.iter().map(|argument| filled(&workspace, argument)));
        let heard = if said.err.is_empty() { &said.out } else { &said.err };
        let missing: Vec<_> =
            says.iter().map(|word| filled(&workspace, word)).filter(|word| !heard.contains(word)).collect();
        if said.code != code || !missing.is_empty() {
            wrong.push(format!("{what}: exit {}, does not say {missing:?}: {heard}", said.code));
        }
        before.assert_is(&workspace.snapshot(), what);
        assert!(!heard.contains("PRIVATE KEY-----"), "{what} shows a key");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_that_make_no_sense_are_refused_by_what_was_expected_of_them() {
    each(vec![
        case(
            "no host",
            nothing,
            "init --host a_b/c",
            2,
            &["--host", "a value of 5 characters", "expected a DNS name or an IP", "try: "],
        ),
        case("an empty host", nothing, "init --host=", 2, &["--host", "try: "]),
        case(
            "octal",
            nothing,
            "init --host 010.0.0.1",
            2,
            &["010.0.0.1", "found an IP address in a notation"],
        ),
        case("hexadecimal", nothing, "init --host 0x7f000001", 2, &["0x7f000001", "notation"]),
        case("short", nothing, "init --host 127.1", 2, &["127.1", "notation"]),
        case("a number", nothing, "init --host 2130706433", 2, &["2130706433", "expected"]),
        case(
            "every address",
            nothing,
            "init --host 0.0.0.0",
            2,
            &["0.0.0.0", "expected an address that a client dials"],
        ),
        case(
            "every address of IPv6",
            nothing,
            "init --host ::",
            2,
            &["expected an address that a client dials"],
        ),
        case("many machines", nothing, "init --host 224.0.0.1", 2, &["found a multicast address"]),
        case(
            "an endpoint of another host",
            nothing,
            "init --host a.example --endpoint tcp://b.example:8372",
            2,
            &["--endpoint", "one of the daemon's hosts in it: a.example, found b.example", "fix: "],
        ),
        case(
            "a daemon's endpoint of another host",
            nothing,
            "issue daemon second --host a.example --endpoint tcp://b.example:8372",
            2,
            &["--endpoint", "found b.example"],
        ),
        case(
            "a home that no shell has put there",
            nothing,
            "--state ~/s status",
            2,
            &["begins with ~", "fix: "],
        ),
        case(
            "a zone",
            nothing,
            "init --host fe80::1%eth0",
            2,
            &["--host", "a value of 12 characters", "expected"],
        ),
        case(
            "a port",
            nothing,
            "init --host a.example:8372",
            2,
            &["--host", "a value of 14 characters", "expected"],
        ),
        case(
            "a wildcard",
            nothing,
            "init --host *.example.com",
            2,
            &["--allow-wildcard", "found *.example.com"],
        ),
        case(
            "an inner wildcard",
            nothing,
            "init --host a.*.com --allow-wildcard",
            2,
            &["--host", "a value of 7 characters", "expected"],
        ),
        case("a host twice", nothing, "init --host a --host A", 2, &["--host", "found a twice"]),
        case("a name twice", nothing, "issue client bob bob", 2, &["expected each name once", "bob twice"]),
        case("a client twice", nothing, "init --host a --client b --client b", 2, &["--client", "b twice"]),
        case(
            "a bad name",
            nothing,
            "issue client Ana",
            2,
            &["the name Ana", "expected up to 63 of a-z", "try: "],
        ),
        case("a path as name", nothing, "issue client ../../x", 2, &["a value of 7 characters", "expected"]),
        case(
            "a key type",
            nothing,
            "init --host a --key-type rsa",
            2,
            &["rsa", "possible values: ecdsa-p256, ecdsa-p384, ed25519"],
        ),
        case(
            "a duration",
            nothing,
            "init --host a --lifetime 5parsecs",
            2,
            &["5parsecs", "expected a number with a unit"],
        ),
        case("no duration", nothing, "init --host a --lifetime 0d", 2, &["0d", "expected"]),
        case("an endless duration", nothing, "init --host a --lifetime 99999999999999y", 2, &["expected"]),
        case(
            "a layout",
            nothing,
            "install daemon --layout nixos",
            2,
            &["nixos", "possible values: earthly, earthbuild, buildkit"],
        ),
        case(
            "a tool",
            nothing,
            "install client --tool make",
            2,
            &["make", "possible values: earthly, earthbuild, buildctl, buildx"],
        ),
        case(
            "an endpoint",
            nothing,
            "install client --endpoint http://a:1",
            2,
            &["--endpoint", "a value of 10 characters", "expected"],
        ),
        case(
            "no port",
            nothing,
            "verify tcp://a.example",
            2,
            &["a value of 15 characters", "expected a port", "try: kitcert verify tcp://a.example:8372"],
        ),
        case(
            "no target",
            nothing,
            "verify a.example:8372",
            2,
            &["expected tcp://host:port", "try: kitcert verify tcp://a.example:8372"],
        ),
        case(
            "a short fingerprint",
            nothing,
            "issue client b --csr x --fingerprint ab12",
            2,
            &["--fingerprint", "found 4 digits"],
        ),
        case("half of three files", nothing, "verify --ca x", 2, &["--cert"]),
        case("no command", nothing, "frobnicate", 2, &["frobnicate", "try: kitcert --help"]),
    ]);
}

#[test]
fn identities_and_states_that_are_not_there_are_named() {
    each(vec![
        case(
            "an unknown daemon",
            nothing,
            "install daemon nobody",
            1,
            &["daemon nobody", "found none", "fix: issue it a certificate first"],
        ),
        case(
            "an unknown daemon",
            nothing,
            "verify nobody",
            2,
            &["nobody", "kitcert.yaml (builder)", "try: "],
        ),
        case("an unknown daemon", nothing, "issue daemon nobody", 2, &["nobody", "--host", "fix: "]),
        case(
            "an unknown client",
            nothing,
            "install client nobody",
            1,
            &["client nobody", "found none", "try: "],
        ),
        case("an unknown client", nothing, "verify builder --client nobody", 1, &["nobody", "expected"]),
        case(
            "a file that is not there",
            nothing,
            "issue client b --csr {}/no.csr",
            1,
            &["{}/no.csr", "no such file or folder"],
        ),
        case(
            "a file that is not there",
            nothing,
            "inspect {}/no.pem",
            1,
            &["{}/no.pem", "no such file or folder"],
        ),
        case(
            "no state",
            |it| std::fs::rename(it.path("state"), it.path("moved")).unwrap(),
            "status",
            1,
            &[
                "{}/state",
                "expected a folder with a kitcert.yaml",
                "found none",
                "fix: to create a CA on this machine",
            ],
        ),
        case(
            "no state",
            |it| std::fs::rename(it.path("state"), it.path("moved")).unwrap(),
            "issue client bob",
            1,
            &["{}/state", "found none"],
        ),
        case(
            "no state, but one of the user",
            |it| {
                std::fs::create_dir_all(it.path("home/.local/share")).unwrap();
                std::fs::rename(it.path("state"), it.path("home/.local/share/kitcert")).unwrap();
            },
            "status",
            1,
            &["{}/state", "try: kitcert --state {}/home/.local/share/kitcert status\n"],
        ),
        case(
            "a state that is a file",
            |it| {
                std::fs::rename(it.path("state"), it.path("moved")).unwrap();
                it.write("state", "x");
            },
            "status",
            1,
            &["{}/state", "expected a folder, found a file"],
        ),
        case(
            "a state that is a file",
            |it| {
                std::fs::rename(it.path("state"), it.path("moved")).unwrap();
                it.write("state", "x");
            },
            "init --host a",
            1,
            &["{}/state", "expected a folder, found a file"],
        ),
    ]);
}

/// A file of the one CA.
fn the_ca(workspace: &Workspace, file: &str) -> String {
    let folder = std::fs::read_dir(workspace.path("state/ca")).unwrap().next().unwrap().unwrap().file_name();
    format!("state/ca/{}/{file}", folder.to_str().unwrap())
}

fn mode(workspace: &Workspace, relative: &str, mode: u32) {
    std::fs::set_permissions(workspace.path(relative), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_others_can_write_is_not_trusted() {
    each(vec![
        case(
            "a group's state",
            |it| mode(it, "state", 0o770),
            "status",
            1,
            &["{}/state", "mode 0770", "try: chmod go-w {}/state"],
        ),
        case(
            "everybody's state",
            |it| mode(it, "state", 0o777),
            "issue client b",
            1,
            &["{}/state", "mode 0777", "try: "],
        ),
        case(
            "everybody's root",
            |it| {
                std::fs::create_dir(it.path("root")).unwrap();
                mode(it, "root", 0o777);
            },
            "install daemon --root {}/root",
            1,
            &["{}/root", "mode 0777", "try: chmod go-w {}/root"],
        ),
        case(
            "everybody's parent",
            |it| {
                std::fs::create_dir(it.path("loose")).unwrap();
                mode(it, "loose", 0o777);
            },
            "install daemon --root {}/loose/root",
            1,
            &["{}/loose", "mode 0777"],
        ),
        case(
            "a key that others can read",
            |it| mode(it, "state/clients/ana/gen-0001/key.pem", 0o644),
            "verify tcp://127.0.0.1:1 --client ana --timeout 1s",
            3,
            &["{}/state/clients/ana", "key.pem", "0644"],
        ),
        case(
            "everybody's kitcert.yaml",
            |it| mode(it, "state/kitcert.yaml", 0o666),
            "rotate",
            1,
            &["{}/state/kitcert.yaml", "mode 0666", "try: chmod go-w {}/state/kitcert.yaml"],
        ),
        case(
            "a folder of CAs that a group can write in",
            |it| mode(it, "state/ca", 0o770),
            "status",
            1,
            &["{}/state/ca", "mode 0770", "try: chmod go-w {}/state/ca"],
        ),
        case(
            "a client's folder that everybody can write in",
            |it| mode(it, "state/clients/ana", 0o777),
            "verify tcp://127.0.0.1:1 --client ana --timeout 1s",
            1,
            &["{}/state/clients/ana", "mode 0777"],
        ),
        case(
            "a certificate that everybody can write",
            |it| mode(it, "state/clients/ana/gen-0001/cert.pem", 0o666),
            "verify tcp://127.0.0.1:1 --client ana --timeout 1s",
            1,
            &["cert.pem", "mode 0666"],
        ),
        case(
            "a CA's key that everybody can read",
            |it| mode(it, &the_ca(it, "key.pem"), 0o644),
            "status",
            1,
            &["{}/state/ca/", "key.pem", "mode 0644", "try: chmod 0600 "],
        ),
    ]);
    if rustix::process::geteuid().is_root() {
        each(vec![
            case(
                "another user's state",
                |it| chown(it.path("state"), Some(65534), Some(65534)).unwrap(),
                "status",
                1,
                &["{}/state", "expected a folder of root or of this user", "user 65534"],
            ),
            case(
                "another user's kitcert.yaml, whose restart root would run",
                |it| {
                    let path = it.path("state/kitcert.yaml");
                    mode(it, "state", 0o755);
                    chown(path, Some(65534), Some(65534)).unwrap();
                },
                "rotate",
                1,
                &["{}/state/kitcert.yaml", "expected a file of root or of this user", "user 65534"],
            ),
            case(
                "another user's CA key",
                |it| chown(it.path(&the_ca(it, "key.pem")), Some(65534), Some(65534)).unwrap(),
                "issue client bob",
                1,
                &["key.pem", "expected a file of root or of this user", "user 65534"],
            ),
        ]);
    }
}

#[test]
fn what_stands_in_the_way_of_an_installation_stays() {
    each(vec![
        case(
            "a file",
            |it| drop(it.write("root/etc/ca.pem", "theirs")),
            "install daemon --root {}/root",
            1,
            &[
                "{}/root/etc/ca.pem",
                "expected nothing, or a link that kitcert made",
                "found a file",
                "try: mv ",
            ],
        ),
        case(
            "a folder",
            |it| std::fs::create_dir_all(it.path("root/etc/key.pem")).unwrap(),
            "install daemon --root {}/root",
            1,
            &["{}/root/etc/key.pem", "found a folder", "try: mv "],
        ),
        case(
            "a link",
            |it| {
                std::fs::create_dir_all(it.path("root/etc")).unwrap();
                symlink("/nowhere", it.path("root/etc/cert.pem")).unwrap();
            },
            "install daemon --root {}/root",
            1,
            &["{}/root/etc/cert.pem", "a symbolic link to /nowhere", "try: mv "],
        ),
        case(
            "a root that is a file",
            |it| drop(it.write("root", "x")),
            "install daemon --root {}/root",
            1,
            &["{}/root", "expected a folder, found a file"],
        ),
        case(
            "a client's file",
            |it| drop(it.write("home/.earthly/certs/ca.pem", "theirs")),
            "install client",
            1,
            &["{}/home/.earthly/certs/ca.pem", "found a file", "try: mv "],
        ),
    ]);
    // `init --install` looks before it makes anything.
    let workspace = Workspace::new();
    workspace.write("root/etc/ca.pem", "theirs");
    let before = workspace.snapshot();
    let install = format!("--install={}", workspace.text("root"));
    let said = workspace.run(["init", "--host", "a.example", &install]).ended_with(1);
    assert!(said.err.contains("root/etc/ca.pem"), "{}", said.err);
    before.assert_is(&workspace.snapshot(), "init over a foreign file");
}

#[test]
fn a_config_that_cannot_be_edited_is_left_alone() {
    const CONFIG: &str = "home/.earthly/config.yml";
    each(vec![
        case(
            "a folder",
            |it| std::fs::create_dir_all(it.path(CONFIG)).unwrap(),
            "install client",
            1,
            &["{}/home/.earthly/config.yml", "expected a file, found a folder"],
        ),
        case(
            "broken YAML",
            |it| drop(it.write(CONFIG, "global: {a: [\n")),
            "install client",
            1,
            &["{}/home/.earthly/config.yml", "expected", "found"],
        ),
        case(
            "a template",
            |it| drop(it.write(CONFIG, "global:\n  {{ if x }}\n  tlsca: a\n")),
            "install client",
            1,
            &["{}/home/.earthly/config.yml", "expected", "found"],
        ),
        case(
            "TLS turned off",
            |it| drop(it.write(CONFIG, "global:\n  tls_enabled: false\n")),
            "install client",
            1,
            &["{}/home/.earthly/config.yml", "tls_enabled", "--enable-tls"],
        ),
        case(
            "no text",
            |it| drop(it.write(CONFIG, b"\xff\xfe\x00\x01")),
            "install client",
            1,
            &["{}/home/.earthly/config.yml", "expected"],
        ),
        case(
            "a huge one",
            |it| drop(it.write(CONFIG, "# comment\n".repeat(400_000))),
            "install client",
            1,
            &["{}/home/.earthly/config.yml", "expected"],
        ),
        case(
            "a config for a tool without one",
            nothing,
            "install client --tool buildctl --config {}/c.yml",
            2,
            &["--config", "expected a tool that has a config"],
        ),
    ]);
}

#[test]
fn files_of_the_state_that_are_not_what_they_should_be_are_named() {
    const KEY: &str = "state/clients/ana/gen-0001/key.pem";
    const CERTIFICATE: &str = "state/clients/ana/gen-0001/cert.pem";
    fn put(it: &Workspace, relative: &str, bytes: impl AsRef<[u8]>) {
        it.write(relative, bytes);
    }
    fn authority_key(it: &Workspace) -> String {
        let folder = std::fs::read_dir(it.path("state/ca")).unwrap().next().unwrap().unwrap().file_name();
        format!("state/ca/{}/key.pem", folder.to_str().unwrap())
    }
    each(vec![
        case(
            "a certificate for a key",
            |it| put(it, KEY, it.read(CERTIFICATE)),
            "install client",
            1,
            &["{}/state/clients/ana/", "key.pem", "expected", "PRIVATE KEY", "found a certificate"],
        ),
        case(
            "a key for a certificate",
            |it| put(it, CERTIFICATE, it.read(KEY)),
            "install client",
            1,
            &["{}/state/clients/ana/", "cert.pem", "expected CERTIFICATE", "PRIVATE KEY"],
        ),
        case(
            "an empty certificate",
            |it| put(it, CERTIFICATE, ""),
            "status --check",
            4,
            &["cert.pem", "expected"],
        ),
        case(
            "a binary certificate",
            |it| put(it, CERTIFICATE, b"\x30\x82\0\xff"),
            "status --check",
            4,
            &["cert.pem", "expected"],
        ),
        case(
            "a huge certificate",
            |it| put(it, CERTIFICATE, "x".repeat(3 << 20)),
            "status --check",
            4,
            &["cert.pem", "expected"],
        ),
        case("an empty key", |it| put(it, KEY, ""), "install client", 1, &["key.pem", "expected"]),
        case(
            "another CA key",
            |it| put(it, &authority_key(it), it.read(KEY)),
            "issue client bob",
            1,
            &["{}/state/ca/", "expected", "found"],
        ),
        case(
            "no CA key",
            |it| std::fs::remove_file(it.path(&authority_key(it))).unwrap(),
            "issue client bob",
            1,
            &["expected a valid CA whose key is here", "no key.pem in ca/"],
        ),
        case(
            "another client's key",
            |it| {
                it.run(["issue", "client", "bob"]).succeeded();
                put(it, KEY, it.read("state/clients/bob/gen-0001/key.pem"));
            },
            "install client ana",
            1,
            &["ana", "expected", "found"],
        ),
        case(
            "a broken inventory",
            |it| put(it, "state/kitcert.yaml", "version: 1\nca: {"),
            "status",
            1,
            &["{}/state/kitcert.yaml", "expected", "try: ${EDITOR:-vi} {}/state/kitcert.yaml"],
        ),
        case(
            "an inventory of the future",
            |it| put(it, "state/kitcert.yaml", "version: 2\n"),
            "status",
            1,
            &["{}/state/kitcert.yaml", "version"],
        ),
        case(
            "an inventory that is a folder",
            |it| {
                std::fs::remove_file(it.path("state/kitcert.yaml")).unwrap();
                std::fs::create_dir(it.path("state/kitcert.yaml")).unwrap();
            },
            "issue client bob",
            1,
            &["{}/state/kitcert.yaml", "expected a file, found a folder"],
        ),
    ]);
}

#[test]
fn files_given_by_name_are_judged_before_anything_is_done() {
    let given = |it: &Workspace| {
        it.write("empty", "");
        it.write("binary", [0u8, 255, 1, 2, 48, 130]);
        it.write("huge", "A".repeat(5 << 20));
        std::fs::create_dir(it.path("folder")).unwrap();
        for (name, file) in [("cert", "cert.pem"), ("key", "key.pem"), ("ca", "ca.pem")] {
            it.write(name, it.read(&format!("state/clients/ana/current/{file}")));
        }
    };
    let workspace = Workspace::with_state();
    given(&workspace);
    let before = workspace.snapshot();
    let mut wrong = Vec::new();
    for bad in ["empty", "binary", "huge", "folder", "key", "cert", "absent"] {
        let path = workspace.text(bad);
        let (ca, cert, key) = (workspace.text("ca"), workspace.text("cert"), workspace.text("key"));
        let dial = |ca: &str, cert: &str, key: &str| {
            let files = ["--ca", ca, "--cert", cert, "--key", key, "--timeout", "1s"];
            ["verify", "tcp://127.0.0.1:1"].iter().chain(&files).map(|word| (*word).to_owned()).collect()
        };
        let csr = ["issue", "client", "bob", "--csr", &path].map(str::to_owned).to_vec();
        let mut lines: Vec<Vec<String>> = vec![csr];
        lines.extend((bad != "key").then(|| dial(&ca, &cert, &path)));
        lines.extend((bad != "cert").then(|| dial(&ca, &path, &key)));
        // A leaf among the CAs is a warning: a self-signed client's own certificate belongs there.
        lines.extend((bad != "cert").then(|| dial(&path, &cert, &key)));
        for line in lines {
            let said = workspace.run(&line);
            if said.code != 1 || !said.err.contains(&format!("{path}: ")) {
                wrong.push(format!("{line:?}: exit {}: {}{}", said.code, said.out, said.err));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert_is(&workspace.snapshot(), "files given by name");
}

#[test]
fn a_state_that_is_busy_says_so_and_is_safe_to_retry() {
    let workspace = Workspace::with_state();
    let lock = std::fs::File::options().write(true).open(workspace.path("state/.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let before = workspace.snapshot();
    let said = workspace.run(["issue", "client", "bob"]).ended_with(5);
    assert!(said.err.contains(&workspace.text("state")), "{}", said.err);
    assert!(said.err.contains("locked by another kitcert process"), "{}", said.err);
    before.assert_is(&workspace.snapshot(), "a busy state");
    workspace.run(["status"]).succeeded();
    workspace.run(["issue", "client", "ana"]).succeeded();
    drop(lock);
    workspace.run(["issue", "client", "bob"]).succeeded();
}

#[test]
fn daemons_that_cannot_be_reached_are_findings() {
    each(vec![
        case(
            "a closed port",
            nothing,
            "verify tcp://127.0.0.1:1 --timeout 1s",
            3,
            &[
                "tcp://127.0.0.1:1",
                "expected a daemon that answers, found connection refused",
                "cause: nothing listens",
                "fix: start the daemon, or name the port",
            ],
        ),
        case(
            "a name that does not resolve",
            nothing,
            "verify tcp://nowhere.invalid:8372 --timeout 1s",
            3,
            &[
                "tcp://nowhere.invalid:8372",
                "expected a daemon that answers",
                "cause: the name does not resolve",
                "try: ",
            ],
        ),
    ]);
}
