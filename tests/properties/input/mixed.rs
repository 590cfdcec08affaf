//! Credentials that are mangled, mixed and misnamed, many thousands: none makes the program panic, no
//! message has a part of a key, and none is called sound that Go or openssl in its strict mode refuses.
//! What is refused and Go accepts is counted, and each kind has a reason.
//!
//! `KITCERT_MIXED` says how many are tried; the published figure is that of 100,000.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kitcert::model::{Failure, Finding, Role, Severity, Timestamp};
use kitcert::pki::judge::{self, Credentials, FileNames, Peer, Standard};
use kitcert::pki::{Certificate, KeyFile, TrustBundle, WrongForm};
use rayon::prelude::*;

use crate::figures::{Aim, publish};
use crate::input::fed::{made, word_of_openssl_on_a_chain, word_of_openssl_on_a_key, words_of_go};
use crate::support::numbers::{Numbers, number};
use crate::support::peers;
use crate::support::secrets;

/// Why kitcert refuses what Go accepts, by the rule of its first error or by where reading ends.
pub const REASONS: &[(&str, &str)] = &[
    ("reading the certificate", "Go passes over a block that is damaged, so that another is the leaf"),
    ("reading the private key", "Go passes over a block that is damaged, and takes a key behind it"),
    ("bundle-block-dropped", "Go drops the block without a word, and starts without that CA"),
    ("key-in-bundle", "a ca.pem is handed to everybody, and whoever has read this one may have the key"),
    ("chain-untrusted", "a chain longer than sixteen certificates is nobody's"),
    ("subject-alt-name", "openssl, GnuTLS or Python refuse the name, or nobody can match it"),
    ("signature-algorithm", "a signature that cannot be checked here is not called good"),
    ("wrong-form", "a byte order mark hides the first block from Go, which takes the next for it"),
    ("key-mismatch", "of a P-521 key the public half in the file is compared, and Go makes its own"),
    ("reading the CA bundle", "the one certificate of the bundle has an extension that is damaged"),
    ("weak-key", "openssl's default level, or ring, refuses so short a key, or does not know its kind"),
    ("authority-key-identifier", "openssl finds no issuer; Go takes the identifier for a hint"),
];

/// The three files of a client.
#[derive(Clone)]
pub struct Set {
    pub files: [Vec<u8>; 3],
}

pub const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// What kitcert makes of a set: what would be printed, and why it is refused.
struct Judged {
    /// Nothing at all is at fault.
    is_sound: bool,
    /// The first error's rule, or what was being read.
    refused: Option<String>,
    /// Every message.
    said: String,
}

/// openssl's words of a set, each of its two commands run once for the same files: most sets that are sound are
/// one of the pool's with a change that openssl does not see.
#[derive(Default)]
struct Strict {
    words: Mutex<HashMap<u64, Option<String>>>,
}

impl Strict {
    fn word_of(&self, openssl: &Path, folder: &Path, set: &Set) -> Option<String> {
        let [ca, cert, key] = &set.files;
        let once = |of: &dyn Fn() -> Option<String>, hash: u64| {
            if let Some(word) = self.words.lock().unwrap().get(&hash) {
                return word.clone();
            }
            let word = of();
            self.words.lock().unwrap().insert(hash, word.clone());
            word
        };
        let chain = once(&|| word_of_openssl_on_a_chain(openssl, folder, "client"), hash_of(&(ca, cert)));
        chain.or_else(|| once(&|| word_of_openssl_on_a_key(openssl, folder), hash_of(&key)))
    }
}

fn hash_of(files: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

fn judged(set: &Set, now: Timestamp) -> Judged {
    let [ca, cert, key] = &set.files;
    let ended = |failure: Failure| Judged {
        is_sound: false,
        refused: Some(
            ["the certificate", "the private key", "the CA bundle"]
                .into_iter()
                .find_map(|what| {
                    let what = format!("reading {what}");
                    failure.to_string().starts_with(&what).then_some(what)
                })
                .unwrap_or_default(),
        ),
        said: failure.to_string(),
    };
    let trust = match TrustBundle::from_pem(ca, "ca.pem") {
        Ok(trust) => trust,
        Err(failure) => return ended(failure),
    };
    let chain = match Certificate::chain_from_pem(cert, "cert.pem") {
        Ok(chain) => chain,
        Err(failure) => return ended(failure),
    };
    let key = match KeyFile::read(key, "key.pem") {
        Ok(key) => key,
        Err(failure) => return ended(failure),
    };
    let credentials = Credentials { role: Role::Client, chain: &chain, key: key.public_key(), trust: &trust };
    let names = FileNames { certificate: &"cert.pem", key: &"key.pem" };
    let mut findings = judge::key_file(&key, "key.pem");
    for (file, bytes) in FILES.iter().zip(&set.files) {
        findings.extend(judge::read_by_go_alone(bytes, *file));
    }
    // A bundle in a form that nobody reads is read all the same, and told.
    findings.extend(WrongForm::fix(ca).map(|(_, form)| judge::wrong_form(form, "ca.pem")));
    findings.extend(judge::credentials(&credentials, &[], (Standard::InUse, now), names));
    // As inspect and a dial do, each CA by itself.
    let daemon = Peer { trust: &trust, accepts: Role::Client, host: None, now };
    findings.extend(daemon.further_findings(&chain));
    let error = findings.iter().find(|one| one.severity >= Severity::Error);
    Judged {
        is_sound: Finding::gravest(&findings) < Severity::Warning,
        refused: error.map(|one| one.rule.as_str().to_owned()),
        said: format!("{findings:?}"),
    }
}

/// Every kind of files that people feed.
pub fn pool(folder: &Path) -> Vec<Set> {
    let mut kinds: Vec<PathBuf> =
        std::fs::read_dir(folder.join("clients")).unwrap().map(|entry| entry.unwrap().path()).collect();
    kinds.sort();
    // A hundred public CAs cost a second each time, and say nothing that seventeen do not.
    kinds.retain(|kind| !kind.ends_with("ca-of-the-system"));
    let read = |kind: &PathBuf| Set { files: FILES.map(|file| std::fs::read(kind.join(file)).unwrap()) };
    kinds.iter().map(read).collect()
}

const LABELS: [&[u8]; 7] = [
    b"CERTIFICATE",
    b"PRIVATE KEY",
    b"EC PRIVATE KEY",
    b"RSA PRIVATE KEY",
    b"TRUSTED CERTIFICATE",
    b"X509 CRL",
    b"ENCRYPTED PRIVATE KEY",
];

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|part| part == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// One change to a file, of which half keep it what it is.
pub fn changed(numbers: &mut Numbers, file: Vec<u8>, others: &[Set]) -> Vec<u8> {
    let lines =
        |file: &[u8]| -> Vec<Vec<u8>> { file.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() };
    let other = &others[numbers.below(others.len())].files[numbers.below(3)];
    let mut file = file;
    let at = numbers.below(file.len() + 1);
    match numbers.below(16) {
        0 => replaced(&file, b"\n", b"\r\n"),
        1 => [b"# ours\n".as_slice(), &file].concat(),
        2 => [file.as_slice(), b"\n", other].concat(),
        3 => [other.as_slice(), b"\n", &file].concat(),
        4 => [b"\xef\xbb\xbf".as_slice(), &file].concat(),
        5 => replaced(&file, b"\n", [&b" "[..], b"\\n", b"\r", b"", b"\n\n", b"\n "][numbers.below(6)]),
        6 => {
            let (from, to) = (LABELS[numbers.below(7)], LABELS[numbers.below(7)]);
            replaced(&file, from, to)
        }
        7 => {
            file.truncate(at);
            file
        }
        8 if at < file.len() => {
            file[at] ^= 1 << numbers.below(8);
            file
        }
        9 => {
            let mut all = lines(&file);
            let (one, two) = (numbers.below(all.len()), numbers.below(all.len()));
            all.swap(one, two);
            all.join(&b'\n')
        }
        10 => {
            let mut all = lines(&file);
            all.remove(numbers.below(all.len()));
            all.join(&b'\n')
        }
        11 => {
            let mut all = lines(&file);
            let from = numbers.below(all.len());
            let part = all[from..].to_vec();
            all.splice(from..from, part);
            all.join(&b'\n')
        }
        12 => pem::encode(&pem::Pem::new("CERTIFICATE", file)).into_bytes(),
        13 => [file.as_slice(), b"\n\n"].concat(),
        14 => file.iter().flat_map(|byte| [*byte, 0]).collect(),
        _ => file,
    }
}

/// Two of three files of one kind and the third of another, files under each other's names, and up to two
/// changes.
fn mixed(seed: usize, pool: &[Set]) -> Set {
    let mut numbers = Numbers::of(seed);
    let mut set = pool[numbers.below(pool.len())].clone();
    if numbers.below(4) == 0 {
        let file = numbers.below(3);
        set.files[file] = pool[numbers.below(pool.len())].files[file].clone();
    }
    if numbers.below(12) == 0 {
        set.files.swap(numbers.below(3), numbers.below(3));
    }
    for _ in 0..numbers.below(3) {
        let file = numbers.below(3);
        set.files[file] = changed(&mut numbers, set.files[file].clone(), pool);
    }
    set
}

#[test]
fn nothing_mangled_mixed_or_misnamed_is_sound_to_kitcert_alone() {
    const TEST: &str = "nothing_mangled_mixed_or_misnamed_is_sound_to_kitcert_alone";
    let count = number("KITCERT_MIXED", 1_000);
    let Some(go) = peers::program("go-peer", TEST) else { return };
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let Some(folder) = made(TEST) else { return };
    let pool = pool(folder.path());
    for kind in std::fs::read_dir(folder.path().join("clients")).unwrap() {
        secrets::learn(&kind.unwrap().path().join("key.pem"));
    }
    let now = Timestamp::from_unix(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut sound, mut accepted, mut wrong) = (0, 0, Vec::new());
    let openssls = Strict::default();
    let all: Vec<usize> = (0..count).collect();
    for seeds in all.chunks(BATCH) {
        let place = tempfile::tempdir().unwrap();
        let known = wrong.len();
        let judged: Vec<(Judged, PathBuf, bool, Option<String>)> = seeds
            .par_iter()
            .map(|seed| {
                let set = mixed(*seed, &pool);
                let folder = place.path().join(seed.to_string());
                std::fs::create_dir(&folder).unwrap();
                for (file, bytes) in FILES.iter().zip(&set.files) {
                    std::fs::write(folder.join(file), bytes).unwrap();
                }
                let judged = catch_unwind(AssertUnwindSafe(|| judged(&set, now)));
                let judged = judged.unwrap_or_else(|_| panic!("a panic at {seed}"));
                let is_told = secrets::is_in(&judged.said);
                let word = || openssls.word_of(&openssl, &folder, &set);
                let word = judged.is_sound.then(word).flatten();
                (judged, folder, is_told, word)
            })
            .collect();
        let folders: Vec<_> = judged.iter().map(|(_, folder, ..)| (folder.clone(), "client")).collect();
        let words = words_of_go(&go, &folders, now);
        for ((judged, folder, is_told, strict), go) in judged.iter().zip(words) {
            let seed = folder.file_name().unwrap().to_string_lossy().into_owned();
            accepted += usize::from(go.is_none());
            sound += usize::from(judged.is_sound);
            if judged.is_sound && (go.is_some() || strict.is_some()) {
                wrong.push(format!("{seed} is called sound: Go {go:?}, openssl {strict:?}"));
            }
            if *is_told {
                wrong.push(format!("{seed} shows a part of a key"));
            }
            if let (Some(kind), None) = (&judged.refused, &go) {
                let counted = kinds.entry(kind.clone()).or_default();
                if *counted == 0 && !REASONS.iter().any(|(known, why)| known == kind && why.len() > 20) {
                    wrong.push(format!(
                        "{seed}: Go accepts it, and there is no reason for {kind}: {}",
                        judged.said
                    ));
                }
                *counted += 1;
            }
        }
        if wrong.len() > known {
            println!("kept: {}", place.keep().display());
        }
    }
    println!("{count} sets: {sound} sound, {accepted} accepted by Go, refused of these: {kinds:?}");
    let aim =
        Aim { words: "no panic, no leak, none sound that Go or openssl refuses", is_met: wrong.is_empty() };
    publish("fed", "sets mangled, mixed and misnamed", count, Some(aim));
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(sound * 20 > count && accepted * 10 > count, "{sound} sound and {accepted} accepted of {count}");
}

/// So many are on disk at a time.
const BATCH: usize = 2_000;
