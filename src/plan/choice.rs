//! Which daemon or client is meant where none is named.

use crate::message;
use crate::model::{ExitCode, Failure, IdentityName, Message, Role};

/// The name that was given, or the only one that is listed.
///
/// # Errors
/// None is listed, or several are.
pub(crate) fn chosen<'a>(
    given: Option<&IdentityName>,
    listed: impl Iterator<Item = &'a IdentityName>,
    role: Role,
    more: &Message,
) -> Result<IdentityName, Failure> {
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let listed: Vec<_> = listed.collect();
    let failure = || Failure::new("choosing", message!("a {}", role));
    match listed.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(failure()
            .expected("one in kitcert.yaml")
            .found("none")
            .hint(message!("issue a certificate for a {} first", role))),
        [first, ..] => Err(failure()
            .expected(message!("the name of one of {}", listed.len()))
            .found("none")
            .hint(message!("{kitcert} install {} {}{}", role, first, more))
            .exit(ExitCode::Usage)),
    }
}
