//! Everything that reads what others have written, given what nobody meant to write: it says what is
//! wrong and never panics, and what it takes it prints as it took it.
//!
//! The readers and what is changed for each are in `tests/fuzz`; which inputs are tried is the same in
//! every run. `KITCERT_EXECUTIONS` says how many for each reader. `tests/fuzz/run` looks for others, by
//! what code they reach.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::figures::{Aim, publish};
use crate::support::numbers::{Numbers, number};
use readers::{READERS, Reader};

#[path = "../../fuzz/readers.rs"]
mod readers;

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
    let seeds = reader.seeds(Path::new(env!("CARGO_MANIFEST_DIR")));
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

const EXECUTIONS: usize = 2_000;
