//! Words on a screen: arguments, one file a command, output, and failures with hints.
//!
//! A command here turns what was typed into a request, has `apply` do it, and turns what came of
//! it into a report: which line is a warning, and with which code it ends. It changes nothing and touches
//! no file, `demo` excepted, which has a throw-away directory of its own.
//!
//! ```text
//! arguments, options   what can be typed
//! usage                command lines that make no sense
//! command              one file for each command
//! run, session         one command line, carried out, and what it has at hand
//! output               the forms of a result
//! schema               the members of the JSON objects, told from their types
//! console              the terminal
//! manual               the manual pages
//! ```

mod arguments;
mod command;
mod console;
pub mod manual;
mod options;
mod output;
mod run;
pub mod schema;
mod session;
mod usage;

pub use arguments::{Arguments, command_line};
pub use console::Console;
pub use run::{report_panics_plainly, run};
