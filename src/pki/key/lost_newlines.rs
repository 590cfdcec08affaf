//! A key whose newlines were lost, as CI systems hand it over.
//!
//! No consumer reads such a file: Go, openssl and everything built on them look for BEGIN and END
//! at the edges of a line. What happened to it can be told, and it can be read, if it is one block
//! of a known label and the base64 between the two is whole.

use std::fmt;

use zeroize::Zeroizing;

use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Message, Printable, Quoted};
use crate::pki::pem::{KNOWN, PemBlock, PemLabel, decode_text};

/// What became of the newlines of a PEM file that holds one private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
            LostNewlines::Deleted => "a key that is all on one line: the newlines were lost",
            LostNewlines::Spaces => "a key that is all on one line: the newlines became spaces",
            LostNewlines::CarriageReturns => {
                "a key that is all on one line: the newlines became carriage returns"
            }
            LostNewlines::Escaped => "a key that is all on one line: the newlines became the characters \\n",
        })
    }
}

impl LostNewlines {
    /// The one private key of a file that has no line of its own for BEGIN and END, and what became
    /// of its newlines; None where a line reader finds blocks, where there are several keys, and
    /// where anything else stands beside the one.
    #[must_use]
    pub fn read(file: &[u8]) -> Option<(PemBlock, LostNewlines)> {
        if file.len() > LARGEST_PEM {
            return None;
        }
        let text = trim(file);
        let (begin, rest) =
            KNOWN.iter().filter(|label| label.ends_with("PRIVATE KEY")).find_map(|label| {
                let rest = text.strip_prefix(b"-----BEGIN ")?.strip_prefix(label.as_bytes())?;
                Some((*label, rest.strip_prefix(b"-----")?))
            })?;
        let rest = rest.strip_suffix(b"-----")?.strip_suffix(begin.as_bytes())?.strip_suffix(b"-----END ")?;
        if rest.contains(&b'\n') || rest.windows(2).any(|two| two == b"--") {
            return None;
        }
        let kind = match rest {
            _ if rest.windows(2).any(|two| two == b"\\n") => LostNewlines::Escaped,
            _ if rest.contains(&b'\r') => LostNewlines::CarriageReturns,
            _ if rest.contains(&b' ') => LostNewlines::Spaces,
            _ => LostNewlines::Deleted,
        };
        let mut base64 = Zeroizing::new(Vec::with_capacity(rest.len()));
        let mut rest = rest.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            match (byte, rest.peek()) {
                (b'\\', Some(b'n' | b'r')) => {
                    rest.next();
                }
                (b' ' | b'\t' | b'\r', _) => {}
                _ => base64.push(byte),
            }
        }
        let contents = decode_text(&base64).ok()?;
        Some((PemBlock { label: PemLabel::Known(begin), line: 1, contents: Ok(contents) }, kind))
    }

    /// The shell command that writes the key as every consumer reads it beside the file, mode 0600: whoever has
    /// looked at it puts it in the place of the other.
    #[must_use]
    pub fn repair(self, file: impl Printable) -> Message {
        let name = file.message();
        if name == "-" {
            return message!("save it to a file, and inspect that: it is told then what repairs it");
        }
        let file = Quoted(name);
        // Neither quotes nor a byte order mark is anywhere in PEM.
        let bare = message!("umask 077; tr -d '\\047\\042\\357\\273\\277' < {}", file);
        let repaired = message!("> {}.repaired && mv {}.repaired {}", file, file, file);
        match self {
            LostNewlines::CarriageReturns => message!("({} | tr '\\r' '\\n' {})", bare, repaired),
            LostNewlines::Escaped => message!(
                "(umask 077; printf '%b\\n' \"$(tr -d '\\047\\042\\357\\273\\277' < {})\" {})",
                file,
                repaired
            ),
            LostNewlines::Deleted | LostNewlines::Spaces => message!(
                "({} | tr '\\t' ' ' | awk '{gsub(/-----[BE][EN][GD][A-Z ]*-----/,\"\\n&\\n\")}1' | \
                 awk '!/-----/{gsub(/ /,\"\")}{gsub(/^ +| +$/,\"\")}length' | fold -w 64 {})",
                bare,
                repaired
            ),
        }
    }
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
                let (block, found) = LostNewlines::read(file.as_bytes()).unwrap();
                assert_eq!(found, kind);
                assert_eq!(block.label, "PRIVATE KEY");
                assert_eq!(*block.contents.unwrap(), der);
            }
        }
    }

    #[test]
    fn what_is_not_clearly_one_key_is_not_read() {
        let (pem, _) = key();
        let line = pem.replace('\n', " ");
        for file in [
            pem.to_string(),
            format!("{line} {line}"),
            format!("{line} and more"),
            line.replace("PRIVATE KEY", "PUBLIC KEY"),
            line.replacen("PRIVATE KEY", "EC PRIVATE KEY", 1),
            line[..line.len() - 30].to_owned(),
            line.replacen(' ', "\n", 4),
            "-----BEGIN PRIVATE KEY----- !! -----END PRIVATE KEY-----".to_owned(),
        ] {
            assert!(LostNewlines::read(file.as_bytes()).is_none());
        }
    }
}
