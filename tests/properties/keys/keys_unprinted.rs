//! A private key is never printed: whatever became of it on its way, wherever it was put, and
//! whatever form the answer has.

use std::path::Path;

use serde_json::json;

use crate::figures;
use crate::support::key_forms::{Key, WAYS, every_kind};
use crate::support::numbers::{Numbers, number};
use crate::support::turns::is_turn;
use crate::support::workspace::{Said, Workspace};

/// How a mangled key reaches the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// As a file of that name; the command line names it by `{}`.
    File(&'static str),
    /// In place of `{}` in the command line.
    Argument,
    /// The same without quotes: one argument for each word.
    Words,
    /// As that variable.
    Variable(&'static str),
    /// On standard input.
    Input,
    /// In place of that file of the state.
    State(&'static str),
}

/// Where a key is taken for something else, and a key file for another.
const DOORS: [(Door, &str); 66] = [
    (Door::File("key.pem"), "inspect {}"),
    (Door::File("key.pem"), "inspect {} --verbose"),
    (Door::File("ca.pem"), "inspect {}"),
    (Door::File("folder/key.pem"), "inspect folder"),
    (Door::File("config.yml"), "inspect {}"),
    (Door::File("kitcert.yaml"), "inspect {}"),
    (Door::File("buildkitd.toml"), "inspect {}"),
    (Door::File("ana.kit"), "inspect {}"),
    (Door::File("ana.csr"), "inspect {}"),
    (Door::File("key.pem"), "verify tcp://127.0.0.1:9 --ca ca.crt --cert ca.crt --key {}"),
    (Door::File("key.pem"), "verify tcp://127.0.0.1:9 --ca {} --cert {} --key {}"),
    (Door::File("tls/key.pem"), "verify tcp://127.0.0.1:9 --tlsdir tls"),
    (Door::File("tls/cert.pem"), "verify tcp://127.0.0.1:9 --tlsdir tls"),
    (Door::File("tls/ca.pem"), "verify tcp://127.0.0.1:9 --tlsdir tls"),
    (Door::File("config.yml"), "verify --config {}"),
    (Door::File("targets"), "verify --targets {}"),
    (Door::File("ana.csr"), "issue client zoe --csr {}"),
    (Door::File("ana.csr"), "issue client zoe --csr {} --fingerprint 00112233445566778899aabbccddeeff"),
    (Door::File("names"), "issue client --from {}"),
    (Door::File("ana.kit"), "join {}"),
    (Door::File("ana.kit"), "join {} --tool buildctl --dry-run"),
    (Door::File("words"), "join ana.real --passphrase-file {}"),
    (Door::File("receipt"), "confirm {}"),
    (Door::File("config.yml"), "install client ana --config {}"),
    (Door::File("zoe.kit"), "invite ana --output {}"),
    (Door::File("home/.earthly/config.yml"), "verify"),
    (Door::Argument, "verify --key {} --ca ca.crt --cert ca.crt"),
    (Door::Argument, "verify {}"),
    (Door::Argument, "verify --tlsdir {}"),
    (Door::Argument, "verify --client {}"),
    (Door::Argument, "inspect {}"),
    (Door::Argument, "inspect ca.crt --output {}/x"),
    (Door::Argument, "join {}"),
    (Door::Argument, "join ana.kit --fingerprint {}"),
    (Door::Argument, "issue client zoe --csr {}"),
    (Door::Argument, "issue client zoe --csr ana.csr --fingerprint {}"),
    (Door::Argument, "issue client {}"),
    (Door::Argument, "issue client zoe --contact {} --kit zoe.kit"),
    (Door::Argument, "issue daemon b --host {}"),
    (Door::Argument, "init --host {} --dry-run"),
    (Door::Argument, "init --host b --ca-name {} --dry-run"),
    (Door::Argument, "init --host b --install={} --dry-run"),
    (Door::Argument, "install daemon --owner {}"),
    (Door::Argument, "install daemon --layout {}"),
    (Door::Argument, "rotate {}"),
    (Door::Argument, "confirm {}"),
    (Door::Argument, "rollback {}"),
    (Door::Argument, "status --at {}"),
    (Door::Argument, "status --{}"),
    (Door::Argument, "--state {} status"),
    (Door::Argument, "{}"),
    (Door::Argument, "request zoe --key-type {}"),
    (Door::Argument, "completions {}"),
    (Door::Words, "verify --key {} --ca ca.crt --cert ca.crt"),
    (Door::Words, "inspect {}"),
    (Door::Words, "issue client {}"),
    (Door::Words, "{}"),
    (Door::Variable("KITCERT_STATE"), "status"),
    (Door::Variable("KITCERT_STATE"), "issue client zoe"),
    (Door::Variable("BUILDKIT_HOST"), "verify"),
    (Door::Variable("EARTHLY_BUILDKIT_HOST"), "verify"),
    (Door::Variable("EARTHLY_CONFIG"), "verify"),
    (Door::Input, "inspect -"),
    (Door::Input, "join -"),
    (Door::Input, "issue client --from -"),
    (Door::Input, "verify --targets -"),
];

/// What reads a file of the state, and what is there.
const STATE_DOORS: [(Door, &str); 15] = [
    (Door::State("ca/key.pem"), "rotate --quiet --force"),
    (Door::State("ca/key.pem"), "issue client zoe"),
    (Door::State("ca/key.pem"), "invite zoe --output zoe.kit"),
    (Door::State("ca/key.pem"), "verify builder"),
    (Door::State("ca/ca.pem"), "status"),
    (Door::State("daemons/builder/current/key.pem"), "install daemon builder --root root"),
    (Door::State("daemons/builder/current/key.pem"), "rotate --quiet --force"),
    (Door::State("daemons/builder/current/cert.pem"), "status"),
    (Door::State("clients/ana/current/key.pem"), "invite ana --output zoe.kit"),
    (Door::State("clients/ana/current/key.pem"), "verify builder --client ana"),
    (Door::State("clients/ana/current/ca.pem"), "install client ana"),
    (Door::State("kitcert.yaml"), "status"),
    (Door::State("kitcert.yaml"), "rotate --quiet"),
    (Door::State("log.jsonl"), "rotate --force"),
    (Door::State("requests/zoe/gen-0001/key.pem"), "request zoe"),
];

const FORMATS: [&[&str]; 5] = [
    &[],
    &["--format", "json"],
    &["--format", "nagios"],
    &["--format", "sarif"],
    &["--format", "prometheus"],
];

/// A workspace to read from, and one of its own for what changes a state.
struct Places {
    shared: Workspace,
}

impl Places {
    fn new() -> Places {
        let shared = Workspace::with_state();
        let authority = shared.read(&authority_file(&shared, "ca.pem"));
        shared.write("ca.crt", authority);
        Places { shared }
    }

    fn tried(&self, door: Door, line: &str, mangled: &str, format: &[&str]) -> Said {
        let own;
        let workspace = match door {
            Door::State(_) => {
                own = Workspace::with_state();
                &own
            }
            _ => &self.shared,
        };
        let mut environment = Vec::new();
        let mut input = "";
        let mut subject = vec![mangled.to_owned()];
        match door {
            Door::File(name) => subject = vec![workspace.write_private(name, mangled)],
            Door::State(name) => {
                let name = match name.strip_prefix("ca/") {
                    Some(file) => authority_file(workspace, file),
                    None => format!("state/{name}"),
                };
                workspace.write_private(&name, mangled);
            }
            Door::Words => subject = mangled.split_whitespace().map(str::to_owned).collect(),
            Door::Variable(name) => environment.push((name, mangled)),
            Door::Input => input = mangled,
            Door::Argument => {}
        }
        let words = line.split(' ').flat_map(|word| match word {
            "{}" => subject.clone(),
            word => vec![word.replace("{}", &subject[0])],
        });
        // What no argument can hold.
        let words = words.map(|word| word.replace('\0', ""));
        let mut command = workspace.command(words.chain(format.iter().map(|&word| word.to_owned())));
        command.envs(environment.into_iter().map(|(name, value)| (name, value.replace('\0', ""))));
        let said = Said::of(&crate::support::peers::run(&mut command, input));
        if let Door::State(_) = door {
            // A key in place of a certificate is copied as one.
            std::fs::remove_dir_all(workspace.path("")).unwrap();
        }
        said
    }
}

fn authority_file(workspace: &Workspace, file: &str) -> String {
    let folder = workspace.path("state/ca");
    let inside = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().file_name();
    format!("state/ca/{}/{file}", inside.to_str().unwrap())
}

#[test]
fn no_part_of_a_key_is_ever_printed() {
    if !is_turn("no_part_of_a_key_is_ever_printed") {
        return;
    }
    let places = Places::new();
    let keys = every_kind(&places.shared.path(&authority_file(&places.shared, "key.pem")));
    let runs = number("KITCERT_MANGLED", 200);
    let mut numbers = Numbers::default();
    let mut printed = Vec::new();
    let mut codes = std::collections::BTreeSet::new();
    for run in 0..runs {
        let key: &Key = &keys[numbers.below(keys.len())];
        let way = numbers.below(WAYS);
        let mangled = key.mangled(way, run);
        let at = numbers.below(DOORS.len() + STATE_DOORS.len());
        let (door, line) = *DOORS.iter().chain(&STATE_DOORS).nth(at).unwrap();
        let format = FORMATS[numbers.below(FORMATS.len())];
        let said = places.tried(door, line, &mangled, format);
        codes.insert(said.code);
        assert!(said.code >= 0 && !said.err.contains("has a fault at"), "{line} {format:?}: {}", said.err);
        for text in [&said.out, &said.err] {
            if let Some(part) = key.part_in(text) {
                printed.push(format!(
                    "{} by way {way}, {door:?}, {line} {format:?}: {part} in {text}",
                    key.kind
                ));
            }
        }
    }
    figures::publish(
        "Secrets",
        "mangled keys that were printed, of the runs that were tried",
        format!("{} of {runs}", printed.len()),
        Some(figures::Aim { words: "0", is_met: printed.is_empty() }),
    );
    printed.truncate(5);
    assert!(printed.is_empty(), "{printed:#?}");
    assert!(
        runs < 1_000 || [0, 1, 2, 3].iter().all(|code| codes.contains(code)),
        "exits that were seen: {codes:?}"
    );
}

#[test]
fn a_key_on_one_line_is_named_as_that_and_the_command_that_is_printed_repairs_it() {
    let workspace = Workspace::with_state();
    let pem = workspace.read("state/clients/ana/current/key.pem");
    let kinds = [
        ("", "were lost"),
        (" ", "became spaces"),
        ("\r", "became carriage returns"),
        ("\\n", "became the characters"),
    ];
    let around = [("", ""), ("'", "'"), ("\"", "\""), ("\u{feff}", "")];
    let cases = kinds.iter().flat_map(|kind| around.map(|around| (*kind, around)));
    for ((between, what), (before, behind)) in cases {
        let line = format!("{before}{}{behind}", pem.trim_end().replace('\n', between));
        let path = workspace.write_private("one line.pem", line);
        let said = workspace.run(["inspect", &path, "--format", "json"]).ended_with(3).json();
        let findings = said["findings"].as_array().unwrap();
        let finding = findings.iter().find(|one| one["rule"] == "wrong-form").unwrap();
        assert!(finding["found"].as_str().unwrap().contains(what), "{finding:#}");
        assert!(said["inspected"][0]["facts"].to_string().contains("ecdsa-p256"), "{said:#}");
        let repair = finding["fix"].as_str().unwrap();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", repair]).current_dir(workspace.path(""));
        assert!(shell.status().unwrap().success(), "{repair}");
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim_end(), pem.trim_end(), "{repair}");
        assert_eq!(mode(Path::new(&path)), 0o600);
        assert!(!workspace.path("one line.pem.repaired").exists());
    }
}

/// What a pasted command takes away is gone: it leaves the file as it is where it would leave something out.
#[test]
fn the_command_that_repairs_a_file_loses_nothing_of_it() {
    let workspace = Workspace::with_state();
    let key = workspace.read("state/clients/ana/current/key.pem");
    let cert = workspace.read("state/clients/ana/current/cert.pem");
    let indented = |text: &str| text.trim_end().replace('\n', "\n    ");
    let big: Vec<u8> = key.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let playbook = format!("- hosts: all\n  content: |\n    {}\n  mode: 1\n", indented(&cert));
    let template = format!("{{{{ if x }}}}\na: |\n    {}\n", indented(&key));
    for (name, before, repaired, content) in [
        ("big.pem", big, "big.pem", &key),
        ("site.yml", playbook.into_bytes(), "site.yml.pem", &cert),
        ("secret.tpl", template.into_bytes(), "secret.tpl.pem", &key),
    ] {
        let path = workspace.write_private(name, &before);
        let said = workspace.run(["inspect", &path, "--format", "json"]).ended_with(3).json();
        let findings = said["findings"].as_array().unwrap();
        let finding = findings.iter().find(|one| one["rule"] == "wrong-form").unwrap();
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", finding["fix"].as_str().unwrap()]).status().unwrap().success(), "{name}");
        assert_eq!(workspace.read(repaired).trim_end(), content.trim_end(), "{name}");
        assert!(repaired == name || std::fs::read(&path).unwrap() == before, "{name}");
        assert_eq!(mode(&workspace.path(repaired)), 0o600);
        std::fs::remove_file(workspace.path(repaired)).unwrap();
    }
    // The only key of a file is not deleted, and what ssh-keygen cannot write it is not asked for.
    let headers = key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1);
    let path = workspace.write_private("enc.pem", headers);
    let said = workspace.run(["inspect", &path, "--format", "json"]).ended_with(3).out;
    assert!(!said.contains("delete that block"), "{said}");
    let path = workspace.write_private(
        "both.pem",
        format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n{cert}"),
    );
    let said = workspace.run(["inspect", &path]).ended_with(3).out;
    assert!(!said.contains("&& mv "), "{said}");
    let of_ssh = pem::encode(&pem::Pem::new("OPENSSH PRIVATE KEY", b"openssh-key-v1\0 ssh-ed25519".to_vec()));
    let path = workspace.write_private("id", of_ssh);
    let said = workspace.run(["inspect", &path]).ended_with(3).out;
    assert!(said.contains("OpenSSH's own form") && !said.contains("ssh-keygen -p"), "{said}");
}

/// A name on this disk is shown, so that nothing of that name may be made; and a key in pieces is a key.
#[test]
fn nothing_is_called_by_a_key_and_no_key_in_pieces_is_printed() {
    if !is_turn("nothing_is_called_by_a_key_and_no_key_in_pieces_is_printed") {
        return;
    }
    let workspace = Workspace::with_state();
    let pem = workspace.read("state/clients/ana/current/key.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let one_line = pem.trim_end().replace('\n', " ");
    let hex: String = body.bytes().map(|byte| format!("{byte:02x}")).collect();
    let cut = |text: &str, size: usize, between: &str| -> String {
        let pieces: Vec<&str> =
            text.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        pieces.join(between)
    };
    let inventory = workspace.read("state/kitcert.yaml");
    let assert_hidden = |said: &Said, what: &str| {
        let text = format!("{}{}", said.out, said.err);
        let bare: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        for key in [&body, &hex] {
            let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
            let mut parts = (0..key.len() - 14).map(|from| &key[from..from + 14]);
            assert!(!parts.any(|part| bare.contains(part)), "{what}: {text}");
        }
    };
    let restart = |words: &str| {
        let text =
            inventory.replace("    lifetime: 397d", &format!("    lifetime: 397d\n    restart: {words}"));
        assert_ne!(text, inventory);
        workspace.write("state/kitcert.yaml", text);
    };
    for size in [2, 4, 8, 12] {
        for between in [" ", ",", ":"] {
            for key in [&body, &hex] {
                let words = json!(["/bin/false", format!("KEY={}", cut(key, size, between))]);
                restart(&words.to_string());
                for line in [&["install", "daemon", "--root", "root"][..], &["rotate", "--force", "builder"]]
                {
                    assert_hidden(&workspace.run(line), &format!("{line:?}, {words}"));
                }
                let script = format!("echo {} >&2; exit 1", cut(key, size, between));
                workspace.write("said.sh", script);
                restart(&json!(["/bin/sh", workspace.text("said.sh")]).to_string());
                assert_hidden(&workspace.run(["rotate", "--force", "builder"]), "what the command says");
            }
        }
    }
    for name in [one_line.as_str(), &body] {
        let folder = workspace.text(name);
        let text = inventory.replace(
            "    lifetime: 397d",
            &format!("    lifetime: 397d\n    install: {{layout: earthly, root: {}}}", json!(folder)),
        );
        workspace.write("state/kitcert.yaml", text);
        assert_hidden(&workspace.run(["install", "daemon"]).ended_with(1), "a root");
        workspace.write("state/kitcert.yaml", &inventory);
        for variable in ["HOME", "EARTHLY_CONFIG", "XDG_CONFIG_HOME"] {
            let mut command = workspace.command(["install", "client", "ana"]);
            command.env(variable, &folder);
            assert_hidden(&Said::of(&crate::support::peers::run(&mut command, "")).ended_with(2), variable);
        }
        assert!(!workspace.path(name).exists(), "a folder is called by a key");
        let given = |words: &[&str]| Said::of(&crate::support::peers::run(&mut workspace.command(words), ""));
        given(&["init", "--state", "other", "--host", "h", "--contact", &body]).ended_with(2);
        assert!(!workspace.path("other").exists());
        given(&["issue", "client", &hex[..63]]).ended_with(2);
    }
    assert!(!workspace.read("state/log.jsonl").contains(&hex[..28]));
}

#[test]
fn a_keys_content_in_place_of_its_path_is_called_so() {
    let workspace = Workspace::with_state();
    let pem = workspace.read("state/clients/ana/current/key.pem");
    for (line, place) in [
        (vec!["verify", "--key", &pem], "--key"),
        (vec!["inspect", &pem], "the command line"),
        (vec!["issue", "client", "zoe", "--csr", &pem], "--csr"),
        (vec!["join", &format!("\"{pem}\"")], "the command line"),
    ] {
        let mut command = workspace.command(&line);
        let said = Said::of(&crate::support::peers::run(&mut command, "")).ended_with(2);
        let wanted = format!(
            "reading {place}: this is a key's content; give its path (GitLab: a variable of type File)"
        );
        assert!(said.err.contains(&wanted), "{}", said.err);
    }
    let mut command = workspace.command(["status", "--format", "json"]);
    command.env("KITCERT_STATE", &pem);
    let said = Said::of(&crate::support::peers::run(&mut command, "")).ended_with(2);
    assert!(said.json()["error"]["subject"] == "KITCERT_STATE", "{}", said.out);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
