//! Whom to ask.

use std::fmt;
use std::str::FromStr;

use super::unparsed::{holds_drawn_hex, is_unseen};
use super::{ExitCode, Failure, Line, Message, Printable as _};
use crate::message;

/// Whom a developer asks about a daemon, in the admin's own words: `jo@example.com, #builders`.
///
/// One line that is safe to print: no control characters, no blanks at the ends, at most 200
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contact(String);

impl Contact {
    /// The user of that number, where nothing better is known.
    #[must_use]
    pub fn of_user_id(user_id: u32) -> Contact {
        Contact(format!("{USER}{user_id}"))
    }

    /// Whom to ask, as a developer is told: nobody is called `root`.
    #[must_use]
    pub fn person(&self) -> Message {
        let is_number = |user: &str| user.parse::<u32>().is_ok();
        let is_nobody = self.0 == "root" || self.0.strip_prefix(USER).is_some_and(is_number);
        if is_nobody { message!("your admin") } else { self.message() }
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Contact {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Contact, Failure> {
        one_line(text, "the contact").map(Contact)
    }
}

/// A person's own words, where they are one line that is safe to print: no control characters, no blanks at the
/// ends, 1 to 200 characters, and nothing that looks like a part of a key. `what` is for the message.
pub(super) fn one_line(text: &str, what: &'static str) -> Result<String, Failure> {
    let length = text.chars().count();
    // It is kept and shown: what must not be printed must not be there.
    let is_public = !Line(text).message().hides_a_value() && !holds_drawn_hex(text);
    if is_public && (1..=LONGEST).contains(&length) && text.trim() == text && !text.chars().any(is_unseen) {
        return Ok(text.to_owned());
    }
    Err(Failure::new("reading", what)
        .expected("1 to 200 characters in one line, without blanks at the ends")
        .found(if !is_public {
            message!("what looks like a part of a key")
        } else if length == 0 || length > LONGEST {
            message!("{} characters", length)
        } else {
            message!("a control character, or a blank at an end")
        })
        .exit(ExitCode::Usage))
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const LONGEST: usize = 200;
/// Before the number of a user.
const USER: &str = "user ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_developer_is_sent_to_a_person() {
        let person = |contact: Contact| contact.person().to_string();
        for nobody in ["root".parse().unwrap(), Contact::of_user_id(0), Contact::of_user_id(1000)] {
            assert_eq!(person(nobody), "your admin");
        }
        for somebody in ["jo", "user nine", "root of builder"] {
            assert_eq!(person(somebody.parse().unwrap()), somebody);
        }
    }

    #[test]
    fn a_contact_is_one_line_that_is_safe_to_print() {
        for good in ["jo", "Jo Ålén <jo@example.com>, #builders", &"x".repeat(200)] {
            assert_eq!(good.parse::<Contact>().unwrap().as_str(), good);
        }
        for bad in ["", " jo", "jo ", "jo\nkey: x", "jo\u{1b}[31m", "jo\u{202e}moc", &"x".repeat(201)] {
            assert!(bad.parse::<Contact>().is_err(), "{bad:?}");
        }
        let found = |bad: &str| bad.parse::<Contact>().unwrap_err().what_was_found().to_owned();
        assert_eq!(found(""), "0 characters");
        assert_eq!(found(&"x".repeat(201)), "201 characters");
        for blank in ["jo ".to_owned(), format!("{} ", "x".repeat(199))] {
            assert_eq!(found(&blank), "a control character, or a blank at an end");
        }
    }
}
