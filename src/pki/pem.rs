//! PEM as Go reads it: block by block, each judged alone.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::element::parts;
use crate::message;
use crate::model::{Message, Printable};

/// One `-----BEGIN …-----` of a file.
pub(crate) struct PemBlock {
    /// What stands behind BEGIN: `CERTIFICATE`, `PRIVATE KEY`.
    pub label: PemLabel,
    /// The line of the BEGIN, counted from 1.
    pub line: usize,
    /// Whether a line between BEGIN and END is blank: Go passes over it, and openssl reads no block.
    pub is_spaced: bool,
    /// The decoded contents, or why there are none.
    pub contents: Result<Zeroizing<Vec<u8>>, PemFault>,
}

/// Why a block is passed over without a word by Go's `pem.Decode` and `AppendCertsFromPEM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PemFault {
    /// The block has no END line of its own.
    NoEnd,
    /// What is between the lines is no base64.
    Damaged,
    /// The block has headers (`Proc-Type: …`), which a certificate never has.
    Headers,
}

impl fmt::Display for PemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PemFault::NoEnd => "has no END line",
            PemFault::Damaged => "is not base64",
            PemFault::Headers => "has PEM headers",
        })
    }
}

impl PemBlock {
    /// Every block of a file, in order. Text between blocks is passed over, as every reader does;
    /// a BEGIN or END that is indented is text to Go, and so it is here.
    #[must_use]
    pub(crate) fn all_of(bytes: &[u8]) -> Vec<PemBlock> {
        PemBlock::scan(bytes).0
    }

    /// The line of the first END without a BEGIN before it, counted from 1: what is left of a block.
    #[must_use]
    pub(crate) fn first_lone_end(bytes: &[u8]) -> Option<usize> {
        PemBlock::scan(bytes).1
    }

    fn scan(bytes: &[u8]) -> (Vec<PemBlock>, Option<usize>) {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let ended = lines.len() - 1;
        for (at, line) in lines.iter_mut().enumerate() {
            // A carriage return belongs to the end of a line only before a newline.
            let bare = line.strip_suffix(b"\r").filter(|_| at < ended);
            *line = without_blanks(bare.unwrap_or(*line));
        }
        let (mut blocks, mut lone_end) = (Vec::new(), None);
        let mut at = 0;
        while at < lines.len() {
            let Some(label) = label_of(lines[at], b"-----BEGIN ") else {
                at += 1;
                if label_of(lines[at - 1], b"-----END ").is_some() {
                    lone_end.get_or_insert(at);
                }
                continue;
            };
            let end = lines[at + 1..].iter().position(|line| line.starts_with(b"-----"));
            let end = end.map_or(lines.len(), |offset| at + 1 + offset);
            let closed = lines.get(end).and_then(|line| label_of(line, b"-----END ")) == Some(label);
            let contents = if closed { decode(&lines[at..=end]) } else { Err(PemFault::NoEnd) };
            let is_spaced =
                lines.get(at + 1..end).is_some_and(|within| within.iter().any(|line| line.is_empty()));
            blocks.push(PemBlock { label: PemLabel::of(label), line: at + 1, is_spaced, contents });
            at = if closed { end + 1 } else { end };
        }
        (blocks, lone_end)
    }

    /// Why a program that reads every block stops at this one; None where it is whole. A block of PEM
    /// holds one value of DER (RFC 7468 section 2), but for the forms that OpenSSH and GnuPG made.
    #[must_use]
    pub(crate) fn fault(&self) -> Option<Message> {
        let is_of_others = ["SSH", "PGP"].iter().any(|maker| self.label.as_str().contains(maker));
        match &self.contents {
            Err(fault) => Some(fault.message()),
            Ok(der) if !is_of_others && parts(der).is_none_or(|parts| parts.len() != 1) => {
                Some("holds no DER".into())
            }
            Ok(_) => None,
        }
    }
}

/// A line as Go's `getLine` has it, without blanks at its end.
fn without_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    line.get(..line.len() - blanks).unwrap_or_default()
}

fn label_of<'a>(line: &'a [u8], opening: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(opening)?.strip_suffix(b"-----")
}

/// Nothing that was read is left behind in memory: it may be a key.
fn decode(lines: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, PemFault> {
    let within = &lines[1..lines.len() - 1];
    if within.iter().any(|line| line.contains(&b':')) {
        return Err(PemFault::Headers);
    }
    let length = within.iter().map(|line| line.len()).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for part in within.iter().flat_map(|line| line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))) {
        text.extend_from_slice(part);
    }
    decode_text(&text)
}

/// The bytes that a text of base64 stands for.
pub(super) fn decode_text(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, PemFault> {
    let mut contents = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let decoded = STANDARD.decode_slice(text, &mut contents).map_err(|_| PemFault::Damaged)?;
    contents.truncate(decoded);
    Ok(contents)
}

/// The PEM of a secret: one block, of which nothing but the result is left behind in memory.
pub(super) fn encode_secret(label: &str, der: &[u8]) -> Zeroizing<String> {
    let octets = Zeroizing::new(STANDARD.encode(der));
    let around = "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len();
    // As large as it will be: a text that grows leaves its beginnings behind.
    let mut pem =
        Zeroizing::new(String::with_capacity(around + octets.len() + octets.len().div_ceil(LINE_LENGTH)));
    let mut push = |parts: &[&str]| parts.iter().for_each(|part| pem.push_str(part));
    push(&["-----BEGIN ", label, "-----\n"]);
    let mut rest = octets.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE_LENGTH.min(rest.len()));
        push(&[line, "\n"]);
        rest = after;
    }
    push(&["-----END ", label, "-----\n"]);
    pem
}

/// The label of a PEM block, behind `BEGIN` (RFC 7468 section 2).
///
/// Only the labels of a closed list are kept as text. Of any other only its length is: where the
/// newlines of a key file were lost, the whole key stands where a label would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemLabel {
    /// One of the list.
    Known(&'static str),
    /// Another that ends with `PRIVATE KEY`: to Go it is one, whatever stands before.
    SomePrivateKey,
    /// Another, of that many characters.
    Unknown(usize),
}

impl PemLabel {
    pub(super) fn of(label: &[u8]) -> PemLabel {
        match KNOWN.iter().find(|known| known.as_bytes() == label) {
            Some(known) => PemLabel::Known(known),
            None if label.ends_with(b" PRIVATE KEY") && !label.windows(2).any(|two| two == b"--") => {
                PemLabel::SomePrivateKey
            }
            None => PemLabel::Unknown(String::from_utf8_lossy(label).chars().count()),
        }
    }

    /// The label, if it is one of the list; else an empty text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PemLabel::Known(label) => label,
            PemLabel::SomePrivateKey | PemLabel::Unknown(_) => "",
        }
    }

    /// Whether a private key is in the block, in the clear or not.
    #[must_use]
    pub fn is_private_key(self) -> bool {
        self.as_str().ends_with("PRIVATE KEY") || self == PemLabel::SomePrivateKey
    }
}

/// `a block of PUBLIC KEY`
impl Printable for PemLabel {
    fn message(&self) -> Message {
        match self {
            PemLabel::Known(label) => message!("a block of {}", label),
            PemLabel::SomePrivateKey => message!("a block of a PRIVATE KEY with words before"),
            PemLabel::Unknown(length) => message!("a block with an unknown label of {} characters", length),
        }
    }
}

impl PartialEq<str> for PemLabel {
    fn eq(&self, other: &str) -> bool {
        matches!(self, PemLabel::Known(label) if *label == other)
    }
}

impl PartialEq<&str> for PemLabel {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// Characters in a line (RFC 7468 section 2).
const LINE_LENGTH: usize = 64;

/// How we write PEM on every system (RFC 7468 section 3 leaves the line ending open).
pub(super) const LINES: pem::EncodeConfig = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);

/// RFC 7468 and what OpenSSL, OpenSSH, GnuPG and `ssh-keygen` write.
pub(super) const KNOWN: [&str; 23] = [
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "ATTRIBUTE CERTIFICATE",
    "X509 CRL",
    "PKCS7",
    "CMS",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "EC PARAMETERS",
    "DH PARAMETERS",
    "DSA PARAMETERS",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "SSH2 PUBLIC KEY",
    "PGP PUBLIC KEY BLOCK",
    "PGP PRIVATE KEY BLOCK",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go's `getLine`, which is stricter than it looks.
    #[test]
    fn one_carriage_return_belongs_to_a_newline_and_no_more() {
        let block = |between: &str, last: &str| {
            let file = format!("-----BEGIN X509 CRL-----{between}AAAA{between}-----END X509 CRL-----{last}");
            PemBlock::all_of(file.as_bytes()).first().is_some_and(|block| block.contents.is_ok())
        };
        for (between, last) in [("\n", ""), ("\r\n", ""), ("\r\n", "\r\n"), (" \t\n", "\t"), (" \r\n", "\n")]
        {
            assert!(block(between, last), "{between:?} {last:?}");
        }
        for (between, last) in [("\r\r\n", "\n"), ("\r\n", "\r"), ("\r \n", "\n"), ("\r", "\r")] {
            assert!(!block(between, last), "{between:?} {last:?}");
        }
    }

    #[test]
    fn a_damaged_block_does_not_hide_the_next() {
        let file = b"preamble\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n\
            -----BEGIN X509 CRL-----\nX: y\n\nAAAA\n-----END X509 CRL-----\n-----BEGIN PKCS7-----\nAAAA\n-----BEGIN CMS-----\r\nAAAA\r\n-----END CMS-----";
        let faults: Vec<_> = PemBlock::all_of(file)
            .into_iter()
            .map(|b| (b.label.as_str(), b.line, b.contents.err()))
            .collect();
        assert_eq!(
            faults,
            [
                ("CERTIFICATE", 2, None),
                ("PUBLIC KEY", 5, Some(PemFault::Damaged)),
                ("X509 CRL", 8, Some(PemFault::Headers)),
                ("PKCS7", 13, Some(PemFault::NoEnd)),
                ("CMS", 15, None),
            ]
        );
    }

    #[test]
    fn what_is_left_of_a_block_is_noticed() {
        let whole = "-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n";
        let file = |before: &str| PemBlock::first_lone_end(format!("{before}{whole}").as_bytes());
        assert_eq!((file(""), file(whole), file("a\n-----END CMS\n")), (None, None, None));
        assert_eq!(file("AAAA\n-----END CMS-----\n"), Some(2));
        assert_eq!(file("-----END CMS-----\nAAAA\n-----BEGIN CMS-----\n"), Some(1));
        let fault = |label: &str, body: &str| {
            let file = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
            PemBlock::all_of(file.as_bytes())[0].fault().map(|fault| fault.to_string())
        };
        assert_eq!((fault("CMS", "MAA="), fault("OPENSSH PRIVATE KEY", "AAAA")), (None, None));
        assert_eq!(fault("CMS", "MAAwAA=="), Some("holds no DER".into()));
        assert_eq!(fault("SOMETHING", "AAAB"), Some("holds no DER".into()));
        assert_eq!(fault("CMS", "!"), Some("is not base64".into()));
    }

    #[test]
    fn a_block_without_contents_is_passed_by() {
        let file = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let labels: Vec<_> = PemBlock::all_of(file).into_iter().map(|block| block.label.as_str()).collect();
        assert_eq!(labels, ["CERTIFICATE", "PUBLIC KEY"]);
    }

    #[test]
    fn a_secret_is_written_into_memory_of_the_size_that_it_needs() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let pem = encode_secret("PRIVATE KEY", &vec![7; length]);
            assert_eq!(pem.capacity(), pem.len(), "{length}");
            let block = PemBlock::all_of(pem.as_bytes()).remove(0);
            assert_eq!(
                (block.label.as_str(), block.contents.unwrap().as_slice()),
                ("PRIVATE KEY", &*vec![7; length])
            );
        }
    }

    #[test]
    fn every_fault_has_its_words() {
        let said = [PemFault::NoEnd, PemFault::Damaged, PemFault::Headers].map(|fault| fault.to_string());
        assert_eq!(said, ["has no END line", "is not base64", "has PEM headers"]);
    }

    #[test]
    fn a_known_label_is_printed_and_of_another_its_length() {
        assert_eq!(PemLabel::of(b"EC PRIVATE KEY").message(), "a block of EC PRIVATE KEY");
        let lost = b"PRIVATE KEY-----MC4CAQAwBQYDK2VwBCIEIPpsZ-----END PRIVATE KEY";
        assert_eq!(PemLabel::of(lost).message(), "a block with an unknown label of 61 characters");
        assert!(PemLabel::of(b"RSA PRIVATE KEY").is_private_key() && !PemLabel::of(lost).is_private_key());
        assert!(PemLabel::of(b"CERTIFICATE") == "CERTIFICATE" && PemLabel::of(b"x") != "y");
    }
}
