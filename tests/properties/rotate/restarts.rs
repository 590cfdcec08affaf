//! A rotation's second half: the daemon is restarted, and what it serves then is verified; if it is
//! not what was placed, the previous set is back, and served, or it is said in so many words that
//! the daemon is down.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rotate::rotating::{Site, generations, last_line, serial};
use crate::support::daemon::Daemon;
use crate::support::workspace::{Said, Workspace};

/// Two seconds for the restart, and two for the daemon.
fn site_in_a_hurry(test: &str) -> Option<Site> {
    let site = Site::aged(test, 300)?;
    site.describe("restart_timeout", &json!("2s"));
    Some(site)
}

/// The rotation of a daemon at whose restart something goes wrong: exit 1, and the previous set is
/// current, installed and served; the next rotation succeeds.
fn ends_with_the_former_set(site: &Site, mishap: &str) -> Said {
    let previous = site.current();
    site.daemon.ask(mishap);
    let said = site.rotate(&["builder"]).ended_with(1);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    site.assert_serves(&previous);
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains(&site.generation("current")), "which set is served is not said: {told}");
    site.daemon.ask("forget");
    site.rotate(&["builder"]).succeeded();
    assert_ne!(site.current().serial(), previous.serial());
    site.assert_served();
    said
}

#[test]
fn a_restart_that_fails_once_leaves_the_former_set_served() {
    let Some(site) = site_in_a_hurry("a_restart_that_fails_once_leaves_the_former_set_served") else {
        return;
    };
    let said = ends_with_the_former_set(&site, "next refuse");
    assert!(said.out.contains("the daemon was not restarted, as asked"), "its words: {}", said.out);
}

#[test]
fn a_restart_that_always_fails_leaves_the_former_set_served() {
    const TEST: &str = "a_restart_that_always_fails_leaves_the_former_set_served";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    ends_with_the_former_set(&site, "always refuse");
}

#[test]
fn a_restart_that_hangs_is_ended_and_the_former_set_served() {
    const TEST: &str = "a_restart_that_hangs_is_ended_and_the_former_set_served";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    let began = Instant::now();
    ends_with_the_former_set(&site, "next hang");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    site.daemon.ask("await abandoned 1");
}

#[test]
fn a_daemon_that_starts_with_anothers_files_gets_its_former_ones() {
    const TEST: &str = "a_daemon_that_starts_with_anothers_files_gets_its_former_ones";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    let other_state = Workspace::with_state();
    let wrong = other_state.text("state/daemons/builder/current");
    ends_with_the_former_set(&site, &format!("next wrong {wrong}"));
}

#[test]
fn a_daemon_that_starts_with_its_former_files_keeps_them() {
    const TEST: &str = "a_daemon_that_starts_with_its_former_files_keeps_them";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    let previous = site.workspace.text("state/daemons/builder/gen-0001");
    ends_with_the_former_set(&site, &format!("always wrong {previous}"));
}

#[test]
fn a_daemon_that_cannot_load_its_files_gets_its_former_ones() {
    const TEST: &str = "a_daemon_that_cannot_load_its_files_gets_its_former_ones";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    let nothing = site.workspace.text("home");
    ends_with_the_former_set(&site, &format!("next wrong {nothing}"));
}

#[test]
fn a_daemon_that_stays_down_is_called_down() {
    for (mishap, test) in [
        ("always down", "a_daemon_that_stays_down_is_called_down"),
        ("always vanish", "a_daemon_that_stays_down_though_its_restart_succeeds_is_called_down"),
    ] {
        let Some(site) = site_in_a_hurry(test) else { return };
        site.daemon.ask(mishap);
        let said = site.rotate(&["builder"]).ended_with(7);
        assert!(last_line(&said).starts_with("DAEMON DOWN"), "{mishap}: {}{}", said.out, said.err);
        let again = site.rotate(&["builder"]);
        assert!([6, 7].contains(&again.code), "{mishap}: {again:?}");

        site.daemon.ask("forget");
        site.rotate(&["builder"]).succeeded();
        site.assert_served();
    }
}

#[test]
fn a_daemon_that_was_open_for_a_while_still_has_something_to_go_back_to() {
    const TEST: &str = "a_daemon_that_was_open_for_a_while_still_has_something_to_go_back_to";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    site.daemon.ask("stop");
    let open = Daemon::on_files(&site.workspace, "root/etc", site.port, &["--no-ca"]);
    site.workspace.run(["verify", "builder"]).ended_with(3);
    site.workspace.run(["status", "--check"]).ended_with(4);
    drop(open);
    site.daemon.ask("restart");
    ends_with_the_former_set(&site, "next refuse");
}

/// Nobody reads of a container's name that the door stands open.
#[test]
fn an_open_daemon_whose_restart_fails_is_called_open() {
    const TEST: &str = "an_open_daemon_whose_restart_fails_is_called_open";
    for (how, force) in [("--no-ca", false), ("--no-ca", true), ("--plaintext", false)] {
        let Some(site) = site_in_a_hurry(TEST) else { return };
        site.rotate(&["builder"]).succeeded();
        site.daemon.ask("stop");
        site.describe("restart", &json!(["false"]));
        let _open = Daemon::on_files(&site.workspace, "root/etc", site.port, &[how]);
        let more: &[&str] = if force { &["--force", "builder"] } else { &["builder"] };
        site.workspace.run(["verify", "builder"]).ended_with(3);
        let said = site.rotate(more);
        assert!([3, 6].contains(&said.code), "{how}: {said:?}");
        assert!(said.out.contains("OPEN"), "{how}: {said:?}");
    }
}

#[test]
fn a_restart_command_that_is_not_there_leaves_the_former_set_served() {
    const TEST: &str = "a_restart_command_that_is_not_there_leaves_the_former_set_served";
    let Some(site) = site_in_a_hurry(TEST) else { return };
    let previous = site.current();
    let restart = site.workspace.text("bin/no such program");
    site.describe("restart", &json!([restart]));
    let said = site.rotate(&["builder"]).ended_with(1);
    assert!(said.out.contains("no such program"), "{}", said.out);
    site.assert_serves(&previous);
    site.describe("restart", &json!(site.daemon.restart()));
    site.rotate(&["builder"]).succeeded();
    site.assert_served();
}

#[test]
fn without_a_restart_command_the_next_rotation_verifies() {
    let Some(site) = Site::aged("without_a_restart_command_the_next_rotation_verifies", 300) else { return };
    site.leave_out("restart");
    awaits_a_restart_by_hand(&site, &[]);
}

#[test]
fn told_not_to_restart_the_next_rotation_verifies() {
    let Some(site) = Site::aged("told_not_to_restart_the_next_rotation_verifies", 300) else { return };
    awaits_a_restart_by_hand(&site, &["--no-restart"]);
}

fn awaits_a_restart_by_hand(site: &Site, more: &[&str]) {
    let rotate = |code| site.rotate(&[&["builder"], more].concat()).ended_with(code);
    let previous = site.current();
    let said = rotate(6);
    assert!(last_line(&said).contains("restart"), "{}{}", said.out, said.err);
    assert_ne!(site.current().serial(), previous.serial());
    let waiting = serial(&site.workspace, "root/etc");
    assert_eq!(waiting, site.current().serial().to_string(), "installed, and current");
    assert_eq!(site.daemon.serial(), Some(previous.serial().to_string()));

    rotate(6);
    assert_eq!(generations(&site.workspace, "daemons/builder"), ["gen-0001", "gen-0002"]);
    assert_eq!(site.generation("worked"), "gen-0001");
    assert_eq!(site.daemon.count("attempts"), 0);

    site.daemon.ask("restart");
    rotate(0);
    site.assert_served();
    assert_eq!(site.generation("current"), "gen-0002");
    let before = site.workspace.snapshot();
    rotate(0);
    before.assert_is(&site.workspace.snapshot(), "the next rotate");
}

#[test]
fn the_restart_command_gets_its_arguments_as_they_are_and_knows_what_it_is_for() {
    const TEST: &str = "the_restart_command_gets_its_arguments_as_they_are_and_knows_what_it_is_for";
    let Some(site) = Site::new(TEST) else { return };
    let record = site.workspace.text("record");
    let odd = ["$(touch here)", "two words", "it's \"quoted\"", "*", "a;b|c", "", "ä", "$HOME"];
    let mut argv = site.daemon.restart();
    argv.extend(["--record", &record, "--"].map(str::to_owned));
    argv.extend(odd.map(str::to_owned));
    site.describe("restart", &json!(argv));
    site.rotate(&["--force", "builder"]).succeeded();

    let heard: Value = serde_json::from_str(&site.workspace.read("record")).unwrap();
    assert_eq!(heard["arguments"], json!(odd));
    assert!(!site.workspace.path("here").exists(), "a shell ran");
    let environment: BTreeMap<&str, &str> = heard["environment"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable.as_str().unwrap().split_once('=').unwrap())
        .collect();
    for (name, value) in [
        ("KITCERT_STATE", site.workspace.text("state").as_str()),
        ("KITCERT_DAEMON", "builder"),
        ("KITCERT_ENDPOINT", &format!("tcp://127.0.0.1:{}", site.port)),
        ("KITCERT_GENERATION", "gen-0002"),
        ("RENEWED_DOMAINS", "127.0.0.1 localhost"),
    ] {
        assert_eq!(environment.get(name), Some(&value), "{name} in {environment:#?}");
    }
    let lineage = Path::new(environment["RENEWED_LINEAGE"]).join("cert.pem");
    assert_eq!(std::fs::read_to_string(lineage).unwrap(), site.workspace.read("root/etc/cert.pem"));
    let heard = heard.to_string();
    for key in site.workspace.files_named("key.pem") {
        let text = std::fs::read_to_string(key).unwrap();
        assert!(!text.lines().any(|line| line.len() > 20 && heard.contains(line)), "a key is in {heard}");
    }
}

/// The restart, after that line of a shell's, which is the command's own affair.
fn restart_after(site: &Site, line: &str) -> Value {
    let script = format!("{line}\nexec \"$@\"");
    let words = ["/bin/sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()];
    json!(words.into_iter().chain(site.daemon.restart()).collect::<Vec<_>>())
}

/// The old files are still served then, and are no news of the new ones.
#[test]
fn a_restart_command_may_verify_before_it_restarts() {
    const TEST: &str = "a_restart_command_may_verify_before_it_restarts";
    let Some(site) = Site::aged(TEST, 300) else { return };
    site.rotate(&["--force", "builder"]).succeeded();
    let line = format!("{} verify builder", env!("CARGO_BIN_EXE_kitcert"));
    site.describe("restart", &restart_after(&site, &line));
    site.rotate(&["--force", "builder"]).succeeded();
    site.assert_served();
}

#[test]
fn a_restart_command_that_says_much_holds_nothing_up() {
    let Some(site) = Site::new("a_restart_command_that_says_much_holds_nothing_up") else { return };
    let say = "/usr/bin/head -c 1000000 /dev/zero; /usr/bin/head -c 1000000 /dev/zero >&2";
    site.describe("restart", &restart_after(&site, say));
    let said = site.rotate(&["--force", "builder"]).succeeded();
    assert!(said.out.len() + said.err.len() < 10_000, "{} bytes", said.out.len() + said.err.len());
    site.assert_served();
}

#[test]
fn a_process_that_a_restart_command_leaves_behind_holds_nothing_up() {
    const TEST: &str = "a_process_that_a_restart_command_leaves_behind_holds_nothing_up";
    let Some(site) = Site::new(TEST) else { return };
    let fifo = site.workspace.path("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // It holds the command's output open, until nobody could write to the fifo any more.
    let writer = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    site.describe("restart", &restart_after(&site, &format!("/bin/cat '{}' &", fifo.display())));
    site.rotate(&["--force", "builder"]).succeeded();
    site.assert_served();
    drop(writer);
}

/// A process that is not this one's child; whether it ends within that time.
fn ends_within(id: i32, time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    let Ok(handle) = pidfd_open(Pid::from_raw(id).unwrap(), PidfdFlags::empty()) else { return true };
    let time = Timespec::try_from(time).unwrap();
    poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&time)).unwrap() > 0
}

#[test]
fn what_a_restart_command_has_started_lives_on_and_may_say_something_later() {
    const TEST: &str = "what_a_restart_command_has_started_lives_on_and_may_say_something_later";
    let Some(site) = Site::new(TEST) else { return };
    let path = |name: &str| site.workspace.text(name);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        site.workspace.path("go"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    // It reads from the fifo when the rotation is over, says something, and goes on.
    let later = "read line <$0; echo late words >&2; echo alive >$1";
    let line = format!("/bin/sh -c '{later}' {} {} & echo $! >{}", path("go"), path("out"), path("id"));
    site.describe("restart", &restart_after(&site, &line));
    site.rotate(&["--force", "builder"]).succeeded();
    let id = site.workspace.read("id").trim().parse().unwrap();
    assert!(!ends_within(id, Duration::ZERO), "it was ended with the command");
    std::fs::write(path("go"), "go\n").unwrap();
    assert!(ends_within(id, Duration::from_secs(20)));
    let out = std::fs::read_to_string(path("out")).unwrap_or_default();
    assert_eq!(out, "alive\n", "it died of what it said");
}

#[test]
fn a_restart_that_hangs_is_ended_with_everything_that_it_started() {
    const TEST: &str = "a_restart_that_hangs_is_ended_with_everything_that_it_started";
    let Some(site) = Site::new(TEST) else { return };
    site.describe("restart_timeout", &json!("1s"));
    let ids = site.workspace.text("ids");
    let forever = site.workspace.write("forever", "echo $$ >>$1; exec sleep 100000\n");
    // In its group; in a session of its own; an orphan in one; and one without the command's environment.
    let script = format!(
        "export PATH=/usr/bin:/bin; >{ids}
         sh {forever} {ids} &
         setsid sh {forever} {ids} &
         (setsid sh {forever} {ids} &)
         setsid env -i /bin/sh {forever} {ids} &
         while [ $(wc -l <{ids}) -lt 4 ]; do :; done
         echo $$ >>{ids}; exec sleep 100000"
    );
    site.describe("restart", &json!(["/bin/sh", "-c", script]));
    let said = site.rotate(&["--force", "builder"]);
    assert!([1, 6, 7].contains(&said.code), "{said:?}");
    let ids: Vec<i32> = site.workspace.read("ids").lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    let alive: Vec<i32> = ids.iter().copied().filter(|id| !ends_within(*id, Duration::ZERO)).collect();
    for id in &alive {
        let id = rustix::process::Pid::from_raw(*id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    }
    assert!(alive.is_empty(), "{alive:?} of {ids:?} live on");
}

#[test]
fn a_daemon_that_builds_is_restarted_when_it_is_idle() {
    let Some(site) = Site::new("a_daemon_that_builds_is_restarted_when_it_is_idle") else { return };
    site.describe("restart_when", &json!("idle"));
    site.daemon.ask("idle 1 0");
    let asked = site.daemon.count("information");
    std::thread::scope(|scope| {
        let rotation = scope.spawn(|| site.rotate(&["--force", "builder"]));
        site.daemon.ask(&format!("await information {}", asked + 2));
        assert_eq!(site.daemon.count("attempts"), 0, "a running build was cut");
        site.daemon.ask("idle 0 60");
        rotation.join().unwrap().succeeded();
    });
    assert_eq!(site.daemon.count("restarts"), 1);
    site.assert_served();
}

#[test]
fn a_daemon_that_never_idles_is_left_for_the_next_rotation() {
    let Some(site) = Site::new("a_daemon_that_never_idles_is_left_for_the_next_rotation") else { return };
    site.describe("restart_when", &json!("idle"));
    site.describe("idle_limit", &json!("1s"));
    site.daemon.ask("idle 2 0");
    let said = site.rotate(&["--force", "builder"]).ended_with(6);
    assert_eq!(site.daemon.count("attempts"), 0, "a running build was cut: {}{}", said.out, said.err);
    let waiting = site.generation("current");
    site.daemon.ask("idle 0 60");
    site.rotate(&[]).succeeded();
    assert_eq!(site.generation("current"), waiting);
    site.assert_served();
}

#[test]
fn a_build_is_waited_for_whether_or_not_the_daemon_tells_its_sessions() {
    for sessions in ["idle 0 60", "idle 0 -1"] {
        const TEST: &str = "a_build_is_waited_for_whether_or_not_the_daemon_tells_its_sessions";
        let Some(site) = Site::new(TEST) else { return };
        site.describe("restart_when", &json!("idle"));
        site.daemon.ask(sessions);
        site.daemon.ask("builds 1");
        let asked = site.daemon.count("lists");
        std::thread::scope(|scope| {
            let rotation = scope.spawn(|| site.rotate(&["--force", "builder"]));
            site.daemon.ask(&format!("await lists {}", asked + 4));
            assert_eq!(site.daemon.count("attempts"), 0, "{sessions}: a running build was cut");
            site.daemon.ask("builds 0");
            rotation.join().unwrap().succeeded();
        });
        assert_eq!(site.daemon.count("restarts"), 1, "{sessions}");
        site.assert_served();
    }
}

#[test]
fn a_session_that_builds_nothing_holds_no_restart_up() {
    let Some(site) = Site::new("a_session_that_builds_nothing_holds_no_restart_up") else { return };
    site.describe("restart_when", &json!("idle"));
    site.describe("idle_limit", &json!("1s"));
    site.daemon.ask("idle 3 0");
    site.daemon.ask("builds 0");
    site.rotate(&["--force", "builder"]).succeeded();
    site.assert_served();
}

#[test]
fn no_command_is_printed_that_cuts_a_build_unsaid() {
    let Some(site) = Site::new("no_command_is_printed_that_cuts_a_build_unsaid") else { return };
    site.describe("restart_when", &json!("idle"));
    let said = site.rotate(&["--force", "--dry-run", "builder"]).succeeded();
    assert!(said.out.contains("at once if the daemon does not tell"), "{}", said.out);
    site.describe("idle_limit", &json!("1s"));
    site.daemon.ask("builds 2");
    let said = site.rotate(&["--force", "builder"]).ended_with(6);
    assert_eq!(site.daemon.count("attempts"), 0, "a running build was cut: {}", said.out);
    let line = said.out.lines().find(|line| line.contains("next:")).unwrap();
    let (before, _) = line.split_once("next:").unwrap();
    assert!(before.contains("a restart cuts the builds that run"), "{line}");
    site.daemon.ask("builds 0");
    site.rotate(&[]).succeeded();
}
