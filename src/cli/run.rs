//! One command line: parsed, carried out, and its result said in the form that was asked for.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::arguments::{Arguments, Command, command_line, parse};
use super::command::{
    InstallCommand, IssueCommand, ca, completions, confirm, demo, init, inspect, install, invite, issue,
    join, recover, request, revoke, rollback, rotate, status, verify,
};
use super::console::{Console, Terminals};
use super::options::{ColorChoice, Format, GlobalOptions};
use super::output::{self, CommandForm, Ink, Report, failure_json, failure_text};
use super::session::Session;
use super::usage;
use crate::apply;
use crate::env::Environment;
use crate::message;
use crate::model::{ExitCode, Failure, Message, Printable, Quoted, parsed};

/// Runs one command line, program name first, and says what the process should end with: an
/// [`ExitCode`], or one of a plugin's with `--format nagios`.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    environment: &Environment,
    console: &mut Console,
) -> u8 {
    let typed: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    if let Err(failure) = usage::refuse_contents(&typed, environment) {
        return refuse(&failure, &typed, environment, console);
    }
    let arguments = match parse(&typed) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&usage::without_values(error), &typed, environment, console),
    };
    let result = refuse_format(&arguments)
        .and_then(|()| carry_out(&arguments, environment, console))
        .map_err(|failure| failure.typed(|again| usage::again(&typed, again)));
    let (said, code) = view(&result, &arguments, environment, console.terminals());
    let written = match said {
        Said::Nothing => Ok(()),
        Said::Aside(text) => {
            console.notify(&text);
            Ok(())
        }
        Said::Result(text) => match arguments.command.output() {
            None => console.print(&text).map_err(Unwritten::Printed),
            Some(path) => apply::write_result(environment, path, text.as_bytes()).map_err(Unwritten::Filed),
        },
    };
    let undelivered = result.as_ref().ok().and_then(Report::to_remove);
    match (written, undelivered, &arguments.command) {
        (Ok(()), Some(copies), Command::Invite(asked)) => {
            let session = Session { global: &arguments.global, environment, console: &mut *console };
            let removed = invite::finish(session, asked, copies);
            removed.map_or_else(|failure| also(code, &failure, &arguments, console), |()| code)
        }
        (Err(why), Some(_), _) => {
            let again = why.failure().again("   # makes another kit with that key");
            let failure = again.typed(|again| usage::again(&typed, again));
            also(code, &failure, &arguments, console)
        }
        (Err(Unwritten::Printed(error)), None, _) if error.kind() == io::ErrorKind::BrokenPipe => code,
        (Err(why), None, _) => also(code, &why.failure(), &arguments, console),
        (Ok(()), ..) => code,
    }
}

/// Says what else failed, and gives the exit code: the graver of the two. A plugin's "critical" is
/// graver than that nothing could be said, which is its "unknown".
fn also(code: u8, failure: &Failure, arguments: &Arguments, console: &mut Console) -> u8 {
    console.notify(&failure_text(failure, Ink::Plain, &CommandForm::default()));
    match arguments.global.format {
        Format::Nagios => output::graver_than_unsaid(code),
        _ => graver(code, failure.exit_code()),
    }
}

fn graver(code: u8, other: ExitCode) -> u8 {
    ExitCode::of_all(ExitCode::of_code(code).into_iter().chain([other])).code()
}

/// Carries a command out.
fn carry_out(
    arguments: &Arguments,
    environment: &Environment,
    console: &mut Console,
) -> Result<Report, Failure> {
    let session = Session { global: &arguments.global, environment, console };
    match &arguments.command {
        Command::Init(asked) => init::run(session, asked),
        Command::Issue(IssueCommand::Daemon(asked)) => issue::daemon(session, asked),
        Command::Issue(IssueCommand::Client(asked)) => issue::client(session, asked),
        Command::Install(InstallCommand::Daemon(asked)) => install::daemon(session, asked),
        Command::Install(InstallCommand::Client(asked)) => install::client(session, asked),
        Command::Request(asked) => request::run(session, asked),
        Command::Invite(asked) => invite::run(session, asked),
        Command::Join(asked) => join::run(session, asked),
        Command::Verify(asked) => verify::run(session, asked),
        Command::Rotate(asked) => rotate::run(session, asked),
        Command::Rollback(asked) => rollback::run(session, asked),
        Command::Confirm(asked) => confirm::run(session, asked),
        Command::Retire(asked) => confirm::retire(session, asked),
        Command::Revoke(asked) => revoke::run(session, asked),
        Command::Recover(asked) => recover::run(session, asked),
        Command::Ca(asked) => ca::run(session, asked),
        Command::Status(asked) => status::run(session, asked),
        Command::Inspect(asked) => inspect::run(session, asked),
        Command::Demo(_) => demo::run(session, run),
        Command::Completions(asked) => completions::run(asked, &mut command_line()),
    }
}

/// What is said of a result.
enum Said {
    /// The result itself.
    Result(String),
    /// A failure, to the person at the terminal.
    Aside(String),
    /// Nothing needs attention.
    Nothing,
}

/// The result in the form that was asked for, and the exit code, which a plugin has its own of.
fn view(
    result: &Result<Report, Failure>,
    arguments: &Arguments,
    environment: &Environment,
    terminals: Terminals,
) -> (Said, u8) {
    let global = &arguments.global;
    let form = &command_form(global, environment);
    let code = result.as_ref().map_or_else(Failure::exit_code, Report::exit_code).code();
    let now = environment.now();
    let said = match (result, global.format) {
        (Ok(report), Format::Nagios) => {
            let (text, code) = output::nagios(report.monitored(), now);
            return (Said::Result(text), code);
        }
        (Err(failure), Format::Nagios) => {
            let (text, code) = output::nagios_failure(failure);
            return (Said::Result(text), code);
        }
        (Ok(report), Format::Json) => Said::Result(report.to_json()),
        (Ok(report), Format::Prometheus) => Said::Result(output::prometheus(report.monitored(), now)),
        (Ok(report), Format::Sarif) => Said::Result(output::sarif(report.found(), environment)),
        (Ok(report), Format::Text) if global.quiet && report.is_hidden_by_quiet() => Said::Nothing,
        (Ok(report), Format::Text) => {
            let ink = ink(global, environment, terminals.out && arguments.command.output().is_none());
            Said::Result(report.to_text(ink, form))
        }
        (Err(failure), Format::Json) => Said::Result(failure_json(arguments.command.name(), failure)),
        (Err(failure), Format::Text | Format::Prometheus | Format::Sarif) => {
            Said::Aside(failure_text(failure, ink(global, environment, terminals.err), form))
        }
    };
    (said, code)
}

/// How commands to paste are printed. Whoever has set the variable need not name the state; `sudo` forgets the
/// variable, and without it the user cannot read what root's program can.
fn command_form(global: &GlobalOptions, environment: &Environment) -> CommandForm {
    let is_sudo = environment.is_root() && environment.variable("SUDO_USER").is_some();
    let from_variable = environment.variable("KITCERT_STATE").map(Path::new);
    let named = global.state.as_deref().filter(|state| is_sudo || from_variable != Some(*state));
    let state = named.map(|state| Quoted(state).message()).filter(|state| !state.hides_a_value());
    CommandForm { before: if is_sudo { "sudo " } else { "" }, state }
}

/// Refuses a format that the command does not have.
fn refuse_format(arguments: &Arguments) -> Result<(), Failure> {
    let (format, command) = (arguments.global.format, arguments.command.name());
    let all = Format::of(command);
    if all.contains(&format) {
        return Ok(());
    }
    Err(Failure::new("reading", "--format")
        .expected(message!(
            "one of {} for {}",
            Message::join(all.iter().map(|one| one.word()), ", "),
            command
        ))
        .found(format.word())
        .again("--format json")
        .exit(ExitCode::Usage))
}

/// Why a result did not get where it was to go.
enum Unwritten {
    Printed(io::Error),
    Filed(Failure),
}

impl Unwritten {
    fn failure(self) -> Failure {
        match self {
            Unwritten::Printed(error) => Failure::new("writing", "the result").found(error),
            Unwritten::Filed(failure) => failure,
        }
    }
}

/// Prints what is no result of a command, and gives the exit code. A reader that has gone
/// (`kitcert --help | head -1`) has read what it wanted.
fn printed(text: &str, code: u8, is_plugin: bool, console: &mut Console) -> u8 {
    match console.print(text) {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            let failure = Unwritten::Printed(error).failure();
            console.notify(&failure_text(&failure, Ink::Plain, &CommandForm::default()));
            if is_plugin { output::graver_than_unsaid(code) } else { graver(code, failure.exit_code()) }
        }
    }
}

/// Turns a panic into one line that says whose fault it is, and exit code 1.
#[expect(clippy::exit, clippy::print_stderr, reason = "nothing else may be whole any more")]
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
) -> u8 {
    let colored = |terminal: bool| terminal && environment.variable("NO_COLOR").is_none();
    let render = |terminal: bool| {
        let text = error.render();
        if colored(terminal) { text.ansi().to_string() } else { text.to_string() }
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = render(console.terminals().out);
        return printed(&text, ExitCode::Done.code(), false, console);
    }
    let command = command_of(arguments);
    let is_incomplete = matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    );
    if is_incomplete && !is_for_programs(arguments) {
        return offer_help(&command, environment, console);
    }
    if is_for_programs(arguments) {
        let failure = Failure::new("reading", "the command line")
            .found(error.kind())
            .hint(message!("{} --help", Typed(&command)))
            .exit(ExitCode::Usage);
        return refuse(&failure, arguments, environment, console);
    }
    let hint = format!("try: {command} --help");
    let text = usage::told_once(error, render(console.terminals().err));
    // In colors, too.
    let lines = text.lines().map(|line| if line.starts_with("For more information") { &hint } else { line });
    let text: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    console.notify(&format!("{}\n", text.join("\n")));
    ExitCode::Usage.code()
}

/// Answers a command line that ends too early: `kitcert` alone asks for help, `kitcert issue` lacks a word.
fn offer_help(command: &str, environment: &Environment, console: &mut Console) -> u8 {
    let words = command.split(' ').skip(1);
    let mut found = words.fold(command_line(), |command, word| match command.find_subcommand(word) {
        Some(found) => found.clone(),
        None => command,
    });
    let help = found.render_help();
    let render = |is_terminal: bool| match is_terminal && environment.variable("NO_COLOR").is_none() {
        true => help.ansi().to_string(),
        false => help.to_string(),
    };
    if command == "kitcert" {
        return printed(&render(console.terminals().out), ExitCode::Done.code(), false, console);
    }
    console.notify(&render(console.terminals().err));
    ExitCode::Usage.code()
}

/// Says why a command line is not carried out, in the form that was asked for as far as it tells.
fn refuse(failure: &Failure, arguments: &[OsString], environment: &Environment, console: &mut Console) -> u8 {
    let command = command_of(arguments);
    let name = command.strip_prefix("kitcert ").unwrap_or_default();
    let (text, code) = if wants(arguments, "nagios") {
        output::nagios_failure(failure)
    } else if wants(arguments, "json") {
        (failure_json(name, failure), failure.exit_code().code())
    } else {
        let is_plain = environment.variable("NO_COLOR").is_some() || !console.terminals().err;
        console.notify(&failure_text(
            failure,
            if is_plain { Ink::Plain } else { Ink::Colored },
            &CommandForm::default(),
        ));
        return failure.exit_code().code();
    };
    printed(&text, code, wants(arguments, "nagios"), console)
}

fn is_for_programs(arguments: &[OsString]) -> bool {
    wants(arguments, "json") || wants(arguments, "nagios")
}

/// The command that was meant, in words of the command line's own definition.
struct Typed<'a>(&'a str);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

parsed!(Typed<'_>, ErrorKind);

/// Whether that format was asked for, as far as a command line that makes no sense can tell.
fn wants(arguments: &[OsString], format: &str) -> bool {
    arguments.iter().any(|argument| *argument == *format!("--format={format}"))
        || arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == *format)
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
        ColorChoice::Always => Ink::Colored,
        ColorChoice::Auto if automatic => Ink::Colored,
        ColorChoice::Auto | ColorChoice::Never => Ink::Plain,
    }
}
