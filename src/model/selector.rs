//! What a person types for an identity: its name, and where a daemon and a client share it, whose.

use std::fmt;
use std::str::FromStr;

use super::{ExitCode, Failure, IdentityName, Message, Printable, Role};
use crate::message;

/// `ana`, `client/ana`, `daemon/builder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Daemon or client; None: whichever has the name.
    pub role: Option<Role>,
    /// Its name.
    pub name: IdentityName,
}

impl Selector {
    /// Whether it means that identity.
    #[must_use]
    pub fn means(&self, role: Role, name: &IdentityName) -> bool {
        self.name == *name && self.role.is_none_or(|own| own == role)
    }

    /// The name, if it may mean an identity of that role.
    ///
    /// # Errors
    /// The other role is named.
    pub fn name_of(self, role: Role) -> Result<IdentityName, Failure> {
        match self.role {
            Some(other) if other != role => Err(Failure::new("reading the name", &self)
                .expected(message!("a {}: {} or {}/{}", role, self.name, role, self.name))
                .found(message!("a {}", other))
                .exit(ExitCode::Usage)),
            _ => Ok(self.name),
        }
    }
}

impl FromStr for Selector {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Selector, Failure> {
        let (role, name) = match (text.strip_prefix("daemon/"), text.strip_prefix("client/")) {
            (Some(name), _) => (Some(Role::Daemon), name),
            (_, Some(name)) => (Some(Role::Client), name),
            _ => (None, text),
        };
        Ok(Selector { role, name: name.parse()? })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Some(role) => write!(f, "{role}/{}", self.name),
            None => f.pad(self.name.as_str()),
        }
    }
}

impl Printable for Selector {
    fn message(&self) -> Message {
        match self.role {
            Some(role) => message!("{}/{}", role, self.name),
            None => self.name.message(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_meant_by_itself_or_with_its_own_role_alone() {
        let name: IdentityName = "ana".parse().unwrap();
        for (text, daemon, client) in
            [("ana", true, true), ("daemon/ana", true, false), ("client/ana", false, true)]
        {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string(), text);
            assert_eq!(
                (selector.means(Role::Daemon, &name), selector.means(Role::Client, &name)),
                (daemon, client)
            );
        }
        for role in [Role::Daemon, Role::Client] {
            let read = |text: &str| text.parse::<Selector>().unwrap().name_of(role);
            assert_eq!(read("ana").unwrap(), name);
            assert_eq!(read(&format!("{role}/ana")).unwrap(), name);
            let other = if role == Role::Daemon { Role::Client } else { Role::Daemon };
            let failure = read(&format!("{other}/ana")).unwrap_err();
            assert_eq!(failure.exit_code(), ExitCode::Usage);
            assert_eq!(failure.what_was_found().as_str(), format!("a {other}"));
        }
        for text in ["ca/ana", "daemon/", "daemon/daemon/ana", "client/../x"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
