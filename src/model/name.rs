//! What identities and authorities are called.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::unparsed::{holds_drawn_hex, is_unseen};
use super::{DnsName, ExitCode, Failure, Fingerprint, Line, Message, Printable, Role, SubjectAltName, Word};
use crate::message;

/// The name of a daemon or a client within one state: `builder`, `ana`, `ci.linux`.
///
/// One to 63 characters of `a-z`, `0-9`, `.` and `-`, a dot counted twice; every label between dots begins
/// and ends with a letter or a digit. So a name is safe as a folder and as one label of a DNS name (RFC 1034
/// section 3.5), and no two names differ by case alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct IdentityName(String);

/// As one label of a DNS name (RFC 1034 section 3.1).
const LONGEST_IDENTITY_NAME: usize = 63;

/// What stands for a dot in the label of a client.
const DOT: &str = "--";

/// A label that begins so is read as an encoded one (RFC 5890 section 2.3.2.1).
const ENCODED: &str = "xn--";

/// In characters.
const LONGEST_COMMON_NAME: usize = 64;

/// The domain of every client's dNSName. `.internal` is reserved for private use, so that no
/// public name can ever collide with it.
const CLIENT_DOMAIN: &str = "client.kitcert.internal";

/// How like names are, from 0 to 1, if one of them was typed for the other.
const ALIKE: f64 = 0.8;

impl IdentityName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The common name in its certificates, by which nobody decides who it is: `client ana`, cut to
    /// the 64 characters of RFC 5280 appendix A.1 (ub-common-name).
    #[must_use]
    pub fn common_name(&self, role: Role) -> String {
        format!("{role} {self}").chars().take(LONGEST_COMMON_NAME).collect()
    }

    /// The dNSName in this client's certificate: `ana.client.kitcert.internal`,
    /// `ci--linux.client.kitcert.internal`. The name is one label, because an excluded name takes all names
    /// below it along: nobody who excludes `linux` may stop `ci.linux`.
    ///
    /// Some verifiers refuse a certificate without any SAN, and linters refuse single labels.
    #[must_use]
    pub fn client_dns_name(&self) -> DnsName {
        DnsName::from_checked(format!("{}.{CLIENT_DOMAIN}", label_of(&self.0)))
    }

    /// Every name in this client's certificate for the key with that fingerprint: the client's, and the
    /// key's. A daemon can be made to refuse either.
    #[must_use]
    pub fn client_names(&self, key: &Fingerprint) -> Vec<SubjectAltName> {
        [self.client_dns_name(), key.key_dns_name()].map(SubjectAltName::Dns).into()
    }

    /// `; did you mean builder?` if one of the known names is this one but for a slip of the finger; else
    /// nothing.
    #[must_use]
    pub(crate) fn did_you_mean<'a>(&self, known: impl IntoIterator<Item = &'a IdentityName>) -> Message {
        let likeness = |name: &IdentityName| strsim::jaro_winkler(&self.0, &name.0);
        let like = known.into_iter().map(|name| (likeness(name), name)).filter(|(like, _)| *like >= ALIKE);
        let most = like.max_by(|one, other| one.0.total_cmp(&other.0));
        most.map_or_else(Message::default, |(_, name)| message!("; did you mean {}?", name))
    }

    /// The client whose dNSName that is; None where it is no client's.
    #[must_use]
    pub fn of_client_dns_name(name: &DnsName) -> Option<IdentityName> {
        let label = name.as_str().strip_suffix(CLIENT_DOMAIN)?.strip_suffix('.')?;
        let is_one = !label.contains('.');
        is_one.then(|| label.replace(DOT, ".").parse().ok()).flatten()
    }

    /// The client that a certificate with these names is for; None where it is no client's.
    #[must_use]
    pub fn of_client(names: &[SubjectAltName]) -> Option<IdentityName> {
        names.iter().find_map(|name| match name {
            SubjectAltName::Dns(name) => IdentityName::of_client_dns_name(name),
            SubjectAltName::Ip(_) => None,
        })
    }
}

impl FromStr for IdentityName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<IdentityName, Failure> {
        let is_label = |label: &str| {
            let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let bytes = label.as_bytes();
            bytes.first().is_some_and(alphanumeric)
                && bytes.last().is_some_and(alphanumeric)
                && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
        };
        // A name is in the log, in certificates and in the names of folders.
        let is_public = !holds_drawn_hex(text);
        let is_well_formed = is_public && text.split('.').all(is_label);
        let (expected, found) = match label_of(text) {
            label if is_well_formed && label.len() > LONGEST_IDENTITY_NAME => {
                ("up to 63 characters, a dot counted twice", message!("{}", label.len()))
            }
            _ if is_well_formed && text.contains(DOT) => {
                ("a name without '--', which stands for a dot in certificates", message!("'--'"))
            }
            label if is_well_formed && label.starts_with(ENCODED) => (
                "a name that does not begin with 'xn.', which certificates keep for encoded names",
                message!("'xn.'"),
            ),
            _ if is_well_formed => return Ok(IdentityName(text.to_owned())),
            _ => (
                "up to 63 of a-z, 0-9, '.' and '-', each label beginning and ending with a letter or digit",
                message!("{}", if text.is_empty() { "nothing" } else { "something else" }),
            ),
        };
        Err(Failure::new("reading the name", Word(text))
            .expected(expected)
            .found(found)
            .exit(ExitCode::Usage))
    }
}

/// A name as one label of a DNS name.
fn label_of(name: &str) -> String {
    name.replace('.', DOT)
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a certificate authority is called, before its key id is appended: `Acme builders`.
///
/// The certificate's common name is `<name> <8 hex of its key id>` and must fit the 64 characters
/// of RFC 5280 appendix A.1 (ub-common-name), so that 55 are left for the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthorityName(String);

const LONGEST_AUTHORITY_NAME: usize = LONGEST_COMMON_NAME - 9;

impl AuthorityName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AuthorityName {
    fn default() -> AuthorityName {
        AuthorityName("buildkit CA".to_owned())
    }
}

impl FromStr for AuthorityName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<AuthorityName, Failure> {
        let length = text.chars().count();
        let trimmed = text.trim() == text;
        // It is in every certificate that the CA issues: what must not be printed must not be there.
        let is_public = !Line(text).message().hides_a_value() && !holds_drawn_hex(text);
        let is_shown = trimmed && is_public && !text.chars().any(is_unseen);
        if (1..=LONGEST_AUTHORITY_NAME).contains(&length) && is_shown {
            return Ok(AuthorityName(text.to_owned()));
        }
        Err(Failure::new("reading the CA's name", Word(text))
            .expected("1 to 55 characters without control characters or blanks at the ends")
            .found(if is_public {
                message!("{} characters", length)
            } else {
                message!("one that looks like a part of a key")
            })
            .exit(ExitCode::Usage))
    }
}

impl fmt::Display for AuthorityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_told_from_another_name() {
        let known: Vec<IdentityName> =
            ["builder", "ana", "ci.linux"].map(|name| name.parse().unwrap()).into();
        let asked = |typed: &str| typed.parse::<IdentityName>().unwrap().did_you_mean(&known).to_string();
        for (typed, meant) in [("bulder", "builder"), ("anna", "ana"), ("ci-linux", "ci.linux")] {
            assert_eq!(asked(typed), format!("; did you mean {meant}?"));
        }
        assert_eq!((asked("zoe").as_str(), asked("spare").as_str()), ("", ""));
    }

    #[test]
    fn a_name_is_a_safe_folder_and_dns_label() {
        let widest = format!("{}.{}", "a".repeat(30), "b".repeat(31));
        for good in ["a", "ana", "ci-7", "ci.linux", "0", "xn", "axn.a", &"a".repeat(63), &widest] {
            assert_eq!(good.parse::<IdentityName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-",
            "a.-b",
            "Ana",
            "a/b",
            "a b",
            "ä",
            "a_b",
            "a--b",
            "xn.b",
            &"a".repeat(64),
            &format!("{widest}b"),
        ] {
            assert!(bad.parse::<IdentityName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_common_name_is_cut_to_64_characters() {
        assert_eq!("ana".parse::<IdentityName>().unwrap().common_name(Role::Client), "client ana");
        let longest: IdentityName = "a".repeat(63).parse().unwrap();
        assert_eq!(longest.common_name(Role::Daemon), format!("daemon {}", "a".repeat(57)));
    }

    #[test]
    fn a_clients_dns_name_is_under_a_private_domain() {
        let name: IdentityName = "ana".parse().unwrap();
        assert_eq!(name.client_dns_name().as_str(), "ana.client.kitcert.internal");
        assert_eq!(IdentityName::of_client_dns_name(&name.client_dns_name()), Some(name));
        assert_eq!(IdentityName::of_client_dns_name(&"builder.example.com".parse().unwrap()), None);
    }

    #[test]
    fn no_clients_dns_name_is_below_anothers_and_each_is_read_back() {
        for (name, dns_name) in [
            ("linux", "linux.client.kitcert.internal"),
            ("ci.linux", "ci--linux.client.kitcert.internal"),
            ("ci-linux", "ci-linux.client.kitcert.internal"),
            ("a.b-c.d", "a--b-c--d.client.kitcert.internal"),
        ] {
            let name: IdentityName = name.parse().unwrap();
            let made = name.client_dns_name();
            assert_eq!(
                (made.as_str(), made.as_str().parse::<DnsName>().ok()),
                (dns_name, Some(made.clone()))
            );
            assert_eq!(IdentityName::of_client_dns_name(&made), Some(name));
        }
        for nobodys in ["ci.linux", "a---b", "--a", "a--", "xn--b"] {
            let name = DnsName::from_checked(format!("{nobodys}.client.kitcert.internal"));
            assert_eq!(IdentityName::of_client_dns_name(&name), None, "{nobodys}");
        }
    }

    #[test]
    fn a_client_has_its_own_name_and_that_of_its_key() {
        let name: IdentityName = "ana".parse().unwrap();
        let names = name.client_names(&Fingerprint::new([0xab; 32]));
        let text: Vec<String> = names.iter().map(ToString::to_string).collect();
        let of_key = format!("{}.key.kitcert.internal", "ab".repeat(16));
        assert_eq!(text, ["ana.client.kitcert.internal", &of_key]);
        assert_eq!(IdentityName::of_client(&names), Some(name));
        assert_eq!(IdentityName::of_client(&names[1..]), None);
    }

    #[test]
    fn a_name_that_fits_into_no_label_says_why() {
        let found = |name: &str| name.parse::<IdentityName>().unwrap_err().what_was_found().to_string();
        assert_eq!(found("a--b"), "'--'");
        assert_eq!(found("xn.b"), "'xn.'");
        assert_eq!(found(&format!("{}.b", "a".repeat(61))), "64");
        assert_eq!(found("A"), "something else");
    }

    #[test]
    fn an_authority_name_leaves_room_for_its_key_id() {
        assert_eq!("x".repeat(55).parse::<AuthorityName>().unwrap().as_str(), "x".repeat(55));
        for bad in [String::new(), "x".repeat(56), " x".to_owned(), "x\n".to_owned(), "a\0b".to_owned()] {
            assert!(bad.parse::<AuthorityName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_that_is_refused_is_named_if_it_is_short() {
        let said = |name: &str| name.parse::<IdentityName>().unwrap_err().subject().to_string();
        assert_eq!(said("Ana"), "Ana");
        assert_eq!(said(&"A".repeat(24)), "A".repeat(24));
        assert_eq!(said(&"A".repeat(25)), "a value of 25 characters");
    }
}
