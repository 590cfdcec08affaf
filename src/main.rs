//! Parse, run, exit code.

use std::process::ExitCode;

use kitcert::cli::{self, Console};
use kitcert::env::Environment;

fn main() -> ExitCode {
    cli::report_panics_plainly();
    let code = cli::run(std::env::args_os(), &Environment::of_process(), &mut Console::of_process());
    ExitCode::from(code)
}
