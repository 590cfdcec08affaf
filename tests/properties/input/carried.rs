//! Files that carry credentials or name them, mangled and mixed, many thousands: Secrets of Kubernetes, compose
//! files, variables of a CI, `buildkitd.toml`, `config.yml`, `kitcert.yaml`, kits, requests. None makes `inspect`
//! panic, no message has a part of a key, and no Secret is called sound whose files Go refuses.
//!
//! `KITCERT_MIXED` says how many are tried; the published figure is that of 100,000.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use kitcert::model::{Finding, Severity, Timestamp};
use rayon::prelude::*;
use serde_yaml::Value;

use crate::figures::{Aim, publish};
use crate::input::fed::{made, words_of_go};
use crate::input::mixed::{FILES, REASONS, Set, changed, pool};
use crate::support::numbers::{Numbers, number};
use crate::support::peers;
use crate::support::secrets;

/// What a Secret of type `kubernetes.io/tls` calls the three files.
const NAMES: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];
/// Why kitcert refuses a Secret that Go accepts, beside the reasons of its files.
const OF_A_SECRET: &[(&str, &str)] = &[
    ("client-chain", "the leaf is in the bundle, and is not of its CA"),
    ("chain-order", "the leaf must come first in what is shown"),
    ("key-format", "a key under a label or in a form that others than Go refuse"),
    ("unreadable-file", "one of its values is no credential, though the three that count are"),
    ("expired", "of several certificates one has ended that no chain needs"),
    ("not-yet-valid", "of several certificates one is not valid yet that no chain needs"),
    ("extended-key-usage", "of several certificates one is for something else, and no chain needs it"),
    ("outlives-issuer", "of two copies of the CA it outlives the one that has ended, which no chain needs"),
    ("subject-key-identifier", "a CA has none, and openssl in its strict mode and Python refuse that"),
    ("unexpected-extension", "a leaf beside the CA has one that nobody knows, and no chain needs it there"),
];

fn base64(bytes: &[u8]) -> String {
    let block = pem::encode(&pem::Pem::new("X", bytes));
    block.lines().filter(|line| !line.starts_with('-')).collect()
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let body: String = text.chars().filter(|one| !one.is_whitespace()).collect();
    let block = format!("-----BEGIN X-----\n{body}\n-----END X-----\n");
    pem::parse(block).ok().map(pem::Pem::into_contents)
}

fn indented(text: &[u8], blanks: usize) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().map(|line| format!("{:blanks$}{line}\n", "")).collect()
}

/// A file of each kind that has a set in it, or the paths of one.
fn carrier(numbers: &mut Numbers, set: &Set, seeds: &[(String, Vec<u8>)]) -> (String, Vec<u8>) {
    let [ca, cert, key] = &set.files;
    let block = |name: &str, text: &[u8]| format!("  {name}: |\n{}", indented(text, 4));
    let coded = |name: &str, text: &[u8]| format!("  {name}: {}\n", base64(text));
    let files = || NAMES.iter().zip([ca, cert, key]);
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: builder}\ntype: kubernetes.io/tls\n";
    let of = |name: &str, text: String| (name.to_owned(), text.into_bytes());
    match numbers.below(12) {
        0..=3 => {
            let data: String = files().map(|(name, text)| coded(name, text)).collect();
            of("secret.yaml", format!("{head}data:\n{data}"))
        }
        4 => {
            let data: String = files().map(|(name, text)| block(name, text)).collect();
            of("secret.yaml", format!("{head}stringData:\n{data}"))
        }
        5 => {
            let data: BTreeMap<_, _> = files().map(|(name, text)| (*name, base64(text))).collect();
            let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "data": data});
            let list =
                serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [&secret, {}, &secret]});
            let object = if numbers.below(2) == 0 { secret } else { list };
            of("secret.json", object.to_string())
        }
        6 => {
            let text = String::from_utf8_lossy(key).replace('\n', "\\n");
            let variables = format!("    environment:\n      KEY: \"{text}\"\n      - A=1\n");
            of(
                "compose.yml",
                format!("services:\n  b:\n    image: x\n{variables}configs:\n{}", block("ca", ca)),
            )
        }
        7 => {
            let text =
                format!("[grpc.tls]\n  cert = \"/etc/cert.pem\"\n  key = '''\n{}'''\n", indented(key, 0));
            of("buildkitd.toml", format!("{text}[registry.\"docker.io\"]\n  ca = [\"/etc/ca.pem\"]\n"))
        }
        8 => of("config.yml", format!("global:\n  tls_enabled: true\n  tlskey: |\n{}", indented(key, 4))),
        _ => {
            let (name, seed) = &seeds[numbers.below(seeds.len())];
            (name.clone(), seed.clone())
        }
    }
}

/// Files of the kinds that have a reader of their own.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/fuzz/corpus/kit", "tests/fuzz/corpus/inventory", "tests/fuzz/corpus/daemon-config"];
    let more = ["tests/fuzz/corpus/request", "fixtures/configs"];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .chain(&more)
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let named = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    files.into_iter().map(named).collect()
}

/// One input: a carrier, under its own name or another's, with up to three changes.
fn drawn(seed: usize, pool: &[Set], seeds: &[(String, Vec<u8>)]) -> (String, Vec<u8>) {
    let mut numbers = Numbers::of(seed);
    let mut set = pool[numbers.below(pool.len())].clone();
    if numbers.below(4) == 0 {
        let file = numbers.below(3);
        set.files[file] = pool[numbers.below(pool.len())].files[file].clone();
    }
    if numbers.below(3) == 0 {
        let file = numbers.below(3);
        set.files[file] = changed(&mut numbers, set.files[file].clone(), pool);
    }
    let (mut name, mut bytes) = carrier(&mut numbers, &set, seeds);
    if numbers.below(8) == 0 {
        name = ["key.pem", "ca.pem", "x.yml", "x.toml", "ana.kit", "x.csr", "x"][numbers.below(7)].to_owned();
    }
    for _ in 0..numbers.below(4).saturating_sub(1) {
        bytes = changed(&mut numbers, bytes, pool);
    }
    (name, bytes)
}

/// The files of the one Secret that is all of a file, as they would be mounted; None for any other file.
fn mounted(bytes: &[u8]) -> Option<[Vec<u8>; 3]> {
    let root: Value = serde_yaml::from_slice(bytes).ok()?;
    (root.get("kind")?.as_str()? == "Secret" && root.get("apiVersion")?.is_string()).then_some(())?;
    let file = |name: &&str| match root.get("stringData").and_then(|data| data.get(*name)) {
        Some(text) => Some(text.as_str()?.as_bytes().to_vec()),
        None => decoded(root.get("data")?.get(*name)?.as_str()?),
    };
    let files: Vec<Vec<u8>> = NAMES.iter().map(file).collect::<Option<_>>()?;
    files.try_into().ok()
}

struct Judged {
    seed: usize,
    gravest: Severity,
    refused: Option<String>,
    is_told: bool,
    said: String,
    folder: Option<PathBuf>,
}

fn judged(seed: usize, (name, bytes): &(String, Vec<u8>), place: &Path, now: Timestamp) -> Judged {
    let findings =
        catch_unwind(AssertUnwindSafe(|| kitcert::apply::judged_bytes(bytes, Path::new(name), now)));
    let findings = findings.unwrap_or_else(|_| panic!("a panic at {seed}"));
    let said = format!("{findings:?}");
    let folder = mounted(bytes).map(|files| {
        let folder = place.join(seed.to_string());
        std::fs::create_dir(&folder).unwrap();
        FILES.iter().zip(files).for_each(|(file, bytes)| std::fs::write(folder.join(file), bytes).unwrap());
        folder
    });
    let error = findings.iter().find(|one| one.severity >= Severity::Error);
    Judged {
        seed,
        gravest: Finding::gravest(&findings),
        refused: error.map(|one| one.rule.as_str().to_owned()),
        is_told: secrets::is_in(&said),
        said,
        folder,
    }
}

#[test]
fn nothing_that_carries_credentials_makes_inspect_panic_or_tell_a_key_or_trust_what_go_refuses() {
    const TEST: &str =
        "nothing_that_carries_credentials_makes_inspect_panic_or_tell_a_key_or_trust_what_go_refuses";
    let count = number("KITCERT_MIXED", 1_000);
    let Some(go) = peers::program("go-peer", TEST) else { return };
    let Some(folder) = made(TEST) else { return };
    let (pool, seeds) = (pool(folder.path()), seeds());
    for kind in std::fs::read_dir(folder.path().join("clients")).unwrap() {
        secrets::learn(&kind.unwrap().path().join("key.pem"));
    }
    let now = Timestamp::from_unix(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64);
    let (mut secrets, mut sound, mut kinds, mut wrong) = (0, 0, BTreeMap::<String, usize>::new(), Vec::new());
    let all: Vec<usize> = (0..count).collect();
    for batch in all.chunks(2_000) {
        let place = tempfile::tempdir().unwrap();
        let judge = |seed: &usize| judged(*seed, &drawn(*seed, &pool, &seeds), place.path(), now);
        let judged: Vec<Judged> = batch.par_iter().map(judge).collect();
        let told = judged.iter().filter(|one| one.is_told);
        wrong.extend(told.map(|one| format!("{} tells a part of a key", one.seed)));
        let mountable: Vec<&Judged> = judged.iter().filter(|one| one.folder.is_some()).collect();
        let words = |role: &'static str| {
            let folders: Vec<_> = mountable.iter().map(|one| (one.folder.clone().unwrap(), role)).collect();
            words_of_go(&go, &folders, now)
        };
        // Whether it is for a client or for a daemon a Secret does not say.
        let words = words("client").into_iter().zip(words("server"));
        for (one, (as_client, as_daemon)) in mountable.iter().zip(words) {
            let go = as_client.and(as_daemon);
            secrets += 1;
            let is_sound = one.gravest < Severity::Warning;
            sound += usize::from(is_sound);
            match (is_sound, &one.refused, go) {
                (true, _, Some(why)) => {
                    wrong.push(format!("{} is called sound, and Go says {why}: {}", one.seed, one.said));
                }
                (false, Some(rule), None) => {
                    let known = REASONS.iter().chain(OF_A_SECRET);
                    let has_reason = known.clone().any(|(known, why)| known == rule && why.len() > 20);
                    let counted = kinds.entry(rule.clone()).or_default();
                    if *counted == 0 && !has_reason {
                        wrong
                            .push(format!("{}: Go accepts it; no reason for {rule}: {}", one.seed, one.said));
                    }
                    *counted += 1;
                }
                _ => {}
            }
        }
    }
    println!("{count} files, {secrets} Secrets, {sound} of them sound; refused, and Go accepts: {kinds:?}");
    let aim = Aim { words: "no panic, no leak, no Secret sound that Go refuses", is_met: wrong.is_empty() };
    publish("fed", "files that carry credentials, mangled and mixed", count, Some(aim));
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(secrets * 10 > count && sound * 30 > count, "{secrets} Secrets, {sound} sound of {count}");
}
