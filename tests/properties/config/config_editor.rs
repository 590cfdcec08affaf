//! The config's editor on generated configs, judged by yaml.v3, which is what Earthly reads its
//! config with, and byte by byte.
//!
//! `KITCERT_CONFIGS` sets how many configs, and `KITCERT_SEED` chooses others. Of those that
//! fail, one is shown as simple as it can be made.
use kitcert::model::Message;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kitcert::layout::{ClientSettings, ConfigEdit, DaemonFiles, EnableTls, edit_client_config, lines_to_add};
use kitcert::model::Failure;
use proptest::strategy::ValueTree as _;
use rayon::prelude::*;

use crate::config::generated_configs::{Draw, GeneratedConfig, KEYS, Piece};
use crate::figures::{Aim, publish};
use crate::support::drawn::{Tree, rows, simplest};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::turns::is_turn;

/// What yaml.v3 says of a config and its edit (tests/peers/config).
#[derive(serde::Deserialize)]
struct Judgement {
    before: String,
    after: String,
    difference: String,
    forms: Vec<String>,
}

/// A config with what the editor made of it.
struct Case {
    config: GeneratedConfig,
    settings: ClientSettings,
    before: String,
    outcome: Result<ConfigEdit, Failure>,
}

impl Case {
    fn of(row: &[u32]) -> Case {
        let mut draw = Draw::of(row);
        let settings = settings(&mut draw);
        let config = GeneratedConfig::of(draw);
        let before = config.text();
        let outcome = edit(&before, &settings);
        Case { config, settings, before, outcome }
    }

    /// The file after the edit; None if it was refused.
    fn after(&self) -> Option<&[u8]> {
        match &self.outcome {
            Ok(ConfigEdit::Changed { bytes, .. }) => Some(bytes),
            Ok(ConfigEdit::Unchanged) => Some(self.before.as_bytes()),
            Err(_) => None,
        }
    }

    /// What each of [`KEYS`] is to say; None: what it says.
    fn wanted(&self) -> [Option<String>; 7] {
        let settings = &self.settings;
        let [ca, cert, key] = [&settings.tls_ca, &settings.tls_cert, &settings.tls_key].map(Clone::clone);
        let five = [settings.endpoint.to_string(), "true".to_owned(), ca, cert, key].map(Some);
        let [endpoint, enabled, ca, cert, key] = five;
        let daemon = settings.daemon.as_ref();
        let pair = [daemon.map(|pair| pair.certificate.clone()), daemon.map(|pair| pair.key.clone())];
        let [daemon_certificate, daemon_key] = pair;
        [endpoint, enabled, ca, cert, key, daemon_certificate, daemon_key]
    }

    /// What is wrong with it, or what became of it.
    fn judged(&self, judgement: &Judgement) -> Result<Outcome, String> {
        match &self.outcome {
            Err(failure) => self.refused(failure, judgement),
            // What Earthly does not take is no better and no worse: its other bytes are as they were.
            Ok(ConfigEdit::Changed { bytes, .. }) if !judgement.before.is_empty() => {
                self.edited(bytes).map(|_| Outcome::Broken)
            }
            Ok(ConfigEdit::Unchanged) if !judgement.before.is_empty() => Ok(Outcome::Broken),
            Ok(_) if !judgement.after.is_empty() => {
                Err(format!("yaml.v3 refuses the edited file: {}", judgement.after))
            }
            Ok(_) if !judgement.difference.is_empty() => Err(judgement.difference.clone()),
            Ok(ConfigEdit::Unchanged) => Ok(Outcome::Right),
            Ok(ConfigEdit::Changed { bytes, .. }) => self.edited(bytes),
        }
    }

    fn refused(&self, failure: &Failure, judgement: &Judgement) -> Result<Outcome, String> {
        let hint = failure.clone().typed(|again| again.with.clone()).remedy().cloned().unwrap_or_default();
        if failure.what_was_found().starts_with("tls_enabled: false") {
            let is_right = hint.contains("--enable-tls");
            return if is_right { Ok(Outcome::Disabled) } else { Err("disabled?".to_owned()) };
        }
        if !hint.contains(Message::join(lines_to_add(&self.settings), "\n").as_str()) {
            return Err(format!("refused without the lines to add: {failure}"));
        }
        if !judgement.before.is_empty() {
            return Ok(Outcome::Broken);
        }
        match DECLINED.iter().find(|(form, _)| judgement.forms.iter().any(|found| found == form)) {
            Some((form, _)) => Ok(Outcome::Declined(form)),
            None if self.config.is_damaged => Ok(Outcome::Unexplained),
            None => Err(format!("refused, but yaml.v3 reads it: {failure}")),
        }
    }

    fn edited(&self, bytes: &[u8]) -> Result<Outcome, String> {
        let after = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let wanted = self.wanted();
        if self.config.is_damaged {
            keeps_foreign_lines(&self.before, after)?;
        } else {
            let comparison = Comparison { pieces: &self.config.pieces, after, wanted: &wanted };
            comparison.run()?;
        }
        if self.before.contains("\r\n")
            && !self.before.replace("\r\n", "").contains('\n')
            && after.replace("\r\n", "").contains('\n')
        {
            return Err("a line end of another kind".to_owned());
        }
        match edit(after, &self.settings) {
            Ok(ConfigEdit::Unchanged) => Ok(Outcome::Edited),
            other => Err(format!("the second edit gives {other:?}")),
        }
    }
}

/// What rightly became of a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Every property of an edit holds.
    Edited,
    /// It said everything already.
    Right,
    /// yaml.v3 refuses it too.
    Broken,
    /// It says `tls_enabled: false`, and nobody asked to change that.
    Disabled,
    /// Refused for one of [`DECLINED`].
    Declined(&'static str),
    /// Damaged, and refused for a reason that nobody has written down, though yaml.v3 reads it. There is no end of such
    /// forms; the lines to add are said, and nothing is lost: they may be one in [`UNEXPLAINED`].
    Unexplained,
}

/// The forms that yaml.v3 reads and that may be refused, each with the reason.
const DECLINED: &[(&str, &str)] = &[
    ("global is an alias", "the anchor may be shared"),
    ("global has an anchor", "its alias would grow too"),
    ("a value is an alias", "the value stands elsewhere"),
    ("a value has an anchor", "its alias would change too"),
    ("a value is a block scalar", "the value has no line of its own"),
    ("a value over several lines", "the value has no line of its own"),
    ("an odd key of global", "a form that nobody writes"),
    ("an odd key of the root", "a form that nobody writes"),
    ("a value to the margin", "its lines look like keys of the root"),
    ("a value has a tag", "the tag may not fit the new value"),
    ("global has a tag", "a form that nobody writes"),
    ("the root has a tag or an anchor", "a form that nobody writes"),
    ("the root has a merge", "a global that comes by it would be hidden"),
    ("a key twice where Earthly does not look", "it is not known which of the two is meant"),
    ("a later document is broken", "yaml.v3 stumbles over some faults there"),
    ("a colon before a comma or brace", "the YAML parser here does not read it"),
    ("a tab before a comment", "the YAML parser here does not read it"),
    ("a tab before a closing brace", "the YAML parser here does not read it"),
    ("a tag that is read otherwise", "the YAML parser here is stricter with tags"),
    ("an odd line break", "the lines of YAML are not those of other programs there"),
    ("braces of global on another line", "a form that nobody writes"),
    ("a null of global on another line", "a form that nobody writes"),
    ("a byte order mark within", "the YAML parser here does not read it"),
    ("a question mark and braces", "yaml.v3 stumbles over some of them"),
    ("an alias of what it stands in", "such a value has no end"),
    ("a number of more than 64 bits", "the YAML parser here does not read it"),
    ("a quote beside a colon or comment", "a form that nobody writes"),
    ("a key without a colon", "a form that nobody writes"),
    ("text behind the document", "it is not known what it is"),
];

/// Whether a file is another one with nothing but the allowed changes.
struct Comparison<'a> {
    pieces: &'a [Piece],
    after: &'a str,
    wanted: &'a [Option<String>; 7],
}

impl Comparison<'_> {
    fn run(&self) -> Result<(), String> {
        let mut furthest = 0;
        if self.matches(0, 0, 0, &mut furthest) {
            return Ok(());
        }
        Err(format!("another byte changed, behind {:?}", &self.after[..furthest]))
    }

    /// Whether the pieces from `piece`, the first from `offset` on, make the text from `at` on.
    fn matches(&self, piece: usize, offset: usize, at: usize, furthest: &mut usize) -> bool {
        *furthest = at.max(*furthest);
        let rest = &self.after[at..];
        let begins_line = at == 0 || self.after[..at].ends_with('\n') || &self.after[..at] == "\u{feff}";
        let next = |at| move |furthest: &mut usize| self.matches(piece + 1, 0, at, furthest);
        match self.pieces.get(piece) {
            Some(Piece::Kept(text)) if offset < text.len() => {
                let text = &text[offset..];
                let bare = text.trim_start_matches('\u{feff}');
                let mark = text.len() - bare.len();
                let length = if mark > 0 { mark } else { text.find('\n').map_or(text.len(), |end| end + 1) };
                let is_kept = rest.starts_with(&text[..length])
                    && self.matches(piece, offset + length, at + length, furthest);
                is_kept || (begins_line && self.matches_behind_added_line(piece, offset, at, furthest))
            }
            Some(Piece::Kept(_)) => next(at)(furthest),
            Some(Piece::Value(key, old)) => {
                let wanted = &self.wanted[KEYS.iter().position(|one| one == key).unwrap()];
                let mut forms = wanted.as_deref().map(renderings).map_or_else(Vec::new, Vec::from);
                forms.push(old.clone());
                let blank = if old.is_empty() { rest.strip_prefix(' ') } else { None };
                [Some(rest), blank].into_iter().flatten().any(|text| {
                    let fits = |form: &&String| text.starts_with(form.as_str());
                    forms
                        .iter()
                        .filter(fits)
                        .any(|form| next(self.after.len() - text.len() + form.len())(furthest))
                })
            }
            Some(Piece::Emptied(old)) => {
                let kept = rest.starts_with(old.as_str()) && next(at + old.len())(furthest);
                let braces = rest.strip_prefix(" {").map(|inner| self.behind_fields(inner));
                let braces = braces.and_then(|inner| inner.strip_prefix('}'));
                kept || next(at)(furthest)
                    || braces.is_some_and(|rest| next(self.after.len() - rest.len())(furthest))
            }
            Some(Piece::InBraces) => {
                let added = rest.trim_start_matches(' ').strip_prefix(", ").unwrap_or(rest);
                let fields = self.behind_fields(added);
                let fields = if fields.len() == added.len() { rest } else { fields };
                let whole = added.strip_prefix("global: {").map(|inner| self.behind_fields(inner));
                let whole = whole.and_then(|inner| inner.strip_prefix('}'));
                [Some(rest), Some(fields), whole]
                    .into_iter()
                    .flatten()
                    .any(|rest| next(self.after.len() - rest.len())(furthest))
            }
            None if rest.is_empty() => true,
            None if begins_line => self.matches_behind_added_line(piece, 0, at, furthest),
            None => {
                // The last line had no end.
                let end = ["\r\n", "\n"].into_iter().find(|end| rest.starts_with(end));
                end.is_some_and(|end| self.matches_behind_added_line(piece, 0, at + end.len(), furthest))
            }
        }
    }

    fn matches_behind_added_line(
        &self,
        piece: usize,
        offset: usize,
        at: usize,
        furthest: &mut usize,
    ) -> bool {
        let line = self.after[at..].split_inclusive('\n').next().unwrap_or_default();
        let content = line.trim_start_matches(' ').trim_end_matches(['\r', '\n']);
        let is_ours = content == "global:"
            || self.fields().any(|(key, wanted)| {
                let value = content.strip_prefix(key).and_then(|rest| rest.strip_prefix(": "));
                value.is_some_and(|value| renderings(wanted).iter().any(|form| form == value))
            });
        is_ours && !line.is_empty() && self.matches(piece, offset, at + line.len(), furthest)
    }

    /// The keys that are set, with their values.
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KEYS.into_iter().zip(self.wanted).filter_map(|(key, wanted)| Some((key, wanted.as_deref()?)))
    }

    /// Behind `key: value, key: value`, if that is what the text begins with.
    fn behind_fields<'t>(&self, text: &'t str) -> &'t str {
        let mut rest = text;
        let mut behind = text;
        while let Some(field) = self.fields().find_map(|(key, wanted)| {
            let value = rest.strip_prefix(key)?.strip_prefix(": ")?;
            renderings(wanted).iter().find_map(|form| value.strip_prefix(form.as_str()))
        }) {
            behind = field;
            let Some(next) = field.strip_prefix(", ") else { break };
            rest = next;
        }
        behind
    }
}

/// A value plain, in single and in double quotes.
fn renderings(value: &str) -> [String; 3] {
    let escaped = value.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        '\t' => format!("\\u{:04x}", u32::from(character)),
        _ => character.to_string(),
    });
    let double = format!("\"{}\"", escaped.collect::<String>());
    [double, format!("'{}'", value.replace('\'', "''")), value.to_owned()]
}

/// Whether each line of a file is still there, in its order, but for those where an edit may be.
fn keeps_foreign_lines(before: &str, after: &str) -> Result<(), String> {
    let [before, after] = [before, after].map(|text| text.trim_start_matches('\u{feff}'));
    let mut rest = after.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n']));
    for line in before.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n'])) {
        let bare = line.split(" #").next().unwrap_or_default().trim();
        let may_change = line.contains(['{', '}'])
            || line.contains("global")
            || line.contains("\\x")
            || line.trim().is_empty()
            || ["~", "null", "Null", "NULL"].contains(&bare)
            || KEYS.iter().any(|key| line.contains(key));
        if may_change {
            continue;
        }
        let mut ahead = rest.clone();
        if ahead.any(|other| other == line) {
            rest = ahead;
        } else if !rest.clone().any(|other| is_extended(line, other)) {
            return Err(format!("the line {line:?} is lost"));
        }
    }
    Ok(())
}

/// Whether a line is another one with something put into it.
fn is_extended(line: &str, other: &str) -> bool {
    let same = |pair: &(char, char)| pair.0 == pair.1;
    let before = line.chars().zip(other.chars()).take_while(same).count();
    let behind = line.chars().rev().zip(other.chars().rev()).take_while(same).count();
    !line.is_empty() && before + behind >= line.chars().count()
}

fn edit(config: &str, settings: &ClientSettings) -> Result<ConfigEdit, Failure> {
    edit_client_config(Some(config.as_bytes()), Path::new("config.yml"), settings)
}

/// What is wanted of a config: mostly what a command would write, sometimes values
/// that must be quoted.
fn settings(draw: &mut Draw) -> ClientSettings {
    let files = if draw.chance(75) {
        ["./certs/ca.pem", "./certs/cert.pem", "./certs/key.pem"]
    } else {
        [draw.pick(WANTED), draw.pick(WANTED), draw.pick(WANTED)]
    };
    let [tls_ca, tls_cert, tls_key] = files.map(str::to_owned);
    let pair = |certificate: &str, key: &str| DaemonFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let daemon = match draw.chance(50) {
        true if draw.chance(75) => Some(pair("./certs/cert.pem", "./certs/key.pem")),
        true => Some(pair(draw.pick(WANTED), draw.pick(WANTED))),
        false => None,
    };
    let endpoints = ["tcp://builder.example.com:8372", "tcp://[2001:db8::5]:1234", "tcp://10.0.0.5:8372"];
    ClientSettings {
        endpoint: draw.pick(&endpoints).parse().unwrap(),
        tls_ca,
        tls_cert,
        tls_key,
        daemon,
        enable_tls: if draw.chance(60) { EnableTls::EvenIfDisabled } else { EnableTls::OnlyIfUnset },
    }
}

const WANTED: &[&str] = &[
    "/home/ana/.earthly/certs/ca.pem",
    "/home/ana b/it's #1/ca.pem",
    "C:\\Users\\ana\\ca.pem",
    "/домой/\u{1f511}.pem",
    "true",
    "12",
    "31",
    "0x1F",
    "~",
    "null",
    "",
    "/a\tb",
    "/a\u{2028}b",
    "- x",
    "a: b",
    "a, b}",
    "\"q\"",
    "*x",
    "x ",
    "=",
    "<<",
    "2024-01-01",
    "1_000",
    "1e3",
    "1000.0",
    "yes",
    "/a\u{a0}b",
];

/// Judges the cases of those rows; the counts of what became of them, and of what is wrong the place and the words.
fn judge(program: &Path, rows: &[Vec<u32>]) -> (BTreeMap<Outcome, usize>, Vec<(usize, String)>) {
    let cases: Vec<Case> = rows.iter().map(|row| Case::of(row)).collect();
    let mut input = Vec::new();
    for case in &cases {
        let wanted = KEYS.into_iter().zip(case.wanted());
        let wanted: BTreeMap<&str, String> =
            wanted.filter_map(|(key, wanted)| Some((key, wanted?))).collect();
        add_part(&mut input, Some(case.before.as_bytes()));
        add_part(&mut input, case.after());
        add_part(&mut input, Some(&serde_json::to_vec(&wanted).unwrap()));
    }
    let output = answers(program, input);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), cases.len());
    let mut counts = BTreeMap::new();
    let mut faults = Vec::new();
    for (at, (case, line)) in cases.iter().zip(lines).enumerate() {
        let judgement: Judgement = serde_json::from_str(line).unwrap();
        match case.judged(&judgement) {
            Ok(outcome) => *counts.entry(outcome).or_default() += 1,
            Err(fault) => {
                let after = case.after().map_or("(refused)".into(), String::from_utf8_lossy);
                faults.push((at, format!("{fault}\n--- before\n{}\n--- after\n{after}", case.before)));
            }
        }
    }
    (counts, faults)
}

fn add_part(input: &mut Vec<u8>, part: Option<&[u8]>) {
    let length = part.map_or(u32::MAX, |part| u32::try_from(part.len()).unwrap());
    input.extend(length.to_be_bytes());
    input.extend(part.unwrap_or_default());
}

fn answers(program: &Path, input: Vec<u8>) -> String {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_edited_config_says_what_is_wanted_and_keeps_every_other_octet() {
    if !is_turn("an_edited_config_says_what_is_wanted_and_keeps_every_other_octet") {
        return;
    }
    let test = "an_edited_config_says_what_is_wanted_and_keeps_every_other_octet";
    let Some(program) = peers::program("config-peer", test) else { return };
    let configs = number("KITCERT_CONFIGS", 3_000);
    let batches: Vec<usize> = (0..configs).step_by(BATCH).collect();
    let judged: Vec<_> = batches
        .into_par_iter()
        .map(|start| {
            let mut trees = rows(start as u64, LONGEST, BATCH.min(configs - start));
            let drawn: Vec<_> = trees.iter().map(Tree::current).collect();
            let (counts, faults) = judge(&program, &drawn);
            let simple = faults.first().map(|(at, _)| {
                let fault = |row: &[u32]| judge(&program, &[row.to_vec()]).1.pop();
                fault(&simplest(&mut trees[*at], |row| fault(row).is_some())).unwrap().1
            });
            (counts, simple.into_iter().chain(faults.into_iter().map(|(_, fault)| fault)).collect::<Vec<_>>())
        })
        .collect();
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (some, wrong) in judged {
        for (outcome, count) in some {
            *counts.entry(outcome).or_default() += count;
        }
        faults.extend(wrong);
    }
    // Not by println, of which a test that passes shows nothing.
    let summary = format!("{configs} configs: {counts:?}, {} faults", faults.len());
    writeln!(std::io::stdout(), "{summary}").unwrap();
    let aim = Aim { words: "0 faults", is_met: faults.is_empty() };
    let value = format!("{configs}, {} faults", faults.len());
    publish(
        "agreement",
        "generated configs that are edited or refused as Go's yaml.v3 and Earthly would read them",
        value,
        Some(aim),
    );
    faults.sort_by_key(String::len);
    let shown =
        faults.iter().take(number("KITCERT_SHOWN", 10)).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(faults.is_empty(), "{} faults, the shortest:\n{shown}", faults.len());
    assert!(counts[&Outcome::Edited] > configs / 2, "{counts:?}");
    let unexplained = counts.get(&Outcome::Unexplained).copied().unwrap_or_default();
    assert!(unexplained * UNEXPLAINED <= configs, "{unexplained} refusals without a reason");
}

const BATCH: usize = 2_000;
/// Of how many configs one may be refused without a reason that is written here.
const UNEXPLAINED: usize = 2_000;
/// How many numbers a case is made of, at most.
const LONGEST: usize = 400;
