//! Words on a screen: arguments, one small file a command, output, and failures with hints.
//!
//! A command here turns what was typed into a request, has `apply` do it, and turns what came of
//! it into a [`Report`]. It decides nothing and touches no file.

mod arguments;
mod command;
mod console;
mod kit_arguments;
pub mod manual;
mod report;
mod rotation_arguments;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

pub use arguments::Arguments;
pub use console::{Console, Terminals};
pub use report::{Changed, Ink, Report, Tone};

use crate::env::Environment;
use crate::model::{ExitCode, Failure};
use arguments::{ColorChoice, Command, Format, GlobalOptions};
use report::{failure_json, failure_text};

/// Runs one command line, program name first, and says what the process should end with.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    environment: &Environment,
    console: &mut Console,
) -> ExitCode {
    let typed: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let arguments = match Arguments::try_parse_from(&typed) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, &typed, environment, console),
    };
    let result = command::run(&arguments, environment, console);
    let global = &arguments.global;
    // Whoever has set the variable need not be told to name the directory.
    let from_variable = environment.variable("KITCERT_STATE").map(Path::new);
    let named = global.state.as_deref().filter(|state| from_variable != Some(*state));
    let exit = result.as_ref().map_or_else(Failure::exit_code, Report::exit_code);
    let written = match (&result, global.format) {
        (Ok(report), Format::Json) => console.print(&report.to_json()),
        (Ok(report), Format::Text) if global.quiet && report.is_hidden_by_quiet() => Ok(()),
        (Ok(report), Format::Text) => {
            let ink = ink(global, environment, console.terminals().out);
            console.print(&with_state(report.to_text(ink), named))
        }
        (Err(failure), Format::Json) => console.print(&failure_json(arguments.command.name(), failure)),
        (Err(failure), Format::Text) => {
            let text = failure_text(failure, ink(global, environment, console.terminals().err));
            console.notify(&with_state(text, named));
            Ok(())
        }
    };
    written.map_or_else(|error| unwritten(&error, exit, console), |()| exit)
}

/// Commands to paste are about the state that was named, so they name it too.
fn with_state(text: String, state: Option<&Path>) -> String {
    let Some(state) = state else { return text };
    let named = format!("kitcert --state {} ", state.display());
    ["next: ", "then: ", "here: ", "try: ", "&& "].into_iter().fold(text, |text, before| {
        let typed = format!("{before}kitcert ");
        text.replace(&typed, &format!("{before}{named}"))
            .replace(&format!("{named}--state "), "kitcert --state ")
    })
}

/// Turns a panic into one line that says whose fault it is, and exit code 1.
pub fn report_panics_plainly() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("error: kitcert has a fault at {place}; nothing was committed by this step");
        eprintln!("try: the same command again, and report it with what was typed");
        std::process::exit(ExitCode::Failed.code().into());
    }));
}

/// Help and version go to standard output; a command line that makes no sense to standard error.
fn explain(
    error: &clap::Error,
    arguments: &[OsString],
    environment: &Environment,
    console: &mut Console,
) -> ExitCode {
    let coloured = |terminal: bool| terminal && environment.variable("NO_COLOR").is_none();
    let render = |terminal: bool| {
        let text = error.render();
        if coloured(terminal) { text.ansi().to_string() } else { text.to_string() }
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let written = console.print(&render(console.terminals().out));
        return written.map_or_else(|error| unwritten(&error, ExitCode::Done, console), |()| ExitCode::Done);
    }
    let command = command_of(arguments);
    if wants_json(arguments) {
        let failure = Failure::new("reading", "the command line")
            .found(error.kind())
            .hint(format!("{command} --help"))
            .exit(ExitCode::Usage);
        let name = command.strip_prefix("kitcert ").unwrap_or_default();
        let written = console.print(&failure_json(name, &failure));
        return written
            .map_or_else(|error| unwritten(&error, ExitCode::Usage, console), |()| ExitCode::Usage);
    }
    let hint = format!("try: {command} --help");
    let text = render(console.terminals().err);
    let text = text.replace("For more information, try '--help'.", &hint).replace("\n\n", "\n");
    console.notify(&text);
    ExitCode::Usage
}

/// Whether JSON was asked for, as far as a command line that makes no sense can tell.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// The command that was meant: `kitcert issue client` of `kitcert issue client --lifetime 3`.
fn command_of(arguments: &[OsString]) -> String {
    let top = Arguments::command();
    let mut command = &top;
    let mut words = vec![top.get_name()];
    for argument in arguments.iter().skip(1) {
        if let Some(subcommand) = command.find_subcommand(argument) {
            words.push(subcommand.get_name());
            command = subcommand;
        }
    }
    words.join(" ")
}

fn ink(global: &GlobalOptions, environment: &Environment, terminal: bool) -> Ink {
    let automatic = terminal
        && environment.variable("NO_COLOR").is_none()
        && environment.variable("TERM") != Some("dumb");
    match global.color {
        ColorChoice::Always => Ink::Coloured,
        ColorChoice::Auto if automatic => Ink::Coloured,
        ColorChoice::Auto | ColorChoice::Never => Ink::Plain,
    }
}

/// A reader that has gone (`kitcert status | head -1`) has read what it wanted.
fn unwritten(error: &io::Error, exit: ExitCode, console: &mut Console) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return exit;
    }
    let failure = Failure::new("writing", "the result").found(error);
    console.notify(&failure_text(&failure, Ink::Plain));
    ExitCode::Failed
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Issue(arguments::IssueCommand::Daemon(_)) => "issue daemon",
            Command::Issue(arguments::IssueCommand::Client(_)) => "issue client",
            Command::Install(arguments::InstallCommand::Daemon(_)) => "install daemon",
            Command::Install(arguments::InstallCommand::Client(_)) => "install client",
            Command::Request(_) => "request",
            Command::Invite(_) => "invite",
            Command::Join(_) => "join",
            Command::Verify(_) => "verify",
            Command::Rotate(_) => "rotate",
            Command::Rollback(_) => "rollback",
            Command::Status(_) => "status",
            Command::Inspect(_) => "inspect",
            Command::Demo(_) => "demo",
            Command::Completions(_) => "completions",
        }
    }
}
