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
    ("broken-encoding", Broken),
    ("broken-git-scalar", Broken),
    ("broken-global-list", Broken),
    ("broken-global-scalar", Broken),
    ("broken-list-for-text", Broken),
    ("broken-number-boolean", Broken),
    ("broken-quoted-boolean", Broken),
    ("broken-root-list", Broken),
    ("broken-root-scalar", Broken),
    ("broken-tab", Broken),
    ("broken-template", Broken),
    ("broken-text-for-number", Broken),
    ("broken-unclosed", Broken),
    ("broken-unknown-alias", Broken),
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
    ("misspelt-keys", Edited),
    ("mixed-line-breaks", Edited),
    ("no-break-space", Edited),
    ("no-final-newline", Edited),
    ("non-ascii", Edited),
    ("only-git", Edited),
    ("other-case", Edited),
    ("quoted-keys", Edited),
    ("quoted-look-alike", Edited),
    ("quoted-over-lines", Edited),
    ("same-file-twice", Edited),
    ("satellite-era", Edited),
    ("second-document-broken", Edited),
    ("start-and-end-markers", Edited),
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
