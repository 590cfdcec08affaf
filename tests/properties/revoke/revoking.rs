//! Somebody's access is taken away while everybody works: whoever is revoked is refused from the restart on,
//! and nobody else ever is.

use serde_json::Value;

use crate::rollover::rolling_over::Fleet;

const INSTALLED: [&str; 2] = ["ana", "ben"];
const DEVELOPERS: [&str; 2] = ["dan", "eva"];

fn fleet(test: &'static str) -> Option<Fleet> {
    Fleet::new(test, INSTALLED.len(), &DEVELOPERS)
}

#[test]
fn whoever_is_revoked_is_refused_everywhere_and_nobody_else_is() {
    const TEST: &str = "whoever_is_revoked_is_refused_everywhere_and_nobody_else_is";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "ben", "eva"]);
    crowd.assert_works();
    fleet.assert_dials(&stolen, "accepted");
    let said = fleet.admin.run(["revoke", "dan", "--reason", "laptop stolen", "--format", "json"]);
    let said: Value = said.succeeded().json();
    assert_eq!(said["still_let_in"], serde_json::json!({}), "{said:#}");
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
    // Nothing is left to do, and every daemon is verified.
    let status = fleet.admin.run(["status", "--check"]).succeeded().out;
    assert!(status.contains("revoked"), "{status}");
    let again = fleet.rotate(&[]).succeeded().out;
    assert!(again.contains("nothing is due"), "{again}");
    for refused in
        [vec!["invite", "dan"], vec!["issue", "client", "dan"], vec!["issue", "client", "dan", "--new-key"]]
    {
        let said = fleet.admin.run(refused).ended_with(1);
        assert!(said.err.contains("revoke --undo dan"), "{}", said.err);
    }
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
    crowd.assert_works();
    fleet.admin.run(["verify", "--all"]).succeeded();
}

#[test]
fn a_revoked_key_is_refused_and_its_owner_gets_in_with_another() {
    const TEST: &str = "a_revoked_key_is_refused_and_its_owner_gets_in_with_another";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("ana");
    let key = crate::rotate::rotating::leaf(&fleet.admin, &stolen).public_key().fingerprint().to_string();
    let mut crowd = fleet.crowd(&["ben", "dan", "eva"]);
    fleet.admin.run(["revoke", "ana", "--only-key", &key]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
    let said = fleet.admin.run(["issue", "client", "ana"]).ended_with(1);
    assert!(said.err.contains("--new-key"), "{}", said.err);
    fleet.admin.run(["issue", "client", "ana", "--new-key"]).succeeded();
    fleet.assert_dials(&fleet.admin.text("state/clients/ana/current"), "accepted");
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
}
