//! Which daemons a client uses: several may stand behind one name, and one may be called otherwise later.

use serde_json::json;

use crate::support::workspace::Workspace;

/// Two daemons behind the name `lb.local`, and ben, whose key is elsewhere and who dials that name.
fn behind_one_name() -> Workspace {
    let admin = Workspace::new();
    let hosts = |one: &'static str| ["--host", one, "--host", "lb.local"];
    admin.run(["init", "--name", "alpha"].iter().chain(&hosts("alpha.local"))).succeeded();
    admin.run(["issue", "daemon", "beta"].iter().chain(&hosts("beta.local"))).succeeded();
    let developer = Workspace::new();
    let asked = developer.run(["request", "ben", "--format", "json"]).succeeded().json();
    let csr = admin.write("ben.csr", developer.read("ben.csr"));
    let kit = admin.text("ben.kit");
    let words = asked["words"].as_str().unwrap();
    let issue = ["issue", "client", "ben", "--csr", &csr, "--fingerprint", words, "--kit", &kit];
    admin.run(issue.iter().chain(&["--endpoint", "tcp://lb.local:8372"])).succeeded();
    admin
}

/// Whom it would lock out that a daemon has that name no more.
fn locked_out_without_the_name(admin: &Workspace, daemon: &str) -> serde_json::Value {
    let text = admin.read("state/kitcert.yaml");
    let at = text.find(&format!("  {daemon}:\n")).unwrap();
    let (before, entry) = text.split_at(at);
    let edited = entry.replacen(", lb.local", "", 1);
    assert_ne!(edited, entry, "{text}");
    admin.write("state/kitcert.yaml", format!("{before}{edited}"));
    let report = admin.run(["rotate", "--dry-run", "--format", "json"]).json();
    admin.write("state/kitcert.yaml", text);
    report["locked_out"].clone()
}

#[test]
fn whoever_dials_a_name_uses_every_daemon_behind_it_whatever_it_is_called() {
    let admin = behind_one_name();
    for daemon in ["alpha", "beta"] {
        assert_eq!(locked_out_without_the_name(&admin, daemon), json!(["ben"]), "{daemon}");
    }
    let text = admin.read("state/kitcert.yaml");
    admin.write("state/kitcert.yaml", text.replace("  beta:\n", "  gamma:\n"));
    admin.run(["issue", "daemon", "gamma"]).succeeded();
    assert_eq!(locked_out_without_the_name(&admin, "gamma"), json!(["ben"]), "renamed");
}
