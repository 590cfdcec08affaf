//! The house: which module may use which, and what only one of them may do. Read from the source,
//! tests left out.

use std::path::{Path, PathBuf};

/// From the bottom up: a module uses those before it.
const ARROW: [&str; 10] =
    ["model", "env", "pki", "layout", "store", "probe", "practice", "plan", "apply", "cli"];

/// A source file without its tests and comments.
pub struct Source {
    /// `store/state.rs`
    pub name: String,
    /// `["store", "state"]`
    pub path: Vec<String>,
    pub text: String,
    /// With its comments.
    pub code: String,
    pub lines: usize,
}

impl Source {
    fn module(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    gather(&root, &mut files);
    let read = |path: &PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
    let all: Vec<(PathBuf, String)> = files.iter().map(read).collect();
    let tests: Vec<PathBuf> = all.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_code = |path: &Path| !tests.iter().any(|test| path.with_extension("").starts_with(test));
    let code = all.iter().filter(|(path, _)| is_code(path));
    let sources: Vec<_> = code.map(|(path, text)| source(&root, path, text)).collect();
    assert!(sources.len() > 80, "only {} files were found", sources.len());
    sources
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules of a file that are compiled for tests alone, as paths without `.rs`.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]");
    pairs.filter_map(|pair| Some(folder.join(pair[1].strip_prefix("mod ")?.strip_suffix(';')?))).collect()
}

fn source(root: &Path, path: &Path, text: &str) -> Source {
    let relative = path.strip_prefix(root).unwrap();
    let mut module: Vec<String> =
        relative.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let without_comments = code.lines().map(|line| line.split("//").next().unwrap());
    Source {
        name: relative.to_str().unwrap().to_owned(),
        path: module,
        text: without_comments.collect::<Vec<_>>().join("\n"),
        code: code.to_owned(),
        lines: text.lines().count(),
    }
}

/// The files, outside of the modules that may, in which one of the words stands.
fn offenders(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let sources = sources();
    let others = sources.iter().filter(|source| !allowed.contains(&source.module()));
    let found = others.flat_map(|source| {
        let word = words.iter().find(|word| source.text.contains(**word));
        word.map(|word| format!("{}: {word}", source.name))
    });
    found.collect()
}

fn rank(module: &str) -> Option<usize> {
    ARROW.iter().position(|one| *one == module)
}

#[test]
fn modules_use_only_what_lies_below_them() {
    for source in sources().iter().filter(|source| !source.path.is_empty()) {
        let own = rank(source.module()).unwrap_or_else(|| panic!("{} is in no module", source.name));
        for (start, _) in source.text.match_indices("crate::") {
            let rest = &source.text[start + "crate::".len()..];
            let used: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // The macro that puts messages together is the model's.
            let used = if used == "message" { "model".to_owned() } else { used };
            let is_visibility = source.text[..start].ends_with("pub(");
            let below = rank(&used).is_some_and(|used| used <= own);
            assert!(below || is_visibility, "{} uses crate::{used}", source.name);
        }
        let steps = "super::".repeat(source.path.len());
        assert!(!source.text.contains(&steps), "{} reaches the root by super", source.name);
    }
    let users = offenders(&["crate::practice"], &["practice", "cli"]);
    assert!(users.is_empty(), "the practice daemon is for the demo: {users:?}");
}

/// Whoever reads and writes bytes does not know what they are for.
#[test]
fn files_are_bytes() {
    let of_files = |source: &&Source| source.path.starts_with(&["store".to_owned(), "files".to_owned()]);
    for source in sources().iter().filter(of_files) {
        for layer in ["crate::pki", "crate::layout"] {
            assert!(!source.text.contains(layer), "{} uses {layer}", source.name);
        }
    }
}

#[test]
fn each_dangerous_thing_is_done_in_one_place() {
    for (what, words, allowed) in [
        ("files are touched", &["std::fs", "rustix::fs", "File::open", "File::create"][..], &["store"][..]),
        // Whether a path exists is asked by what prints it too: model/unparsed.rs.
        ("a path is looked at", &[".exists()", ".is_file()", ".is_dir()", ".metadata()"], &["store"]),
        (
            "sockets and tokio are used",
            &["tokio", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "ToSocketAddrs"],
            &["probe", "practice"],
        ),
        // println! and the like, and what ends in a panic: `[lints]` in Cargo.toml.
        ("something is printed", &["stdout()", "stderr()"], &["cli"]),
        ("the clock is read", &["now_utc", "SystemTime", "now_local"], &["env"]),
        ("a variable is read", &["env::var", "env::args", "env::home_dir", "current_dir()"], &["env", ""]),
        ("a process is started", &["process::Command", "Command::new", "fork("], &["apply"]),
        ("unsafe code stands", &["unsafe "], &[]),
    ] {
        let found = offenders(words, allowed);
        assert!(found.is_empty(), "{what} outside of {allowed:?}: {found:?}");
    }
}

/// What a chain, credentials or a bundle are worth is said by `pki::judge`. Its rules are private to
/// it; whoever would compose them beside it needs one of these words.
#[test]
fn nobody_judges_beside_the_judge() {
    let sources = sources();
    let face = sources.iter().find(|source| source.name == "pki/judge/mod.rs").unwrap();
    assert!(!face.text.contains("pub mod") && !face.text.contains("pub("), "a rule of the judge is in sight");
    let users = |words: &[&str]| -> Vec<String> {
        let others = sources.iter().filter(|source| !source.name.starts_with("pki/judge/"));
        let users = others.filter(|source| words.iter().any(|word| source.text.contains(word)));
        let mut users: Vec<_> = users.map(|source| source.name.clone()).collect();
        users.sort();
        users
    };
    for (what, words, allowed) in [
        (
            "a host is compared with names",
            &[".covers("][..],
            // What comparing is; and the hosts of kitcert.yaml, for which no certificate is there.
            // Of names alone: of an endpoint that is asked for, of a host that a kit names, and of a certificate that is not issued yet.
            // What is advised where a daemon shows another name than was issued for it.
            &[
                "model/subject_alt_name.rs",
                "pki/x509/certificate.rs",
                "plan/guard.rs",
                "plan/issue.rs",
                "plan/kit.rs",
                "plan/uses.rs",
                "probe/verdict/expected.rs",
            ][..],
        ),
        (
            "a signature is checked",
            &[".is_signed_by(", ".is_self_signed("],
            // Which CA goes along with a leaf; whether a CA that was made is of its own key, or any is; whether what is
            // kept of a CA is of that CA.
            &[
                "apply/change/staging.rs",
                "apply/kit.rs",
                "apply/test_certificates.rs",
                "pki/x509/certificate.rs",
            ],
        ),
        (
            "usages and constraints are read",
            &[".basic_constraints()", ".key_usage()", ".extended_key_usages()", ".name_constraints()"],
            // Told as they are; what an anchor that excludes names keeps and excludes; whether a CA may be loaded;
            // the cause of a refusal that was seen.
            &[
                "apply/inspect/pem_files.rs",
                "pki/anchor.rs",
                "pki/authority.rs",
                "pki/x509/exclusions.rs",
                "probe/verdict/client_refusal.rs",
            ],
        ),
        ("a key is tried as a point", &[".is_a_point("], &[]),
        // The narrow doors, each with whom it is for.
        ("it is said whether a client sends its chain", &["would_send("], &["probe/dial/tls.rs"]),
        ("the profile alone is asked", &["new_leaf(", "new_authority("], &["pki/authority.rs"]),
        (
            "a key file is judged",
            &["key_mode(", "key_owner(", "::key_file(", "::wrong_form(", "::read_by_go_alone("],
            &[
                "apply/adopt/mod.rs",
                "apply/inspect/embedded.rs",
                "apply/inspect/mod.rs",
                "apply/inspect/pem_files.rs",
                "apply/verify/file_checks.rs",
            ],
        ),
    ] {
        assert_eq!(users(words), allowed, "{what}");
    }
    let layout = sources.iter().filter(|source| source.module() == "layout");
    let knows: Vec<_> = layout.filter(|source| source.text.contains("crate::pki")).collect();
    assert!(knows.is_empty(), "layout does not know what a certificate is: {}", knows[0].name);
}

#[test]
fn keys_are_let_out_in_six_places() {
    let doors = [".expose_pem(", ".expose_der(", ".expose_pkcs8("];
    let count = |source: &Source| {
        let calls: usize = doors.iter().map(|door| source.text.matches(door).count()).sum();
        (calls > 0).then(|| format!("{} {calls}", source.name))
    };
    let mut found: Vec<_> = sources().iter().filter_map(count).collect();
    found.sort();
    let places = [
        "apply/change/staging.rs 1",
        "apply/join.rs 1",
        "pki/key/encrypted_key.rs 1",
        "pki/key/private_key.rs 1",
        "practice/mod.rs 1",
        "probe/dial/tls.rs 1",
    ];
    assert_eq!(found, places);
}

/// Whatever a message contains got in by one of these; each was parsed as what it is.
#[test]
fn a_message_has_no_door_but_those_that_are_listed() {
    let count = |door: &str| -> Vec<String> {
        let count = |source: &Source| {
            let calls = source.text.matches(door).count();
            (calls > 0 && source.name != "model/message.rs").then(|| format!("{} {calls}", source.name))
        };
        let mut found: Vec<_> = sources().iter().filter_map(count).collect();
        found.sort();
        found
    };
    let kinds = [
        "apply/printable.rs 1",
        "cli/output/timeline.rs 1",
        "cli/run.rs 1",
        "layout/printable.rs 1",
        "model/printable.rs 1",
        "pki/printable.rs 2",
        "plan/printable.rs 1",
        "probe/printable.rs 1",
    ];
    assert_eq!(count("parsed!("), kinds);
    let doors = [
        // Words of the source in lower case; words and dates of a calendar; a word list.
        "model/cause.rs 1",
        "model/fingerprint.rs 1",
        "model/timestamp.rs 2",
        // A word of a command and a line of YAML, once a path of the same text may be shown.
        "layout/command_line.rs 1",
        "layout/yaml/line.rs 1",
        // Quotes around what may be shown.
        "model/shell.rs 1",
        // The one report that shows a passphrase.
        "pki/key/passphrase.rs 1",
    ];
    let mut doors = doors.to_vec();
    doors.sort_unstable();
    assert_eq!(count("Message::parsed("), doors);
    assert_eq!(count("Message::compose("), [""; 0], "message! alone calls it");
    let printers = ["console.print(", "console.notify(", ".out.write", ".err.write"];
    let found = offenders(&printers, &["cli"]);
    assert!(found.is_empty(), "{found:?}");
}

/// What commands print as JSON is put together from messages, which say what may be said of files.
#[test]
fn no_object_that_is_printed_has_a_string() {
    let mut found = Vec::new();
    for source in sources() {
        for (start, _) in source.text.match_indices("JsonSchema)]") {
            let rest = &source.text[start..];
            let object = &rest[..rest.find("\n}").unwrap_or(rest.len())];
            let fields = object.lines().filter(|line| line.starts_with("    ") && line.contains(": "));
            let is_text = |line: &&str| {
                ["String", "Path", "OsStr", "Cow"].iter().any(|word| line.contains(word))
                    || line.replace("&'static str", "").contains("str")
            };
            found.extend(fields.filter(is_text).map(|line| format!("{}: {}", source.name, line.trim())));
        }
    }
    // Both are words of the command line's own definition.
    let known = ["cli/command/completions.rs: script: &'a str,", "cli/output/report.rs: command: &'a str,"];
    found.sort();
    assert_eq!(found, known);
}

#[test]
fn files_are_read_in_one_sitting() {
    let long: Vec<_> = sources().into_iter().filter(|source| source.lines > 450).collect();
    let named: Vec<_> = long.iter().map(|source| format!("{} {}", source.name, source.lines)).collect();
    assert!(named.is_empty(), "{named:?}");
    let vague = ["utils", "helpers", "common", "misc", "util"];
    let is_vague = |source: &Source| source.path.iter().any(|part| vague.contains(&part.as_str()));
    assert!(!sources().iter().any(is_vague));
    let root = sources().into_iter().find(|source| source.name == "lib.rs").unwrap();
    assert!(root.text.contains("#![forbid(unsafe_code)]") && root.text.contains("#![deny(missing_docs)]"));
}

/// A command line names files; `apply` reads them. The demo alone has a folder of its own, which it
/// throws away.
#[test]
fn the_command_line_touches_no_file() {
    let words = ["std::fs", "rustix::fs", "crate::store", "tempfile"];
    let is_free = |source: &&Source| source.module() == "cli" && source.name != "cli/command/demo.rs";
    let touches = |source: &Source| {
        let word = words.iter().find(|word| source.text.contains(**word))?;
        Some(format!("{}: {word}", source.name))
    };
    let found: Vec<_> = sources().iter().filter(is_free).filter_map(touches).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// A command to paste is written `{kitcert} …`: then it names the state that it is about. What is
/// not is prose, a command for another machine, or a file of its own.
#[test]
fn commands_to_paste_are_written_as_such() {
    let commands = ["init", "issue", "install", "request", "invite", "join", "verify", "rotate", "rollback"];
    let count = |module: &str| -> usize {
        let of_module = sources().into_iter().filter(|source| source.module() == module);
        let texts: Vec<_> = of_module.filter(|source| !source.name.contains("manual")).collect();
        let matches = |word: &str| {
            let plain = format!("kitcert {word}");
            texts.iter().map(|source| source.text.matches(&plain).count()).sum::<usize>()
        };
        commands.iter().chain(&["status", "inspect"]).map(|word| matches(word)).sum()
    };
    let found: Vec<_> =
        ARROW.into_iter().map(|module| (module, count(module))).filter(|(_, n)| *n > 0).collect();
    let prose =
        [("model", 1), ("pki", 4), ("layout", 2), ("probe", 3), ("plan", 1), ("apply", 5), ("cli", 7)];
    assert_eq!(found, prose);
}

/// A planner decides from values: whatever reads or writes is not in its sight.
#[test]
fn plan_sees_of_store_its_values_alone() {
    let values = [
        "AccessHistory",
        "AuthorityOrigin",
        "AuthorityRecord",
        "ClientRecord",
        "DaemonHistory",
        "Held",
        "HeldBy",
        "KeyPresence",
        "Observation",
        "ObservedAuthority",
        "ObservedGeneration",
        "ObservedIdentity",
        "ObservedRequest",
        "OpenUntil",
        "Origin",
        "Revocation",
        "RevocationRecord",
        "RolloverKind",
        "RolloverRecord",
        "SeenAccess",
        "StateRecord",
        "Use",
        "VerifiedRecord",
    ];
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.module() == "plan") {
        for (start, door) in source.text.match_indices("crate::store::") {
            let rest = source.text[start + door.len()..].split(';').next().unwrap();
            let names =
                rest.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty());
            for name in names {
                seen += 1;
                assert!(values.contains(&name), "{} uses crate::store::{name}", source.name);
            }
        }
    }
    assert!(seen > 20, "only {seen} were found");
}
