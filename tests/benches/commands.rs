//! Whole processes beside what an admin would run instead, and beside what the machine can do at
//! most. Nothing here asserts a time.
//!
//! `cargo bench --bench commands` measures; with `-- --test` everything runs once, with small
//! numbers. Files are written in `$KITCERT_BENCH_DIR`, by default `target/bench`, and in memory.
#![allow(
    unreachable_pub,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod counterpart;
#[path = "../figures.rs"]
mod figures;
mod fleet;
mod measure;
mod rivals;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use counterpart::{Daemon, create_files, generate_and_sign, generate_sign_and_verify};
use figures::{Aim, publish};
use measure::{Contender, Place, Scale, compare, ratio};
use rivals::{openssl_is_here, python, python_clients, rivals};

fn main() {
    let scale = Scale::of_arguments();
    let places = Place::all();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; every figure is of whole processes unless it says otherwise");
    version(scale);
    for place in &places {
        init(scale, place);
    }
    if let Some(place) = places.first() {
        verify(scale, place);
        fleet::fleet(scale, place);
    }
    for place in &places {
        bulk(scale, place);
    }
    if let Some(place) = places.first() {
        nothing_due(scale, place);
    }
}

fn version(scale: Scale) {
    let mut contenders = vec![Contender::new("kitcert --version", || run(kitcert().arg("--version")))];
    if openssl_is_here() {
        contenders.push(Contender::new("openssl version", || run(Command::new("openssl").arg("version"))));
    }
    let medians = compare("start", scale.short_runs, &mut contenders);
    publish(SECTION, "start-up: kitcert --version", milliseconds(medians[0]), None);
}

fn init(scale: Scale, place: &Place) {
    let ours = || run(&mut init_command(&place.fresh()));
    let rivals = rivals();
    let mut contenders = vec![Contender::new("kitcert init, every file durable", ours)];
    for rival in &rivals {
        contenders.push(Contender::timed(rival.label, || {
            let folder = place.fresh();
            std::fs::create_dir(&folder).expect("a fresh folder");
            let began = Instant::now();
            (rival.init)(&folder);
            began.elapsed()
        }));
    }
    let title = format!("init: a CA, localhost, one client; {}", place.label);
    let medians = compare(&title, scale.short_runs, &mut contenders);
    publish(SECTION, &title, milliseconds(medians[0]), None);
    for (rival, median) in rivals.iter().zip(&medians[1..]) {
        let ratio = ratio(medians[0], *median);
        let aim = Aim { words: "at most 0.2", is_met: ratio <= 0.2 };
        let aim = (rival.label.starts_with("openssl")).then_some(aim);
        publish(SECTION, &format!("{title}, as a part of {}", rival.label), format!("{ratio:.2}"), aim);
    }
}

fn verify(scale: Scale, place: &Place) {
    let state = place.fresh();
    run(init_command(&state).args(["--host", "127.0.0.1"]));
    let daemon = Daemon::start(&state.join("daemons/builder/current"));
    let url = format!("tcp://127.0.0.1:{}", daemon.port());
    let client = state.join("clients/ana/current");
    let mut contenders = vec![Contender::new("kitcert verify, every dial", || {
        run(kitcert().arg("--state").arg(&state).args(["verify", &url, "--client", "ana"]));
    })];
    if openssl_is_here() {
        contenders.push(Contender::new("openssl s_client, one handshake", || {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-alpn", "h2", "-connect", &format!("127.0.0.1:{}", daemon.port())]);
            for (option, file) in [("-CAfile", "ca.pem"), ("-cert", "cert.pem"), ("-key", "key.pem")] {
                command.arg(option).arg(client.join(file));
            }
            run(&mut command);
        }));
    }
    let title = format!("verify against {}", daemon.label());
    let medians = compare(&title, scale.short_runs, &mut contenders);
    publish(SECTION, &format!("{title}, every dial"), milliseconds(medians[0]), None);
    if let [ours, openssl] = medians[..] {
        let ratio = ratio(ours, openssl);
        let aim = Aim { words: "below 2", is_met: ratio < 2.0 };
        publish(SECTION, &format!("{title}, as one openssl s_client"), format!("{ratio:.2}"), Some(aim));
    }
}

/// A bulk issue beside its ceilings, ring alone and the files alone, and beside a script.
fn bulk(scale: Scale, place: &Place) {
    let names: Vec<String> = (0..scale.names).map(|number| format!("client-{number:06}")).collect();
    let list = place.fresh();
    std::fs::write(&list, names.join("\n")).expect("a file of names");
    let ours = || {
        let state = place.fresh();
        run(kitcert().arg("--state").arg(&state).args(["init", "--host", "localhost"]));
        let began = Instant::now();
        run(kitcert().arg("--state").arg(&state).args(["-q", "issue", "client", "--from"]).arg(&list));
        began.elapsed()
    };
    let files = || {
        let folder = place.fresh();
        let began = Instant::now();
        create_files(&folder, &names);
        began.elapsed()
    };
    let python = python();
    let mut contenders = vec![
        Contender::timed("kitcert issue client --from, all durable", ours),
        Contender::new("ring alone: a P-256 key and a signature each", || generate_and_sign(scale.names)),
        Contender::new("ring, each signature verified as well", || generate_sign_and_verify(scale.names)),
        Contender::timed("as many files in such folders, made durable", files),
    ];
    if let Some(python) = &python {
        let script = || python_clients(python, &place.fresh(), scale.names);
        contenders.push(Contender::new("Python's cryptography, one process, nothing durable", script));
    }
    let title = format!("issue client --from, {} names; {}", scale.names, place.label);
    let medians = compare(&title, scale.long_runs, &mut contenders);
    if let [ours, ring, verified, files, rest @ ..] = &medians[..] {
        let rate = |time: Duration| scale.names as f64 / time.as_secs_f64();
        let share = ratio(*ring, *ours);
        let verified_share = ratio(*verified, *ours);
        let slower = ratio(*verified.max(files), *ours);
        println!("  {:54} {:>9} {:9.0}", "kitcert, certificates a second", "", rate(*ours));
        println!("  {:54} {:>9} {:9.0}", "ring alone, keys and signatures a second", "", rate(*ring));
        println!("  {:54} {:>9} {:9.2}", "share of ring's ceiling", "", share);
        println!("  {:54} {:>9} {:9.2}", "the same, each verified", "", verified_share);
        println!("  {:54} {:>9} {:9.2}", "share of the lower of the two ceilings", "", slower);
        publish(SECTION, &title, format!("{:.0} a second", rate(*ours)), None);
        let aim = Aim { words: "at least 0.8", is_met: share >= 0.8 };
        publish(SECTION, &format!("{title}, share of ring's rate"), format!("{share:.2}"), Some(aim));
        let figure = format!("{title}, share of ring's rate where each signature is verified, as ours are");
        publish(SECTION, &figure, format!("{verified_share:.2}"), None);
        let figure = format!("{title}, share of the lower of that rate and the files'");
        publish(SECTION, &figure, format!("{slower:.2}"), None);
        if let [python] = rest {
            let figure = format!("{title}, as a part of Python's cryptography");
            publish(SECTION, &figure, format!("{:.2}", ratio(*ours, *python)), None);
        }
    }
}

/// What cron runs every night: nothing is due, and everything is verified; and what a person looks at.
fn nothing_due(scale: Scale, place: &Place) {
    let mut times = Vec::new();
    for count in [10, 1_000, 100_000].map(|count: usize| count.min(scale.most)) {
        let state = place.fresh();
        let list = place.fresh();
        let names: Vec<String> = (1..count).map(|number| format!("client-{number:06}")).collect();
        std::fs::write(&list, names.join("\n")).expect("a file of names");
        run(kitcert().arg("--state").arg(&state).args([
            "init",
            "--host",
            "127.0.0.1",
            "--host",
            "localhost",
        ]));
        let daemon = Daemon::start(&state.join("daemons/builder/current"));
        let endpoint = format!("endpoint: tcp://127.0.0.1:{}", daemon.port());
        let inventory = std::fs::read_to_string(state.join("kitcert.yaml")).expect("kitcert.yaml");
        let inventory = inventory.replace("endpoint: tcp://127.0.0.1:8372", &endpoint);
        std::fs::write(state.join("kitcert.yaml"), inventory).expect("room for kitcert.yaml");
        run(kitcert().arg("--state").arg(&state).args(["-q", "issue", "client", "--from"]).arg(&list));
        run(kitcert().arg("--state").arg(&state).args(["verify", "builder"]));
        let on = |command: &'static str| {
            let state = state.clone();
            move || run(kitcert().arg("--state").arg(&state).arg(command))
        };
        let mut contenders = [
            Contender::new("kitcert rotate, nothing due", on("rotate")),
            Contender::new("kitcert status", on("status")),
        ];
        let runs = if count > 1_000 { scale.long_runs } else { scale.short_runs };
        let medians = compare(&format!("{count} identities; {}", place.label), runs, &mut contenders);
        let aim = Aim { words: "below 5 ms", is_met: medians[0].as_secs_f64() < 0.005 };
        let figure = format!("rotate with nothing due, {count} identities");
        publish(SECTION, &figure, milliseconds(medians[0]), (count == 10).then_some(aim));
        publish(SECTION, &format!("status, {count} identities"), milliseconds(medians[1]), None);
        times.push((count, medians[0]));
    }
    if let [_, (some, first), (most, last)] = times[..] {
        let growth = ratio(last, first) / (most as f64 / some as f64);
        println!("  from {some} to {most} identities, rotate takes {growth:.2} times as long for each");
        let aim = Aim { words: "at most 1.2 (linear)", is_met: growth <= 1.2 };
        let figure = format!("rotate with nothing due, cost an identity at {most} over that at {some}");
        publish(SECTION, &figure, format!("{growth:.2}"), Some(aim));
    }
}

fn init_command(state: &Path) -> Command {
    let mut command = kitcert();
    command.arg("--state").arg(state).args(["init", "--host", "localhost", "--client", "ana"]);
    command
}

fn kitcert() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kitcert"))
}

/// Runs a program to its end, which must be a good one.
fn run(command: &mut Command) {
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let ended = ended.expect("a program that starts");
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

const SECTION: &str = "speed";
