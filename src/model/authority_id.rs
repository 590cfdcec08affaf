//! Which CA.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Failure, Hex, HexDigits, Message, Printable};

/// Which CA: its subjectKeyIdentifier (RFC 5280 section 4.2.1.2) in lower-case hex, as its folder in
/// the state is called.
///
/// It names a CA and proves nothing: the unknown CA that a verification plays has the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthorityId(Box<str>);

impl AuthorityId {
    /// The one with that subjectKeyIdentifier.
    #[must_use]
    pub fn of(key_identifier: &[u8]) -> AuthorityId {
        AuthorityId(Hex(key_identifier).to_string().into())
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for a table.
    #[must_use]
    pub fn short(&self) -> Message {
        HexDigits(self.0.get(..8).unwrap_or(&self.0)).message()
    }
}

impl fmt::Display for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Reads the name of a folder, exactly as it is printed.
impl FromStr for AuthorityId {
    type Err = Failure;

    fn from_str(text: &str) -> Result<AuthorityId, Failure> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_whole = !text.is_empty() && text.len().is_multiple_of(2) && text.len() <= LONGEST;
        if is_whole && text.bytes().all(is_digit) {
            return Ok(AuthorityId(text.into()));
        }
        Err(Failure::new("reading", "the key identifier of a CA")
            .expected("lower-case hex, as its folder in ca/ is called")
            .found("something else"))
    }
}

impl TryFrom<String> for AuthorityId {
    type Error = Failure;

    fn try_from(text: String) -> Result<AuthorityId, Failure> {
        text.parse()
    }
}

impl From<AuthorityId> for String {
    fn from(identifier: AuthorityId) -> String {
        identifier.0.into()
    }
}

/// Two hex digits for each byte of a SHA-512, the longest that anybody makes of a key.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_only_as_it_is_printed() {
        let id = AuthorityId::of(&[0xab, 0x01]);
        assert_eq!(id.to_string(), "ab01");
        assert_eq!("ab01".parse::<AuthorityId>().unwrap(), id);
        assert_eq!(serde_json::from_str::<AuthorityId>("\"ab01\"").unwrap(), id);
        for other in ["", "AB01", "ab0", "../x", "ab 1", &"a".repeat(130)] {
            assert!(other.parse::<AuthorityId>().is_err(), "{other}");
        }
    }
}
