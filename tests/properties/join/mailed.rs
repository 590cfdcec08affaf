//! A kit is joined whatever mail, a clipboard or a shell has made of its lines, and what cannot be joined is
//! named.
//!
//! `KITCERT_MAILED` says how many ways are tried, each of several changes.

use crate::join::joining::{Machines, fingerprint};
use crate::support::numbers::{Numbers, number};

/// A change that leaves every line what it is.
fn changed(numbers: &mut Numbers, text: &str) -> String {
    let each = |text: &str, line: &dyn Fn(&str) -> String| -> String {
        text.split_inclusive('\n').map(line).collect()
    };
    match numbers.below(8) {
        0 => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        1 => {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let at = numbers.below(lines.len());
            [&lines[..at].concat(), "\n", &lines[at..].concat()].concat()
        }
        2 => text.trim_end().to_owned(),
        3 => format!("{text}\n\n"),
        4 => {
            let quote = ["> ", ">", ">> ", "    ", "\t", "> > "][numbers.below(6)];
            each(text, &|line| {
                if line.trim().is_empty() { line.to_owned() } else { format!("{quote}{line}") }
            })
        }
        5 => each(text, &|line| format!("{} \n", line.trim_end())),
        6 => text.replace("\r\n", "\n").replace('\n', "\n\n"),
        _ => format!("\n{text}"),
    }
}

/// The bytes of a text, as one of four programs stores it.
fn stored(numbers: &mut Numbers, text: &str) -> Vec<u8> {
    let utf16 = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
        mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect()
    };
    match numbers.below(8) {
        0 => utf16([0xff, 0xfe], u16::to_le_bytes),
        1 => utf16([0xfe, 0xff], u16::to_be_bytes),
        2 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        _ => text.as_bytes().to_vec(),
    }
}

#[test]
fn a_kit_is_joined_whatever_was_made_of_its_lines() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let kit = machines.developer.read("ana.kit");
    let certs = machines.developer.path("home/.earthly/certs");
    let count = number("KITCERT_MAILED", 24);
    for seed in 0..count {
        let mut numbers = Numbers::of(seed);
        let mut text = kit.clone();
        for _ in 0..=numbers.below(3) {
            text = changed(&mut numbers, &text);
        }
        machines.developer.write("ana.kit", stored(&mut numbers, &text));
        let said = machines.join(&["--fingerprint", fingerprint(&answer)]);
        assert_eq!(said.code, 0, "{seed}: {said:?}\n{text}");
        assert!(said.out.contains("verified: client accepted"), "{seed}: {said:?}");
        std::fs::remove_dir_all(&certs).unwrap();
        let said = machines.developer.run(["inspect", "ana.kit"]);
        assert!(said.code == 0 && said.out.contains("kit"), "{seed}: {said:?}");
    }
}

#[test]
fn a_kit_that_cannot_be_joined_is_named_with_what_to_do() {
    // Whether base64 ends in `=`, which quoted-printable encodes, depends on how long the signatures are.
    let (machines, answer, kit) = std::iter::repeat_with(|| {
        let machines = Machines::new();
        let answer = machines.kit(&[]);
        let kit = machines.developer.read("ana.kit");
        (machines, answer, kit)
    })
    .find(|(_, _, kit)| kit.contains('='))
    .unwrap();
    let quoted: String = kit.lines().map(|line| format!("> {line}\n")).collect();
    let lines: Vec<&str> = kit.lines().collect();
    let half = lines[..lines.len() / 2].join("\n");
    let above = "delete the lines above the one that begins with sha256";
    let below = "delete the lines below the one that begins with signature";
    let ask = "ask whoever sent it to send it again, as a file";
    for (what, text, found, fix) in [
        ("a greeting", format!("Hello Ana\n\n{kit}"), "a kit with other text before it", above),
        ("a reply", format!("On Monday, Jo wrote:\n{quoted}"), "a kit with other text before it", above),
        ("a signature", format!("{kit}-- \nJo\n"), "a kit with other text behind it", below),
        ("quoted-printable", kit.replace('=', "=3D"), "one that mail has encoded (quoted-printable)", ask),
        ("half of it", half, "one that was cut off on its way: its last line is missing", ask),
        (
            "half of it, from behind",
            kit[kit.find("name:").unwrap()..].into(),
            "its first line is missing",
            ask,
        ),
        ("one line", lines.join(" "), "one that was cut off on its way", ask),
        ("one quoted line", kit.replacen("\nname", "\n> name", 1), "one that was damaged on its way", ask),
        ("wrapped lines", kit.replacen("MII", "MII\n", 1), "one that was damaged on its way", ask),
    ] {
        machines.developer.write("ana.kit", &text);
        let said = machines.join(&["--fingerprint", fingerprint(&answer)]).ended_with(1);
        assert!(said.err.contains(found), "{what}: {said:?}");
        assert!(said.err.contains(&format!("\nfix: {fix}")), "{what}: {said:?}");
        assert!(!machines.developer.path("home/.earthly/certs/cert.pem").exists(), "{what}");
        machines.developer.run(["inspect", "ana.kit"]).ended_with(3);
    }
}
