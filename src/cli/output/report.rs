//! What a command has to say, and its two views: text and JSON.

use comfy_table::{CellAlignment, Table, presets};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::monitored::Monitored;
use super::style::{Ink, Tone, paint};
use crate::apply::KeyCopies;
use crate::message;
use crate::model::{Cause, ExitCode, Failure, Finding, Message, Printable};

/// The result of a command. Text and JSON are made of the same values.
#[derive(Debug)]
pub(crate) struct Report {
    command: &'static str,
    target: Option<Message>,
    changed: Changed,
    exit: ExitCode,
    findings: Vec<Found>,
    monitored: Vec<Monitored>,
    details: Map<String, Value>,
    blocks: Vec<Block>,
    quiet_hides_it: bool,
    once_delivered: KeyCopies,
}

/// Whether anything on disk is different now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Something is.
    Yes,
    /// Nothing is.
    No,
}

/// A finding, and what was looked at when it was made.
#[derive(Debug)]
pub(in crate::cli) struct Found {
    /// The daemon, the endpoint or the file; None where the finding's own subject is one.
    pub at: Option<Message>,
    pub finding: Finding,
}

#[derive(Debug)]
enum Block {
    Line(Tone, Message),
    Table(Vec<(Tone, Vec<Message>)>),
    /// A program of ours for another program, to the byte.
    Script(String),
}

impl Report {
    /// An empty report of a command that succeeded and changed nothing.
    #[must_use]
    pub(crate) fn new(command: &'static str) -> Report {
        Report {
            command,
            target: None,
            changed: Changed::No,
            exit: ExitCode::Done,
            findings: Vec::new(),
            monitored: Vec::new(),
            details: Map::new(),
            blocks: Vec::new(),
            quiet_hides_it: true,
            once_delivered: KeyCopies::default(),
        }
    }

    /// What the command was about: a path, an endpoint.
    #[must_use]
    pub(crate) fn target(mut self, target: impl Printable) -> Report {
        self.target = Some(target.message());
        self
    }

    /// Whether it changed anything.
    #[must_use]
    pub(crate) fn changed(mut self, changed: Changed) -> Report {
        self.changed = changed;
        self
    }

    /// The code that it ends with.
    #[must_use]
    pub(crate) fn exit(mut self, exit: ExitCode) -> Report {
        self.exit = exit;
        self
    }

    /// Says something that nobody can find out later, so that `--quiet` must not hide it.
    #[must_use]
    pub(crate) fn even_if_quiet(mut self) -> Report {
        self.quiet_hides_it = false;
        self
    }

    /// What is removed once this has been delivered, since a secret in it is kept nowhere else.
    #[must_use]
    pub(in crate::cli) fn once_delivered(mut self, copies: KeyCopies) -> Report {
        self.once_delivered = copies;
        self
    }

    /// What is to be removed once this has been delivered.
    #[must_use]
    pub(in crate::cli) fn to_remove(&self) -> Option<&KeyCopies> {
        Some(&self.once_delivered).filter(|copies| !copies.is_empty())
    }

    /// Whether `--quiet` leaves nothing of the text.
    #[must_use]
    pub(crate) fn is_hidden_by_quiet(&self) -> bool {
        self.quiet_hides_it && self.exit == ExitCode::Done
    }

    /// Members of the JSON object; what they say stands in kitcert-json(7).
    #[must_use]
    pub(crate) fn object(mut self, members: &(impl Serialize + JsonSchema)) -> Report {
        self.details.extend(members_of(members));
        self
    }

    /// Findings for JSON; the text of them is added by whoever decides its shape.
    #[must_use]
    pub(crate) fn findings(mut self, findings: Vec<Finding>) -> Report {
        self.findings.extend(findings.into_iter().map(|finding| Found { at: None, finding }));
        self
    }

    /// The same for what was found when one thing was looked at.
    #[must_use]
    pub(in crate::cli) fn findings_at(mut self, at: &Message, findings: Vec<Finding>) -> Report {
        let found = findings.into_iter().map(|finding| Found { at: Some(at.clone()), finding });
        self.findings.extend(found);
        self
    }

    /// One thing that was looked at, for monitoring; its findings are JSON's too.
    #[must_use]
    pub(in crate::cli) fn about(self, monitored: Monitored) -> Report {
        let mut report = self.findings_at(&monitored.name, monitored.findings.clone());
        report.monitored.push(monitored);
        report
    }

    /// Everything that was found.
    #[must_use]
    pub(in crate::cli) fn found(&self) -> &[Found] {
        &self.findings
    }

    /// Everything that was looked at.
    #[must_use]
    pub(in crate::cli) fn monitored(&self) -> &[Monitored] {
        &self.monitored
    }

    /// A line of text.
    #[must_use]
    pub(crate) fn line(self, text: impl Printable) -> Report {
        self.toned(Tone::Plain, text)
    }

    /// A line of text in a tone.
    #[must_use]
    pub(crate) fn toned(mut self, tone: Tone, text: impl Printable) -> Report {
        self.blocks.push(Block::Line(tone, text.message()));
        self
    }

    /// Why each of these is so and what to do about it, once where several have the same cause; each with its
    /// `name`, where there are several.
    #[must_use]
    pub(in crate::cli) fn explained(
        self,
        findings: &[&Finding],
        name: impl Fn(&Finding) -> Message,
    ) -> Report {
        let mut distinct: Vec<&Finding> = Vec::new();
        for finding in findings {
            let is_new = distinct.iter().all(|one| (&one.cause, &one.fix) != (&finding.cause, &finding.fix));
            if is_new && (finding.cause.is_some() || finding.fix.is_some()) {
                distinct.push(finding);
            }
        }
        let is_alone = distinct.len() == 1;
        distinct.into_iter().fold(self, |report, finding| {
            let report = match &finding.cause {
                Some(cause) if is_alone => {
                    report.line(message!("cause: {}{}", cause, words(&finding.causes)))
                }
                Some(cause) => {
                    report.line(message!("cause: {}: {}{}", name(finding), cause, words(&finding.causes)))
                }
                None => report,
            };
            finding.fix.iter().fold(report, |report, fix| report.remedy(fix, finding.note.as_ref()))
        })
    }

    /// What to do, and what is to be known of it.
    #[must_use]
    pub(in crate::cli) fn remedy(self, fix: &Message, note: Option<&Message>) -> Report {
        remedy_lines(fix, note).into_iter().fold(self, Report::line)
    }

    /// A completion script, which is made of the command line's definition alone.
    #[must_use]
    pub(in crate::cli) fn script(mut self, script: String) -> Report {
        self.blocks.push(Block::Script(script));
        self
    }

    /// Rows whose columns are aligned.
    #[must_use]
    pub(crate) fn table(mut self, rows: Vec<(Tone, Vec<Message>)>) -> Report {
        if !rows.is_empty() {
            self.blocks.push(Block::Table(rows));
        }
        self
    }

    /// The code that the command ends with.
    #[must_use]
    pub(crate) fn exit_code(&self) -> ExitCode {
        self.exit
    }

    /// The JSON view: one object.
    #[must_use]
    pub(crate) fn to_json(&self) -> String {
        let mut members = members_of(&Everywhere {
            schema: SCHEMA,
            command: self.command,
            target: self.target.as_ref(),
            changed: self.changed == Changed::Yes,
            exit: self.exit.code(),
            findings: &self.findings.iter().map(|found| &found.finding).collect::<Vec<_>>(),
            error: None,
        });
        members.extend(self.details.clone());
        format!("{:#}\n", Value::Object(members))
    }

    /// The text view; commands to paste have that form.
    #[must_use]
    pub(crate) fn to_text(&self, ink: Ink, form: &CommandForm) -> String {
        self.blocks.iter().map(|block| block.render(ink, form)).collect()
    }
}

impl Block {
    fn render(&self, ink: Ink, form: &CommandForm) -> String {
        match self {
            Block::Line(tone, text) => paint(ink, *tone, form.of(text).as_str()) + "\n",
            Block::Table(rows) => render_table(rows, ink, form),
            Block::Script(script) => format!("{script}\n"),
        }
    }
}

/// Columns two blanks apart, aligned before they are colored, without blanks at the ends.
fn render_table(rows: &[(Tone, Vec<Message>)], ink: Ink, form: &CommandForm) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (_, cells) in rows {
        table.add_row(cells.iter().map(|cell| form.of(cell).to_string()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_cell_alignment(CellAlignment::Left);
    }
    let text = table.to_string();
    let painted = text.lines().zip(rows).map(|(line, (tone, _))| paint(ink, *tone, line.trim_end()) + "\n");
    painted.collect()
}

/// The text of a failure, as it goes to standard error; commands to paste have that form.
#[must_use]
pub(crate) fn failure_text(failure: &Failure, ink: Ink, form: &CommandForm) -> String {
    let hint = failure.remedy().map(Message::parted);
    let hint = hint.map(|(fix, note)| remedy_lines(&fix, note.as_ref())).unwrap_or_default();
    let hint: String = hint.iter().map(|line| format!("{}\n", form.of(line))).collect();
    let said = form.of(&failure.message());
    format!("{} {said}\n{hint}", paint(ink, Tone::Bad, "error:"))
}

/// The stable words of the causes, for whoever looks them up in kitcert-causes(7).
fn words(causes: &[Cause]) -> Message {
    match causes {
        [] => Message::default(),
        causes => message!(" [{}]", Message::join(causes, ", ")),
    }
}

/// A command after `try:`, and what no command does after `fix:`; then what is to be known of it.
fn remedy_lines(remedy: &Message, note: Option<&Message>) -> Vec<Message> {
    let remedy = if remedy.is_command() { message!("try: {}", remedy) } else { message!("fix: {}", remedy) };
    std::iter::once(remedy).chain(note.map(|note| message!("note: {}", note))).collect()
}

/// How commands to paste are printed.
#[derive(Debug, Default)]
pub(in crate::cli) struct CommandForm {
    /// What stands in front of each: nothing, or `sudo `.
    pub before: &'static str,
    /// The state, where it was named.
    pub state: Option<Message>,
}

impl CommandForm {
    fn of(&self, message: &Message) -> Message {
        message.pasted(self.before, self.state.as_ref()).in_one_line()
    }
}

/// The JSON object of a command that failed.
#[must_use]
pub(crate) fn failure_json(command: &str, failure: &Failure) -> String {
    let (remedy, note) = failure.remedy().map(Message::parted).unzip();
    let is_command = failure.remedy().is_some_and(Message::is_command);
    let members = members_of(&Everywhere {
        schema: SCHEMA,
        command,
        target: None,
        changed: false,
        exit: failure.exit_code().code(),
        findings: &[],
        error: Some(ErrorMember {
            doing: failure.doing(),
            subject: failure.subject(),
            expected: failure.what_was_expected(),
            found: failure.what_was_found(),
            next: remedy.as_ref().filter(|_| is_command),
            fix: remedy.as_ref().filter(|_| !is_command),
            note: note.as_ref().and_then(Option::as_ref),
        }),
    });
    format!("{:#}\n", Value::Object(members))
}

/// The version of the objects' shape. Members are added without another number; one that changes
/// its meaning or goes away raises it.
const SCHEMA: u32 = 1;

/// What every command prints.
#[derive(Serialize, JsonSchema)]
pub(in crate::cli) struct Everywhere<'a> {
    /// The version of this shape: 1.
    schema: u32,
    /// The command, such as `verify` or `issue client`.
    command: &'a str,
    /// What it was about: a state, an endpoint, a path.
    target: Option<&'a Message>,
    /// Whether anything on disk is different now.
    changed: bool,
    /// The exit code.
    exit: u8,
    /// Everything that was looked at, passes included.
    findings: &'a [&'a Finding],
    /// Why the command failed; there where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

/// Why a command failed.
#[derive(Serialize, JsonSchema)]
struct ErrorMember<'a> {
    /// What was being done.
    doing: &'a Message,
    /// To what.
    subject: &'a Message,
    /// What was expected.
    expected: &'a Message,
    /// What was found.
    found: &'a Message,
    /// A command to paste.
    #[serde(rename = "try")]
    next: Option<&'a Message>,
    /// What to do, where no command does it.
    fix: Option<&'a Message>,
    /// What is to be known of that command.
    note: Option<&'a Message>,
}

/// None of an object of ours is anything but an object.
fn members_of(object: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(object) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rule, Severity};

    #[test]
    fn every_cause_is_told_once_with_what_it_is_of_and_what_fixes_it() {
        let finding = |subject: &'static str, cause: &'static str, fix: &'static str| {
            Finding::new(Rule::KeyMode, Severity::Error, subject).cause(cause).fix(fix)
        };
        let (first, same) = (finding("a", "one", "chmod 600 a"), finding("b", "one", "chmod 600 a"));
        let other = finding("c", "two", "ask its owner");
        let told = |findings: &[&Finding]| {
            let report = Report::new("verify").explained(findings, |finding| finding.subject.clone());
            report.to_text(Ink::Plain, &CommandForm::default())
        };
        assert_eq!(told(&[&first, &same]), "cause: one\ntry: chmod 600 a\n");
        let both = "cause: a: one\ntry: chmod 600 a\ncause: c: two\nfix: ask its owner\n";
        assert_eq!(told(&[&first, &same, &other]), both);
    }
}
