//! Findings that a person has looked at and lives with: `accept` in `kitcert.yaml`.

use std::str::FromStr;

use crate::message;
use crate::model::{
    Failure, Finding, IdentityName, Line, Message, Role, Rule, Selector, Severity, Timestamp, Word,
};

/// A finding that is accepted as it is: as soon as something else is found, it is not accepted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Its rule.
    pub rule: Rule,
    /// Of whom it is found.
    pub subject: Selector,
    /// What is found, word for word.
    pub found: FoundText,
    /// Why it is accepted.
    pub reason: Option<FoundText>,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl Acceptance {
    /// Whether it is about that finding of an identity.
    #[must_use]
    pub fn is_about(
        &self,
        (role, name): (Role, &IdentityName),
        (rule, found): (Rule, &Message),
        now: Timestamp,
    ) -> bool {
        let is_over = self.until.is_some_and(|until| until < now);
        self.rule == rule && self.subject.means(role, name) && self.found.0 == found.as_str() && !is_over
    }

    /// `accepted until 2027-03-01: nobody else uses it`
    #[must_use]
    pub fn message(&self) -> Message {
        let until = self.until.map(|until| message!(" until {}", until.date())).unwrap_or_default();
        let reason = self.reason.as_ref().map(|reason| message!(": {}", Line(&reason.0))).unwrap_or_default();
        message!("accepted{}{}", until, reason)
    }

    /// The finding, as information.
    #[must_use]
    pub fn accept(&self, finding: &Finding) -> Finding {
        Finding {
            severity: Severity::Info,
            found: message!("{} ({})", finding.found, self.message()),
            ..finding.clone()
        }
    }
}

/// What a person wrote of a finding; at most a thousand bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundText(String);

impl FromStr for FoundText {
    type Err = Failure;

    fn from_str(text: &str) -> Result<FoundText, Failure> {
        match text.len() {
            1..=LONGEST => Ok(FoundText(text.to_owned())),
            length => {
                Err(Failure::new("reading", "what was found").expected("1 to 1000 bytes").found(length))
            }
        }
    }
}

/// A rule whose findings may be accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct AcceptableRule(Rule);

impl AcceptableRule {
    pub(super) fn rule(self) -> Rule {
        self.0
    }
}

impl FromStr for AcceptableRule {
    type Err = Failure;

    fn from_str(text: &str) -> Result<AcceptableRule, Failure> {
        let failure = || Failure::new("reading the rule", Word(text));
        match Rule::ALL.iter().find(|rule| rule.as_str() == text) {
            None => Err(failure().expected("a rule of kitcert-rules(7)").found("another word")),
            Some(rule) if !rule.is_acceptable() => {
                Err(failure().expected("a rule that may be accepted").found(
                    "one of a lock-out, an open daemon, one that is down or not verified, or an old copy",
                ))
            }
            Some(rule) => Ok(AcceptableRule(*rule)),
        }
    }
}

/// A date or an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until(Timestamp);

impl Until {
    pub(super) fn instant(self) -> Timestamp {
        self.0
    }
}

impl FromStr for Until {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Until, Failure> {
        Timestamp::parse(text).map(Until)
    }
}

const LONGEST: usize = 1000;
