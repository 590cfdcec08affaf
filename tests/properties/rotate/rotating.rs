//! `rotate`: what is due is renewed, placed, restarted and verified; what is not is left alone.

use std::path::Path;

use kitcert::apply::{self, Invocation, Mode};
use kitcert::env::Environment;
use kitcert::model::{Endpoint, KeyAlgorithm, Lifetime, Timestamp};
use kitcert::pki::{Certificate, PrivateKey, PublicKey};
use kitcert::plan::{InitRequest, IssueClientsRequest, KeyChange};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::supervised::SupervisedDaemon;
use crate::support::workspace::{Said, Workspace};
use crate::verify::verified::generation;

/// A machine with a state, a daemon installed below `root/` that a supervisor restarts, and proof
/// that it serves what is installed.
pub struct Site {
    pub workspace: Workspace,
    pub daemon: SupervisedDaemon,
    pub port: u16,
}

impl Site {
    /// One on which nothing is due; `None`, and a skip, without Go.
    pub fn new(test: &str) -> Option<Site> {
        Site::aged(test, 0)
    }

    /// One whose certificates were issued that many days ago, the daemon's for 397 days and the
    /// client's for 90, and verified today.
    pub fn aged(test: &str, days: u32) -> Option<Site> {
        let port = Daemon::free_port();
        Site::of(test, workspace_aged(days, port), port)
    }

    fn of(test: &str, workspace: Workspace, port: u16) -> Option<Site> {
        workspace.run(["install", "daemon", "--root", &workspace.text("root")]).succeeded();
        let daemon = SupervisedDaemon::start(test, &workspace, "root/etc", port, &[])?;
        let site = Site { workspace, daemon, port };
        site.workspace.run(["verify", "builder"]).succeeded();
        site.describe("restart", &json!(site.daemon.restart()));
        Some(site)
    }

    /// Sets a key of the daemon in kitcert.yaml; JSON is YAML.
    pub fn describe(&self, key: &str, value: &Value) {
        let text = self.workspace.read("state/kitcert.yaml");
        let others = text.lines().filter(|line| !line.starts_with(&format!("    {key}:")));
        let described = others.map(|line| match line {
            "  builder:" => format!("{line}\n    {key}: {value}\n"),
            line => format!("{line}\n"),
        });
        self.workspace.write("state/kitcert.yaml", described.collect::<String>());
    }

    /// Takes that key away.
    pub fn leave_out(&self, key: &str) {
        let text = self.workspace.read("state/kitcert.yaml");
        let others = text.lines().filter(|line| !line.starts_with(&format!("    {key}:")));
        self.workspace
            .write("state/kitcert.yaml", others.map(|line| format!("{line}\n")).collect::<String>());
    }

    pub fn rotate(&self, more: &[&str]) -> Said {
        self.workspace.run(["rotate"].iter().chain(more))
    }

    /// The generation that is `current`, was `verified` last, or `worked` last.
    pub fn generation(&self, which: &str) -> String {
        generation(&self.workspace, "builder", which).unwrap()
    }

    /// The daemon's certificate in the state.
    pub fn current(&self) -> Certificate {
        leaf(&self.workspace, "state/daemons/builder/current")
    }

    /// What is current is verified, installed and served.
    #[track_caller]
    pub fn assert_served(&self) {
        let serial = serial(&self.workspace, "state/daemons/builder/current");
        assert_eq!(serial_installed(&self.workspace), serial, "installed, and current");
        assert_eq!(self.daemon.serial().as_deref(), Some(serial.as_str()), "served, and current");
        for which in ["verified", "worked"] {
            assert_eq!(self.generation(which), self.generation("current"), "{which}, and current");
        }
    }

    /// That certificate is current, installed and served.
    #[track_caller]
    pub fn assert_serves(&self, certificate: &Certificate) {
        assert_eq!(self.current().serial(), certificate.serial(), "current");
        self.assert_served();
    }
}

/// A workspace whose certificates were issued that many days ago.
pub fn workspace_aged(days: u32, port: u16) -> Workspace {
    let workspace = Workspace::new();
    let environment = environment_of(days);
    let invocation = invocation(&workspace, &environment, "init");
    let request = InitRequest {
        state: workspace.path("state"),
        hosts: vec!["127.0.0.1".parse().unwrap(), "localhost".parse().unwrap()],
        name: "builder".parse().unwrap(),
        clients: vec!["ana".parse().unwrap()],
        endpoint: Some(Endpoint::new("127.0.0.1".parse().unwrap(), port)),
        authority_name: "buildkit CA".parse().unwrap(),
        authority_lifetime: "10y".parse().unwrap(),
        daemon_lifetime: None,
        client_lifetime: None,
        contact: None,
        key: KeyAlgorithm::EcdsaP256,
        install: None,
        import: None,
        adopted: None,
    };
    apply::init(&invocation, &request).unwrap();
    workspace
}

fn environment_of(days: u32) -> Environment {
    let now = Environment::of_process().now();
    Environment::made_up(now.minus(Lifetime::days(days)), &[("USER", "tester")])
}

fn invocation<'a>(
    workspace: &Workspace,
    environment: &'a Environment,
    command: &'static str,
) -> Invocation<'a> {
    let state = workspace.path("state");
    Invocation { environment, state, command, mode: Mode::Apply, at: None, progress: &|_| {} }
}

pub fn leaf(workspace: &Workspace, folder: &str) -> Certificate {
    let path = format!("{folder}/cert.pem");
    Certificate::chain_from_pem(workspace.read(&path).as_bytes(), std::path::Path::new(&path))
        .unwrap()
        .remove(0)
}

pub fn serial(workspace: &Workspace, folder: &str) -> String {
    leaf(workspace, folder).serial().to_string()
}

fn serial_installed(workspace: &Workspace) -> String {
    serial(workspace, "root/etc")
}

/// The generations of an identity: `daemons/builder`.
pub fn generations(workspace: &Workspace, identity: &str) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.path("state").join(identity)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut generations: Vec<_> = names.filter(|name| name.starts_with("gen-")).collect();
    generations.sort();
    generations
}

/// The last line that a command said, wherever it said it.
pub fn last_line(said: &Said) -> &str {
    let all = if said.err.trim().is_empty() { &said.out } else { &said.err };
    all.trim_end().lines().last().unwrap_or_default()
}

/// What became of an identity.
fn action(report: &Value, name: &str) -> String {
    let identities = report["results"].as_array().unwrap_or_else(|| panic!("no results: {report:#}"));
    let found = identities.iter().find(|identity| identity["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {report:#}"));
    found["action"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_due_is_silence_without_a_dial_or_a_write() {
    let Some(site) = Site::new("nothing_due_is_silence_without_a_dial_or_a_write") else { return };
    site.daemon.ask("stop");
    let before = site.workspace.snapshot();
    let said = site.rotate(&[]).succeeded();
    assert_eq!((said.out.as_str(), said.err.as_str()), ("nothing is due; every daemon is verified\n", ""));
    let quiet = site.rotate(&["-q"]).succeeded();
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    let report = site.rotate(&["--format", "json"]).succeeded().json();
    assert_eq!(report["changed"], false, "{report:#}");
    site.rotate(&["--check"]).succeeded();
    before.assert_is(&site.workspace.snapshot(), "rotate with nothing due");
    assert_eq!(site.daemon.count("attempts"), 0);
}

#[test]
fn a_due_daemon_is_renewed_restarted_and_verified() {
    let Some(site) = Site::aged("a_due_daemon_is_renewed_restarted_and_verified", 300) else { return };
    let previous = site.current();
    let report = site.rotate(&["builder", "--format", "json"]).succeeded().json();
    assert_eq!(report["changed"], true, "{report:#}");
    assert_eq!(action(&report, "builder"), "renewed", "{report:#}");
    assert_ne!(site.current().serial(), previous.serial());
    assert!(site.current().public_key() == previous.public_key(), "the key was not kept");
    site.assert_served();
    assert_eq!(site.daemon.count("restarts"), 1);
    let log = site.workspace.read("state/log.jsonl");
    let issued = log.lines().filter(|line| line.contains(&site.current().serial().to_string()));
    assert!(issued.clone().any(|line| line.contains("\"event\":\"issued\"")), "{log}");
    assert!(log.lines().last().unwrap().contains("\"command\":\"rotate\""), "{log}");

    let before = site.workspace.snapshot();
    site.rotate(&["builder"]).succeeded();
    before.assert_is(&site.workspace.snapshot(), "the next rotate");
}

#[test]
fn a_due_client_is_renewed_with_its_key_and_no_daemon_restarts() {
    const TEST: &str = "a_due_client_is_renewed_with_its_key_and_no_daemon_restarts";
    let Some(site) = Site::aged(TEST, 80) else { return };
    let previous = leaf(&site.workspace, "state/clients/ana/current");
    let report = site.rotate(&["--format", "json"]).succeeded().json();
    assert_eq!((action(&report, "ana"), &report["changed"]), ("renewed".to_owned(), &Value::Bool(true)));
    let renewed = leaf(&site.workspace, "state/clients/ana/current");
    assert_ne!(renewed.serial(), previous.serial());
    assert!(renewed.public_key() == previous.public_key(), "the key was not kept");
    assert_eq!(generations(&site.workspace, "daemons/builder"), ["gen-0001"]);
    assert_eq!(site.daemon.count("attempts"), 0);
    let said = site.rotate(&[]).succeeded();
    assert_eq!(said.out, "nothing is due; every daemon is verified\n");
}

#[test]
fn force_renews_what_is_named_and_nothing_else() {
    let Some(site) = Site::new("force_renews_what_is_named_and_nothing_else") else { return };
    site.rotate(&["--force", "ana"]).succeeded();
    assert_eq!(generations(&site.workspace, "clients/ana"), ["gen-0001", "gen-0002"]);
    assert_eq!(generations(&site.workspace, "daemons/builder"), ["gen-0001"]);
    site.rotate(&["--force", "builder"]).succeeded();
    assert_eq!(generations(&site.workspace, "clients/ana"), ["gen-0001", "gen-0002"]);
    assert_eq!(generations(&site.workspace, "daemons/builder"), ["gen-0001", "gen-0002"]);
    site.assert_served();
    let before = site.workspace.snapshot();
    let said = site.rotate(&["--force", "nobody"]);
    assert!([1, 2].contains(&said.code), "{said:?}");
    assert!(said.err.contains("nobody"), "{}", said.err);
    before.assert_is(&site.workspace.snapshot(), "rotate of somebody unknown");
}

#[test]
fn a_new_key_is_made_when_it_is_asked_for() {
    let Some(site) = Site::new("a_new_key_is_made_when_it_is_asked_for") else { return };
    let previous = site.current();
    site.rotate(&["--force", "builder"]).succeeded();
    assert!(site.current().public_key() == previous.public_key(), "a renewal changed the key");
    site.rotate(&["--force", "--new-key", "builder"]).succeeded();
    assert!(site.current().public_key() != previous.public_key(), "--new-key kept the key");
    site.assert_served();
}

#[test]
fn a_key_older_than_a_year_is_not_renewed_again() {
    let Some(site) = Site::aged("a_key_older_than_a_year_is_not_renewed_again", 380) else { return };
    let previous = site.current();
    site.rotate(&["builder"]).succeeded();
    assert!(site.current().public_key() != previous.public_key(), "a key of 380 days was kept");
    site.assert_served();
}

#[test]
fn check_and_dry_run_tell_what_is_due_and_change_nothing() {
    let Some(site) = Site::aged("check_and_dry_run_tell_what_is_due_and_change_nothing", 80) else { return };
    let before = site.workspace.snapshot();
    let said = site.rotate(&["--check"]).ended_with(4);
    assert!(said.out.contains("ana") && !said.out.contains("nothing is due"), "{}", said.out);
    let said = site.rotate(&["--dry-run"]).succeeded();
    assert!(said.out.contains("ana"), "{}", said.out);
    site.rotate(&["--check", "builder"]).succeeded();
    before.assert_is(&site.workspace.snapshot(), "rotate --check and --dry-run");
    assert_eq!(site.daemon.count("attempts"), 0);
}

#[test]
fn a_forecast_tells_what_will_be_due() {
    let Some(site) = Site::new("a_forecast_tells_what_will_be_due") else { return };
    site.describe("verify_every", &json!("400d"));
    let before = site.workspace.snapshot();
    let at = |days| Environment::of_process().now().plus(Lifetime::days(days)).to_string();
    let said = site.rotate(&["--dry-run", "--at", &at(1)]).succeeded();
    assert!(!said.out.contains("ana"), "{}", said.out);
    let said = site.rotate(&["--dry-run", "--at", &at(85)]).succeeded();
    assert!(said.out.contains("ana") && !said.out.contains("builder"), "{}", said.out);
    let said = site.rotate(&["--dry-run", "--at", &at(350)]).succeeded();
    assert!(said.out.contains("ana") && said.out.contains("builder"), "{}", said.out);
    site.rotate(&["--at", &at(85)]).ended_with(2);
    before.assert_is(&site.workspace.snapshot(), "a forecast");
    site.leave_out("verify_every");
    for (days, code) in [(29, 0), (31, 4)] {
        let said = site.rotate(&["--check", "--at", &at(days)]).ended_with(code);
        assert_eq!(said.out.contains("older than 30d"), code == 4, "{days}: {}", said.out);
        site.workspace.run(["status", "--check", "--at", &at(days)]).ended_with(code);
    }
}

#[test]
fn when_a_renewal_is_due_can_be_set() {
    let Some(site) = Site::aged("when_a_renewal_is_due_can_be_set", 200) else { return };
    site.rotate(&["ana"]).succeeded();
    // The daemon has 197 of its 397 days left.
    site.rotate(&["--check"]).succeeded();
    for (value, code) in [("60%", 4), ("240d", 4), ("40%", 0), ("30d", 0)] {
        site.describe("renew_before", &json!(value));
        assert_eq!(site.rotate(&["--check"]).code, code, "renew_before: {value} of the daemon");
        site.leave_out("renew_before");
        let whole = site.workspace.read("state/kitcert.yaml");
        let with = whole.replace("version: 1\n", &format!("version: 1\nrenew_before: {value}\n"));
        site.workspace.write("state/kitcert.yaml", with);
        assert_eq!(site.rotate(&["--check"]).code, code, "renew_before: {value} of all");
        site.workspace.write("state/kitcert.yaml", whole);
    }
}

#[test]
fn what_is_set_for_one_stands_before_what_is_set_for_all() {
    let Some(site) = Site::aged("what_is_set_for_one_stands_before_what_is_set_for_all", 20) else { return };
    // The client has 70 of its 90 days left, the daemon 377 of its 397.
    site.rotate(&["--check"]).succeeded();
    let text = site.workspace.read("state/kitcert.yaml");
    let text = text.replace("ana: {", "ana: {renew_before: 80d, ");
    site.workspace
        .write("state/kitcert.yaml", text.replace("version: 1\n", "version: 1\nrenew_before: 10d\n"));
    let said = site.rotate(&["--check"]).ended_with(4);
    assert!(said.out.contains("ana") && !said.out.contains("builder"), "{}", said.out);
}

/// Issues a client whose key is elsewhere, that many days ago.
pub fn issue_to_another_machine(site: &Site, name: &str, days: u32) {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    issue_days_ago(&site.workspace, name, days, Some(key.public_key().clone()));
}

/// Issues a client that many days ago: for the key of its request, or for one that the state keeps.
pub fn issue_days_ago(workspace: &Workspace, name: &str, days: u32, requested_key: Option<PublicKey>) {
    let environment = environment_of(days);
    let invocation = invocation(workspace, &environment, "issue client");
    let request = IssueClientsRequest {
        names: vec![name.parse().unwrap()],
        lifetime: None,
        requested_key,
        key_change: KeyChange::Refused,
        kit: None,
        user: invocation.contact(),
    };
    apply::issue_clients(&invocation, &request).unwrap();
}

#[test]
fn a_client_elsewhere_is_renewed_by_a_kit_without_secrets_where_that_is_wanted() {
    const TEST: &str = "a_client_elsewhere_is_renewed_by_a_kit_without_secrets_where_that_is_wanted";
    let Some(site) = Site::aged(TEST, 80) else { return };
    site.rotate(&["ana"]).succeeded();
    issue_to_another_machine(&site, "bob", 80);
    let previous = leaf(&site.workspace, "state/clients/bob/current");
    let said = site.rotate(&[]);
    assert!(said.out.contains("bob"), "a renewal that nobody makes is not told: {said:?}");
    assert!(!site.workspace.path("state/kits/bob.kit").exists());
    assert_eq!(generations(&site.workspace, "clients/bob"), ["gen-0001"]);

    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("bob: {", "bob: {renew: auto, "));
    let said = site.rotate(&[]).succeeded();
    assert!(said.out.contains("bob"), "{}", said.out);
    let kit = site.workspace.read("state/kits/bob.kit");
    assert!(!kit.contains("PRIVATE KEY"), "{kit}");
    let renewed = leaf(&site.workspace, "state/clients/bob/current");
    assert_ne!(renewed.serial(), previous.serial());
    assert!(renewed.public_key() == previous.public_key(), "the key was not kept");
    let again = site.rotate(&[]).succeeded();
    assert!(again.out.contains("bob"), "a kit that waits is not told: {}", again.out);
    assert_eq!(generations(&site.workspace, "clients/bob"), ["gen-0001", "gen-0002"]);
}

#[test]
fn what_is_listed_is_issued_and_what_is_not_is_reported_and_kept() {
    const TEST: &str = "what_is_listed_is_issued_and_what_is_not_is_reported_and_kept";
    let Some(site) = Site::new(TEST) else { return };
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("  ana:", "  bob:"));
    let report = site.rotate(&["--format", "json"]).succeeded().json();
    assert_eq!(action(&report, "bob"), "issued", "{report:#}");
    assert!(report.to_string().contains("ana"), "{report:#}");
    assert!(site.workspace.path("state/clients/bob/current/key.pem").exists());
    assert!(site.workspace.path("state/clients/ana/current/key.pem").exists());
    assert_eq!(site.daemon.count("attempts"), 0);
}

#[test]
fn other_hosts_in_the_list_are_a_reason_to_renew() {
    let Some(site) = Site::new("other_hosts_in_the_list_are_a_reason_to_renew") else { return };
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("localhost]", "localhost, b.example.com]"));
    site.rotate(&["--check"]).ended_with(4);
    site.rotate(&[]).succeeded();
    let names: Vec<_> = site.current().usable_names().iter().map(ToString::to_string).collect();
    assert!(names.contains(&"b.example.com".to_owned()), "{names:?}");
    site.assert_served();
}

#[test]
fn status_names_what_comes_next() {
    let Some(site) = Site::aged("status_names_what_comes_next", 300) else { return };
    let next = || {
        let said = site.workspace.run(["status"]).succeeded();
        last_line(&said).rsplit("; next: ").next().unwrap().to_owned()
    };
    assert_eq!(next(), "kitcert rotate", "due");
    site.rotate(&[]).succeeded();
    assert_eq!(next(), "nothing is due; every daemon is verified");
    site.rotate(&["--force", "--no-restart", "builder"]).ended_with(6);
    assert_eq!(next(), "kitcert rotate", "not verified, with a restart command");
    site.leave_out("restart");
    assert_eq!(next(), "kitcert verify builder", "not verified, without one");

    issue_to_another_machine(&site, "bob", 80);
    let end_or_renewal = "kitcert issue client bob (or, if nobody needs it: kitcert retire client/bob)";
    assert_eq!(next(), end_or_renewal, "its key is elsewhere");
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("bob: {", "bob: {renew: auto, "));
    assert_eq!(next(), "kitcert rotate", "its key is elsewhere, and a kit is wanted");
}

#[test]
fn a_clock_behind_the_log_stops_the_rotation() {
    let Some(site) = Site::aged("a_clock_behind_the_log_stops_the_rotation", 80) else { return };
    let now = Environment::of_process().now();
    let ahead = now.plus(Lifetime::days(1));
    let log = site.workspace.read("state/log.jsonl");
    let line = json!({
        "time": ahead.to_string(), "by": "tester", "command": "issue client", "event": "issued",
        "subject": "daemon builder", "reason": "asked",
    });
    site.workspace.write("state/log.jsonl", format!("{log}{line}\n"));
    let before = site.workspace.snapshot();
    let said = site.rotate(&[]).ended_with(1);
    assert!(names_time(&said.err, ahead), "{ahead} is not in {}", said.err);
    assert!([now, Environment::of_process().now()].iter().any(|now| said.err.contains(now.date().as_str())));
    assert!(said.err.contains("--trust-clock"), "{}", said.err);
    before.assert_is(&site.workspace.snapshot(), "rotate with a clock that is behind");
    site.rotate(&["--trust-clock"]).succeeded();
    assert_eq!(generations(&site.workspace, "clients/ana"), ["gen-0001", "gen-0002"]);
}

#[test]
fn a_clock_that_a_person_believes_once_is_believed_from_then_on() {
    let Some(site) = Site::new("a_clock_that_a_person_believes_once_is_believed_from_then_on") else {
        return;
    };
    // A command ran while the clock was fast.
    let ahead = Environment::of_process().now().plus(Lifetime::days(100));
    let log = site.workspace.read("state/log.jsonl");
    let line = json!({
        "time": ahead.to_string(), "by": "tester", "command": "issue client", "event": "issued",
        "subject": "client zed", "reason": "asked",
    });
    site.workspace.write("state/log.jsonl", format!("{log}{line}\n"));
    site.rotate(&[]).ended_with(1);
    let before = site.workspace.snapshot();
    site.rotate(&["--trust-clock", "--dry-run"]).succeeded();
    before.assert_is(&site.workspace.snapshot(), "a dry run");
    site.rotate(&["--trust-clock"]).succeeded();
    site.rotate(&[]).succeeded();
    assert!(site.workspace.read("state/log.jsonl").contains("clock-trusted"));
}

/// In whichever of its two forms.
fn names_time(text: &str, time: Timestamp) -> bool {
    text.contains(&time.to_string()) || text.contains(time.minute().as_str())
}

#[test]
fn no_state_is_made() {
    let workspace = Workspace::new();
    let before = workspace.snapshot();
    let said = workspace.run(["rotate"]).ended_with(1);
    assert!(said.err.contains(&workspace.text("state")), "{}", said.err);
    assert!(!Path::new(&workspace.path("state")).exists());
    before.assert_is(&workspace.snapshot(), "rotate without a state");
}
