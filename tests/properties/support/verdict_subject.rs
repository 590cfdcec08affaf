//! A daemon whose verdict is asked for, in a state of its own, and what must hold of every answer.
//!
//! Nothing here knows how the product dials. A daemon with a hole must never be verified and never
//! be recorded; a sound one must be verified each time. `KITCERT_VERDICT_RUNS` says how often each
//! is asked; the published figures are those of 20 runs.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::figures::{Aim, publish};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::servers::Files;
use crate::support::workspace::{Said, Workspace};

/// A state with the daemon `builder`, and how its verdict is asked for.
pub struct Subject {
    /// Its state.
    pub workspace: Workspace,
    hosts_file: Option<PathBuf>,
    options: Vec<String>,
}

/// One verdict.
pub struct Verdict {
    /// The exit code, and what was printed.
    pub said: Said,
    /// How long it took, with the start of the process.
    pub elapsed: Duration,
    report: Value,
}

/// How many verdicts there were, and which were wrong.
#[derive(Default)]
pub struct Tally {
    runs: usize,
    verified: usize,
    wrong: usize,
    failures: Vec<String>,
}

impl Subject {
    /// A daemon of those hosts, the first of which clients dial.
    pub fn of(hosts: &[&str]) -> Subject {
        let workspace = Workspace::new();
        let endpoint = format!("tcp://{}:{PLACEHOLDER}", hosts[0]);
        let hosts = hosts.iter().flat_map(|host| ["--host", host]);
        workspace
            .run(["init", "--client", "ana", "--endpoint", &endpoint].into_iter().chain(hosts))
            .succeeded();
        Subject { workspace, hosts_file: None, options: Vec::new() }
    }

    /// A daemon at a name that the product is told has those addresses, by a hosts file of its own;
    /// `None`, and a skip, where nobody may mount one.
    pub fn named(addresses: &[&str], test: &str) -> Option<Subject> {
        let mut subject = Subject::of(&[NAME, OTHER_NAME]);
        let lines: String = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
        let file = PathBuf::from(subject.workspace.write("hosts", lines));
        let mut lookup = in_private_mounts(&file, test)?;
        let output = lookup.args(["getent", "ahosts", NAME]).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap().matches("STREAM").count();
        if found != addresses.len() {
            peers::skip(test, "only root may give a name several addresses, by mounting a hosts file");
            return None;
        }
        subject.hosts_file = Some(file);
        Some(subject)
    }

    /// What the daemon is started with.
    pub fn files(&self) -> Files {
        Files::in_folder(&self.workspace.path("state/daemons/builder/current"))
    }

    /// Says that the daemon is at that port.
    pub fn at(&self, port: u16) -> &Subject {
        let inventory = self.workspace.read("state/kitcert.yaml");
        let endpoint = inventory.lines().find(|line| line.contains("endpoint: tcp://")).unwrap();
        let (host, _) = endpoint.rsplit_once(':').unwrap();
        let moved = inventory.replace(endpoint, &format!("{host}:{port}"));
        self.workspace.write("state/kitcert.yaml", moved);
        self
    }

    /// Verifies with those options too.
    pub fn with(mut self, options: &[&str]) -> Subject {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// What `verify` says of `builder`.
    pub fn verdict(&self) -> Verdict {
        self.verdict_of(&["builder"])
    }

    /// What `verify` says of that target.
    pub fn verdict_of(&self, target: &[&str]) -> Verdict {
        let options = self.options.iter().map(String::as_str);
        let words = ["verify"].into_iter().chain(target.iter().copied());
        let words: Vec<_> = words.chain(["--format", "json"]).chain(options).collect();
        let command = match &self.hosts_file {
            None => self.workspace.command(&words),
            Some(file) => {
                let starter = in_private_mounts(file, "a name of several addresses").unwrap();
                self.workspace.command_under(starter, &words)
            }
        };
        let began = Instant::now();
        let said = self.workspace.finish(command, "");
        let elapsed = began.elapsed();
        let report = serde_json::from_str(&said.out).unwrap_or(Value::Null);
        Verdict { said, elapsed, report }
    }

    /// Whether the state calls the daemon verified.
    pub fn is_recorded(&self) -> bool {
        let status = self.workspace.run(["status", "--format", "json"]).json();
        let rows = status["identities"].as_array().unwrap();
        let row = rows.iter().find(|row| row["kind"] == "daemon").unwrap();
        row["verified"] == true || self.workspace.path("state/daemons/builder/verified.json").exists()
    }
}

impl Verdict {
    /// The rules that are at fault, of that severity or a graver one.
    pub fn faults(&self, least: &str) -> Vec<&str> {
        let rank = |severity: &str| SEVERITIES.iter().position(|one| *one == severity);
        let findings = self.findings().filter(|one| rank(text(one, "severity")) >= rank(least));
        findings.map(|one| text(one, "rule")).collect()
    }

    /// The last line.
    pub fn last_line(&self) -> &str {
        text(&self.report, "verdict")
    }

    /// Why this is no answer that a daemon with a hole may get.
    pub fn why_not_refuted(&self, rules: &[&str]) -> Option<String> {
        let is_named = || self.faults("warning").iter().any(|rule| rules.contains(rule));
        match self.said.code {
            3 if is_named() => None,
            3 => Some(format!("none of {rules:?} is named: {}", self.evidence())),
            code => Some(format!("exit {code}: {}", self.evidence())),
        }
    }

    /// Why this is no answer that a sound daemon may get.
    pub fn why_not_verified(&self) -> Option<String> {
        (self.said.code != 0).then(|| format!("exit {}: {}", self.said.code, self.evidence()))
    }

    /// All that was found at fault, with its cause, and the last line, to be read.
    pub fn evidence(&self) -> String {
        let at_fault = self.findings().filter(|one| text(one, "severity") != "pass");
        let found = at_fault.map(|one| {
            let [rule, subject, found] = ["rule", "subject", "found"].map(|member| text(one, member));
            format!("{rule} ({subject}): {found}")
        });
        format!("{}; {} {}", found.collect::<Vec<_>>().join("; "), self.last_line(), self.said.err.trim())
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.report["findings"].as_array().into_iter().flatten()
    }
}

impl Tally {
    /// Asks for the verdict as often as the environment says.
    pub fn ask(&mut self, case: &str, subject: &Subject, why_wrong: impl Fn(&Verdict) -> Option<String>) {
        for run in 1..=number(RUNS, 1) {
            let verdict = subject.verdict();
            let case = format!("{case}, run {run}, {:?}", verdict.elapsed);
            let why = why_wrong(&verdict);
            self.count(&case, &verdict, why);
        }
    }

    /// Counts a verdict, which is wrong for that reason.
    pub fn count(&mut self, case: &str, verdict: &Verdict, why_wrong: Option<String>) {
        self.runs += 1;
        self.verified += usize::from(verdict.said.code == 0);
        if let Some(why) = why_wrong {
            self.wrong += 1;
            self.failures.push(format!("{case}: {why}"));
        }
    }

    /// Asks about a daemon with a hole: never verified, one of those rules named, nothing recorded.
    pub fn expect_refuted(&mut self, case: &str, subject: &Subject, rules: &[&str]) {
        self.ask(case, subject, |verdict| verdict.why_not_refuted(rules));
        if subject.is_recorded() {
            self.failures.push(format!("{case}: recorded as verified"));
        }
    }

    /// Asks about a sound daemon: verified each time.
    pub fn expect_verified(&mut self, case: &str, subject: &Subject) {
        self.ask(case, subject, Verdict::why_not_verified);
    }

    /// Publishes how many verdicts were wrong, and panics with each that was.
    #[track_caller]
    pub fn settle(self, figure: &str) {
        let aim = Aim { words: "none is wrong", is_met: self.wrong == 0 };
        if self.runs > 0 {
            let value = format!("{} wrong of {}, {} verified", self.wrong, self.runs, self.verified);
            publish("verdicts", figure, value, Some(aim));
        }
        assert!(self.failures.is_empty(), "{figure}:\n{}", self.failures.join("\n"));
    }
}

fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

/// What runs the command line that is added to it where that file is `/etc/hosts`.
fn in_private_mounts(hosts: &PathBuf, test: &str) -> Option<Command> {
    let mut command = Command::new(peers::program("unshare", test)?);
    command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(hosts);
    Some(command)
}

/// The name that a private hosts file knows.
pub const NAME: &str = "builder.example";
/// Another host of the same daemon.
pub const OTHER_NAME: &str = "second.example";
/// How often each verdict is asked for.
const RUNS: &str = "KITCERT_VERDICT_RUNS";
/// The port that an endpoint has until the daemon listens.
const PLACEHOLDER: u16 = 8372;
const SEVERITIES: [&str; 5] = ["pass", "info", "warning", "error", "critical"];
