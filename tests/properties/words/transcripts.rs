//! What README, the manual pages and `tests/transcripts` show is what the program prints.
//!
//! Each ```` ```console ```` block is run, in order, on a machine of its own (`tests/transcripts/sandbox`): `#` is
//! root's prompt, `$` that of ana, who can be somebody else. `…` stands for what is left out. In a comment,
//! `<!-- run: COMMAND -->` runs what the reader does meanwhile, `<!-- as: NAME -->` says whose prompt `$` is,
//! `<!-- ask: QUESTION = ANSWER -->` answers what the next command asks on its terminal, `words` being the words
//! that were shown last, and `<!-- new machine -->` begins another story. A last line `? 3` is the exit code; in
//! `tests/transcripts`, it is 0 without one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kitcert::cli::command_line;
use regex::Regex;
use snapbox::{Assert, Redactions};

use crate::support::peers;
use crate::support::workspace::{PROGRAM, Workspace};

/// One command, and what a page says that it prints.
#[derive(Clone, Debug, Default)]
struct Step {
    command: String,
    user: String,
    ask: Option<(String, String)>,
    /// Absent for what the reader does not see.
    shown: Option<Shown>,
}

#[derive(Clone, Debug, Default)]
struct Shown {
    /// The lines of the page that it is compared with.
    from: usize,
    to: usize,
    text: String,
    code: Option<i32>,
}

struct Ended {
    text: String,
    code: i32,
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    compare(&root("README.md"));
}

#[test]
fn manual_pages_show_what_the_program_prints() {
    let pages = files_in("src/cli/manual/pages");
    let examples = files_in("src/cli/manual/examples");
    assert!(!pages.is_empty() && !examples.is_empty());
    pages.iter().chain(&examples).for_each(|page| compare(page));
}

#[test]
fn common_errors_are_said_as_they_are_written_down() {
    let all = files_in("tests/transcripts/errors");
    assert!(!all.is_empty());
    all.iter().for_each(|one| compare(one));
}

/// `--help` of every command, at the width that man pages have too.
#[test]
fn help_is_what_is_written_down() {
    fn visit(command: &clap::Command, words: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
        all.push(words.clone());
        for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
            words.push(subcommand.get_name().to_owned());
            visit(subcommand, words, all);
            words.pop();
        }
    }
    let mut commands = Vec::new();
    visit(&command_line(), &mut Vec::new(), &mut commands);
    let workspace = Workspace::new();
    let mut names = Vec::new();
    for words in commands {
        let said = workspace.run(words.iter().map(String::as_str).chain(["--help"])).succeeded();
        let name = if words.is_empty() { "kitcert".to_owned() } else { words.join("-") };
        let path = root("tests/transcripts/help").join(&name);
        if is_update() {
            std::fs::write(&path, &said.out).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        Assert::new().eq(said.out, snapbox::Data::text(written).raw());
        names.push(path);
    }
    names.sort();
    assert_eq!(files_in("tests/transcripts/help"), names, "of commands that do not exist");
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files_in(folder: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(root(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// `KITCERT_UPDATE=1` writes what is printed into the page instead of comparing it.
fn is_update() -> bool {
    std::env::var_os("KITCERT_UPDATE").is_some()
}

fn compare(page: &Path) {
    let name = page.file_name().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(page).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut faults = String::new();
    let mut edits = Vec::new();
    let is_transcript = page.extension().is_none();
    for story in stories(&text, is_transcript) {
        let Some(ended) = on_a_machine_of_its_own(&story, &name) else { return };
        for (step, ended) in story.iter().zip(ended) {
            let Some(shown) = &step.shown else {
                if ended.code != 0 {
                    writeln!(faults, "{name}: {}: {} {}", step.command, ended.code, ended.text).unwrap();
                }
                continue;
            };
            let code = shown.code.unwrap_or(if is_transcript { 0 } else { ended.code });
            let redactions = redactions();
            let pattern = pattern(&redactions.redact(&shown.text));
            let assert = Assert::new().redact_with(redactions).normalize_paths(false);
            let place = format!("{name}: {}", step.command);
            let actual = snapbox::Data::text(&ended.text);
            let fault = match assert.try_eq(Some(&place), actual, snapbox::Data::text(pattern)) {
                Err(error) => error.to_string(),
                Ok(()) if code != ended.code => format!("{place}: exit code {}", ended.code),
                Ok(()) => continue,
            };
            writeln!(faults, "{fault}").unwrap();
            let is_coded = shown.code.is_some() || code != ended.code;
            let code = is_coded.then(|| format!("? {}", ended.code));
            let text: Vec<String> = merged(shown, &ended.text).into_iter().chain(code).collect();
            edits.push((shown.from..shown.to, text));
        }
    }
    if is_update() {
        println!("{faults}");
        for (place, text) in edits.into_iter().rev() {
            lines.splice(place, text);
        }
        std::fs::write(page, lines.join("\n") + "\n").unwrap();
        return;
    }
    assert!(faults.is_empty(), "{faults}\nKITCERT_UPDATE=1 writes what is printed");
}

/// In the words of snapbox: `...` for lines, `[..]` within one.
fn pattern(text: &str) -> String {
    let line = |line: &str| {
        if line.trim() == "…" { "...\n".to_owned() } else { line.replace('…', "[..]") + "\n" }
    };
    text.lines().map(line).collect()
}

/// What was printed, with what the page leaves out left out again.
fn merged(shown: &Shown, actual: &str) -> Vec<String> {
    let redactions = redactions();
    let is_like = |pattern: &str, line: &str| {
        let parts: Vec<_> = pattern.split('…').map(|part| regex::escape(&redactions.redact(part))).collect();
        Regex::new(&format!("^{}$", parts.join(".*"))).unwrap().is_match(&redactions.redact(line))
    };
    let shown: Vec<&str> = shown.text.lines().collect();
    let is_gap = |at: usize| shown.get(at).is_some_and(|line| line.trim() == "…");
    let (mut at, mut merged) = (0, Vec::new());
    for line in actual.lines() {
        if is_gap(at) {
            match shown.get(at + 1) {
                Some(next) if is_like(next, line) => merged.push(shown[at].to_owned()),
                _ => continue,
            }
            at += 1;
        }
        match shown[at..].iter().position(|pattern| pattern.trim() != "…" && is_like(pattern, line)) {
            Some(further) => {
                at += further + 1;
                merged.push(shown[at - 1].to_owned());
            }
            None => merged.push(line.to_owned()),
        }
    }
    merged.extend(is_gap(at).then(|| shown[at].to_owned()));
    merged
}

/// What a terminal still shows in the end: a line that was cleared is gone.
fn on_paper(text: &str) -> String {
    let cleared = Regex::new("[^\n]*\u{1b}\\[2K").unwrap();
    let text = cleared.replace_all(&text.replace('\r', ""), "").into_owned();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The commands of a page, by machine. A file that is one transcript has no fences.
fn stories(text: &str, is_transcript: bool) -> Vec<Vec<Step>> {
    let mut stories = vec![Vec::new()];
    let mut user = "ana".to_owned();
    let mut ask = None;
    let mut is_console = is_transcript;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let story = stories.last_mut().unwrap();
        if let Some(directive) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            match directive.split_once(": ") {
                Some(("run", command)) => story.push(Step {
                    command: command.to_owned(),
                    user: "root".to_owned(),
                    ..Step::default()
                }),
                Some(("as", name)) => name.clone_into(&mut user),
                Some(("ask", question)) => {
                    let (question, answer) = question.rsplit_once(" = ").unwrap();
                    ask = Some((question.to_owned(), answer.to_owned()));
                }
                _ if directive == "new machine" => stories.push(Vec::new()),
                _ => {}
            }
        } else if line.starts_with("```") {
            is_console = line == "```console";
        } else if is_console && (line.starts_with("$ ") || line.starts_with("# ")) {
            let mut command = line[2..].to_owned();
            let mut last = number;
            while command.ends_with('\\') {
                let (at, line) = lines.next().unwrap();
                write!(command, "\n{line}").unwrap();
                last = at;
            }
            let mut shown = Shown { from: last + 1, to: last + 1, ..Shown::default() };
            let is_output =
                |line: &str| !["$ ", "# ", "```", "<!-- "].iter().any(|start| line.starts_with(start));
            while let Some((_, line)) = lines.next_if(|(_, line)| is_output(line)) {
                shown.to += 1;
                match line.strip_prefix("? ") {
                    Some(code) => shown.code = Some(code.parse().unwrap()),
                    None => writeln!(shown.text, "{line}").unwrap(),
                }
            }
            let user = if line.starts_with('#') { "root" } else { &user }.to_owned();
            story.push(Step { command, user, ask: ask.take(), shown: Some(shown) });
        }
    }
    stories.retain(|story| !story.is_empty());
    stories
}

/// kitcert, the daemon, and links to what this machine has in /usr, but for the tools whose presence is the
/// transcript's to say. They are a thousand, and the same for every story.
fn programs_in_path(daemon: &Path) -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for program in ["/usr/sbin", "/usr/bin"].iter().flat_map(|folder| files_in(folder)) {
            let name = program.file_name().unwrap();
            if !TOOLS.iter().any(|tool| name == *tool) {
                let link = folder.join(name);
                // In the PATH the second of two comes first.
                let _ = std::fs::remove_file(&link);
                std::os::unix::fs::symlink(&program, link).unwrap();
            }
        }
        for (from, to) in [(Path::new(PROGRAM), "kitcert"), (daemon, "go-peer")] {
            std::fs::copy(from, folder.join(to)).unwrap();
        }
        folder
    })
}

const TOOLS: [&str; 7] = ["docker", "podman", "earthly", "earth", "buildctl", "kitcert", "go-peer"];

/// Runs a story; None, and a skip, where no machine can be made for it.
fn on_a_machine_of_its_own(story: &[Step], name: &str) -> Option<Vec<Ended>> {
    let test = "what the pages show";
    let unshare = peers::program("unshare", test)?;
    let daemon = peers::program("go-peer", test)?;
    let whole = ["--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"];
    let probe = Command::new(&unshare).args(whole).args(["ip", "link", "set", "lo", "up"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        peers::skip(test, "namespaces are not to be had here");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("kitcert-test-").tempdir().unwrap();
    let bin = folder.path().join("opt/bin");
    let transcript = folder.path().join("transcript");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir(&transcript).unwrap();
    let tools = root("tests/transcripts");
    let programs = [
        (tools.join("docker"), bin.join("docker")),
        (tools.join("docker"), bin.join("podman")),
        (tools.join("docker"), bin.join("earthly")),
        (tools.join("ssh"), bin.join("ssh")),
        (tools.join("as"), transcript.join("as")),
        (root("tests/peers/terminal.py"), transcript.join("terminal.py")),
    ];
    for (from, to) in programs {
        std::fs::copy(from, to).unwrap();
    }
    std::fs::write(transcript.join("all"), "").unwrap();
    for (number, step) in (1..).zip(story) {
        std::fs::create_dir_all(folder.path().join("home").join(&step.user)).unwrap();
        let (question, answer) = step.ask.clone().unwrap_or_default();
        let command = format!("{}\n", step.command);
        std::fs::write(transcript.join(format!("{number}")), command).unwrap();
        let about = format!("user='{}' question='{question}' answer='{answer}'\n", step.user);
        std::fs::write(transcript.join(format!("{number}.as")), about).unwrap();
    }
    let ended = Command::new(unshare)
        .args(whole)
        .arg("sh")
        .arg(tools.join("sandbox"))
        .arg(folder.path())
        .arg(story.len().to_string())
        .arg(programs_in_path(&daemon))
        .output()
        .unwrap();
    assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
    let read = |number: usize, what: &str| {
        let path = transcript.join(format!("{number}.{what}"));
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    };
    let all = (1..=story.len()).map(|number| Ended {
        text: on_paper(&read(number, "out")),
        code: read(number, "code").trim().parse().unwrap(),
    });
    Some(all.collect())
}

/// What is another each time.
fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    for (placeholder, pattern) in [
        ("[TIME]", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?( UTC|Z)"),
        ("[DATE]", r"\d{4}-\d\d-\d\d"),
        ("[RECEIPT]", r"kitcert-receipt:1:[a-z]+:[0-9a-f]+:[0-9a-f]+"),
        ("[HASH]", r"\b[0-9a-f]{64}\b"),
        ("[SERIAL]", r"\b[0-9a-f]{31,40}\b"),
        ("[KEYID]", r"\b[0-9a-f]{8}\b"),
        ("[WORDS]", r"(?m)\b([a-z]{3,8} ){6,11}[a-z]{3,8}$"),
        ("[AGO]", r"(just now|\d+ (second|minute|hour)s? ago)"),
        ("[LEFT]", r"\b\d+d\b"),
        ("[VERSION]", r"v0\.0\.0-peer"),
    ] {
        redactions.insert(placeholder, Regex::new(pattern).unwrap()).unwrap();
    }
    redactions
}
