//! The programs that a command to paste may begin with.

/// With these words a command begins that can be pasted; with any other, a sentence.
pub(super) const PROGRAMS: [&str; 16] = [
    "{kitcert}",
    "${EDITOR:-vi}",
    "chmod",
    "chown",
    "date",
    "docker",
    "export",
    "getent",
    "ip",
    "ls",
    "mv",
    "openssl",
    "rm",
    "ss",
    "timedatectl",
    "unset",
];
