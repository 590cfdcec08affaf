//! Command lines that make no sense, told without repeating what may be a key: people pass the
//! content of a file for its path, in one argument or, without quotes, in one for each word.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use super::arguments::Arguments;
use crate::env::Environment;
use crate::layout::CommandLine;
use crate::message;
use crate::model::{Again, ExitCode, Failure, Message, Printable, Word};

/// Refuses a key's content where its path, or anything else, belongs: in an argument, or in a
/// variable that is read.
///
/// # Errors
/// There is one.
pub(super) fn refuse_contents(typed: &[OsString], environment: &Environment) -> Result<(), Failure> {
    let mut before: Option<&str> = None;
    for argument in typed.iter().skip(1) {
        let text = argument.to_string_lossy();
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if option.starts_with("--") && is_pem(value) => (Some(option), value),
            _ => (before, &*text),
        };
        if is_pem(value) {
            return Err(content(
                option
                    .filter(|option| is_option(option))
                    .map_or(message!("the command line"), |option| Word(option).message()),
            ));
        }
        before = argument.to_str();
    }
    if let Some((name, _)) = environment.variables().find(|(_, value)| is_pem(value)) {
        return Err(content(Word(name).message()));
    }
    // What is made there is called so, and a name on this disk is shown from then on.
    let is_hidden = |value: &str| Path::new(value).message().hides_a_value();
    let names = environment.variables().filter(|(name, _)| NAMING.contains(name));
    match names.into_iter().find(|(_, value)| is_hidden(value)) {
        Some((name, value)) => Err(Failure::new("reading", Word(name))
            .expected("the name of a file or a folder")
            .found(Path::new(value))
            .exit(ExitCode::Usage)),
        None => Ok(()),
    }
}

/// The variables that name files and folders.
const NAMING: [&str; 7] = [
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "EARTHLY_CONFIG",
    "EARTHLY_INSTALLATION_NAME",
    "EARTH_CONFIG",
    "EARTH_INSTALLATION_NAME",
];

/// The command that was typed, as [`Again`] wants it; in words, where what was typed is not to be shown.
pub(super) fn again(typed: &[OsString], again: &Again) -> Message {
    let option = again.with.split(COMMENT).next().unwrap_or_default();
    let mut added = option.split(' ').filter(|word| !word.is_empty());
    let replaced = again.without.or(added.next());
    let takes_value = again.without.is_some() || added.next().is_some();
    let mut words = Vec::new();
    let mut typed = typed.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = typed.next() {
        match replaced {
            Some(replaced) if word == replaced => {
                if takes_value {
                    typed.next();
                }
            }
            // The state is named as in every other command to paste.
            _ if word == "--state" => drop(typed.next()),
            _ if word.starts_with("--state=") => {}
            Some(replaced) if word.strip_prefix(replaced).is_some_and(|rest| rest.starts_with('=')) => {}
            _ => words.push(word),
        }
    }
    let words = CommandLine(&words).message();
    let is_shown = words.is_command() && !words.hides_a_value();
    let command = message!("{kitcert} {}", words);
    match again.without {
        _ if is_shown && option.is_empty() => command.and(&again.with),
        _ if is_shown => message!("{} {}", command, again.with),
        Some(without) => message!("the same command without {}", without),
        None if option.is_empty() => message!("the same command again"),
        None => message!("the same command with {}", again.with),
    }
}

/// What begins a comment in a command to paste.
const COMMENT: &str = "   #";

/// A parser's error without what was typed, as far as that may be a key: words that are not known,
/// and values that do not fit.
pub(super) fn without_values(mut error: Error) -> Error {
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidValue,
        ContextKind::InvalidSubcommand,
        ContextKind::TrailingArg,
        ContextKind::PriorArg,
    ] {
        let shown = match error.get(kind) {
            Some(ContextValue::String(text)) if !is_known(text) => ContextValue::String(shown(text)),
            Some(ContextValue::Strings(texts)) => {
                let text = |text: &String| if is_known(text) { text.clone() } else { shown(text) };
                ContextValue::Strings(texts.iter().map(text).collect())
            }
            _ => continue,
        };
        // What is suggested repeats what was typed.
        if kind != ContextKind::InvalidArg || error.get(ContextKind::SuggestedArg).is_none() {
            error.remove(ContextKind::Suggested);
        }
        error.insert(kind, shown);
    }
    error
}

/// A parser's text without the value, where that is told again behind it or cannot be shown.
pub(super) fn told_once(error: &Error, text: String) -> String {
    const BEGIN: &str = "invalid value '";
    const END: &str = "' for '";
    let value = text.find(BEGIN).and_then(|begin| {
        let length = text.get(begin + BEGIN.len()..)?.find(END)?;
        Some(begin + BEGIN.len()..begin + BEGIN.len() + length)
    });
    let Some(value) = value else { return text };
    let is_told_again = error.kind() == ErrorKind::ValueValidation;
    if !is_told_again && !text.get(value.clone()).unwrap_or_default().contains("a value of ") {
        return text;
    }
    let (before, behind) = (text.get(..value.start), text.get(value.end + END.len()..));
    let before = before.unwrap_or_default().trim_end_matches(" '");
    format!("{before} for '{}", behind.unwrap_or_default())
}

fn shown(text: &str) -> String {
    match text.strip_prefix("--") {
        Some(option) => {
            let option = Word(option.split('=').next().unwrap_or_default()).message();
            if option.hides_a_value() { option.to_string() } else { format!("--{option}") }
        }
        None => Word(text).message().to_string(),
    }
}

/// Whether clap wrote it and not a person: `--kit <FILE>`, `<NAME>`.
fn is_known(text: &str) -> bool {
    fn has(command: &clap::Command, text: &str) -> bool {
        command.get_arguments().any(|argument| argument.to_string() == text)
            || command.get_subcommands().any(|command| has(command, text))
    }
    let mut command = Arguments::command();
    command.build();
    has(&command, text)
}

/// Whether an argument looks like an option and nothing else.
fn is_option(text: &str) -> bool {
    text.starts_with("--") && !Word(text).message().hides_a_value()
}

fn is_pem(text: &str) -> bool {
    text.trim_start_matches(|one: char| one.is_whitespace() || "'\"\u{feff}".contains(one)).starts_with(BEGIN)
}

fn content(place: Message) -> Failure {
    Failure::new("reading", place)
        .found("this is a key's content; give its path (GitLab: a variable of type File)")
        .exit(ExitCode::Usage)
}

const BEGIN: &str = "-----BEGIN";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn a_value_that_does_not_fit_is_told_once() {
        let told = |words: &[&str]| {
            let typed = ["kitcert"].iter().chain(words);
            let error = without_values(Arguments::try_parse_from(typed).unwrap_err());
            let text = told_once(&error, error.render().to_string());
            text.lines().next().unwrap_or_default().to_owned()
        };
        let duration =
            "expected a number with a unit of y, w, d, h, m or s, such as 397d or 10y, found something else";
        assert_eq!(
            told(&["verify", "--timeout", "q q"]),
            format!(
                "error: invalid value for '--timeout <DURATION>': reading the duration a value of 3 characters: {duration}"
            )
        );
        assert_eq!(
            told(&["init", "--host", "a", "--key-type", "a b"]),
            "error: invalid value for '--key-type <TYPE>'"
        );
        assert_eq!(
            told(&["--format", "xyz", "status"]),
            "error: invalid value 'xyz' for '--format <FORMAT>'"
        );
    }

    #[test]
    fn the_command_that_was_typed_is_suggested_again_unless_it_may_have_a_key_in_it() {
        let again = |typed: &[&str], with: &'static str, without| {
            let typed: Vec<OsString> = typed.iter().map(OsString::from).collect();
            super::again(&typed, &Again { with: with.into(), without })
        };
        let typed = ["/usr/bin/kitcert", "join", "my kit", "--tool=buildx", "--config", "c.yml"];
        assert_eq!(
            again(&typed, "--tool earthly   # or earthbuild", None),
            "kitcert join 'my kit' --config c.yml --tool earthly   # or earthbuild"
        );
        assert_eq!(again(&typed, "", Some("--config")), "kitcert join 'my kit' --tool=buildx");
        assert!(again(&typed, "--enable-tls", None).is_command());
        let secret = ["kitcert", "join", "MC4CAQAwBQYDK2VwBCIEIPpsZbXq0v8mJ4kL1nT3yR7wQeUiOaSdFgHj"];
        assert_eq!(again(&secret, "--enable-tls", None), "the same command with --enable-tls");
        assert_eq!(again(&secret, "", Some("--config")), "the same command without --config");
        assert_eq!(again(&secret, "   # finishes it", None), "the same command again");
        assert!(!again(&secret, "--enable-tls", None).is_command());
    }
}
