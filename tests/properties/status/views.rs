//! What monitoring reads: a plugin's line, metrics and SARIF, each as its readers take it apart; and
//! many daemons at once.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::peers;
use crate::support::servers::Files;
use crate::support::workspace::{Said, Workspace};

/// A state with a daemon that is up, and the second of two daemons that is not.
fn fleet() -> (Workspace, Daemon) {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let daemon = Daemon::start(&workspace, port, &[]);
    let endpoint = format!("tcp://127.0.0.1:{}", Daemon::free_port());
    let spare = ["issue", "daemon", "spare", "--host", "127.0.0.1", "--endpoint", &endpoint];
    workspace.run(spare).succeeded();
    (workspace, daemon)
}

/// The state's word of a plugin's line, and its performance data by label.
#[track_caller]
fn plugin(said: &Said) -> (String, BTreeMap<String, String>) {
    assert_eq!(said.err, "", "a plugin says nothing to standard error");
    let first = said.out.lines().next().unwrap();
    let (text, data) = first.split_once(" | ").unwrap_or((first, ""));
    let word = text.strip_prefix("KITCERT ").unwrap().split(" - ").next().unwrap();
    let mut values = BTreeMap::new();
    let mut rest = data;
    while let Some(quoted) = rest.trim_start().strip_prefix('\'') {
        let (label, after) = quoted.split_once("'=").unwrap();
        let value = after.split(' ').next().unwrap();
        values.insert(label.to_owned(), value.to_owned());
        rest = &after[value.len()..];
    }
    assert_eq!(rest.trim(), "", "{first}");
    (word.to_owned(), values)
}

/// A command that is printed to be pasted works as it stands: it names the state that was named, and
/// names none where the variable does.
#[test]
fn printed_commands_name_the_state_that_was_named() {
    let workspace = Workspace::new();
    let state = workspace.text("my state");
    let quoted = format!("'{state}'");
    let named = |command: &[&str]| workspace.run(["--state", &state].iter().chain(command));
    named(&["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
    let status = named(&["status"]).succeeded().out;
    assert!(status.ends_with(&format!("next: kitcert --state {quoted} verify builder\n")), "{status}");
    let failed = named(&["rotate", "spare"]).ended_with(2).err;
    assert!(failed.contains(&format!("try: kitcert --state {quoted} status\n")), "{failed}");
    let issued = named(&["issue", "client", "ben"]).succeeded().out;
    assert_eq!(issued.matches(&format!("kitcert --state {quoted} ")).count(), 2, "{issued}");
    // Another machine's state is elsewhere.
    let asked = named(&["request", "cleo", "--output", &workspace.text("cleo.csr")]).succeeded().out;
    assert!(asked.contains("a kit: kitcert issue client cleo"), "{asked}");
    assert!(asked.contains(&format!("next: kitcert --state {quoted} join cleo.kit")), "{asked}");
    // JSON is for programs, which know what they asked.
    let json = named(&["rotate", "spare", "--format", "json"]).ended_with(2).json();
    assert_eq!(json["error"]["try"], "kitcert status", "{json}");
    std::fs::rename(&state, workspace.path("state")).unwrap();
    assert!(!workspace.run(["status"]).succeeded().out.contains("--state"));
}

#[test]
fn status_ends_with_the_one_command_that_proves_what_is_not() {
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1"]).succeeded();
    let ends_with = |words: &str| {
        let said = workspace.run(["status"]).succeeded().out;
        assert!(said.trim_end().ends_with(words), "{said}");
    };
    ends_with("1 not verified; next: kitcert verify builder");
    workspace.run(["issue", "daemon", "spare", "--host", "127.0.0.2"]).succeeded();
    ends_with("2 not verified; next: kitcert verify --all");
    let inventory = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", inventory.split("  spare:").next().unwrap());
    ends_with("1 not verified, 1 not listed; next: kitcert verify builder");
}

#[test]
fn a_plugins_line_has_a_state_an_exit_code_and_its_data() {
    let (workspace, _daemon) = fleet();
    // Earthly takes such a host for its own machine, which is a warning.
    let (word, data) = plugin(&workspace.run(["verify", "builder", "--format", "nagios"]).ended_with(1));
    assert_eq!(word, "WARNING");
    let served: Vec<&str> = data["builder served days"].split(';').collect();
    assert!(["396", "397"].contains(&served[0]), "{data:?}");
    assert_eq!(served[1..], ["133:", "0:"], "a third of 397 days and an hour, and none");
    assert!(data["builder time"].ends_with("s;;;0"), "{data:?}");
    let (word, _) = plugin(&workspace.run(["verify", "--all", "--format", "nagios"]).ended_with(2));
    assert_eq!(word, "CRITICAL");
    let said = workspace.run(["status", "--format", "nagios"]).ended_with(1);
    assert_eq!(plugin(&said).0, "WARNING", "spare is not verified: {}", said.out);
    let inventory = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", inventory.split("  spare:").next().unwrap());
    let said = workspace.run(["status", "--at", "2199-01-01", "--format", "nagios"]).ended_with(2);
    assert_eq!(plugin(&said).0, "CRITICAL", "all is over by then: {}", said.out);
    for arguments in [
        &["verify", "nobody", "--format", "nagios"][..],
        &["verify", "--no-such-option", "--format", "nagios"],
        &["rotate", "--format=nagios"],
    ] {
        assert_eq!(plugin(&workspace.run(arguments).ended_with(3)).0, "UNKNOWN", "{arguments:?}");
    }
}

/// The samples of metrics in the text format, by name and labels; every metric is described once
/// and its samples stand together.
#[track_caller]
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut described: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            match words[0] {
                "HELP" => {
                    assert!(!described.contains(&words[1]), "{line}");
                    described.push(words[1]);
                }
                "TYPE" => assert_eq!((described.last(), words[2]), (Some(&words[1]), "gauge")),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(name.split('{').next(), described.last().copied(), "{line}");
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line} twice");
    }
    samples
}

#[test]
fn metrics_tell_what_is_enforced_served_and_when_it_ends() {
    let (workspace, daemon) = fleet();
    let file = workspace.text("kitcert.prom");
    let said = workspace.run(["verify", "builder", "--format", "prometheus", "--output", &file]);
    assert_eq!(said.succeeded().out, "");
    let sound = samples(&workspace.read("kitcert.prom"));
    assert_eq!(sound["kitcert_client_auth_enforced{target=\"builder\"}"], 1.0);
    assert_eq!(sound["kitcert_served_matches_disk{target=\"builder\"}"], 1.0);
    assert_eq!(sound["x509_cert_expired{target=\"builder\",whose=\"served\"}"], 0.0);
    let ends = |samples: &BTreeMap<String, f64>, of: &str| samples[&format!("x509_cert_not_{of}")];
    let served = |which: &str| format!("{which}{{target=\"builder\",whose=\"served\"}}");
    let life = ends(&sound, &served("after")) - ends(&sound, &served("before"));
    assert_eq!(life, 397.0 * 86_400.0 + 3_600.0);
    assert!(sound.contains_key("kitcert_last_success_timestamp_seconds{target=\"builder\"}"));

    drop(daemon);
    workspace.run(["verify", "builder", "--format", "prometheus", "--output", &file]).ended_with(3);
    let down = samples(&workspace.read("kitcert.prom"));
    assert!(!down.keys().any(|name| name.contains("last_success") || name.contains("enforced")), "{down:?}");
    assert_eq!(down["kitcert_findings{target=\"builder\",rule=\"unreachable\",severity=\"error\"}"], 1.0);
}

#[test]
fn an_open_daemon_enforces_nothing_in_every_view() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &["--no-ca"]);
    let said = workspace.run(["verify", "builder", "--format", "prometheus"]).ended_with(3);
    assert_eq!(samples(&said.out)["kitcert_client_auth_enforced{target=\"builder\"}"], 0.0);
    let said = workspace.run(["verify", "builder", "--format", "nagios"]).ended_with(2);
    assert_eq!(plugin(&said).0, "CRITICAL");
    let sarif = workspace.run(["verify", "builder", "--format", "sarif"]).ended_with(3).foreign_json();
    let is_open =
        |result: &Value| result["ruleId"] == "no-certificate-accepted" && result["level"] == "error";
    assert!(sarif["runs"][0]["results"].as_array().unwrap().iter().any(is_open), "{sarif:#}");
    assert!(workspace.run(["verify", "--all"]).ended_with(3).out.ends_with("1 OPEN\n"));
}

#[test]
fn every_daemon_is_verified_at_once_and_each_proof_is_kept() {
    let (workspace, _daemon) = fleet();
    let said = workspace.run(["verify", "--all", "--timeout", "2s"]).ended_with(3);
    assert_eq!(said.out.lines().last(), Some("2 daemons: 1 verified, 1 not verified, 0 OPEN"));
    let worst = said.out.lines().rev().nth(1).unwrap();
    assert!(worst.contains("ERROR") && worst.contains("spare"), "the worst stands last: {}", said.out);
    assert!(workspace.path("state/daemons/builder/verified.json").exists());
    assert!(!workspace.path("state/daemons/spare/verified.json").exists());
    let list = workspace.write("targets", "# those of ours\nbuilder\n\nspare # is down\n");
    let said = workspace.run(["verify", "--targets", &list, "--timeout", "2s"]).ended_with(3);
    assert_eq!(said.out.lines().last(), Some("2 daemons: 1 verified, 1 not verified, 0 OPEN"));
    let list = workspace.write("targets", "builder\nnot a target\n");
    assert!(workspace.run(["verify", "--targets", &list]).ended_with(2).err.contains("line 2"));
}

#[test]
fn those_of_many_daemons_that_are_silent_keep_no_others_from_being_verified() {
    const TEST: &str = "those_of_many_daemons_that_are_silent_keep_no_others_from_being_verified";
    let Some(peer) = peers::program("go-peer", TEST) else { return };
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1", "--host", "127.0.0.2", "--client", "ana"]).succeeded();
    let set = Files::in_folder(&workspace.path("state/daemons/builder/current"));
    let mut command = std::process::Command::new(peer);
    command.args(["fleet", "--count", "60", "--addresses", "2", "--silent-each", "10", "--cert"]);
    command.arg(&set.cert).arg("--key").arg(&set.key).arg("--ca").arg(&set.ca);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let urls: Vec<String> = lines.take_while(|line| line != "listening").collect();
    let list = workspace.write("targets", urls.join("\n"));
    let mut verify = vec!["verify", "--client", "ana", "--targets", &list, "--format", "json"];
    // As many at once as not all of the silent ones can hold up.
    verify.extend(["--jobs", "12", "--timeout", "8s"]);
    let report = workspace.run(verify).ended_with(3).json();
    let targets = report["targets"].as_array().unwrap();
    assert_eq!(targets.iter().map(|one| one["target"].as_str().unwrap()).collect::<Vec<_>>(), urls);
    for (number, one) in targets.iter().enumerate() {
        let is_silent = number % 10 == 9;
        let verified = one["verified"].as_bool().unwrap();
        assert_eq!(verified, !is_silent, "{number}: {one:#}");
        let says = |cause: &str| one.to_string().contains(&format!("\"{cause}\""));
        assert_eq!(says("silent"), is_silent, "{number}: {one:#}");
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn what_is_judged_as_of_another_time_is_not_recorded() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    let before = workspace.snapshot();
    let said = workspace.run(["verify", "builder", "--at", "2200-01-01"]).ended_with(3);
    assert!(said.out.contains("expired") && said.out.contains("judged as of 2200-01-01"), "{}", said.out);
    before.assert_is(&workspace.snapshot(), "a judgement as of another time");
    workspace.run(["verify", "builder"]).succeeded();
    assert!(workspace.path("state/daemons/builder/verified.json").exists());
}

#[test]
fn the_timeline_shows_what_was_replaced_for_as_long_as_it_opens_a_door() {
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "builder.test", "--client", "ana"]).succeeded();
    let replaced_at = kitcert::env::Environment::of_process().now();
    workspace.run(["rotate", "ana", "--force"]).succeeded();
    let windows = |at: &[&str]| {
        let status = ["status", "--timeline", "--format", "json"].iter().chain(at);
        let report = workspace.run(status).succeeded().json();
        let rows = report["timeline"].as_array().unwrap().clone();
        let of_ana = rows.into_iter().filter(|row| row["name"] == "ana");
        of_ana.map(|row| (row["previous"].as_u64().unwrap(), row["until"].clone())).collect::<Vec<_>>()
    };
    let now = windows(&[]);
    assert_eq!(now.iter().map(|(previous, _)| *previous).collect::<Vec<_>>(), [0, 1]);
    let later = replaced_at.plus(kitcert::model::Lifetime::days(89)).to_string();
    assert_eq!(windows(&["--at", &later]), now);
    let after = replaced_at.plus(kitcert::model::Lifetime::days(91)).to_string();
    assert_eq!(windows(&["--at", &after]).len(), 1, "what is over opens nothing");
    let text = workspace.run(["status", "--timeline"]).succeeded().out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("ana, replaced"), "{text}");
}
