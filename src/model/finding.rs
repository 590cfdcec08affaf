//! What was seen, and what to do about it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Cause, ExitCode, Message, Printable, Rule};

/// How grave a finding is. The order is that of gravity: `Pass` is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it must be.
    Pass,
    /// Worth knowing.
    Info,
    /// Works, and will surprise somebody.
    Warning,
    /// Does not work, or not for everybody.
    Error,
    /// Somebody else can run code here, or hold a key that is not theirs.
    Critical,
}

impl Severity {
    /// The word for it, as JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Pass => "pass",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One result of looking at a file or a daemon: a fact with its cause and its cure. Text, JSON
/// and every other view print the same list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The stable word for what was looked at.
    pub rule: Rule,
    /// How grave it is.
    pub severity: Severity,
    /// What was looked at: a path, an endpoint, a dial.
    pub subject: Message,
    /// What must be so.
    pub expected: Message,
    /// What is so.
    pub found: Message,
    /// Why, where it is known.
    pub cause: Option<Message>,
    /// The same in stable words, where it was told from what a daemon did; several where that does
    /// not tell which of them it is.
    pub causes: Vec<Cause>,
    /// A command, or a line to change, that fixes it.
    pub fix: Option<Message>,
    /// What is to be known of that command.
    pub note: Option<Message>,
}

impl Finding {
    /// A finding of that rule about `subject`.
    pub fn new(rule: Rule, severity: Severity, subject: impl Printable) -> Finding {
        Finding {
            rule,
            severity,
            subject: subject.message(),
            expected: Message::default(),
            found: Message::default(),
            cause: None,
            causes: Vec::new(),
            fix: None,
            note: None,
        }
    }

    /// What must be so.
    #[must_use]
    pub fn expected(mut self, expected: impl Printable) -> Finding {
        self.expected = expected.message();
        self
    }

    /// What is so.
    #[must_use]
    pub fn found(mut self, found: impl Printable) -> Finding {
        self.found = found.message();
        self
    }

    /// Why.
    #[must_use]
    pub fn cause(mut self, cause: impl Printable) -> Finding {
        self.cause = Some(cause.message());
        self
    }

    /// Why, in stable words, the likeliest first; in their own clauses too, unless
    /// [`cause`](Finding::cause) says it better.
    #[must_use]
    pub fn because(mut self, causes: &[Cause]) -> Finding {
        self.cause = Some(Message::join(causes.iter().map(|cause| cause.clause()), "; or "));
        self.causes = causes.to_vec();
        self
    }

    /// What fixes it, a command perhaps with a remark; nothing if a value in it cannot be printed.
    #[must_use]
    pub fn fix(mut self, fix: impl Printable) -> Finding {
        self.set_fix(fix);
        self
    }

    /// The same of one that is there.
    pub fn set_fix(&mut self, fix: impl Printable) {
        (self.fix, self.note) = match fix.message() {
            fix if fix.hides_a_value() => (None, None),
            fix => {
                let (fix, note) = fix.parted();
                (Some(fix), note)
            }
        };
    }

    /// The gravest severity of a list; `Pass` for none.
    #[must_use]
    pub fn gravest(findings: &[Finding]) -> Severity {
        findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Pass)
    }

    /// The exit code that a list of findings means: 3 from `Error` up, 4 from `fail_on` up where
    /// that is given, else 0.
    #[must_use]
    pub fn exit_code(findings: &[Finding], fail_on: Option<Severity>) -> ExitCode {
        let gravest = Finding::gravest(findings);
        if gravest >= Severity::Error {
            ExitCode::Verification
        } else if fail_on.is_some_and(|bound| gravest >= bound) {
            ExitCode::Due
        } else {
            ExitCode::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_finding_makes_the_exit_code() {
        use Severity::{Critical, Error, Info, Pass, Warning};
        let code = |severities: &[Severity], fail_on| {
            let finding = |severity: &Severity| Finding::new(Rule::ALL[0], *severity, "it");
            Finding::exit_code(&severities.iter().map(finding).collect::<Vec<_>>(), fail_on)
        };
        assert_eq!(code(&[], Some(Warning)), ExitCode::Done);
        assert_eq!(code(&[Pass, Warning], None), ExitCode::Done);
        assert_eq!(code(&[Pass, Info], Some(Warning)), ExitCode::Done);
        assert_eq!(code(&[Warning, Pass], Some(Warning)), ExitCode::Due);
        assert_eq!(code(&[Warning], Some(Info)), ExitCode::Due);
        assert_eq!(code(&[Pass, Error], None), ExitCode::Verification);
        assert_eq!(code(&[Critical, Pass], Some(Info)), ExitCode::Verification);
    }

    #[test]
    fn a_severity_is_said_in_one_word_everywhere() {
        let words = [
            (Severity::Pass, "pass"),
            (Severity::Info, "info"),
            (Severity::Warning, "warning"),
            (Severity::Error, "error"),
            (Severity::Critical, "critical"),
        ];
        for (severity, word) in words {
            assert_eq!((severity.as_str(), severity.to_string().as_str()), (word, word));
            assert_eq!(serde_json::to_value(severity).unwrap(), word);
        }
    }
}
