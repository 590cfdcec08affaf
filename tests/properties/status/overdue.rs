//! What `status` says to cron and to monitoring: of kits that wait, of what has expired, and of a
//! rollover that is under way.

use serde_json::json;

use kitcert::env::Environment;
use kitcert::model::Lifetime;

use crate::rotate::rotating::{Site, issue_to_another_machine};
use crate::support::workspace::Workspace;

/// That many days from now, as an argument.
fn at(days: u32) -> String {
    Environment::of_process().now().plus(Lifetime::days(days)).to_string()
}

/// A site whose client `bob` has its key elsewhere, a certificate for another 25 days, and a kit that
/// waits.
fn site_with_a_kit(test: &str) -> Option<Site> {
    let site = Site::aged(test, 70)?;
    site.rotate(&["ana"]).succeeded();
    issue_to_another_machine(&site, "bob", 65);
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("bob: {", "bob: {renew: auto, "));
    site.rotate(&["--force", "bob"]);
    assert!(site.workspace.path("state/kits/bob.kit").exists());
    Some(site)
}

#[test]
fn a_kit_that_waits_is_due_before_the_certificate_in_use_ends_and_an_error_after() {
    const TEST: &str = "a_kit_that_waits_is_due_before_the_certificate_in_use_ends_and_an_error_after";
    let Some(site) = site_with_a_kit(TEST) else { return };
    let status = |days: u32, more: &[&str]| {
        let (when, rest) = (at(days), ["status", "--at"]);
        site.workspace.run(rest.into_iter().chain([when.as_str()]).chain(more.iter().copied()))
    };
    let said = status(0, &["--check"]).succeeded();
    assert!(said.out.contains("kit waiting"), "{}", said.out);
    assert!(status(0, &["-q"]).succeeded().out.is_empty());
    let said = status(13, &["--check", "-q"]).ended_with(4);
    assert!(said.out.contains("the certificate in use ends soon"), "{}", said.out);
    let said = status(26, &["--check", "-q"]).ended_with(3);
    assert!(said.out.contains("the certificate in use has expired"), "{}", said.out);
    let said = status(26, &["-q"]).succeeded();
    assert!(said.out.contains("bob") && !said.out.contains("ana"), "{}", said.out);
    status(26, &["--format", "nagios"]).ended_with(2);
    site.workspace.run(["confirm", "bob"]).succeeded();
    assert!(!status(26, &["-q"]).out.contains("the certificate in use"));
}

#[test]
fn what_is_wrong_is_printed_to_cron_with_and_without_check() {
    let Some(site) = Site::new("what_is_wrong_is_printed_to_cron_with_and_without_check") else { return };
    assert!(site.workspace.run(["status", "-q"]).succeeded().out.is_empty());
    let (soon, late) = (at(1), at(91));
    assert!(site.workspace.run(["status", "-q", "--at", &soon]).succeeded().out.is_empty());
    let said = site.workspace.run(["status", "-q", "--at", &late]).succeeded();
    let line = said.out.lines().find(|line| line.contains("ana")).unwrap_or_default();
    assert!(line.contains("expired"), "{}", said.out);
    let checked = site.workspace.run(["status", "-q", "--check", "--at", &late]).ended_with(4);
    let without_time = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_time(&checked.out), without_time(&said.out));
}

#[test]
fn monitoring_is_told_of_a_rollover_and_of_an_emergency() {
    let Some(site) = site_with_a_kit("monitoring_is_told_of_a_rollover_and_of_an_emergency") else { return };
    let metrics = || site.workspace.run(["status", "--format", "prometheus"]).succeeded().out;
    assert!(!metrics().contains("rollover"), "{}", metrics());
    site.workspace.run(["ca", "rollover", "start"]);
    let said = site.workspace.run(["status", "--format", "nagios"]);
    assert!(said.out.contains("rollover to") && said.out.contains("bob"), "{}", said.out);
    assert!(metrics().contains("rule=\"rollover-under-way\""), "{}", metrics());

    site.describe("restart_timeout", &json!("1s"));
    site.daemon.ask("always refuse");
    let previous = site.current();
    let issuer = previous.authority_key_identifier().unwrap();
    let id: String = issuer.iter().map(|byte| format!("{byte:02x}")).collect();
    site.workspace.run(["ca", "rollover", "start", &format!("--compromised={id}")]).ended_with(6);
    let said = site.workspace.run(["status", "--format", "nagios"]).ended_with(2);
    assert!(said.out.contains("EMERGENCY"), "{}", said.out);
    assert!(metrics().contains("rule=\"emergency\",severity=\"error\"} 1"), "{}", metrics());
}

/// Somebody who uses two daemons has a key for each, and a rotation renews the newest alone.
#[test]
fn whoever_uses_several_daemons_is_told_of_before_any_of_his_keys_ends() {
    let workspace = Workspace::new();
    let run = |line: &str| workspace.run(line.split(' '));
    run("init --host builder.example.com").succeeded();
    run("issue daemon spare --host spare.example.com").succeeded();
    run("invite ben --endpoint tcp://builder.example.com:8372").succeeded();
    let key =
        || crate::rotate::rotating::leaf(&workspace, "state/clients/ben/current").public_key().fingerprint();
    let first = key();
    let said = run("invite ben --endpoint tcp://spare.example.com:8372 -o other.kit").succeeded().out;
    let warned = "from now on ben is renewed for tcp://spare.example.com:8372 alone";
    assert!(said.contains(warned) && said.contains("a name for each"), "{said}");
    assert!(key() != first);
    let told = |days: u32| run(&format!("status --at {}", at(days))).succeeded().out;
    assert!(!told(30).contains("ben with key"));
    let said = told(70);
    let way = format!(
        "try: kitcert invite ben --endpoint tcp://builder.example.com:8372 (or, if nobody uses that key: kitcert \
         revoke ben --only-key {first})"
    );
    assert!(said.contains("ben with key") && said.contains("renews the newest key"), "{said}");
    assert!(said.contains(&way) || said.contains(way.split(" (").next().unwrap()), "{said}");
    run(&format!("revoke ben --only-key {first}"));
    assert!(!told(70).contains("renews the newest key"));
}
