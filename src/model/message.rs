//! What a message may contain. A value that could hold a private key never gets in by accident,
//! because nothing gets in but the kinds of this file's list.
//!
//! A [`Message`] is fixed words and [`Printable`] values, put together by [`message!`]. Errors,
//! findings and reports take nothing else, so a file's content, an argument that was not
//! understood or another program's text cannot be quoted: a `String` is not printable.
//!
//! | kind | printed as | where it is implemented |
//! |---|---|---|
//! | words in the source, numbers | as they are | here |
//! | parsed values: host, port, date, duration, name, serial, fingerprint, DN and SANs of a certificate, a word of a closed set | their own form, printed again | [`Message::parsed`]; `tests/properties/source/house.rs` lists the callers |
//! | a path | as it is, if [`printed_path`] allows it | here |
//! | a word that is not known, a name that is not one | [`Word`] | here |
//! | a person's own line, another program's text | [`Line`], [`Remark`] | here |

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::programs::PROGRAMS;
use super::unparsed::{printed_line, printed_path, printed_remark, printed_word, visible};

/// The text of an error, a finding or a report.
///
/// Words of the source may contain `{kitcert}`: a command to paste begins there. It is printed as
/// `kitcert`, and [`Message::pasted`] can have it name the state that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    pub(super) text: String,
    pub(super) hides: bool,
    /// Where in `text` the program's name ends, of each command to paste.
    pub(super) commands: Vec<usize>,
    /// Whether it is a command from its first word on.
    pub(super) is_command: bool,
    /// Where in `text` a command ends that a remark follows; only words of the source begin one.
    pub(super) remark: Option<usize>,
}

/// A value that a message may contain.
pub trait Printable {
    /// How it is printed.
    fn message(&self) -> Message;
}

impl Message {
    /// The words, with each `{}` replaced by a value. [`message!`] calls it, and compares the
    /// numbers of places and values when it is compiled.
    #[must_use]
    pub fn compose(words: &'static str, values: &[Message]) -> Message {
        let mut parts = words.split("{}");
        let mut message = Message::default();
        message.push_words(parts.next().unwrap_or_default());
        for (value, words) in values.iter().zip(parts) {
            message.push(value);
            message.push_words(words);
        }
        message
    }

    fn push(&mut self, more: &Message) {
        let before = self.text.len();
        self.remark = self.remark.or(more.remark.map(|at| before + at));
        self.is_command |= before == 0 && more.is_command;
        self.text.push_str(&more.text);
        self.commands.extend(more.commands.iter().map(|end| before + end));
        self.hides |= more.hides;
    }

    fn push_words(&mut self, words: &'static str) {
        let first = words.split(' ').next().unwrap_or_default();
        self.is_command |= self.text.is_empty() && PROGRAMS.contains(&first);
        for (number, part) in words.split("{kitcert}").enumerate() {
            if number > 0 {
                self.text.push_str(PROGRAM);
                self.commands.push(self.text.len());
            }
            self.remark = self.remark.or(part.find("   # ").map(|at| self.text.len() + at));
            self.text.push_str(part);
        }
    }

    /// The text, with `before` in front of each command to paste, such as `sudo `, and `--state` in it.
    #[must_use]
    pub fn pasted(&self, before: &'static str, state: Option<&Message>) -> Message {
        let option = state.map(|state| Message::compose(" --state {}", std::slice::from_ref(state)));
        let mut pasted = Message { hides: self.hides, is_command: self.is_command, ..Message::default() };
        let mut begin = 0;
        for end in &self.commands {
            let name = end - PROGRAM.len();
            pasted.text.push_str(&self.text[begin..name]);
            pasted.text.push_str(before);
            pasted.text.push_str(PROGRAM);
            option.iter().for_each(|option| pasted.push(option));
            begin = *end;
        }
        pasted.text.push_str(&self.text[begin..]);
        let added = before.len() + option.as_ref().map_or(0, |option| option.text.len());
        let commands_before = |at: usize| self.commands.iter().filter(|end| **end <= at).count();
        pasted.remark = self.remark.map(|at| at + added * commands_before(at));
        pasted
    }

    /// How many values a text has places for.
    #[must_use]
    pub const fn places(words: &str) -> usize {
        let bytes = words.as_bytes();
        let (mut at, mut places) = (0, 0);
        while at + 1 < bytes.len() {
            if bytes[at] == b'{' && bytes[at + 1] == b'}' {
                places += 1;
            }
            at += 1;
        }
        places
    }

    /// The door for a value that was parsed as what it is, and whose `Display` prints it again:
    /// nothing but what its grammar allows can be in it. Every caller is an `impl Printable` that
    /// stands in the list of `tests/properties/source/house.rs`.
    #[must_use]
    pub fn parsed(value: &dyn fmt::Display) -> Message {
        Message::shown(visible(&value.to_string()))
    }

    fn shown(text: String) -> Message {
        Message { text, ..Message::default() }
    }

    /// Several messages with the same words between them.
    #[must_use]
    pub fn join(items: impl IntoIterator<Item = impl Printable>, between: &'static str) -> Message {
        let mut joined = Message::default();
        for (number, item) in items.into_iter().enumerate() {
            if number > 0 {
                joined.push_words(between);
            }
            joined.push(&item.message());
        }
        joined
    }

    /// As many of them as fit into a sentence, and how many more there are.
    #[must_use]
    pub fn few(items: impl IntoIterator<Item = impl Printable>, between: &'static str) -> Message {
        let mut items = items.into_iter();
        let shown = Message::join(items.by_ref().take(MOST_NAMED), between);
        match items.count() {
            0 => shown,
            more => Message::join([shown, Message::shown(format!("and {more} more"))], between),
        }
    }

    /// This message with another at its end.
    #[must_use]
    pub fn and(self, more: impl Printable) -> Message {
        Message::join([self, more.message()], "")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a value in it is described instead of printed. A command with such a value cannot
    /// be pasted.
    #[must_use]
    pub fn hides_a_value(&self) -> bool {
        self.hides
    }

    /// Whether it can be pasted into a shell: a command of ours, or of a program that every admin has.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.is_command
    }

    /// The same words, which are a command that somebody wrote into kitcert.yaml.
    #[must_use]
    pub(crate) fn into_command(self) -> Message {
        Message { is_command: true, ..self }
    }

    fn shown_or_described(shown: Result<String, String>) -> Message {
        match shown {
            Ok(text) => Message::shown(visible(&text)),
            Err(text) => Message { text, hides: true, ..Message::default() },
        }
    }
}

/// A [`Message`]: fixed words with a `{}` for each [`Printable`] value.
///
/// ```
/// use kitcert::message;
/// assert_eq!(message!("{} of {} clients", 2, 5).as_str(), "2 of 5 clients");
/// ```
///
/// Text that nobody parsed does not get in:
///
/// ```compile_fail
/// let content = std::fs::read_to_string("key.pem").unwrap();
/// kitcert::message!("found {}", content);
/// ```
///
/// ```compile_fail
/// let content = std::fs::read_to_string("key.pem").unwrap();
/// kitcert::message!("found {}", content.as_str());
/// ```
#[macro_export]
macro_rules! message {
    ($words:expr $(, $value:expr)* $(,)?) => {{
        const WORDS: &'static str = $words;
        const VALUES: &[&str] = &[$(stringify!($value)),*];
        const { assert!($crate::model::Message::places(WORDS) == VALUES.len()) };
        $crate::model::Message::compose(WORDS, &[$($crate::model::Printable::message(&$value)),*])
    }};
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.in_one_line().text)
    }
}

impl From<&'static str> for Message {
    fn from(words: &'static str) -> Message {
        words.message()
    }
}

/// A message is read as text is; nothing gets in that way.
impl std::ops::Deref for Message {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq<String> for Message {
    fn eq(&self, other: &String) -> bool {
        self.text == *other
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl Printable for Message {
    fn message(&self) -> Message {
        self.clone()
    }
}

impl<T: Printable + ?Sized> Printable for &T {
    fn message(&self) -> Message {
        (**self).message()
    }
}

/// Words in the source.
impl Printable for &'static str {
    fn message(&self) -> Message {
        let mut message = Message::default();
        message.push_words(self);
        message
    }
}

/// Kinds whose `Display` prints what was parsed, and nothing else.
macro_rules! parsed {
    ($($kind:ty),+ $(,)?) => {
        $(impl $crate::model::Printable for $kind {
            fn message(&self) -> $crate::model::Message {
                $crate::model::Message::parsed(self)
            }
        })+
    };
}
pub(crate) use parsed;

parsed!(u8, u16, u32, u64, usize, i32, i64, std::net::IpAddr, std::net::SocketAddr);

/// A path: as it is, or described where it may be a key's content.
impl Printable for Path {
    fn message(&self) -> Message {
        Message::shown_or_described(printed_path(self))
    }
}

impl Printable for PathBuf {
    fn message(&self) -> Message {
        self.as_path().message()
    }
}

impl Printable for std::path::Display<'_> {
    fn message(&self) -> Message {
        PathBuf::from(self.to_string()).message()
    }
}

/// Why the system refused: its own words for its own error numbers, never a text that came along.
impl Printable for std::io::Error {
    fn message(&self) -> Message {
        match self.raw_os_error() {
            Some(number) => Message::parsed(&std::io::Error::from_raw_os_error(number)),
            None => Message::parsed(&self.kind()),
        }
    }
}

/// A word that somebody wrote where a name, an option or a key of a document is expected, and that
/// is none: as it is with at most 24 of `[A-Za-z0-9_.-]`, else by its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a>(pub &'a str);

impl Printable for Word<'_> {
    fn message(&self) -> Message {
        Message::shown_or_described(printed_word(self.0))
    }
}

/// A number in hex that somebody else wrote: of a certificate, of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HexDigits<'a>(pub &'a str);

impl Printable for HexDigits<'_> {
    fn message(&self) -> Message {
        match self.0.len() <= MOST_HEX_DIGITS && self.0.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Message::shown(self.0.to_owned()),
            false => Word(self.0).message(),
        }
    }
}

/// Two hex digits for each byte of a SHA-256.
const MOST_HEX_DIGITS: usize = 64;

/// A line that a person wrote to be read: whom to ask, what a CA is called. As it is, unless it has
/// a run of characters as a key has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a>(pub &'a str);

impl Printable for Line<'_> {
    fn message(&self) -> Message {
        Message::shown_or_described(printed_line(self.0))
    }
}

/// What another program said: its first 80 bytes, by the rule for a [`Line`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remark<'a>(pub &'a str);

impl Printable for Remark<'_> {
    fn message(&self) -> Message {
        Message::shown_or_described(printed_remark(self.0))
    }
}

/// What a shell calls this program.
const PROGRAM: &str = "kitcert";
/// A line of a terminal holds about so many names beside what is said of them.
const MOST_NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_words_with_the_values_in_their_places() {
        let path = Path::new("/etc/key.pem");
        assert_eq!(
            message!("{}: expected {}, found {}", path, "a file", 2),
            "/etc/key.pem: expected a file, found 2"
        );
        assert_eq!(message!("nothing to do"), "nothing to do");
        assert_eq!(Message::join(["a", "b"], ", ").and("!"), "a, b!");
        assert_eq!(Message::few(["a", "b"], ", "), "a, b");
        assert_eq!(Message::few(["a"; MOST_NAMED + 2], ", "), "a, a, a, a, a, a, a, a, a, a, and 2 more");
    }

    #[test]
    fn commands_to_paste_name_the_state_that_they_are_about() {
        let rotate = message!("{kitcert} rotate {}", Word("kitcert"));
        let both = message!("{}; next: {kitcert} status; then: {}", "kitcert waits", rotate);
        assert_eq!(both, "kitcert waits; next: kitcert status; then: kitcert rotate kitcert");
        let about = "kitcert waits; next: kitcert --state /s status; then: kitcert --state /s rotate kitcert";
        assert_eq!(both.pasted("", Some(&Path::new("/s").message())), about);
        assert_eq!(
            Message::join([&both, &rotate], " && ").pasted("", Some(&message!("/s"))).matches("/s").count(),
            3
        );
        let under_sudo = "kitcert waits; next: sudo kitcert status; then: sudo kitcert rotate kitcert";
        assert_eq!(both.pasted("sudo ", None), under_sudo);
        assert_eq!(both.pasted("", None), both.as_str());
    }

    #[test]
    fn a_message_knows_whether_it_is_a_command_from_its_first_word_on() {
        let command = message!("{kitcert} rotate {}", Word("builder"));
        assert!(command.is_command() && command.pasted("sudo ", Some(&message!("/s"))).is_command());
        assert!(message!("{} && chmod 600 x", command).is_command());
        assert!(message!("chmod 600 {}", Path::new("/x")).is_command());
        assert!(!message!("then: {}", command).is_command());
        assert!(!message!("give it --force").is_command());
        assert!(message!("{}", message!("x").into_command()).is_command());
    }

    #[test]
    fn a_message_knows_that_it_hides_a_value() {
        let content = "-----BEGIN PRIVATE KEY----- MC4CAQAwBQYDK2VwBCIEIPpsZ";
        for hidden in [Word(content).message(), Path::new(content).message(), Line(content).message()] {
            assert!(hidden.hides_a_value(), "{hidden}");
            assert!(message!("reading {}", hidden).hides_a_value());
            assert!(Message::join([hidden, "x".message()], " ").hides_a_value());
        }
        assert!(!message!("reading {}", Word("builder")).hides_a_value());
    }

    #[test]
    fn an_error_of_the_system_is_told_in_the_systems_words_alone() {
        let error = std::io::Error::other("MC4CAQAwBQYDK2VwBCIEIPpsZ");
        assert_eq!(error.message(), "other error");
        assert_eq!(std::io::Error::from_raw_os_error(2).message(), "No such file or directory (os error 2)");
    }
}
