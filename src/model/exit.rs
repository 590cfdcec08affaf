//! What a command tells the shell.

/// The exit codes of every command, one table.
///
/// A number is never given a second meaning; scripts and unit files may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed: nothing changed, or the previous credentials are back and served.
    Failed = 1,
    /// The command line cannot be carried out as it was typed.
    Usage = 2,
    /// Verification found errors, an unreachable daemon included.
    Verification = 3,
    /// Something is due, or there are only warnings, where that was asked.
    Due = 4,
    /// Busy, or changed underneath: safe to retry.
    Busy = 5,
    /// The files are committed; the daemon does not serve them yet.
    NotServed = 6,
    /// Changed or down, and the previous credentials could not be brought back.
    Down = 7,
}

impl ExitCode {
    /// The code of a command that did several things: the first of 7, 6, 3, 1, 5, 4, 0.
    ///
    /// A usage error (2) never stands beside others, since it ends a command before it begins;
    /// it ranks first here so that it could not be hidden.
    #[must_use]
    pub fn of_all(codes: impl IntoIterator<Item = ExitCode>) -> ExitCode {
        codes.into_iter().min_by_key(|code| code.rank()).unwrap_or(ExitCode::Done)
    }

    /// The code of that number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<ExitCode> {
        ALL.into_iter().find(|one| one.code() == code)
    }

    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Its place among several: 0 is the gravest.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            ExitCode::Usage => 0,
            ExitCode::Down => 1,
            ExitCode::NotServed => 2,
            ExitCode::Verification => 3,
            ExitCode::Failed => 4,
            ExitCode::Busy => 5,
            ExitCode::Due => 6,
            ExitCode::Done => 7,
        }
    }
}

const ALL: [ExitCode; 8] = [
    ExitCode::Done,
    ExitCode::Failed,
    ExitCode::Usage,
    ExitCode::Verification,
    ExitCode::Due,
    ExitCode::Busy,
    ExitCode::NotServed,
    ExitCode::Down,
];

#[cfg(test)]
mod tests {
    use super::ExitCode::{self, *};

    #[test]
    fn of_several_the_gravest_is_told() {
        assert_eq!(ExitCode::of_all([]), Done);
        assert_eq!(ExitCode::of_all([Done, Due, Busy]), Busy);
        assert_eq!(ExitCode::of_all([Busy, Failed]), Failed);
        assert_eq!(ExitCode::of_all([Failed, Verification, Due]), Verification);
        assert_eq!(ExitCode::of_all([Verification, NotServed]), NotServed);
        assert_eq!(ExitCode::of_all([NotServed, Down]), Down);
    }

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let codes = [Done, Failed, Usage, Verification, Due, Busy, NotServed, Down];
        assert_eq!(codes.map(ExitCode::code), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
