//! What a person decides about a rollover, and what is said of a state whose rollover.json is gone.

use serde_json::{Value, json};

use crate::rollover::rolling_over::Fleet;
use crate::rotate::rotating::Site;
use crate::support::workspace::{Said, Workspace};

const START: [&str; 3] = ["ca", "rollover", "start"];

/// What the dry run says of a command, and then the command itself: the same plan, and a step at least.
#[track_caller]
fn does_as_it_said(workspace: &Workspace, words: &[&str]) -> Value {
    let json = |more: &[&str]| {
        workspace.run(words.iter().chain(more).chain(&["--format", "json"])).succeeded().json()
    };
    let (said, done) = (json(&["--dry-run"]), json(&[]));
    assert_eq!(said["plan"], done["plan"], "{words:?}");
    assert_eq!((&said["dry_run"], &done["dry_run"]), (&json!(true), &Value::Null), "{words:?}");
    assert!(!done["plan"].as_array().unwrap().is_empty(), "{words:?}: {done:#}");
    done
}

#[test]
fn what_was_decided_is_in_json_as_the_dry_run_said() {
    const TEST: &str = "what_was_decided_is_in_json_as_the_dry_run_said";
    let Some(site) = Site::new(TEST) else { return };
    site.workspace.run(["issue", "client", "ben"]).succeeded();
    site.workspace.run(["issue", "client", "eva"]).succeeded();
    site.workspace.run(START).succeeded();
    does_as_it_said(&site.workspace, &["confirm", "ana"]);
    does_as_it_said(&site.workspace, &["ca", "rollover", "skip", "ben"]);
    does_as_it_said(&site.workspace, &["retire", "client/eva"]);
    let ended = site.rotate(&["--format", "json"]).succeeded().json();
    let steps: Vec<&str> =
        ended["plan"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert!(steps.contains(&"end") && steps.contains(&"verify"), "{ended:#}");
    does_as_it_said(&site.workspace, &["ca", "delete-former-keys"]);
}

#[test]
fn a_rollback_says_before_what_comes_back_and_what_follows() {
    const TEST: &str = "a_rollback_says_before_what_comes_back_and_what_follows";
    let Some(site) = Site::new(TEST) else { return };
    site.rotate(&["--force", "builder"]).succeeded();
    let said = site.workspace.run(["rollback", "builder", "--dry-run"]).succeeded().out;
    for words in [
        "would put back  daemon builder  the certificate and key of gen-0001, as gen-0003",
        "would restart",
        "would verify",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let done = does_as_it_said(&site.workspace, &["rollback", "builder"]);
    assert_eq!(done["generation"], 3);
}

#[test]
fn what_would_be_refused_is_refused_in_a_dry_run_too() {
    const TEST: &str = "what_would_be_refused_is_refused_in_a_dry_run_too";
    let Some(site) = Site::new(TEST) else { return };
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("[127.0.0.1, localhost]", "[127.0.0.1]"));
    let refused = |words: &[&str]| site.workspace.run(words).ended_with(1).err;
    let said = refused(&["issue", "daemon", "builder", "--dry-run"]);
    assert!(said.contains("ana, since the certificate would not name localhost"), "{said}");
    assert_eq!(said, refused(&["issue", "daemon", "builder"]));
}

#[test]
fn a_rollover_is_not_begun_again_while_it_waits() {
    const TEST: &str = "a_rollover_is_not_begun_again_while_it_waits";
    let Some(site) = Site::new(TEST) else { return };
    site.workspace.run(START).succeeded();
    let before = site.workspace.snapshot();
    for more in [&[][..], &["--dry-run"]] {
        let said = site.workspace.run(START.iter().chain(more)).ended_with(1);
        assert!(said.err.contains("step 2 of 3; it waits for client ana"), "{said:?}");
    }
    before.assert_is(&site.workspace.snapshot(), "a start that is refused");
    site.workspace.run(START.iter().chain(&["--compromised=0000"])).ended_with(2);
}

/// A rollover that waits for dan, of which the record is deleted.
fn without_record(test: &'static str) -> Option<Fleet> {
    let fleet = Fleet::new(test, 1, &["dan"])?;
    fleet.admin.run(START).succeeded();
    std::fs::remove_file(fleet.admin.path("state/rollover.json")).unwrap();
    Some(fleet)
}

#[test]
fn a_rollover_json_that_is_deleted_is_noticed_and_another_start_leads_to_an_end() {
    const TEST: &str = "a_rollover_json_that_is_deleted_is_noticed_and_another_start_leads_to_an_end";
    let Some(fleet) = without_record(TEST) else { return };
    let is_told = |said: &Said| {
        let text = format!("{}{}", said.out, said.err);
        text.contains("rollover.json") && text.contains("kitcert ca rollover start")
    };
    let before = fleet.admin.snapshot();
    for words in
        [&["rotate"][..], &["rotate", "--force"], &["issue", "client", "new"], &["ca", "rollover", "abort"]]
    {
        let said = fleet.admin.run(words).ended_with(1);
        assert!(is_told(&said), "{words:?}: {said:?}");
    }
    before.assert_is(&fleet.admin.snapshot(), "what is refused");
    let said = fleet.admin.run(["status", "--check"]).ended_with(3);
    assert!(is_told(&said), "{said:?}");
    assert_eq!(fleet.admin.run(["status", "--format", "json"]).json()["rollover_is_lost"], true);

    let mut crowd = fleet.crowd(&["ana", "dan"]);
    fleet.admin.run(START).succeeded();
    crowd.assert_works();
    let receipt = fleet.hand_over("dan", &fleet.target());
    fleet.confirm(&[&receipt]).succeeded();
    crowd.assert_works();
    assert!(!fleet.admin.path("state/rollover.json").exists(), "it is over");
    fleet.admin.run(["status", "--check"]).succeeded();
}
