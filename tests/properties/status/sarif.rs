//! SARIF that GitHub takes: every result is at a place, and the whole file is as the standard has it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::support::workspace::Workspace;

#[test]
fn an_upload_of_any_result_is_taken() {
    let workspace = Workspace::with_state_for(9);
    let key = workspace.read("state/daemons/builder/current/key.pem");
    let open = workspace.write("secrets/open key.pem", &key);
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    workspace.write("home/.earthly/config.yml", "global: {tlsca: /nowhere/ca.pem}\n");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("buildkitd.toml"), "[grpc]\naddress = [\"tcp://0.0.0.0:1\"]\n")
        .unwrap();
    let outside = outside.path().display().to_string();
    let mut places = BTreeSet::new();
    for line in [
        vec!["inspect", "secrets"],
        vec!["inspect", &outside],
        vec!["inspect", "tcp://127.0.0.1:9"],
        vec!["inspect", "-"],
        vec!["verify"],
        vec!["verify", "builder"],
        vec!["verify", "--all"],
        vec!["verify", "tcp://127.0.0.1:9"],
    ] {
        let said = workspace.run(line.iter().chain(&["--format", "sarif"]));
        let log = said.foreign_json();
        let results = taken_by_github(&log);
        assert!(!results.is_empty(), "{line:?}: {said:?}");
        for result in results {
            let artifact = &result["locations"][0]["physicalLocation"]["artifactLocation"];
            places.insert((
                artifact["uri"].as_str().unwrap().to_owned(),
                artifact["uriBaseId"].clone() == "ROOT",
            ));
        }
    }
    let expected = |uri: &str, is_of_root| (uri.trim_start_matches('/').to_owned(), is_of_root);
    for place in [
        expected("secrets/open%20key.pem", false),
        expected("home/.earthly/config.yml", false),
        expected("127.0.0.1%3A9", false),
        expected("builder", false),
        expected("-", false),
        expected(&format!("{outside}/buildkitd.toml"), true),
    ] {
        assert!(places.contains(&place), "{place:?} is not among {places:#?}");
    }
}

/// An alert that is none would have to be closed by a person, and again after each run.
#[test]
fn what_passed_is_no_alert() {
    let workspace = Workspace::with_state();
    let certificate = workspace.text("state/daemons/builder/current/cert.pem");
    let said = workspace.run(["inspect", &certificate, "--format", "sarif"]).succeeded();
    assert_eq!(taken_by_github(&said.foreign_json()).len(), 0, "{said:?}");
}

/// What the standard demands of the members that are used, and what GitHub demands beyond it
/// (docs.github.com, "SARIF support for code scanning"). The results are returned.
#[track_caller]
fn taken_by_github(log: &Value) -> Vec<Value> {
    let log = only(log, &["$schema", "version", "runs"]);
    assert_eq!(log["version"], "2.1.0");
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let run = only(&runs[0], &["tool", "originalUriBaseIds", "results"]);
    assert!(run["originalUriBaseIds"]["ROOT"]["uri"].as_str().unwrap().ends_with('/'));
    let driver = only(&only(&run["tool"], &["driver"])["driver"], &["name", "version", "rules"]).clone();
    let mut ids = Vec::new();
    for rule in driver["rules"].as_array().unwrap() {
        let rule = only(rule, &["id", "shortDescription", "fullDescription", "help"]);
        ids.push(rule["id"].as_str().unwrap().to_owned());
        for text in ["shortDescription", "fullDescription", "help"] {
            let text = only(&rule[text], &["text"])["text"].as_str().unwrap();
            assert!((1..=1024).contains(&text.len()), "{text}");
        }
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "a rule has one entry");
    let results = run["results"].as_array().unwrap();
    let mut identities = BTreeSet::new();
    for result in results {
        let members = ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"];
        let result = only(result, &members);
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert!(["note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(!only(&result["message"], &["text"])["text"].as_str().unwrap().is_empty());
        let locations = result["locations"].as_array().unwrap();
        assert_eq!(locations.len(), 1);
        let location = only(&locations[0], &["physicalLocation", "logicalLocations"]);
        for named in location["logicalLocations"].as_array().unwrap() {
            assert!(only(named, &["fullyQualifiedName"])["fullyQualifiedName"].is_string());
        }
        let place = only(&location["physicalLocation"], &["artifactLocation", "region"]);
        let uri = only(&place["artifactLocation"], &["uri", "uriBaseId"])["uri"].as_str().unwrap();
        assert!(!uri.is_empty() && !uri.starts_with('/') && !uri.contains(':'), "not relative: {uri}");
        let is_of_uris = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
        assert!(uri.bytes().all(is_of_uris), "{uri}");
        assert!(only(&place["region"], &["startLine"])["startLine"].as_u64().unwrap() >= 1);
        let identity = only(&result["partialFingerprints"], &["primaryLocationLineHash"]);
        identities.insert(identity["primaryLocationLineHash"].to_string());
    }
    assert_eq!(identities.len(), results.len(), "two alerts are one to GitHub: {log:#?}");
    results.clone()
}

/// An object that has some of these members, and no other: the standard allows none.
#[track_caller]
fn only<'a>(value: &'a Value, members: &[&str]) -> &'a Map<String, Value> {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value:#}"));
    for name in object.keys() {
        assert!(members.contains(&name.as_str()), "{name} is no member that is known: {value:#}");
    }
    object
}
