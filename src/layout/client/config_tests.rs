//! The config's editor against one file for each shape that was seen (fixtures/configs).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::layout::*;
use crate::model::{Failure, Rule};

fn settings(enable_tls: EnableTls) -> ClientSettings {
    ClientSettings {
        endpoint: "tcp://builder.example.com:8372".parse().unwrap(),
        tls_ca: "./certs/ca.pem".to_owned(),
        tls_cert: "./certs/cert.pem".to_owned(),
        tls_key: "./certs/key.pem".to_owned(),
        daemon: None,
        enable_tls,
    }
}

fn edit(bytes: &[u8]) -> Result<ConfigEdit, Failure> {
    edit_client_config(Some(bytes), Path::new("config.yml"), &settings(EnableTls::OnlyIfUnset))
}

fn edited(bytes: &[u8]) -> Vec<u8> {
    match edit(bytes).unwrap() {
        ConfigEdit::Unchanged => bytes.to_vec(),
        ConfigEdit::Changed { bytes, .. } => bytes,
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configs")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.yml"))).unwrap()
}

/// The lines of `before` that are not in `after`, in their order.
fn lost_lines(before: &[u8], after: &[u8]) -> Vec<String> {
    let mut rest = after.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut lost = Vec::new();
    for line in before.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
        let mut ahead = rest.clone();
        if ahead.any(|other| other == line) {
            rest = ahead;
        } else {
            lost.push(String::from_utf8(line.to_vec()).unwrap());
        }
    }
    lost
}

/// Files that are edited, with the lines that do not survive since a value in them changes.
const EDITED: &[(&str, &[&str])] = &[
    ("empty", &[]),
    ("blank-lines", &[]),
    ("comments-only", &[]),
    ("global-null", &[]),
    ("global-null-commented-children", &[]),
    ("global-braces", &["global: {} # nothing yet"]),
    ("global-tilde", &["global: ~"]),
    ("global-missing", &[]),
    ("developer", &[]),
    ("git-before-global", &[]),
    (
        "tls-in-place",
        &[
            "  tlscert: 'certs/earthly.pem'   # rotated 2024-01",
            "  buildkit_host: tcp://old.example:8372",
            "  tlsca: \"certs/ca\\\\x.pem\"",
            "  tlskey: certs/key.pem# not a comment",
        ],
    ),
    (
        "tls-tilde-paths",
        &[
            "    tlsca: ~/.earthly/certs/ca.pem",
            "    tlscert: $HOME/.earthly/certs/cert.pem",
            "    tlskey: ~/.earthly/certs/cert.pem",
        ],
    ),
    ("tls-null-values", &["    tlsca:", "    tlscert: ~ # home?", "    tlskey: null", "    tls_enabled:"]),
    ("tls-yes", &[]),
    ("block-scalar-last", &[]),
    ("block-scalar-keep", &[]),
    ("folded-scalar", &[]),
    ("quoted-over-lines", &[]),
    ("merge-key", &[]),
    ("flow-root", &["{global: {buildkit_host: 'tcp://h:8372', tls_enabled: true}, git: {}}"]),
    ("flow-over-lines", &["    \"tlsca\": \"a,b}.pem\","]),
    ("flow-global", &["global: {cache_size_mb: 3, buildkit_additional_args: [a, \"b, c\"]} # short"]),
    ("satellite-era", &[]),
    ("crlf", &["    tlsca: old.pem # x"]),
    ("mixed-line-ends", &[]),
    ("byte-order-mark", &["  tlskey: x"]),
    ("no-final-newline", &[]),
    ("no-final-newline-null", &[]),
    ("nbsp-indent", &[]),
    ("nbsp-in-key", &[]),
    ("nbsp-in-value", &["  tlsca: a.pem\u{a0}"]),
    ("windows-path", &["  tlsca: 'C:\\certs\\ca.pem'"]),
    ("two-documents", &[]),
    ("end-marker", &[]),
    ("second-document-only", &[]),
    ("directive", &[]),
    ("document-on-marker-line", &["--- {global: {cache_size_mb: 5}}"]),
    ("root-indented", &[]),
    ("sequence-at-key-column", &[]),
    ("quoted-keys", &["  'tlsca': old.pem"]),
    ("capital-global", &[]),
    ("misspelt-keys", &[]),
    ("container-host", &["  buildkit_host: docker-container://earthly-buildkitd"]),
    ("non-ascii-path", &["  tlsca: /home/ana/сертификаты/ca.pem # ключ"]),
    ("null-document", &["~ # see the docs"]),
    ("open-block-scalar", &[]),
    ("lone-word-in-braces", &["  , cache_size_mb: 5}}"]),
    ("valueless-in-braces", &["global: {cache_size_mb: 5, git_image: } # c"]),
    ("comment-at-brace", &["  cache_size_mb: 5}"]),
    ("odd-root-keys", &[]),
    ("alias-across-documents", &[]),
    ("question-in-quotes", &[]),
    ("number-spellings", &[]),
    ("tab-behind-colon", &["  tlsca:\told.pem\t# tab"]),
    // Of these Earthly itself says what is wrong elsewhere in them.
    ("foreign-duration", &[]),
    ("foreign-git", &[]),
    ("foreign-mtu", &[]),
    ("foreign-number", &[]),
    ("foreign-question-in-braces", &[]),
    ("foreign-question-in-list", &[]),
    ("foreign-quoted-number", &[]),
    ("foreign-second-document", &[]),
    ("foreign-third-document", &[]),
    ("foreign-version", &[]),
];

const UNCHANGED: &[&str] = &["already-right"];

/// Files that say `tls_enabled: false`, in one way or another.
const DISABLED: &[&str] = &["tls-disabled", "tls-disabled-no", "merge-key-disabled"];

/// Files that the tool reads and that are left alone, each with the reason.
const LEFT_ALONE: &[(&str, &str)] = &[
    ("global-alias", "the anchor may be shared"),
    ("anchored-value-shared", "its alias would change too"),
    ("anchored-global", "its alias would grow too"),
    ("plain-over-lines", "the value has no line of its own"),
    ("value-on-next-line", "the value has no line of its own"),
    ("complex-key", "a form that nobody writes"),
    ("alias-value", "the value stands elsewhere"),
    ("root-merge", "a global of its own would hide the one that is merged"),
    ("binary-value", "the tag would not fit the new value"),
    ("quoted-to-the-margin", "its lines look like keys of the root"),
];

#[test]
fn every_file_of_the_folder_has_an_expected_outcome() {
    let listed = EDITED.iter().map(|(name, _)| *name);
    let listed = listed
        .chain(UNCHANGED.iter().chain(DISABLED).copied())
        .chain(LEFT_ALONE.iter().map(|(name, _)| *name));
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    let there =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = there
        .filter_map(|name| name.strip_suffix(".yml").map(str::to_owned))
        .filter(|name| !name.starts_with("broken-"))
        .collect();
    assert_eq!(there, listed);
    assert!(there.len() >= 60);
}

#[test]
fn an_edit_changes_the_five_keys_and_no_other_line() {
    for (name, lost) in EDITED {
        let before = fixture(name);
        let after = match edit(&before) {
            Ok(ConfigEdit::Changed { bytes, .. }) => bytes,
            other => panic!("{name}: {other:?}"),
        };
        let text = String::from_utf8_lossy(&after).into_owned();
        let config = ClientConfig::parse(&after, Path::new("config.yml")).unwrap();
        assert_eq!(
            config.buildkit_host.as_deref(),
            Some("tcp://builder.example.com:8372"),
            "{name}:\n{text}"
        );
        assert!(config.uses_tls() && config.tls_enabled.is_some(), "{name}:\n{text}");
        assert_eq!(config.file_of(TlsPath::Authority), "./certs/ca.pem", "{name}:\n{text}");
        assert_eq!(config.file_of(TlsPath::Certificate), "./certs/cert.pem", "{name}:\n{text}");
        assert_eq!(config.file_of(TlsPath::Key), "./certs/key.pem", "{name}:\n{text}");
        assert_eq!(lost_lines(&before, &after), *lost, "{name}:\n{text}");
        assert_eq!(edit(&after).unwrap(), ConfigEdit::Unchanged, "{name}:\n{text}");
    }
}

#[test]
fn a_config_that_says_it_all_is_left_untouched() {
    for name in UNCHANGED {
        assert_eq!(edit(&fixture(name)).unwrap(), ConfigEdit::Unchanged, "{name}");
    }
}

#[test]
fn a_comment_behind_a_changed_value_stays_with_its_quotes() {
    let after = String::from_utf8(edited(&fixture("tls-in-place"))).unwrap();
    assert!(after.contains("  tlscert: './certs/cert.pem'   # rotated 2024-01\n"), "{after}");
    assert!(after.contains("  tlsca: \"./certs/ca.pem\"\n"), "{after}");
    let after = String::from_utf8(edited(&fixture("crlf"))).unwrap();
    assert!(after.contains("    tlsca: ./certs/ca.pem # x\r\n"), "{after}");
    assert!(!after.replace("\r\n", "").contains('\n'), "{after}");
    let after = String::from_utf8(edited(&fixture("global-braces"))).unwrap();
    assert!(after.starts_with("global: # nothing yet\n  buildkit_host: "), "{after}");
}

#[test]
fn new_lines_take_the_indentation_of_the_file() {
    let after = String::from_utf8(edited(&fixture("developer"))).unwrap();
    assert!(
        after.contains("global:\n    buildkit_host: tcp://builder.example.com:8372\n    tls_enabled: true\n"),
        "{after}"
    );
    let after = String::from_utf8(edited(&fixture("global-null-commented-children"))).unwrap();
    assert!(after.contains("global:   # all off\n    buildkit_host: "), "{after}");
    let after = String::from_utf8(edited(&fixture("no-final-newline"))).unwrap();
    assert!(after.ends_with("\n  cache_size_mb: 5"), "{after}");
}

#[test]
fn keys_stand_behind_the_merge_that_they_override() {
    let after = String::from_utf8(edited(&fixture("merge-key"))).unwrap();
    assert!(after.contains("global:\n  <<: *tls\n  buildkit_host: "), "{after}");
}

#[test]
fn what_earthly_refuses_is_refused_without_a_word_of_its_values() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("broken-") {
            continue;
        }
        seen += 1;
        let bytes = std::fs::read(&path).unwrap();
        assert!(ClientConfig::parse(&bytes, &path).is_err(), "{name}");
        let failure = edit(&bytes).expect_err(&name);
        assert!(failure.remedy().unwrap().contains("tlsca: ./certs/ca.pem"), "{name}: {failure}");
        assert!(!format!("{failure:?}").contains("hunter"), "{name}: {failure}");
    }
    assert!(seen >= 15);
}

#[test]
fn what_cannot_be_edited_is_left_alone_with_the_lines_to_add() {
    for (name, reason) in LEFT_ALONE {
        let bytes = fixture(name);
        assert!(ClientConfig::parse(&bytes, Path::new("config.yml")).is_ok(), "{name}");
        let failure = edit(&bytes).expect_err(reason);
        assert!(failure.remedy().unwrap().contains("global:\n  buildkit_host: tcp://"), "{name}: {failure}");
    }
}

#[test]
fn tls_that_was_turned_off_is_turned_on_only_on_request() {
    for name in DISABLED {
        let bytes = fixture(name);
        let failure = edit(&bytes).expect_err(name);
        let failure = failure.typed(|again| again.with.clone());
        assert_eq!(failure.remedy().unwrap(), "--enable-tls", "{name}");
        let path = Path::new("config.yml");
        let edit = edit_client_config(Some(&bytes), path, &settings(EnableTls::EvenIfDisabled)).unwrap();
        let ConfigEdit::Changed { bytes, keys } = edit else { panic!("{name}") };
        assert!(ClientConfig::parse(&bytes, path).unwrap().uses_tls(), "{name}");
        let change = keys.iter().find(|change| change.key == "tls_enabled").unwrap();
        assert_eq!((change.from.as_deref(), change.to.as_str()), (Some("false"), "true"));
    }
}

#[test]
fn a_file_that_is_not_there_becomes_the_lines_to_add() {
    let settings = settings(EnableTls::OnlyIfUnset);
    let edit = edit_client_config(None, Path::new("config.yml"), &settings).unwrap();
    let ConfigEdit::Changed { bytes, keys } = edit else { panic!() };
    let said: Vec<_> = lines_to_add(&settings).iter().map(ToString::to_string).collect();
    assert_eq!(String::from_utf8(bytes).unwrap().lines().collect::<Vec<_>>(), said);
    assert_eq!(keys.len(), 5);
    assert!(keys.iter().all(|change| change.from.is_none()));
}

#[test]
fn a_daemons_files_are_set_where_they_are_given_and_else_left_alone() {
    let daemon = DaemonFiles { certificate: "./certs/d.pem".to_owned(), key: "./certs/k.pem".to_owned() };
    let with = ClientSettings { daemon: Some(daemon), ..settings(EnableTls::OnlyIfUnset) };
    let before = "global:\n  buildkitd_tlskey: /old.pem # mine\n";
    let path = Path::new("config.yml");
    let Ok(ConfigEdit::Changed { bytes, keys }) = edit_client_config(Some(before.as_bytes()), path, &with)
    else {
        panic!()
    };
    let config = ClientConfig::parse(&bytes, path).unwrap();
    assert_eq!(config.written(TlsPath::DaemonCertificate), Some("./certs/d.pem"));
    assert_eq!(config.written(TlsPath::DaemonKey), Some("./certs/k.pem"));
    assert!(String::from_utf8_lossy(&bytes).contains("./certs/k.pem # mine"));
    assert_eq!(keys.len(), 7);
    assert_eq!(edit_client_config(Some(&bytes), path, &with).unwrap(), ConfigEdit::Unchanged);
    assert_eq!(edit(&bytes).unwrap(), ConfigEdit::Unchanged, "None leaves the two as they are");
    let config = ClientConfig::parse(&edited(before.as_bytes()), path).unwrap();
    assert_eq!(config.written(TlsPath::DaemonKey), Some("/old.pem"));
}

#[test]
fn a_path_with_any_character_is_read_back() {
    for path in [
        "/a b/c'd.pem",
        "/a: b",
        "/a #b",
        "C:\\x",
        "/ü",
        "true",
        "",
        "/a\tb",
        "- x",
        "12",
        "/a,b}",
        "'",
        "/tail ",
        "*x",
    ] {
        for before in ["", "global:\n  tlsca: 'x'\n", "global:\n  tlsca: \"x\"\n", "{global: {tlsca: x}}"] {
            let settings = ClientSettings { tls_ca: path.to_owned(), ..settings(EnableTls::OnlyIfUnset) };
            let edit = edit_client_config(Some(before.as_bytes()), Path::new("c"), &settings);
            let Ok(ConfigEdit::Changed { bytes, .. }) = edit else { panic!("{path:?} {before:?} {edit:?}") };
            assert_eq!(ClientConfig::parse(&bytes, Path::new("c")).unwrap().tls_ca.as_deref(), Some(path));
        }
    }
}

/// yaml.v3 reads `0x1F` as the string that it is, and not as 31.
#[test]
fn a_number_without_quotes_is_not_taken_for_the_path_that_it_reads_as() {
    let settings = ClientSettings { tls_key: "31".to_owned(), ..settings(EnableTls::OnlyIfUnset) };
    let before = b"global:\n  tlskey: 0x1F\n";
    let edit = edit_client_config(Some(before), Path::new("c"), &settings).unwrap();
    let ConfigEdit::Changed { bytes, .. } = edit else { panic!() };
    assert!(String::from_utf8(bytes).unwrap().ends_with("  tlskey: '31'\n"));
}

fn rules(name: &str) -> Vec<Rule> {
    let config = ClientConfig::parse(&fixture(name), Path::new("config.yml")).unwrap();
    config.findings(Path::new("config.yml")).iter().map(|finding| finding.rule).collect()
}

#[test]
fn what_the_tool_would_silently_ignore_or_misread_is_a_finding() {
    assert_eq!(rules("already-right"), []);
    assert_eq!(rules("tls-disabled"), [Rule::TlsDisabled]);
    assert_eq!(rules("tls-tilde-paths"), [Rule::ConfigPath; 3]);
    assert_eq!(rules("capital-global"), [Rule::ConfigBroken, Rule::ConfigEndpoint]);
    assert_eq!(rules("nbsp-indent"), [Rule::ConfigBroken, Rule::ConfigEndpoint]);
    assert_eq!(rules("misspelt-keys"), [vec![Rule::ConfigBroken; 4], vec![Rule::ConfigEndpoint]].concat());
    assert_eq!(rules("windows-path"), [Rule::ConfigPath, Rule::ConfigEndpoint]);
    assert_eq!(rules("container-host"), [Rule::ConfigEndpoint]);
}

#[test]
fn a_key_below_gits_own_global_is_no_finding() {
    assert_eq!(rules("git-before-global"), [Rule::ConfigEndpoint]);
}

/// A block-style file: sections, some of them `global`, keys with values of every kind, comments
/// and blank lines anywhere.
fn block_style() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "5",
        "x",
        "'a # b'",
        "\"c: d\"",
        "[a, 'b]']",
        "{a: 1}",
        "|\n          tlsca: x\n\n          # y",
        ">-\n          z",
        "",
        "# nothing",
        "x # tlsca: y",
        "a\n          b",
        "- e",
    ]);
    let ours = prop::sample::subsequence(vec!["tlsca", "tlscert", "tlskey", "buildkit_host"], 0..=4);
    let path = prop::sample::select(vec!["a.pem", "'b c.pem' # c", "\"d\\\\.pem\"", "", "~", "e.pem   # f"]);
    let trivia = prop::sample::select(vec!["", "", "", "\n", "# comment\n", "      # deep: comment\n"]);
    let children = prop::collection::vec((value, trivia.clone()), 0..5);
    (
        children.clone(),
        children,
        ours,
        path,
        prop::sample::select(vec![2_usize, 4]),
        trivia,
        any::<[bool; 3]>(),
    )
        .prop_map(|(git, other, ours, path, step, trivia, [first, has_git, windows])| {
            let indent = " ".repeat(step);
            let section = |prefix: &str, values: &[(&str, &str)]| {
                let lines = values.iter().enumerate().map(|(number, (value, trivia))| {
                    let value = if *value == "- e" { format!("\n{indent}- e") } else { (*value).to_owned() };
                    format!("{indent}{prefix}{number}: {value}\n{trivia}")
                });
                lines.collect::<String>()
            };
            let ours: String = ours.iter().map(|key| format!("{indent}{key}: {path}\n")).collect();
            let global = if first {
                format!("global: # here\n{ours}{trivia}{}", section("g", &other))
            } else {
                format!("global:\n{}{trivia}{ours}", section("g", &other))
            };
            let git =
                if has_git { format!("x-git:\n{}{trivia}", section("global", &git)) } else { String::new() };
            let text =
                if first { format!("{trivia}{git}{global}") } else { format!("{global}{git}{trivia}") };
            if windows { text.replace('\n', "\r\n") } else { text }
        })
}

proptest! {
    #[test]
    fn a_random_file_keeps_every_foreign_line(text in block_style()) {
        let after = edited(text.as_bytes());
        let lost = lost_lines(text.as_bytes(), &after);
        let ours = ["tlsca:", "tlscert:", "tlskey:", "buildkit_host:"];
        for line in &lost {
            prop_assert!(ours.iter().any(|key| line.trim_start().starts_with(key)), "{}\n{}", line, text);
        }
        prop_assert_eq!(edit(&after).unwrap(), ConfigEdit::Unchanged);
    }

    #[test]
    fn no_bytes_make_the_editor_panic(bytes in prop::collection::vec(prop::sample::select(b"global:tlsca \n\r\t#'\"{}[],|>&*!~-?%x\xc3\xa4".to_vec()), 0..60)) {
        let _ = edit(&bytes);
    }
}
