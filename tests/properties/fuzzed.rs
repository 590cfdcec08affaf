//! Everything that reads what others have written, given what nobody meant to write: it says what is
//! wrong and never panics, and what it takes it prints as it took it.
//!
//! `tests/fuzz/corpus` has what is changed, a folder a reader; which inputs are tried is the same in
//! every run. `KITCERT_EXECUTIONS` says how many for each reader.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use kitcert::layout::{ClientConfig, DaemonConfig, Inventory};
use kitcert::model::{
    AuthorityName, Contact, Endpoint, FingerprintPrefix, IdentityName, Lifetime, RenewBefore, SubjectAltName,
    Timestamp,
};
use kitcert::pki::{Certificate, CertificateRequest, Kit, PrivateKey, Receipt, TrustBundle};

use crate::figures::{Aim, publish};
use crate::numbers::Numbers;
use crate::rotations_survive::number;

/// A reader, by name: where its seeds are, and what it does with an input. True where it takes it.
struct Reader {
    name: &'static str,
    seeds: &'static str,
    form: Form,
    read: fn(&[u8]) -> bool,
}

/// What is changed of a seed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The file.
    File,
    /// What the first block of its PEM holds.
    Der,
}

const READERS: [Reader; 10] = [
    Reader { name: "certificates in PEM", seeds: "fixtures/pki", form: Form::File, read: certificates },
    Reader { name: "certificates in DER", seeds: "fixtures/pki", form: Form::Der, read: certificate },
    Reader { name: "bundles", seeds: "fixtures/pki", form: Form::File, read: bundle },
    Reader { name: "keys", seeds: "fixtures/pki", form: Form::File, read: key },
    Reader { name: "requests", seeds: "tests/fuzz/corpus/request", form: Form::File, read: request },
    Reader { name: "kits", seeds: "tests/fuzz/corpus/kit", form: Form::File, read: kit },
    Reader { name: "kitcert.yaml", seeds: "tests/fuzz/corpus/inventory", form: Form::File, read: inventory },
    Reader {
        name: "buildkitd.toml",
        seeds: "tests/fuzz/corpus/daemon-config",
        form: Form::File,
        read: daemon_config,
    },
    Reader { name: "config.yml", seeds: "fixtures/configs", form: Form::File, read: client_config },
    Reader {
        name: "words of the command line",
        seeds: "tests/fuzz/corpus/words",
        form: Form::File,
        read: words,
    },
];

fn certificates(input: &[u8]) -> bool {
    Certificate::chain_from_pem(input, "input").is_ok_and(|chain| {
        let text: String = chain.iter().map(Certificate::to_pem).collect();
        let again = Certificate::chain_from_pem(text.as_bytes(), "again").unwrap();
        assert!(again == chain, "read again, it is another");
        true
    })
}

fn certificate(input: &[u8]) -> bool {
    Certificate::from_der(input).is_ok_and(|read| {
        // Everything that is shown of it.
        let _ = (read.names(), read.usable_names(), read.extended_key_usages(), read.subject().to_string());
        assert!(Certificate::from_der(read.der()).unwrap() == read, "read again, it is another");
        true
    })
}

fn bundle(input: &[u8]) -> bool {
    TrustBundle::from_pem(input, "input").is_ok_and(|read| {
        let again = TrustBundle::from_pem(read.to_pem().as_bytes(), "again").unwrap();
        assert!(again.certificates() == read.certificates(), "read again, it is another");
        true
    })
}

fn key(input: &[u8]) -> bool {
    PrivateKey::from_pem(input, "input").is_ok_and(|read| {
        let again = PrivateKey::from_pem(read.expose_pem().as_bytes(), "again").unwrap();
        assert!(again.public_key() == read.public_key(), "read again, it is another");
        true
    })
}

fn request(input: &[u8]) -> bool {
    CertificateRequest::from_pem(input, "input").is_ok()
}

fn kit(input: &[u8]) -> bool {
    Kit::from_text(input, "input").is_ok_and(|read| {
        assert!(read.to_text().as_bytes() == input, "a kit has one form");
        true
    })
}

fn inventory(input: &[u8]) -> bool {
    Inventory::parse(input, Path::new("kitcert.yaml")).is_ok()
}

fn daemon_config(input: &[u8]) -> bool {
    DaemonConfig::parse(input, Path::new("buildkitd.toml")).is_ok()
}

fn client_config(input: &[u8]) -> bool {
    ClientConfig::parse(input, Path::new("config.yml")).is_ok()
}

fn words(input: &[u8]) -> bool {
    fn is_printed_as_read<T: std::str::FromStr + std::fmt::Display + PartialEq>(text: &str) -> bool {
        text.parse::<T>().is_ok_and(|read| {
            let again = read.to_string().parse::<T>();
            assert!(again.is_ok_and(|again| again == read), "{text:?} is printed as another: {read}");
            true
        })
    }
    let text = String::from_utf8_lossy(input);
    text.lines().fold(false, |taken, line| {
        let _ = (line.parse::<FingerprintPrefix>(), line.parse::<Receipt>(), Timestamp::parse(line));
        let read = [
            is_printed_as_read::<Endpoint>(line),
            is_printed_as_read::<SubjectAltName>(line),
            is_printed_as_read::<Lifetime>(line),
            is_printed_as_read::<RenewBefore>(line),
            is_printed_as_read::<IdentityName>(line),
            is_printed_as_read::<AuthorityName>(line),
            is_printed_as_read::<Contact>(line),
        ];
        taken | read.contains(&true)
    })
}

/// What readers stumble over.
const TOKENS: [&[u8]; 24] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x06\x00",
    b"99999999999999999999",
    b"-1",
    b"&a [*a]",
    b"<<: *a",
    b"!!binary ",
    b"{{",
    b": |\n",
    b"\"\\ud800\"",
    b"xn--",
    b"::",
    b"%",
    "\u{202e}\u{0130}".as_bytes(),
];

fn changed(numbers: &mut Numbers, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len() + 1);
        let end = (at + 1 + numbers.below(40)).min(input.len());
        match numbers.below(7) {
            0 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            1 if at < input.len() => input[at] = u8::try_from(numbers.below(256)).unwrap(),
            2 => drop(input.drain(at.min(end)..end)),
            3 => {
                let part = input[at.min(end)..end].to_vec();
                input.splice(at..at, part);
            }
            4 => drop(input.splice(at..at, TOKENS[numbers.below(TOKENS.len())].iter().copied())),
            5 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len());
                let part = other[from..(from + numbers.below(200)).min(other.len())].to_vec();
                input.splice(at..end.max(at), part);
            }
            _ => input.truncate(at),
        }
    }
    input
}

/// Every file of a folder, and below.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of = |path: &PathBuf| if path.is_dir() { seeds(path) } else { vec![std::fs::read(path).unwrap()] };
    paths.iter().flat_map(of).collect()
}

#[test]
fn no_input_makes_a_reader_panic_and_what_it_takes_it_prints_as_it_took_it() {
    let executions = number("KITCERT_EXECUTIONS", EXECUTIONS);
    std::thread::scope(|scope| {
        for reader in READERS {
            scope.spawn(move || fuzz(&reader, executions));
        }
    });
    let aim = Aim { words: "no panic, and what is taken is printed as it was taken", is_met: true };
    let figure = format!("executions, each of {} readers", READERS.len());
    publish("fuzzing", &figure, executions, Some(aim));
}

fn fuzz(reader: &Reader, executions: usize) {
    let mut seeds = seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join(reader.seeds));
    if reader.form == Form::Der {
        let first = |seed: &Vec<u8>| Some(pem::parse_many(seed).ok()?.into_iter().next()?.into_contents());
        seeds = seeds.iter().filter_map(first).collect();
    }
    assert!(!seeds.is_empty(), "{}: no seeds", reader.name);
    for seed in &seeds {
        (reader.read)(seed);
    }
    let mut numbers = Numbers::default();
    let mut taken = 0;
    for execution in 0..executions {
        let input = changed(&mut numbers, &seeds);
        let read = catch_unwind(AssertUnwindSafe(|| (reader.read)(&input)));
        let shown = || String::from_utf8_lossy(&input).escape_debug().to_string();
        taken += usize::from(read.unwrap_or_else(|_| panic!("{} {execution}: {}", reader.name, shown())));
    }
    println!("{}: {taken} of {executions} taken", reader.name);
}

const EXECUTIONS: usize = 10_000;
