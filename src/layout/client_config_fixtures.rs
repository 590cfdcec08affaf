//! Every shape of `config.yml` under `fixtures/configs`, and what an edit makes of it. What it
//! makes of the file is in `fixtures/configs/edited` under the same name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{ClientConfig, ClientSettings, ConfigEdit, EnableTls, SetFile, edit_client_config, lines_to_add};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Becomes the file of that name in `edited`.
    Edited,
    /// Says everything already.
    Unchanged,
    /// Loads, is left alone, and the lines to add are given.
    ByHand,
    /// Has TLS switched off, and is edited only on request.
    Disabled,
    /// Is refused by Earthly, too.
    Broken,
}
use Outcome::{Broken, ByHand, Disabled, Edited, Unchanged};

const OUTCOMES: &[(&str, Outcome)] = &[
    ("already-set", Unchanged),
    ("blank-lines", Edited),
    ("block-scalar-keep", Edited),
    ("block-scalar-last-no-newline", Edited),
    ("block-scalar-toml", Edited),
    ("broken-duplicate-deep", Broken),
    ("broken-duplicate-key", Broken),
    ("broken-duplicate-section", Broken),
    ("broken-duplicate-password", Broken),
    ("broken-duration", Broken),
    ("broken-encoding", Broken),
    ("broken-git-scalar", Broken),
    ("broken-global-list", Broken),
    ("broken-global-scalar", Broken),
    ("broken-list-for-text", Broken),
    ("broken-merge", Broken),
    ("broken-number-boolean", Broken),
    ("broken-quoted-boolean", Broken),
    ("broken-quoted-number", Broken),
    ("broken-root-list", Broken),
    ("broken-root-scalar", Broken),
    ("broken-tab", Broken),
    ("broken-template", Broken),
    ("broken-text-for-number", Broken),
    ("broken-unclosed", Broken),
    ("broken-unknown-alias", Broken),
    ("broken-version", Broken),
    ("byte-order-mark", Edited),
    ("comments-only", Edited),
    ("crlf", Edited),
    ("crlf-no-global", Edited),
    ("developer", Edited),
    ("empty", Edited),
    ("end-marker", Edited),
    ("existing-tls", Edited),
    ("explicit-key", ByHand),
    ("flow-global", ByHand),
    ("flow-over-lines", ByHand),
    ("flow-root", ByHand),
    ("folded-scalar", Edited),
    ("foreign-block-scalar-last", Edited),
    ("foreign-block-scalar-unfinished", Edited),
    ("git-before-global", Edited),
    ("global-alias", ByHand),
    ("global-anchored", Edited),
    ("global-anchored-shared", ByHand),
    ("global-empty-flow", Edited),
    ("global-last-without-newline", Edited),
    ("global-null", Edited),
    ("global-null-commented-children", Edited),
    ("global-tilde", Edited),
    ("hash-in-quotes", Edited),
    ("indented-root", Edited),
    ("list-at-section-indent", Edited),
    ("marker-only", Edited),
    ("merge-key", Edited),
    ("merge-key-disabled", Disabled),
    ("merge-list", Edited),
    ("misspelt-keys", Edited),
    ("mixed-line-breaks", Edited),
    ("no-break-space", Edited),
    ("no-final-newline", Edited),
    ("non-ascii", Edited),
    ("numbers-of-yaml-1-1", Edited),
    ("only-git", Edited),
    ("other-case", Edited),
    ("quoted-keys", Edited),
    ("quoted-look-alike", Edited),
    ("quoted-over-lines", Edited),
    ("same-file-twice", Edited),
    ("satellite-era", Edited),
    ("second-document-broken", Broken),
    ("start-and-end-markers", Edited),
    ("tabs-behind-values", Edited),
    ("tls-disabled", Disabled),
    ("tls-null", Edited),
    ("tls-off-word", Disabled),
    ("two-documents", Edited),
    ("two-documents-first-without-global", Edited),
    ("value-alias", Edited),
    ("value-anchored", ByHand),
    ("value-on-the-next-line", ByHand),
    ("value-over-lines", ByHand),
    ("value-over-lines-unchanged", Edited),
    ("value-tagged", ByHand),
    ("windows-path", Edited),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configs")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.yml"))).unwrap()
}

fn settings(enable_tls: EnableTls) -> ClientSettings {
    ClientSettings {
        endpoint: "tcp://builder.example.com:8372".parse().unwrap(),
        tls_ca: "./certs/ca.pem".to_owned(),
        tls_cert: "./certs/cert.pem".to_owned(),
        tls_key: "./certs/key.pem".to_owned(),
        enable_tls,
    }
}

fn path() -> &'static Path {
    Path::new("config.yml")
}

fn edited(current: &[u8], enable_tls: EnableTls) -> Option<Vec<u8>> {
    match edit_client_config(Some(current), path(), &settings(enable_tls)).ok()? {
        ConfigEdit::Changed { bytes, .. } => Some(bytes),
        ConfigEdit::Unchanged => None,
    }
}

fn says_everything(bytes: &[u8]) -> bool {
    let config = ClientConfig::parse(bytes, path()).unwrap();
    config.buildkit_host.as_deref() == Some("tcp://builder.example.com:8372")
        && config.tls_enabled
        && config.path_of(SetFile::Authority) == "./certs/ca.pem"
        && config.path_of(SetFile::Certificate) == "./certs/cert.pem"
        && config.path_of(SetFile::Key) == "./certs/key.pem"
}

fn outcome(current: &[u8]) -> Outcome {
    if ClientConfig::parse(current, path()).is_err() {
        return Broken;
    }
    match edit_client_config(Some(current), path(), &settings(EnableTls::OnlyIfUnset)) {
        Ok(ConfigEdit::Changed { .. }) => Edited,
        Ok(ConfigEdit::Unchanged) => Unchanged,
        Err(failure) if failure.what_was_found().starts_with("tls_enabled") => Disabled,
        Err(failure) => {
            assert!(failure.command_to_try().unwrap().contains("  tlskey: ./certs/key.pem\n"));
            ByHand
        }
    }
}

/// The lines of a file that set none of our keys, and so must survive byte for byte.
fn foreign_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let ours = ["global", "buildkit_host", "tls_enabled", "tlsca", "tlscert", "tlskey"];
    let is_ours = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let key = line.split(':').next().unwrap_or_default().trim().trim_matches(['"', '\'', '\u{feff}']);
        line.contains(':') && ours.contains(&key.trim_end().trim_end_matches(['"', '\'']))
    };
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !is_ours(line)).collect()
}

fn keeps_foreign_lines(before: &[u8], after: &[u8]) -> bool {
    let without_return = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let lines: Vec<_> = foreign_lines(before).into_iter().map(without_return).collect();
    let after: Vec<_> = foreign_lines(after).into_iter().map(without_return).collect();
    lines == after
}

#[test]
fn every_fixture_has_its_outcome() {
    let wrong: Vec<_> = OUTCOMES
        .iter()
        .map(|(name, expected)| (name, *expected, outcome(&fixture(name))))
        .filter(|(_, expected, found)| expected != found)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let named: BTreeSet<_> = OUTCOMES.iter().map(|(name, _)| format!("{name}.yml")).collect();
    let present: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yml"))
        .collect();
    assert_eq!(named, present);
}

#[test]
fn an_edit_makes_exactly_the_expected_file() {
    for (name, outcome) in OUTCOMES {
        let mode = match outcome {
            Edited => EnableTls::OnlyIfUnset,
            Disabled => EnableTls::EvenIfDisabled,
            Unchanged | ByHand | Broken => continue,
        };
        let before = fixture(name);
        let after = edited(&before, mode).unwrap();
        let expected = std::fs::read(folder().join(format!("edited/{name}.yml"))).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&after), String::from_utf8_lossy(&expected), "{name}");
        assert!(says_everything(&after), "{name}");
        assert!(keeps_foreign_lines(&before, &after), "{name}");
        let again = edit_client_config(Some(&after), path(), &settings(EnableTls::OnlyIfUnset)).unwrap();
        assert!(matches!(again, ConfigEdit::Unchanged), "{name}");
    }
}

#[test]
fn an_absent_file_becomes_the_lines_to_add() {
    let settings = settings(EnableTls::OnlyIfUnset);
    let ConfigEdit::Changed { bytes, keys } = edit_client_config(None, path(), &settings).unwrap() else {
        panic!("unchanged");
    };
    assert_eq!(String::from_utf8(bytes).unwrap(), lines_to_add(&settings));
    let keys: Vec<_> = keys.iter().map(|change| (change.key, change.from.as_deref())).collect();
    let expected = ["buildkit_host", "tls_enabled", "tlsca", "tlscert", "tlskey"].map(|key| (key, None));
    assert_eq!(keys, expected);
}

#[test]
fn a_change_tells_what_stood_there() {
    let edit = edit_client_config(
        Some(&fixture("tls-disabled")),
        path(),
        &ClientSettings { tls_ca: "/etc/ca.pem".to_owned(), ..settings(EnableTls::EvenIfDisabled) },
    );
    let ConfigEdit::Changed { keys, .. } = edit.unwrap() else { panic!("unchanged") };
    let keys: Vec<_> = keys.iter().map(|change| (change.key, change.from.as_deref(), &*change.to)).collect();
    assert_eq!(
        keys,
        [
            ("tls_enabled", Some("false"), "true"),
            ("tlsca", None, "/etc/ca.pem"),
            ("tlscert", None, "./certs/cert.pem"),
            ("tlskey", None, "./certs/key.pem"),
        ]
    );
}

#[test]
fn no_message_quotes_a_foreign_value() {
    for (name, _) in OUTCOMES {
        let result = edit_client_config(Some(&fixture(name)), path(), &settings(EnableTls::OnlyIfUnset));
        if let Err(failure) = result {
            let told = format!("{failure:?}");
            assert!(!told.contains("not-a-real-token"), "{name}: {told}");
        }
    }
}

/// One foreign line or block of the given indent.
fn foreign(indent: usize) -> impl Strategy<Value = String> {
    let pad = " ".repeat(indent);
    let nested = " ".repeat(indent + 3);
    (0usize..9, "[a-z]{3,8}", "[a-z0-9]{1,6}").prop_map(move |(shape, key, word)| match shape {
        0 => format!("{pad}# {key}: {word}\n"),
        1 => "\n".to_owned(),
        2 => format!("{pad}x_{key}: {word} # tlsca: {word}\n"),
        3 => format!("{pad}x_{key}: |\n{nested}global:\n{nested}tlskey: {word}\n\n"),
        4 => format!("{pad}x_{key}:\n{pad}- {word}\n{pad}- global: {word}\n"),
        5 => format!("{pad}x_{key}: {{tlsca: {word}, global: [1, 2]}}\n"),
        6 => format!("{pad}x_{key}: 'it''s: # {word}'\n"),
        7 => format!("{pad}x_{key}: \"{word}\n\n{nested}tlsca\"\n"),
        _ => format!("{pad}x_{key}: >-\n{nested}{word}\n{nested}# {key}\n"),
    })
}

/// Foreign lines whose keys differ.
fn foreign_lines_of(indent: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(foreign(indent), 0..5).prop_map(|blocks| {
        let number = |(at, block): (usize, String)| block.replacen("x_", &format!("x{at}_"), 1);
        blocks.into_iter().enumerate().map(number).collect()
    })
}

/// One of our keys, written in one of the ways that people write it.
fn own(indent: usize, key: &'static str) -> impl Strategy<Value = Option<String>> {
    let pad = " ".repeat(indent);
    (0usize..7, "[a-z]{1,6}").prop_map(move |(shape, word)| {
        let value = match (shape, key) {
            (0 | 1, _) => return None,
            (2, _) => String::new(),
            (3, "tls_enabled") => " no".to_owned(),
            (_, "tls_enabled") => " True  # on".to_owned(),
            (3, _) => format!(" '{word}#'   # was: {word}"),
            (4, _) => format!(" \"./{word} \\\" x\""),
            (5, _) => format!("   ./{word}#x.pem # {word}"),
            _ => " ~".to_owned(),
        };
        Some(format!("{pad}{key}:{value}\n"))
    })
}

fn section(indent: usize) -> impl Strategy<Value = String> {
    let ours =
        (own(indent, "tlsca"), own(indent, "tls_enabled"), own(indent, "tlskey"), own(indent, "tlscert"));
    (ours, own(indent, "buildkit_host"), foreign_lines_of(indent))
        .prop_map(|((a, b, c, d), e, foreign)| {
            let ours = [a, b, c, d, e].into_iter().flatten();
            foreign.into_iter().chain(ours).collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(|blocks| format!("global: # ours\n{}", blocks.concat()))
}

fn block_style_file() -> impl Strategy<Value = Vec<u8>> {
    let section = prop_oneof![Just(String::new()), section(2), section(4)];
    (foreign_lines_of(0), section, foreign_lines_of(0), any::<bool>(), any::<bool>()).prop_map(
        |(before, section, after, returns, final_newline)| {
            let after: String = after.concat().replace("\nx", "\ny").replacen('x', "y", 1);
            let mut text = format!("{}{section}{after}", before.concat());
            if !final_newline {
                text.truncate(text.trim_end().len());
            }
            if returns { text.replace('\n', "\r\n").into_bytes() } else { text.into_bytes() }
        },
    )
}

proptest! {
    #[test]
    fn every_foreign_line_of_a_block_style_file_survives(before in block_style_file()) {
        let edit = edit_client_config(Some(&before), path(), &settings(EnableTls::EvenIfDisabled)).unwrap();
        let ConfigEdit::Changed { bytes, .. } = edit else { panic!("unchanged") };
        prop_assert!(says_everything(&bytes));
        prop_assert!(keeps_foreign_lines(&before, &bytes), "{}", String::from_utf8_lossy(&bytes));
        let comments = |bytes| String::from_utf8_lossy(bytes).matches(" # ").count();
        prop_assert_eq!(comments(&before), comments(&bytes));
        prop_assert!(edited(&bytes, EnableTls::OnlyIfUnset).is_none());
    }

    #[test]
    fn any_path_is_read_back_as_it_was_given(tls_ca in any::<String>(), name in "existing-tls|empty|crlf") {
        let settings = ClientSettings { tls_ca: tls_ca.clone(), ..settings(EnableTls::OnlyIfUnset) };
        let edit = edit_client_config(Some(&fixture(&name)), path(), &settings).unwrap();
        let ConfigEdit::Changed { bytes, .. } = edit else { panic!("unchanged") };
        let config = ClientConfig::parse(&bytes, path()).unwrap();
        prop_assert_eq!(config.path_of(SetFile::Authority), &tls_ca);
    }
}
