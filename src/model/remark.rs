//! What is to be said of a command to paste, and where it is printed.

use super::Message;
use crate::message;

impl Message {
    /// A command without its remark, and the remark. It is written behind three blanks and a `#`, and printed
    /// on a line of its own: an interactive zsh takes no comments.
    #[must_use]
    pub fn parted(&self) -> (Message, Option<Message>) {
        let Some(at) = self.remark else { return (self.clone(), None) };
        let begin = at + REMARK.len();
        let (command, remark) = (self.text[..at].to_owned(), self.text[begin..].to_owned());
        let (of_command, of_remark): (Vec<usize>, Vec<usize>) =
            self.commands.iter().partition(|end| **end <= at);
        let commands = of_remark.into_iter().map(|end| end - begin).collect();
        let remark = Message { text: remark, commands, hides: self.hides, ..Message::default() };
        (Message { text: command, commands: of_command, remark: None, ..*self }, Some(remark))
    }

    /// A command with its remark in brackets, for where there is one line: so it is printed and serialized
    /// wherever nobody has parted the two.
    #[must_use]
    pub fn in_one_line(&self) -> Message {
        match self.parted() {
            (command, Some(remark)) => message!("{} ({})", command, remark),
            (command, None) => command,
        }
    }
}

/// What is between a command and what is to be said of it.
const REMARK: &str = "   # ";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::message;

    #[test]
    fn a_remark_is_parted_from_its_command_and_no_value_begins_one() {
        let path = Path::new("a   # b");
        let told = message!("chmod 0600 {}   # and {kitcert} status", path);
        let (command, remark) = told.parted();
        assert_eq!((command.as_str(), remark.as_deref()), ("chmod 0600 a   # b", Some("and kitcert status")));
        assert!(command.is_command() && command.parted().1.is_none());
        assert_eq!(remark.unwrap().pasted("sudo ", None), "and sudo kitcert status");
        let said = message!("try: {}", message!("{kitcert} rotate {}   # then {kitcert} verify", path));
        let (command, remark) = said.pasted("sudo ", Some(&message!("/s"))).parted();
        assert_eq!(command, "try: sudo kitcert --state /s rotate a   # b");
        assert_eq!(remark.unwrap(), "then sudo kitcert --state /s verify");
        assert_eq!(told.in_one_line(), "chmod 0600 a   # b (and kitcert status)");
        assert_eq!(serde_json::to_value(&told).unwrap(), "chmod 0600 a   # b (and kitcert status)");
    }
}
