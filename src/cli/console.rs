//! The terminal, or whatever stands in for it.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use zeroize::Zeroizing;

use crate::model::Message;

/// Where a command reads and writes.
pub struct Console {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    input: Box<dyn BufRead>,
    terminals: Terminals,
}

/// Which of the three streams are a person's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    /// Whether questions can be answered.
    pub input: bool,
    /// Whether results are read by eye.
    pub out: bool,
    /// Whether progress is seen.
    pub err: bool,
}

impl Console {
    /// The streams of this process.
    #[must_use]
    pub fn of_process() -> Console {
        Console {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            // Not locked: a command that reads a list from it would wait for itself.
            input: Box::new(io::BufReader::new(io::stdin())),
            terminals: Terminals {
                input: io::stdin().is_terminal(),
                out: io::stdout().is_terminal(),
                err: io::stderr().is_terminal(),
            },
        }
    }

    /// Streams made up, for a command that runs within another.
    #[must_use]
    pub fn made_up(out: Box<dyn Write>, err: Box<dyn Write>, input: Box<dyn BufRead>) -> Console {
        Console { out, err, input, terminals: Terminals::default() }
    }

    /// Which streams are a person's.
    #[must_use]
    pub fn terminals(&self) -> Terminals {
        self.terminals
    }

    /// How wide a line of results may be: the terminal's width, or what is usual.
    #[must_use]
    pub fn columns(&self) -> usize {
        let size = if self.terminals.out { tcgetwinsize(stdout()).ok() } else { None };
        size.map_or(USUAL_WIDTH, |size| size.ws_col.into())
    }

    /// Writes results.
    ///
    /// # Errors
    /// The reader is gone, or the disk behind it is full.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes to the person at the terminal: failures, questions, progress. There is nobody to
    /// tell when that fails.
    pub fn notify(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }

    /// Asks for a secret and reads a line that the terminal does not show; None where nobody is
    /// there to answer.
    pub fn ask_secret(&mut self, question: &Message) -> Option<Zeroizing<String>> {
        if !self.terminals.input {
            return None;
        }
        // Before the question: whoever pastes at once is not shown either.
        let unseen = Unseen::begin()?;
        self.notify(question.as_str());
        let (answer, signal) = unseen.read_line();
        drop(unseen);
        self.notify("\n");
        if let Some(signal) = signal {
            // What a terminal does otherwise. Where the signal is ignored, nobody has answered.
            let _ = kill_process(getpid(), signal);
            return None;
        }
        answer.filter(|answer| !answer.trim().is_empty())
    }

    /// Asks a question and reads a line; None where nobody is there to answer.
    pub fn ask(&mut self, question: &Message) -> Option<String> {
        if !self.terminals.input {
            return None;
        }
        self.notify(question.as_str());
        let mut answer = String::new();
        let read = self.input.read_line(&mut answer).ok()?;
        (read > 0).then(|| answer.trim().to_owned())
    }
}

/// A terminal that does not show what is typed, until this is dropped. The keys that end a process end the line
/// instead, so that the terminal is as it was before the process ends.
struct Unseen {
    before: Termios,
}

impl Unseen {
    fn begin() -> Option<Unseen> {
        let before = tcgetattr(stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] = before.special_codes[SpecialCodeIndex::VINTR];
        hidden.special_codes[SpecialCodeIndex::VEOL2] = before.special_codes[SpecialCodeIndex::VQUIT];
        tcsetattr(stdin(), OptionalActions::Flush, &hidden).ok()?;
        Some(Unseen { before })
    }

    /// Reads a line by bytes, so that no buffer keeps a copy of it; and the signal of the key that ended it.
    fn read_line(&self) -> (Option<Zeroizing<String>>, Option<Signal>) {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_SECRET));
        let mut byte = Zeroizing::new([0; 1]);
        while line.len() < LONGEST_SECRET {
            match rustix::io::read(stdin(), byte.as_mut_slice()) {
                Ok(1) if byte[0] == b'\n' => break,
                Ok(1) => match self.key(byte[0]) {
                    Key::Signal(signal) => return (None, Some(signal)),
                    Key::Suspend => {}
                    Key::Text => line.push(byte[0]),
                },
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        (std::str::from_utf8(&line).ok().map(|text| Zeroizing::new(text.to_owned())), None)
    }

    fn key(&self, byte: u8) -> Key {
        let is = |index| byte != 0 && self.before.special_codes[index] == byte;
        match byte {
            _ if is(SpecialCodeIndex::VINTR) => Key::Signal(Signal::INT),
            _ if is(SpecialCodeIndex::VQUIT) => Key::Signal(Signal::QUIT),
            _ if is(SpecialCodeIndex::VSUSP) => Key::Suspend,
            _ => Key::Text,
        }
    }
}

/// What a key means while nothing is shown.
enum Key {
    Signal(Signal),
    /// Not taken for a letter of a passphrase, which nobody would see; a process cannot be sent to the
    /// background from here.
    Suspend,
    Text,
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // There is nobody to tell when that fails.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// In bytes: twenty times our own.
const LONGEST_SECRET: usize = 1024;
/// Of a terminal that does not say, and of a file.
const USUAL_WIDTH: usize = 80;
