//! The one shape of an error.

use std::fmt;

use crate::message;

use super::{ExitCode, Message, Printable};

/// Why something could not be done, told the way a person needs it: what was being done, to
/// what, what was expected, what was found, and a command to try.
///
/// Every fallible function of the crate returns this type, so that no message can leave a part
/// out and no layer has to translate another's errors. It never holds key bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    exit: ExitCode,
    doing: Message,
    subject: Message,
    expected: Message,
    found: Message,
    hint: Option<Message>,
    again: Option<Again>,
}

/// The command that was typed, with another option, or without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The option and its value; a comment may follow, after three blanks.
    pub with: Message,
    /// The option that is left out, with its value.
    pub without: Option<&'static str>,
}

impl Failure {
    /// A failure while `doing` something ("reading the CA key") to `subject` (a path, a host, an
    /// option). Lower case, no full stop. Ends in [`ExitCode::Failed`] unless told otherwise.
    pub fn new(doing: impl Printable, subject: impl Printable) -> Failure {
        Failure(Box::new(Facts {
            exit: ExitCode::Failed,
            doing: doing.message(),
            subject: subject.message(),
            expected: Message::default(),
            found: Message::default(),
            hint: None,
            again: None,
        }))
    }

    /// What should have been there.
    #[must_use]
    pub fn expected(mut self, expected: impl Printable) -> Failure {
        self.0.expected = expected.message();
        self
    }

    /// What was there.
    #[must_use]
    pub fn found(mut self, found: impl Printable) -> Failure {
        self.0.found = found.message();
        self
    }

    /// What to do: a command that can be pasted, printed after `try:`, or a sentence, printed after `fix:`;
    /// none if a value in it cannot be printed.
    #[must_use]
    pub fn hint(mut self, command: impl Printable) -> Failure {
        self.0.hint = Some(command.message()).filter(|command| !command.hides_a_value());
        self
    }

    /// What to do is the command that was typed, with these words behind it: an option and its value, which
    /// take the place of that option, and a comment after three blanks.
    #[must_use]
    pub fn again(mut self, with: impl Printable) -> Failure {
        self.0.again = Some(Again { with: with.message(), without: None });
        self
    }

    /// The same without an option and its value.
    #[must_use]
    pub fn again_without(mut self, option: &'static str) -> Failure {
        self.0.again = Some(Again { with: Message::default(), without: Some(option) });
        self
    }

    /// The same failure, where it is known what was typed: `command` makes what to do of it.
    #[must_use]
    pub fn typed(self, command: impl FnOnce(&Again) -> Message) -> Failure {
        match self.0.again.clone() {
            Some(again) => self.hint(command(&again)),
            None => self,
        }
    }

    /// The code that the command ends with.
    #[must_use]
    pub fn exit(mut self, exit: ExitCode) -> Failure {
        self.0.exit = exit;
        self
    }

    /// The code that the command ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.0.exit
    }

    /// What was being done.
    #[must_use]
    pub fn doing(&self) -> &Message {
        &self.0.doing
    }

    /// To what: a path, a host, an option.
    #[must_use]
    pub fn subject(&self) -> &Message {
        &self.0.subject
    }

    /// What should have been there; empty where there is nothing to compare.
    #[must_use]
    pub fn what_was_expected(&self) -> &Message {
        &self.0.expected
    }

    /// What was there instead; empty where there is nothing to compare.
    #[must_use]
    pub fn what_was_found(&self) -> &Message {
        &self.0.found
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> Option<&Message> {
        self.0.hint.as_ref()
    }
}

/// One line: `doing subject: expected …, found …`. What to do is shown apart, by `cli`.
impl Printable for Failure {
    fn message(&self) -> Message {
        let Facts { doing, subject, expected, found, .. } = &*self.0;
        let what = if subject.is_empty() { doing.clone() } else { message!("{} {}", doing, subject) };
        match (expected.is_empty(), found.is_empty()) {
            (false, false) => message!("{}: expected {}, found {}", what, expected, found),
            (false, true) => message!("{}: expected {}", what, expected),
            (true, false) => message!("{}: {}", what, found),
            (true, true) => what,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_done_to_what_and_what_was_there_as_far_as_that_is_known() {
        let failure = || Failure::new("reading", "key.pem");
        assert_eq!(failure().to_string(), "reading key.pem");
        assert_eq!(failure().found("nothing").to_string(), "reading key.pem: nothing");
        assert_eq!(failure().expected("a key").to_string(), "reading key.pem: expected a key");
        let whole = failure().expected("a key").found("nothing").hint("kitcert status");
        assert_eq!(whole.to_string(), "reading key.pem: expected a key, found nothing");
        assert_eq!(Failure::new("dialing", "").to_string(), "dialing");
        assert_eq!((whole.doing().as_str(), whole.subject().as_str()), ("reading", "key.pem"));
        assert_eq!(
            (whole.what_was_expected().as_str(), whole.what_was_found().as_str()),
            ("a key", "nothing")
        );
        assert_eq!(whole.remedy(), Some(&Message::from("kitcert status")));
        assert_eq!(whole.exit_code(), ExitCode::Failed);
    }
}
