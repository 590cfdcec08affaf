//! Every command that a text of the program suggests is one that the program has.
//!
//! A text is a literal of the source with `{kitcert}` in it: a command begins there, and ends where prose goes on.
//! Which of them are carried out, and which are not and why, is in `suggestions_carried_out`.

use clap::Parser as _;
use clap::error::ErrorKind;
use kitcert::cli::Arguments;

use crate::source::house::sources;

/// A literal of the source with commands to paste in it.
pub struct Suggested {
    /// `plan/rotate/mod.rs`
    pub file: String,
    /// As it is written, on one line.
    pub text: String,
}

/// Every such literal.
pub fn all() -> Vec<Suggested> {
    let of_file = |source: &crate::source::house::Source| -> Vec<Suggested> {
        let found = literals(&source.code).into_iter().filter(|(_, text)| text.contains("{kitcert} "));
        found.map(|(_, text)| Suggested { file: source.name.clone(), text }).collect()
    };
    let all: Vec<Suggested> = sources().iter().flat_map(of_file).collect();
    assert!(all.len() > 100, "only {} texts were found", all.len());
    all
}

/// The string literals of a source, each on one line, with where it begins.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = source[at..].find(['"', '\'', '/']) {
        at += next;
        let rest = &source[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(inner) = rest.strip_prefix('"') {
            let (text, length) = literal(inner);
            found.push((at, text));
            at += 1 + length;
        } else {
            // A character; or a lifetime, which has no second quote so near.
            let of_character =
                |length: usize| rest.get(length..).is_some_and(|after| after.starts_with('\''));
            let length = rest[1..].chars().next().map_or(0, char::len_utf8);
            at += match rest.starts_with("'\\") {
                true => rest[2..].find('\'').map_or(1, |end| end + 3),
                false if rest.starts_with('\'') && of_character(1 + length) => 2 + length,
                false => 1,
            };
        }
    }
    found
}

/// A literal without its quotes, and how long it is with the second.
fn literal(source: &str) -> (String, usize) {
    let mut text = String::new();
    let mut at = 0;
    loop {
        let Some(character) = source[at..].chars().next() else { return (text, at) };
        at += character.len_utf8();
        match character {
            '"' => return (text, at),
            '\\' => {
                let escaped = source[at..].chars().next().unwrap_or_default();
                at += escaped.len_utf8();
                match escaped {
                    '\n' => at += source[at..].len() - source[at..].trim_start().len(),
                    'n' => text.push('\n'),
                    other => text.push(other),
                }
            }
            other => text.push(other),
        }
    }
}

/// The commands of a printed or written text: what follows the program's name, up to where prose goes on.
pub fn commands<'a>(text: &'a str, program: &str) -> Vec<&'a str> {
    text.split(program).skip(1).map(|piece| command_at_start(piece).trim()).collect()
}

/// A text up to where prose goes on.
pub fn command_at_start(text: &str) -> &str {
    let end = ENDS.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    &text[..end]
}

/// What is behind a command in a text.
const ENDS: [&str; 10] = ["   # ", "; ", ";", ", ", " && ", ")", ": ", "\n", " (", "\""];

/// A command of the source as it could be printed.
fn example(command: &str) -> Vec<String> {
    let mut words: Vec<String> = vec!["kitcert".to_owned()];
    for word in command.split_whitespace() {
        let before: Vec<&str> = words.iter().map(String::as_str).collect();
        let value = match before.as_slice() {
            [.., "--endpoint"] => "tcp://builder.example.com:8372",
            [.., "--host"] => "builder.example.com",
            [.., "--key-id" | "--only-key" | "finish"] => "0123456789abcdef0123456789abcdef01234567",
            [.., "--root"] => "/srv/builder",
            [.., "--layout"] => "earthly",
            [.., "--tool"] => "earthly",
            [.., "--key-type"] => "ecdsa-p256",
            ["kitcert"] => "verify",
            ["kitcert", "issue" | "install"] => "client",
            _ if word.starts_with("--compromised=") => "0123456789abcdef0123456789abcdef01234567",
            _ => "ana",
        };
        // A value that is empty or several options stands behind another without a blank.
        let word = word.replace("{}/{}", "client/ana").replace("{}{}", "{}").replace("{}", value);
        words.push(word);
    }
    words
}

/// The words of a command line as a shell makes them: blanks part them, and single quotes hold them together.
pub fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if !quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Makes sure that whatever a text of the program tells to paste can be pasted: that our own commands exist with
/// their options, and that behind `try:` nothing but commands stands: an interactive zsh takes no comments.
#[track_caller]
pub fn assert_can_be_pasted(said: &str) {
    for line in said.lines() {
        let line = plain(line);
        for word in ["try: ", "next: ", "then: ", "or: "] {
            // `error: kitcert has a fault` is no command behind `or:`.
            let is_word = |at: usize| !line[..at].ends_with(char::is_alphabetic);
            let places = line.match_indices(word).filter(|(at, _)| is_word(*at));
            let after = places.map(|(at, _)| &line[at + word.len()..]);
            let commands = after.filter(|after| after.starts_with("kitcert "));
            commands.for_each(|after| assert_is_known(command_at_start(after), &line));
        }
        let Some(pasted) = line.strip_prefix("try: ") else { continue };
        assert!(!pasted.contains('…') && !pasted.contains(" # "), "{line}");
        let ours = pasted.split(" && ").filter(|command| command.starts_with("kitcert "));
        ours.for_each(|command| assert_is_known(command, &line));
    }
}

#[track_caller]
fn assert_is_known(command: &str, line: &str) {
    match Arguments::try_parse_from(shell_words(command)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::DisplayHelp && command.ends_with(" --help") => {}
        Err(error) => panic!("{command}: {}\nin: {line}", error.to_string().lines().next().unwrap()),
    }
}

/// A line without what a terminal takes for colors, and without `sudo` in front of our own commands.
pub fn plain(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest));
    text.replace("sudo kitcert ", "kitcert ")
}

#[test]
fn every_command_that_is_suggested_is_one_that_the_program_has() {
    let mut wrong = Vec::new();
    for Suggested { file, text } in all() {
        for command in commands(&text, "{kitcert}") {
            let words = example(command);
            if let Err(error) = Arguments::try_parse_from(&words) {
                let error = error.to_string();
                wrong.push(format!(
                    "{file}: {text:?}\n    {}: {}",
                    words.join(" "),
                    error.lines().next().unwrap()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them are not:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whoever is tired pastes it as it is.
#[test]
fn nothing_that_is_suggested_has_a_place_for_somebody_to_fill_in() {
    let is_place = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_loud = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        is_loud && !WORDS.contains(&word)
    };
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.name.contains("manual")) {
        for text in remedies(&source.code) {
            let is_vague = text.contains('…') || text.contains("the same command");
            if is_vague || text.split_whitespace().any(is_place) {
                wrong.push(format!("{}: {text:?}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} have:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is printed behind `try:` is a command from its first word to its end; its remark gets a line of its own.
#[test]
fn a_text_that_begins_with_a_command_has_no_prose_behind_it() {
    let mut wrong = Vec::new();
    for Suggested { file, text } in all() {
        let Some(first) = text.strip_prefix("{kitcert} ") else { continue };
        let command = commands(&text, "{kitcert}")[0];
        let rest = &first[command.len()..];
        let is_command = rest.is_empty() || [" && ", "   # "].iter().any(|next| rest.starts_with(next));
        if !is_command {
            wrong.push(format!("{file}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} have:\n{}", wrong.len(), wrong.join("\n"));
}

/// The literals of what is to be done: those of `hint` and `fix`, and whatever has a command in it.
fn remedies(source: &str) -> Vec<String> {
    let begins = [".hint(", ".hint(message!(", ".fix(", ".fix(message!(", ".again(", " fix "];
    let is_remedy = |at: usize| {
        begins.iter().any(|begin| source[..at].trim_end_matches(['\n', ' ']).ends_with(begin.trim_end()))
    };
    let of_remedies = literals(source).into_iter();
    of_remedies
        .filter(|(at, text)| is_remedy(*at) || text.contains("{kitcert} "))
        .map(|(_, text)| text)
        .collect()
}

/// Written so, and no place to fill in.
const WORDS: [&str; 16] = [
    "ALPN", "BUILDKIT", "CAS", "CSR", "DAEMON", "DER", "DONE", "DOWN", "ECDSA", "LETS", "NOT", "PEM", "SAN",
    "STILL", "TCP", "TLS",
];
