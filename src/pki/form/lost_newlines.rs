//! A key or a certificate whose newlines were lost, as CI systems hand it over.
//!
//! No consumer reads such a file: Go, openssl and everything built on them look for BEGIN and END
//! at the edges of a line. What happened to it can be told, and it can be read, if it is blocks of
//! known labels and the base64 in each is whole.

use std::fmt;

use zeroize::Zeroizing;

use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Message, Printable};
use crate::pki::pem::{KNOWN, decode_text, encode_secret};

/// What became of the newlines of a PEM file that holds one private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostNewlines {
    /// They were deleted: the way of a field of one line in a web form.
    Deleted,
    /// They are spaces: the way of `echo $KEY`.
    Spaces,
    /// They are carriage returns, as old Mac OS had them.
    CarriageReturns,
    /// They are the two characters `\n`, the way of JSON and of `.env` files.
    Escaped,
}

impl fmt::Display for LostNewlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LostNewlines::Deleted => "PEM that is all on one line: the newlines were lost",
            LostNewlines::Spaces => "PEM that is all on one line: the newlines became spaces",
            LostNewlines::CarriageReturns => {
                "PEM that is all on one line: the newlines became carriage returns"
            }
            LostNewlines::Escaped => "PEM that is all on one line: the newlines became the characters \\n",
        })
    }
}

impl LostNewlines {
    /// The blocks of a file that has no line of its own for any BEGIN and END, as PEM, and what became
    /// of its newlines; None where anything else stands beside the blocks.
    #[must_use]
    pub(super) fn read(file: &[u8]) -> Option<(Zeroizing<Vec<u8>>, LostNewlines)> {
        if file.len() > LARGEST_PEM {
            return None;
        }
        let text = trim(file);
        if text.contains(&b'\n') {
            return None;
        }
        let mut kind = LostNewlines::Deleted;
        let mut rest = text;
        // As large as it can become: a text that grows leaves its beginnings behind.
        let mut pem = Zeroizing::new(Vec::with_capacity(2 * file.len() + 64));
        while !rest.is_empty() {
            let (label, body, behind) = next_block(rest)?;
            kind = kind.max(LostNewlines::of(body));
            pem.extend_from_slice(encode_secret(label, &decode_text(&bare(body)?).ok()?).as_bytes());
            rest = trim(behind);
        }
        (!pem.is_empty()).then_some((pem, kind))
    }

    fn of(body: &[u8]) -> LostNewlines {
        match body {
            _ if body.windows(2).any(|two| two == b"\\n") => LostNewlines::Escaped,
            _ if body.contains(&b'\r') => LostNewlines::CarriageReturns,
            _ if body.contains(&b' ') => LostNewlines::Spaces,
            _ => LostNewlines::Deleted,
        }
    }

    /// The shell command that prints the file as every consumer reads it. `file` is quoted.
    #[must_use]
    pub(super) fn filter(self, file: &impl Printable) -> Message {
        // Neither quotes nor a byte order mark is anywhere in PEM.
        let bare = message!("tr -d '\\047\\042\\357\\273\\277' < {}", file);
        match self {
            LostNewlines::CarriageReturns => message!("{} | tr '\\r' '\\n'", bare),
            LostNewlines::Escaped => message!("printf '%b\\n' \"$({})\"", bare),
            LostNewlines::Deleted | LostNewlines::Spaces => message!(
                "{} | tr '\\t' ' ' | awk '{gsub(/-----[BE][EN][GD][A-Z ]*-----/,\"\\n&\\n\")}1' | \
                 awk '!/-----/{gsub(/ /,\"\")}{gsub(/^ +| +$/,\"\")}length' | fold -w 64",
                bare
            ),
        }
    }
}

/// The label and the body of the block that a text begins with, and what is behind it.
fn next_block(text: &[u8]) -> Option<(&'static str, &[u8], &[u8])> {
    let rest = text.strip_prefix(b"-----BEGIN ")?;
    let of_label = |label: &&'static str| {
        let rest = rest.strip_prefix(label.as_bytes())?.strip_prefix(b"-----")?;
        let end = format!("-----END {label}-----");
        let at = rest.windows(end.len()).position(|part| part == end.as_bytes())?;
        Some((*label, rest.get(..at)?, rest.get(at + end.len()..)?))
    };
    KNOWN.iter().find_map(of_label)
}

/// The base64 of a body, without what stands for newlines.
fn bare(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut rest = body.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'-', _) => return None,
            (b'\\', Some(b'n' | b'r')) => {
                rest.next();
            }
            (b' ' | b'\t' | b'\r', _) => {}
            _ => base64.push(byte),
        }
    }
    Some(base64)
}

/// Without blanks, quotes, escaped newlines and a byte order mark at the ends.
fn trim(mut text: &[u8]) -> &[u8] {
    text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    loop {
        let before = text.len();
        text = text.trim_ascii();
        for quote in [&b"'"[..], b"\"", b"\\n", b"\\r"] {
            text = text.strip_prefix(quote).unwrap_or(text);
            text = text.strip_suffix(quote).unwrap_or(text);
        }
        if text.len() == before {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyAlgorithm;
    use crate::pki::PrivateKey;
    use crate::pki::pem::{PemBlock, PemLabel};

    fn key() -> (Zeroizing<String>, Vec<u8>) {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384).unwrap();
        let pem = key.expose_pem();
        let der = PemBlock::all_of(pem.as_bytes()).remove(0).contents.unwrap().to_vec();
        (pem, der)
    }

    #[test]
    fn a_key_on_one_line_is_read_and_what_happened_to_it_is_named() {
        let (pem, der) = key();
        for (between, kind) in [
            ("", LostNewlines::Deleted),
            (" ", LostNewlines::Spaces),
            ("\r", LostNewlines::CarriageReturns),
            ("\\n", LostNewlines::Escaped),
            ("\\r\\n", LostNewlines::Escaped),
        ] {
            let line = pem.replace('\n', between);
            for file in [line.clone(), format!("{line}\n"), format!("'{line}'\n"), format!("\"{line}\"")] {
                let (read, found) = LostNewlines::read(file.as_bytes()).unwrap();
                assert_eq!(found, kind);
                let mut blocks = PemBlock::all_of(&read);
                assert_eq!((blocks.len(), blocks[0].label), (1, PemLabel::Known("PRIVATE KEY")));
                assert_eq!(*blocks.remove(0).contents.unwrap(), der);
            }
            let two = format!("{line}{between}{line}{between}");
            let (read, found) = LostNewlines::read(two.as_bytes()).unwrap();
            assert_eq!((PemBlock::all_of(&read).len(), found), (2, kind), "{between:?}");
        }
    }

    #[test]
    fn what_is_not_clearly_blocks_is_not_read() {
        let (pem, _) = key();
        let line = pem.replace('\n', " ");
        for file in [
            pem.to_string(),
            format!("{line} and more"),
            line.replacen("PRIVATE KEY", "EC PRIVATE KEY", 1),
            line[..line.len() - 30].to_owned(),
            line.replacen(' ', "\n", 4),
            "-----BEGIN PRIVATE KEY----- !! -----END PRIVATE KEY-----".to_owned(),
            String::new(),
        ] {
            assert!(LostNewlines::read(file.as_bytes()).is_none());
        }
    }
}
