//! Words on a screen: arguments, one file a command, output, and failures with hints.
//!
//! A command here turns what was typed into a request, has `apply` do it, and turns what came of
//! it into a report: which line is a warning, and with which code it ends. It changes nothing and touches
//! no file, `demo` excepted, which has a throw-away directory of its own.

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
