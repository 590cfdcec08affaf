//! Every text of the source that suggests a command is reached by a test in which the command is carried out, or
//! stands here with the reason why not.

use std::collections::BTreeSet;

use crate::support::daemon::Daemon;
use crate::support::followed::DRAWN;
use crate::support::suggested::{self, Suggested, shell_words};
use crate::support::workspace::{Said, Workspace};

/// The command that an output tells to try, carried out as it stands.
#[track_caller]
fn tried(workspace: &Workspace, said: &Said, expected: &str) -> Said {
    let line = said.err.lines().chain(said.out.lines()).find_map(|line| line.strip_prefix("try: "));
    let command = line.unwrap_or_else(|| panic!("nothing to try: {said:?}"));
    assert_eq!(command, expected, "{said:?}");
    let words = shell_words(command);
    workspace.run(&words[1..])
}

#[test]
fn a_format_that_a_command_has_none_of_is_replaced_by_one_that_it_has() {
    let workspace = Workspace::with_state();
    for (line, expected) in [
        ("--format sarif status", "kitcert status --format json"),
        ("--format=prometheus invite ana --dry-run", "kitcert invite ana --dry-run --format json"),
    ] {
        let said = workspace.run(line.split(' ')).ended_with(2);
        tried(&workspace, &said, expected).succeeded();
    }
}

#[test]
fn the_same_command_with_what_was_missing_is_made_of_what_was_typed() {
    let workspace = Workspace::with_state();
    workspace.run(["issue", "daemon", "spare", "--host", "spare.example"]).succeeded();
    let said = workspace.run(["invite", "ben", "--output", "my kit", "--join-within=2d"]).ended_with(2);
    let expected = "kitcert invite ben --output 'my kit' --join-within=2d --endpoint tcp://127.0.0.1:8372";
    tried(&workspace, &said, expected).succeeded();
    // One option takes the place of the same, and another is left out.
    let config = workspace.write("home/.earthly/config.yml", "global: {tls_enabled: false}\n");
    let said =
        workspace.run(["install", "client", "ana", "--endpoint", "tcp://127.0.0.1:8372"]).ended_with(1);
    let expected = "kitcert install client ana --endpoint tcp://127.0.0.1:8372 --enable-tls";
    tried(&workspace, &said, expected).succeeded();
    let buildctl = ["install", "client", "ana", "--endpoint", "tcp://127.0.0.1:8372", "--tool", "buildctl"];
    let said = workspace.run(buildctl.iter().chain(&["--config", &config])).ended_with(2);
    let expected = "kitcert install client ana --endpoint tcp://127.0.0.1:8372 --tool buildctl";
    tried(&workspace, &said, expected).succeeded();
    let said = workspace.run(["verify", "--tool", "buildctl", &format!("--config={config}")]).ended_with(2);
    tried(&workspace, &said, "kitcert verify --tool buildctl").ended_with(2);
}

#[test]
fn a_client_whose_key_is_here_is_invited_instead() {
    let workspace = Workspace::with_state();
    let said = workspace.run(["issue", "client", "ana", "--kit", "ana.kit"]).ended_with(1);
    tried(&workspace, &said, "kitcert invite ana").succeeded();
}

#[test]
fn of_two_keys_of_a_client_the_one_that_it_has_is_confirmed_by_its_id() {
    let workspace = Workspace::with_state();
    for more in [&[][..], &["--new-key"]] {
        let asked =
            workspace.run(["request", "ben", "--format", "json"].iter().chain(more)).succeeded().json();
        let told = asked["fingerprint"].as_str().unwrap().to_owned();
        let issue =
            ["issue", "client", "ben", "--csr", "ben.csr", "--fingerprint", &told, "--kit", "ben.kit"];
        workspace.run(issue.iter().chain(more)).succeeded();
    }
    let said = workspace.run(["confirm", "ben"]);
    let command = said.err.lines().find_map(|line| line.strip_prefix("try: ")).unwrap_or_default().to_owned();
    assert!(command.starts_with("kitcert confirm ben --key-id "), "{said:?}");
    tried(&workspace, &said, &command).succeeded();
}

#[test]
fn which_of_several_cas_is_compromised_is_seen_in_what_each_has_signed() {
    let workspace = Workspace::with_state_for(Daemon::free_port());
    workspace.run(["ca", "rollover", "start", "--no-restart"]).ended_with(6);
    let said = workspace.run(["ca", "rollover", "start", "--compromised"]).ended_with(2);
    assert!(tried(&workspace, &said, "kitcert status").succeeded().out.contains("ISSUER"), "{said:?}");
}

/// All that is suggested of `verify`, at a daemon that is verified.
#[test]
fn each_form_of_verify_that_is_suggested_is_carried_out() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let daemon = Daemon::start(&workspace, port, &[]);
    let said = workspace.run(["verify", "client/ana"]).ended_with(2);
    tried(&workspace, &said, "kitcert verify --client ana").succeeded();
    let said = workspace.run(["verify", &format!("127.0.0.1:{port}")]).ended_with(2);
    tried(&workspace, &said, &format!("kitcert verify tcp://127.0.0.1:{port}")).succeeded();
    for next in [vec!["verify"], vec!["verify", "builder"], vec!["verify", "--all"], vec!["verify", "--wait"]]
    {
        workspace.run(next).succeeded();
    }
    let spare = ["issue", "daemon", "spare", "--host", "127.0.0.1", "--endpoint", "tcp://127.0.0.1:1"];
    workspace.run(spare).succeeded();
    let said = workspace.run(["verify"]).ended_with(2);
    tried(&workspace, &said, "kitcert verify --all").ended_with(3);
    drop(daemon);
}

#[test]
fn what_is_not_carried_out_is_still_suggested_and_has_a_reason() {
    let texts: BTreeSet<String> = suggested::all().into_iter().map(|one| one.text).collect();
    for (text, reason) in NOT_CARRIED_OUT {
        assert!(texts.contains(*text), "not in the source any more: {text:?}");
        assert!(reason.split(' ').count() >= 4, "{text}: {reason}");
    }
    let distinct: BTreeSet<&str> = NOT_CARRIED_OUT.iter().map(|(text, _)| *text).collect();
    assert_eq!(distinct.len(), NOT_CARRIED_OUT.len(), "one of them stands there twice");
}

/// After a run of all tests with `KITCERT_FOLLOWED`, as `tests/run` makes one.
#[test]
#[ignore = "reads what a run of all tests has carried out"]
fn every_text_that_suggests_something_is_carried_out_or_listed() {
    let record = std::env::var_os("KITCERT_FOLLOWED").expect("KITCERT_FOLLOWED names the record of a run");
    let record = std::fs::read_to_string(record).unwrap();
    // What only a test that draws comes to, the next run may not come to.
    let is_sure = |line: &&str| !line.ends_with(&format!("\t{DRAWN}"));
    let lines: Vec<&str> =
        record.lines().filter(is_sure).filter_map(|line| line.split('\t').nth(2)).collect();
    assert!(lines.len() > 500, "only {} were carried out", lines.len());
    let listed: BTreeSet<&str> = NOT_CARRIED_OUT.iter().map(|(text, _)| *text).collect();
    let mut never = Vec::new();
    for Suggested { file, text } in suggested::all() {
        // Those of `verify` are carried out above.
        let is_of_verify =
            suggested::commands(&text, "{kitcert}").iter().all(|one| one.starts_with("verify"));
        let is_reached = is_of_verify || lines.iter().any(|line| is_of(line, &text));
        // Some of those that are listed are printed all the same, as the inputs are drawn.
        if !is_reached && !listed.contains(text.as_str()) {
            never.push(format!("{file}: {text:?}"));
        }
    }
    assert!(never.is_empty(), "{} were never carried out:\n{}", never.len(), never.join("\n"));
}

/// Whether a line was printed of that text: its words stand there in order.
fn is_of(line: &str, text: &str) -> bool {
    let mut rest = line;
    text.replace("{kitcert}", "kitcert{}").split("{}").all(|words| {
        // Behind the program's name `--state` may stand.
        match rest.find(words) {
            Some(at) => {
                rest = &rest[at + words.len()..];
                true
            }
            None => false,
        }
    })
}

/// What no test carries out as it was printed, and why. All of them are parsed.
const NOT_CARRIED_OUT: &[(&str, &str)] = &[
    ("NOT DONE: those who must be shut out still get in; next: {kitcert} rotate", BY_ROTATE),
    ("add the host in kitcert.yaml and {kitcert} rotate, or dial a host that it has", EDITED_FIRST),
    ("add the host in kitcert.yaml, then: {kitcert} rotate", EDITED_FIRST),
    ("add {} to the hosts of {} in kitcert.yaml, then: {kitcert} rotate {}", EDITED_FIRST),
    (
        "holds the rollover: its key is not here to try that its clients are refused; when they are: {kitcert} ca \
         rollover finish {}",
        "an emergency without the old key; locked_out types that command for its CA",
    ),
    ("issue another, or roll the CA over: {kitcert} ca rollover start", GENERAL),
    (
        "client {} is not revoked any more: that was taken back meanwhile; next: {kitcert} status",
        "two commands at once, of which the one overtakes the other",
    ),
    (
        "nothing is due yet; before something is, put the CA key back; if it is lost: {kitcert} ca rollover start",
        "the tests put the key back, as it says",
    ),
    (
        "{kitcert} invite {}{}   # or, if nobody uses that key: {kitcert} revoke {} --only-key {}",
        "two commands of which a person takes one; overdue holds what is printed and types the second",
    ),
    (
        "{kitcert} issue daemon {} && {kitcert} rotate   # it is retired, and this renews it again; or stop it",
        "of a retired daemon that lets somebody in; in_again types these commands there",
    ),
    (
        "{kitcert} ca rollover start   # leaves behind whoever is retired; or let the daemon end TLS itself",
        GENERAL,
    ),
    (
        "{kitcert} recover   # takes in whom the daemons refuse",
        "the tests of revoke run it after they saw it",
    ),
    (
        "; if that was taken back: {kitcert} revoke --undo {}",
        "said of a backup from before somebody got in again",
    ),
    (
        "{kitcert} ca rollover finish {}   # once everybody else has moved",
        "said in the rollover of a CA that was taken over without its key; adopt finishes one",
    ),
    (
        "its key is that of {} too, as whom it gets in still; to stop that: {kitcert} revoke {}",
        "two clients get one key no more; of states from before that",
    ),
    (
        "{kitcert} ca rollover start   # who is retired does not move to the new CA",
        "unit tests hold who is refused with it, such as one name too many",
    ),
    (
        "{kitcert} revoke --seen {}   # once you have seen that it is {}",
        "the tests of revoke run it after they have seen the refusal",
    ),
    (
        "{kitcert} rotate --dry-run   # for whom the move to another CA waits",
        "only a certificate without any name that was made with a CA's key by other means brings it about",
    ),
    ("check the daemon's log; then: {kitcert} install daemon, and restart it", GENERAL),
    ("put ca.pem where the daemon reads it ({kitcert} install daemon), and restart it", GENERAL),
    (
        "put the CA's certificate in its place: {kitcert} status",
        "a leaf among the CAs of a file: which CA belongs there, a person finds out",
    ),
    ("use the daemon's own ca.pem, from a new kit; on the CA's machine: {kitcert} install client", GENERAL),
    (
        "{kitcert} ca rollover start --compromised={}",
        "told of a run that was interrupted; locked_out types it to begin one",
    ),
    (
        "{kitcert} ca rollover start --compromised={}   # or restore rollover.json from a backup",
        "the record of an emergency is lost; locked_out types the same command",
    ),
    (
        "{kitcert} inspect {} {}",
        "files of two sets that are dialed with; inspected runs it on two such files",
    ),
    ("{kitcert} install client   # a daemon's certificate lies where the client's should", GENERAL),
    ("{kitcert} install client   # all three files at once", GENERAL),
    ("{kitcert} install client   # with --tool, if it is another tool that is used", GENERAL),
    ("{kitcert} install client   # writes paths that are found", GENERAL),
    (
        "{kitcert} install client {}   # on this machine; on another: {}",
        "a client of a CA that was replaced; its two commands are carried out apart",
    ),
    ("{kitcert} install daemon   # then restart it", GENERAL),
    ("{kitcert} install daemon   # writes its ca.pem again; then restart it", GENERAL),
    (
        "{kitcert} issue client {} && {kitcert} install client {}",
        "a client's certificate that has expired; its two commands are carried out apart",
    ),
    (
        "{kitcert} retire {}/{}   # or restore it from a backup",
        "of an identity that cannot be read and is not listed; damaged retires such by name",
    ),
    ("{kitcert} rotate   # at the latest at {}", BY_ROTATE),
    ("{kitcert} rotate   # then restart the daemon, if its file is newer than what it serves", GENERAL),
    ("{kitcert} rotate   # until every daemon trusts the new CA", BY_ROTATE),
    ("{kitcert} rotate && {kitcert} install client   # if the CA is elsewhere, ask for a new kit", GENERAL),
    (
        "{kitcert} rotate --force client/{}   # a new certificate, if the CA in use is trusted there",
        "copies that no daemon would let in; remedies rotates a client by force",
    ),
    (
        "{kitcert} rotate --force daemon/{}   # with the CA that is in use alone",
        "a bundle that trusts more than is meant; locked_out rotates a daemon by force",
    ),
    (
        "{kitcert} rotate {}/{} --dry-run --format json   # locked_out has all {} names",
        "more than ten are locked out at once; the guard is tested with so many in memory",
    ),
    (
        "{kitcert} status   # who has which certificate",
        "a rollback that the guard refuses; status is carried out after every other failure",
    ),
];

const BY_ROTATE: &str = "the command alone is carried out after hundreds of other outputs";
const EDITED_FIRST: &str = "a person edits kitcert.yaml first; what follows is carried out elsewhere";
const GENERAL: &str = "the general words of a rule or a cause; the finding of a daemon or a client names it";
