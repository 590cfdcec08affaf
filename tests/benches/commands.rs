//! Whole processes beside what an admin would run instead, and beside what the machine can do at
//! most. Nothing here asserts a time.
//!
//! `cargo bench --bench commands` measures; with `-- --test` everything runs once, with small
//! numbers. Files are written in `$KITCERT_BENCH_DIR`, by default `target/bench`, and in memory.

mod counterpart;
mod measure;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use counterpart::{Daemon, create_files, generate_and_sign, openssl_init, openssl_is_here};
use measure::{Contender, Place, Scale, compare, ratio};

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
    }
    for place in &places {
        bulk(scale, place);
    }
}

fn version(scale: Scale) {
    let mut contenders = vec![Contender::new("kitcert --version", || run(kitcert().arg("--version")))];
    if openssl_is_here() {
        contenders.push(Contender::new("openssl version", || run(Command::new("openssl").arg("version"))));
    }
    compare("start", scale.short_runs, &mut contenders);
}

fn init(scale: Scale, place: &Place) {
    let ours = || run(&mut init_command(&place.fresh()));
    let mut contenders = vec![Contender::new("kitcert init, every file durable", ours)];
    if openssl_is_here() {
        contenders.push(Contender::timed("openssl req -x509 three times, nothing durable", || {
            let folder = place.fresh();
            std::fs::create_dir(&folder).expect("a fresh folder");
            let began = Instant::now();
            openssl_init(&folder);
            began.elapsed()
        }));
    }
    compare(
        &format!("init: a CA, localhost, one client; {}", place.label),
        scale.short_runs,
        &mut contenders,
    );
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
    compare(&format!("verify against {}", daemon.label()), scale.short_runs, &mut contenders);
}

/// A bulk issue beside its two ceilings: ring alone, and the files alone.
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
    let medians = compare(
        &format!("issue client --from, {} names; {}", scale.names, place.label),
        scale.long_runs,
        &mut [
            Contender::timed("kitcert issue client --from, all durable", ours),
            Contender::new("ring alone: a P-256 key and a signature each", || generate_and_sign(scale.names)),
            Contender::timed("as many files in such folders, made durable", files),
        ],
    );
    if let [ours, ring, files] = medians[..] {
        let rate = |time: Duration| scale.names as f64 / time.as_secs_f64();
        println!("  {:54} {:>9} {:9.0}", "kitcert, certificates a second", "", rate(ours));
        println!("  {:54} {:>9} {:9.0}", "ring alone, keys and signatures a second", "", rate(ring));
        println!(
            "  {:54} {:>9} {:9.2}",
            "ratio to the slower of the two ceilings",
            "",
            ratio(ours, ring.max(files))
        );
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
