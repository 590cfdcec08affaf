//! SHA-256 of something public.

use std::fmt;
use std::str::FromStr;

use super::{DnsName, ExitCode, Failure, Hex, Message, Printable as _};
use crate::message;

/// A SHA-256: of a certificate's DER, or of a request's SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with those bytes.
    #[must_use]
    pub fn new(octets: [u8; 32]) -> Fingerprint {
        Fingerprint(octets)
    }

    /// The first sixteen hex digits, for a table.
    #[must_use]
    pub fn short(&self) -> Message {
        let (head, _) = self.0.split_at(8);
        Hex(head).message()
    }

    /// Its bytes.
    #[must_use]
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Fingerprint {
    /// Its first 128 bits as twelve words of the BIP 39 English list, the last of which holds four
    /// bits that tell a mistyped word. For reading out aloud.
    #[must_use]
    pub fn words(&self) -> Message {
        let (head, _) = self.0.split_at(SHORTEST / 2);
        bip39::Mnemonic::from_entropy(head).map(|words| Message::parsed(&words)).unwrap_or_default()
    }
}

impl Fingerprint {
    /// The dNSName by which a daemon can be made to refuse the key that this is the fingerprint of:
    /// `<32 hex>.key.kitcert.internal`.
    #[must_use]
    pub fn key_dns_name(&self) -> DnsName {
        self.label_in(KEY_DOMAIN)
    }

    /// The first 128 bits of the fingerprint of the key whose name that is; None for any other name.
    #[must_use]
    pub(crate) fn beginning_in(name: &DnsName) -> Option<[u8; SHORTEST / 2]> {
        let label = name.as_str().strip_suffix(KEY_DOMAIN)?.strip_suffix('.')?;
        Hex::parse(label)?.try_into().ok()
    }

    /// Its first 128 bits as the one label of a name in `domain`: all 64 digits do not fit into a label.
    #[must_use]
    pub(crate) fn label_in(&self, domain: &str) -> DnsName {
        let (head, _) = self.0.split_at(SHORTEST / 2);
        DnsName::from_checked(format!("{}.{domain}", Hex(head)))
    }
}

/// Lower-case hex, 64 digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

/// All 64 digits in lower case: the form that [`fmt::Display`] writes, for files of our own.
impl FromStr for Fingerprint {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Fingerprint, Failure> {
        let bytes = Hex::parse(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Fingerprint).ok_or_else(|| {
            Failure::new("reading", "a SHA-256")
                .expected("64 hex digits in lower case")
                .found("something else")
        })
    }
}

/// What a person gives to name a fingerprint: all of its 64 hex digits or at least the first 32
/// (128 bits, beyond forging), with or without colons and blanks, in either case; or the twelve
/// words that were printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerprintPrefix(String);

impl FingerprintPrefix {
    /// Whether `fingerprint` begins so.
    #[must_use]
    pub fn matches(&self, fingerprint: &Fingerprint) -> bool {
        fingerprint.to_string().starts_with(&self.0)
    }
}

/// As hex digits, as many as were given.
impl fmt::Display for FingerprintPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for FingerprintPrefix {
    type Err = Failure;

    fn from_str(text: &str) -> Result<FingerprintPrefix, Failure> {
        let text = text.trim().to_ascii_lowercase();
        let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && (SHORTEST..=LONGEST).contains(&digits.len()) {
            return Ok(FingerprintPrefix(digits));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let found = match bip39::Mnemonic::parse_normalized(&words.join(" ")) {
            Ok(read) if words.len() == WORDS => {
                let (entropy, length) = read.to_entropy_array();
                return Ok(FingerprintPrefix(Hex(&entropy[..length]).to_string()));
            }
            _ if is_hex => message!("{} digits", digits.len()),
            Ok(_) | Err(bip39::Error::BadWordCount(_)) => message!("{} words", words.len()),
            Err(bip39::Error::UnknownWord(at)) => {
                message!("word {}, which is not in the list", at + 1)
            }
            Err(_) => message!("twelve words of which one is mistyped"),
        };
        Err(Failure::new("reading", "the fingerprint")
            .expected("a SHA-256: the twelve words that were printed, or at least the first 32 hex digits")
            .found(found)
            .exit(ExitCode::Usage))
    }
}

/// The domain of the names of keys.
const KEY_DOMAIN: &str = "key.kitcert.internal";

/// 128 bits in hex.
const SHORTEST: usize = 32;
const LONGEST: usize = 64;
const WORDS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_printed_and_in_no_other_form() {
        let fingerprint = Fingerprint::new([0xab; 32]);
        assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
        for other in [String::new(), "AB".repeat(32), "ab".repeat(31), "ab".repeat(33), "zz".repeat(32)] {
            assert!(other.parse::<Fingerprint>().is_err(), "{other}");
        }
    }

    #[test]
    fn the_name_of_a_key_is_a_dns_name() {
        let name = Fingerprint::new([0xab; 32]).key_dns_name();
        assert_eq!(name.as_str(), format!("{}.key.kitcert.internal", "ab".repeat(16)));
        assert_eq!(name.as_str().parse::<DnsName>().unwrap(), name);
    }

    #[test]
    fn half_a_fingerprint_names_it_and_less_does_not() {
        let fingerprint = Fingerprint::new([0xab; 32]);
        assert_eq!(fingerprint.octets(), &[0xab; 32]);
        assert_eq!("AB:".repeat(16).parse::<FingerprintPrefix>().unwrap().to_string(), "ab".repeat(16));
        for given in ["ab".repeat(32), "AB:".repeat(16), "ab".repeat(16)] {
            assert!(given.parse::<FingerprintPrefix>().unwrap().matches(&fingerprint), "{given}");
        }
        assert!(!"ac".repeat(16).parse::<FingerprintPrefix>().unwrap().matches(&fingerprint));
        for given in ["".to_owned(), "ab".repeat(15), "ab".repeat(33), "zz".repeat(16)] {
            assert!(given.parse::<FingerprintPrefix>().is_err(), "{given}");
        }
    }

    #[test]
    fn the_words_name_what_the_digits_name_and_a_slip_is_told_apart() {
        let fingerprint = Fingerprint::new([0x5a; 32]);
        let words = fingerprint.words();
        assert_eq!(words.split(' ').count(), 12);
        let given = format!("  {}\n", words.to_uppercase().replace(' ', "  "));
        assert!(given.parse::<FingerprintPrefix>().unwrap().matches(&fingerprint));
        let found = |text: &str| {
            text.parse::<FingerprintPrefix>().err().map(|failure| failure.what_was_found().to_owned())
        };
        let (head, _) = words.rsplit_once(' ').unwrap();
        assert_eq!(found(head).as_deref(), Some("11 words"));
        let fifteen = bip39::Mnemonic::from_entropy(&[7; 20]).unwrap().to_string();
        assert_eq!(found(&fifteen).as_deref(), Some("15 words"), "good words, of another secret");
        assert_eq!(found(&"ab".repeat(15)).as_deref(), Some("30 digits"));
        assert_eq!(found(&format!("{head} zebra")).as_deref(), Some("twelve words of which one is mistyped"));
        assert_eq!(found(&format!("{head} xyzzy")).as_deref(), Some("word 12, which is not in the list"));
    }
}
