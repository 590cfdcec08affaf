//! Who can read a key.

use std::fmt::Display;

use crate::model::{Finding, Rule, Severity};

/// Judges the permission bits of a key file; None for a key that only its owner can read.
///
/// A group that may read is a warning, since root's keys are shared so on purpose where a daemon
/// runs as another user; anything wider gives the key away.
#[must_use]
pub fn key_mode(path: impl Display, mode: u32) -> Option<Finding> {
    let severity = match (mode & 0o007, mode & 0o070) {
        (0, 0) => return None,
        (0, 0o040) => Severity::Warning,
        _ => Severity::Critical,
    };
    Some(
        Finding::new(Rule::KeyMode, severity, &path)
            .expected("mode 0600")
            .found(format!("mode {mode:04o}"))
            .cause("whoever can read this key can be its owner")
            .fix(format!("chmod 0600 {path}   # and issue a new key, if others were on this machine")),
    )
}

/// Judges whose a key file is; None where it is root's or that user's. `owner` and `user` are user
/// ids.
#[must_use]
pub fn key_owner(path: impl Display, owner: u32, user: u32) -> Option<Finding> {
    (owner != 0 && owner != user).then(|| {
        Finding::new(Rule::KeyOwner, Severity::Warning, &path)
            .expected(format!("a file of root or of user {user}"))
            .found(format!("one of user {owner}"))
            .cause("its owner can read and replace it, whatever its mode")
            .fix(format!("chown {user} {path}   # unless that user is who reads it"))
    })
}
