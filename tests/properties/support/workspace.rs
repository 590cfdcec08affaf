//! A place of one's own for the program: a home and a state in a throw-away directory, an
//! environment with nothing else in it, and a way to see whether anything on disk changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use kitcert::cli::schema;
use serde_json::Value;

use crate::support::secrets;
use crate::support::suggested;
use crate::support::{followed, peers};

/// The program as it was built for these tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_kitcert");

/// A directory with `home/`, and `state/` and `root/` once a command has made them.
pub struct Workspace {
    folder: tempfile::TempDir,
    /// What the test itself has written.
    written: Mutex<BTreeSet<PathBuf>>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Everything on disk that a command could have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    size: u64,
    modified: (i64, i64),
    target: Option<PathBuf>,
}

impl Workspace {
    pub fn new() -> Workspace {
        let folder = tempfile::Builder::new().prefix("kitcert-test-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        Workspace { folder, written: Mutex::default() }
    }

    /// A workspace with a CA, the daemon `builder` on that endpoint, and the client `ana`.
    pub fn with_state_for(port: u16) -> Workspace {
        let workspace = Workspace::new();
        let endpoint = format!("tcp://127.0.0.1:{port}");
        let hosts = ["--host", "127.0.0.1", "--host", "localhost"];
        workspace.run(["init", "--client", "ana", "--endpoint", &endpoint].iter().chain(&hosts)).succeeded();
        workspace
    }

    /// The same, for tests that dial nothing.
    pub fn with_state() -> Workspace {
        Workspace::with_state_for(8372)
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// A path as it is typed.
    pub fn text(&self, relative: &str) -> String {
        self.path(relative).display().to_string()
    }

    /// The program with that command line, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.prepared(Command::new(PROGRAM), arguments)
    }

    /// The program with that command line, started by another: `strace …`.
    pub fn command_under<S: AsRef<OsStr>>(
        &self,
        mut starter: Command,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        starter.arg(PROGRAM);
        self.prepared(starter, arguments)
    }

    fn prepared<S: AsRef<OsStr>>(
        &self,
        mut command: Command,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("USER", "tester")
            .current_dir(self.folder.path())
            .env("KITCERT_STATE", self.path("state"))
            .args(arguments);
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        self.finish(self.command(arguments), "")
    }

    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Said {
        self.finish(self.command(arguments), input)
    }

    /// Runs a prepared command to its end. No key is in what it is given, nor in what it says.
    #[track_caller]
    pub fn finish(&self, mut command: Command, input: &str) -> Said {
        assert!(!secrets::are_given_to(&command), "a key is given to {command:?}");
        let said = Said::of(&peers::run(&mut command, input));
        self.files_named("key.pem").iter().for_each(|key| secrets::learn(key));
        assert!(!secrets::is_in(&said.out) && !secrets::is_in(&said.err), "a key is said by {command:?}");
        if !said.out.starts_with('{') {
            suggested::assert_can_be_pasted(&said.out);
        }
        suggested::assert_can_be_pasted(&said.err);
        followed::follow(&command, &said);
        said
    }

    /// Writes a file into the workspace, with the folders above it.
    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let shown = path.display().to_string();
        self.written.lock().unwrap().insert(path);
        shown
    }

    /// For its owner alone.
    pub fn write_private(&self, relative: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.write(relative, "");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.write(relative, bytes)
    }

    pub fn read(&self, relative: &str) -> String {
        std::fs::read_to_string(self.path(relative)).unwrap()
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut entries = BTreeMap::new();
        visit(self.folder.path(), &mut |path| {
            entries.insert(path.to_owned(), Entry::of(path));
        });
        Snapshot(entries)
    }

    /// What alone is in a folder.
    pub fn only_in(&self, folder: &str) -> String {
        let mut there = std::fs::read_dir(self.path(folder)).unwrap();
        let only = there.next().unwrap().unwrap().path();
        assert!(there.next().is_none(), "more than one in {folder}");
        only.to_str().unwrap().to_owned()
    }

    /// The keys of the CAs of that state.
    pub fn keys_of_cas(&self, state: &str) -> Vec<PathBuf> {
        let folder = self.path(state).join("ca");
        let all = self.files_named("key.pem");
        // Beside it lies that of a certificate that has expired.
        all.into_iter().filter(|key| key.ancestors().nth(2) == Some(&folder)).collect()
    }

    /// Every file of that name.
    pub fn files_named(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        visit(self.folder.path(), &mut |path| {
            if path.file_name() == Some(OsStr::new(name))
                && path.symlink_metadata().is_ok_and(|one| one.is_file())
            {
                found.push(path.to_owned());
            }
        });
        found
    }
}

/// A key is in files of keys alone, whatever the commands have left.
impl Drop for Workspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.files_named("key.pem").iter().for_each(|key| secrets::learn(key));
        visit(self.folder.path(), &mut |path| {
            let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
            let is_written = self.written.lock().unwrap().contains(path);
            if !is_file || is_written || path.file_name() == Some(OsStr::new("key.pem")) {
                return;
            }
            let text = std::fs::read(path).unwrap_or_default();
            assert!(!secrets::is_in(&String::from_utf8_lossy(&text)), "a key is in {}", path.display());
        });
    }
}

impl Said {
    pub fn of(output: &Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn succeeded(self) -> Said {
        self.ended_with(0)
    }

    #[track_caller]
    pub fn ended_with(self, code: i32) -> Said {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    /// The one JSON object on standard output, all of whose members are documented.
    #[track_caller]
    pub fn json(&self) -> Value {
        let object = self.foreign_json();
        let command = object["command"].as_str().unwrap_or_else(|| panic!("no command: {object:#}"));
        assert_documented(command, "", &object, &schema::members_of(command));
        object
    }

    /// JSON of a shape that others have set.
    #[track_caller]
    pub fn foreign_json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Whether kitcert-json(7) has every member of that object, and each is of its type.
#[track_caller]
fn assert_documented(command: &str, path: &str, object: &Value, members: &[schema::Member]) {
    for (name, value) in object.as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let member = members.iter().find(|member| member.path == path);
        let member = member.unwrap_or_else(|| panic!("{command} has {path}, which no type of ours has"));
        assert!(!member.meaning.is_empty(), "{command}: nobody says what {path} is");
        let kinds = member.kind.trim_end_matches(", or not there");
        assert!(
            kinds.split(" or ").any(|kind| is_of(kind, value)),
            "{command}: {path} is no {kinds}: {value}"
        );
        match value {
            Value::Object(_) if kinds.contains("object of") => {}
            Value::Object(_) => assert_documented(command, &path, value, members),
            Value::Array(all) => all
                .iter()
                .filter(|one| one.is_object())
                .for_each(|one| assert_documented(command, &format!("{path}[]"), one, members)),
            _ => {}
        }
    }
}

/// Whether a value is of a kind: `string`, `array of strings`, `object of numbers`.
fn is_of(kind: &str, value: &Value) -> bool {
    match (kind, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("object", Value::Object(_)) => true,
        (kind, Value::Array(all)) => kind
            .strip_prefix("array of ")
            .is_some_and(|of| all.iter().all(|one| is_of(of.trim_end_matches('s'), one))),
        (kind, Value::Object(all)) => kind
            .strip_prefix("object of ")
            .is_some_and(|of| all.values().all(|one| is_of(of.trim_end_matches('s'), one))),
        _ => false,
    }
}

impl Snapshot {
    /// Without what is at that path.
    pub fn without(mut self, path: &Path) -> Snapshot {
        self.0.remove(path);
        self
    }

    /// Says which paths differ.
    #[track_caller]
    pub fn assert_is(&self, after: &Snapshot, what: &str) {
        let paths = self.0.keys().chain(after.0.keys());
        let differ: Vec<_> = paths.filter(|path| self.0.get(*path) != after.0.get(*path)).collect();
        assert!(differ.is_empty(), "{what} changed {differ:#?}");
    }
}

impl Entry {
    fn of(path: &Path) -> Entry {
        let stat = path.symlink_metadata().unwrap();
        Entry {
            inode: stat.ino(),
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            size: stat.size(),
            modified: (stat.mtime(), stat.mtime_nsec()),
            target: std::fs::read_link(path).ok(),
        }
    }
}

/// Everything below; what goes away meanwhile is passed over.
fn visit(path: &Path, seen: &mut dyn FnMut(&Path)) {
    let Ok(found) = path.symlink_metadata() else { return };
    seen(path);
    if found.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten() {
            visit(&entry.unwrap().path(), seen);
        }
    }
}
