//! A kit's one form, printed and read.

use std::fmt::Write as _;
use std::str::Lines;

use super::contents::{Kit, KitContents, KitSignature, LARGEST_KIT, Seal};
use super::mailed::{as_written, is_kit};
use crate::message;
use crate::model::profile::LARGEST_BUNDLE;
use crate::model::{Failure, Fingerprint, Hex, Message, Printable, Quoted, Timestamp};
use crate::pki::key::{EncryptedKey, sha256};
use crate::pki::pem::{LINES, PemBlock};
use crate::pki::x509::Certificate;

impl Kit {
    /// The file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.sealed_text();
        if let Some(Seal { salt, code }) = &self.seal {
            put(&mut text, SEAL, format_args!("{} {}", Hex(salt), Hex(code)));
        }
        format!("{CHECKSUM}: {}\n{text}", Fingerprint::new(sha256(text.as_bytes())))
    }

    /// Reads a file. `subject` is the path or name for messages.
    ///
    /// # Errors
    /// Something that is no kit; one that is damaged or cut off; one of a newer form, or of none
    /// that this program would print; one that is not signed, or whose signature does not hold.
    pub fn from_text(bytes: &[u8], subject: impl Printable) -> Result<Kit, Failure> {
        let subject = subject.message();
        if bytes.len() > LARGEST_KIT {
            let found = message!("more than {} bytes", LARGEST_KIT);
            return Err(Failure::new("reading the kit", subject).found(found).hint(ASK_AGAIN));
        }
        let written = as_written(bytes);
        let kit = read(&written, bytes, &subject)?;
        let text = String::from_utf8_lossy(&written);
        let changed = |found: &'static str| {
            Failure::new("reading the kit", &subject)
                .expected("a kit in the one form that kitcert writes, signed by a CA that it names")
                .found(found)
                .hint(ASK_AGAIN)
        };
        if kit.to_text() != text {
            return Err(changed("another form: somebody edited it"));
        }
        if kit.signatures.is_empty() {
            return Err(changed("no signature"));
        }
        let body = kit.body();
        for signature in &kit.signatures {
            let Some(authority) = kit.contents.authority(&signature.key_identifier) else {
                return Err(changed("a signature of a CA that it does not name"));
            };
            if !authority.public_key().signed(body.as_bytes(), &signature.signature) {
                return Err(changed("a wrong signature: it was changed, or made by somebody else"));
            }
        }
        Ok(kit)
    }

    /// Whether a file claims to be a kit, or to have one among other text.
    #[must_use]
    pub(crate) fn is_claimed_by(bytes: &[u8]) -> bool {
        is_kit(bytes)
    }

    /// The lines that the CAs sign.
    pub(super) fn body(&self) -> String {
        let contents = &self.contents;
        let mut text = String::new();
        put(&mut text, VERSION, format_args!("{SUPPORTED}"));
        put(&mut text, "name", format_args!("{}", contents.name));
        put(&mut text, "endpoint", format_args!("{}", contents.endpoint));
        put(&mut text, "contact", format_args!("{}", contents.contact));
        put(&mut text, "created", format_args!("{}", contents.created));
        put(&mut text, "join-before", format_args!("{}", contents.join_before));
        put(&mut text, "serial", format_args!("{}", contents.leaf().serial()));
        text.push_str("certificate:\n");
        contents.chain.iter().for_each(|one| text.push_str(&one.to_pem()));
        text.push_str("trust:\n");
        contents.trust.iter().for_each(|one| text.push_str(&one.to_pem()));
        if let Some(key) = &self.key {
            text.push_str("key:\n");
            text.push_str(&pem::encode_config(&pem::Pem::new(ENCRYPTED_KEY, key.der()), LINES));
        }
        text
    }

    /// The lines that the passphrase seals.
    pub(super) fn sealed_text(&self) -> String {
        let mut text = self.body();
        for KitSignature { key_identifier, signature } in &self.signatures {
            put(&mut text, SIGNATURE, format_args!("{} {}", Hex(key_identifier), Hex(signature)));
        }
        text
    }
}

fn put(text: &mut String, key: &str, value: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{key}: {value}");
}

/// Reads a kit as it was written; `received` is the file as it came.
fn read(bytes: &[u8], received: &[u8], subject: &Message) -> Result<Kit, Failure> {
    let wrong = |found: Message, hint: Message| {
        Failure::new("reading the kit", subject)
            .expected("a kit, as kitcert invite or kitcert issue client --kit writes it")
            .found(found)
            .hint(hint)
    };
    let begins_so = bytes.strip_prefix(CHECKSUM.as_bytes()).and_then(|rest| rest.strip_prefix(b": "));
    let Some(rest) = begins_so else {
        if lines_of(bytes).any(is_checksum) {
            return Err(wrong(
                message!("a kit with other text before it"),
                message!("delete the lines above the one that begins with {}", CHECKSUM),
            ));
        }
        if is_kit(bytes) {
            let found = message!("one that was damaged on its way: its first line is missing");
            return Err(wrong(found, ASK_AGAIN.message()));
        }
        let found = if bytes.is_empty() { "an empty file" } else { "something else" };
        return Err(wrong(found.message(), message!("{kitcert} inspect {}", Quoted(subject))));
    };
    let (checksum, text) = rest.split_at(rest.len().min(CHECKSUM_DIGITS));
    let whole = text.strip_prefix(b"\n");
    let is_right = |text: &&[u8]| Fingerprint::new(sha256(text)).to_string().as_bytes() == checksum;
    let Some(text) = whole.filter(is_right) else {
        // Whose last line mail has parted.
        if let Some(last) = followed_by_text(text).filter(|_| !is_quoted_printable(text)) {
            return Err(wrong(
                message!("a kit with other text behind it"),
                message!("delete the lines below the one that begins with {}", last),
            ));
        }
        let found = if is_quoted_printable(text) {
            "one that mail has encoded (quoted-printable)"
        } else if !received.ends_with(b"\n") || is_cut_off(text) {
            "one that was cut off on its way: its last line is missing"
        } else {
            "one that was damaged on its way: its checksum is wrong"
        };
        return Err(wrong(found.message(), message!(ASK_AGAIN)));
    };
    let text = std::str::from_utf8(text)
        .map_err(|_| wrong(message!("bytes that are no text"), message!(ASK_AGAIN)))?;
    let mut reader = Reader { lines: text.lines(), next: None, number: 1, subject };
    reader.advance();
    let kit = reader.kit()?;
    match reader.next {
        None => Ok(kit),
        Some(_) => Err(reader.wrong("its end")),
    }
}

fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty())
}

/// Whether a line is the first of a kit, but for what may stand in front of it.
fn is_checksum(line: &[u8]) -> bool {
    let begin = line.windows(CHECKSUM.len()).position(|octets| octets == CHECKSUM.as_bytes());
    let value = begin.and_then(|at| line.get(at + CHECKSUM.len()..)?.strip_prefix(b": "));
    value.is_some_and(|value| value.len() == CHECKSUM_DIGITS && value.iter().all(u8::is_ascii_hexdigit))
}

/// What the last line of a kit begins with that is followed by others.
fn followed_by_text(text: &[u8]) -> Option<&'static str> {
    let last = last_of(text);
    let is_last = |line: &[u8]| line.starts_with(last.as_bytes());
    let behind = lines_of(text).skip_while(|line| !is_last(line)).skip_while(|line| is_last(line));
    (behind.count() > 0).then_some(last)
}

/// Whether an equals sign is written by its number, as every value in base64 ends with one.
fn is_quoted_printable(text: &[u8]) -> bool {
    text.windows(ENCODED.len()).any(|octets| octets == ENCODED)
}

fn last_of(text: &[u8]) -> &'static str {
    let has_key = text.windows(KEY.len()).any(|octets| octets == KEY);
    if has_key { SEAL } else { SIGNATURE }
}

/// Whether the last line of a kit is not there, or not all of it.
fn is_cut_off(text: &[u8]) -> bool {
    let last = last_of(text);
    let line = text.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|octet| *octet == b'\n').next());
    line.is_none_or(|line| !line.starts_with(last.as_bytes()))
}

/// The lines of a kit behind its checksum.
struct Reader<'a> {
    lines: Lines<'a>,
    next: Option<&'a str>,
    /// The number of `next` in the file, counted from 1.
    number: usize,
    subject: &'a Message,
}

impl<'a> Reader<'a> {
    fn kit(&mut self) -> Result<Kit, Failure> {
        self.version()?;
        let name = self.parsed("name")?;
        let endpoint = self.parsed("endpoint")?;
        let contact = self.parsed("contact")?;
        let created = self.time("created")?;
        let join_before = self.time("join-before")?;
        let (_, serial) = self.value("serial")?;
        let chain = self.certificates("certificate")?;
        let trust = self.certificates("trust")?;
        if chain[0].serial().to_string() != serial {
            return Err(Failure::new("reading the kit", self.subject)
                .expected("the serial number of its certificate")
                .found("another")
                .hint(ASK_AGAIN));
        }
        let contents = KitContents { name, endpoint, contact, created, join_before, chain, trust };
        let key = if self.next == Some("key:") { Some(self.key()?) } else { None };
        let mut signatures = Vec::new();
        while self.next.is_some_and(|line| line.starts_with(SIGNATURE)) {
            let (key_identifier, signature) = self.pair(SIGNATURE)?;
            signatures.push(KitSignature { key_identifier, signature });
        }
        let seal = match &key {
            None => None,
            Some(_) => {
                let (salt, code) = self.pair(SEAL)?;
                Some(Seal { salt, code })
            }
        };
        Ok(Kit { contents, key, signatures, seal })
    }

    fn version(&mut self) -> Result<(), Failure> {
        let (number, version) = self.value(VERSION)?;
        match version.parse::<u32>() {
            Ok(SUPPORTED) => Ok(()),
            Ok(version) if version > SUPPORTED => Err(Failure::new("reading the kit", self.subject)
                .expected(message!("form {} of a kit", SUPPORTED))
                .found(message!("form {}, which a newer kitcert wrote", version))),
            _ => Err(self.other(number, "the number of its form")),
        }
    }

    fn advance(&mut self) -> Option<&'a str> {
        self.number += 1;
        std::mem::replace(&mut self.next, self.lines.next())
    }

    /// The number of the next line, and what stands in it behind that key.
    fn value(&mut self, key: &'static str) -> Result<(usize, &'a str), Failure> {
        let number = self.number;
        let value = self.next.and_then(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let value = value.ok_or_else(|| self.wrong(message!("{}: and a value", key)))?;
        self.advance();
        Ok((number, value))
    }

    fn parsed<T: std::str::FromStr<Err = Failure>>(&mut self, key: &'static str) -> Result<T, Failure> {
        let (number, value) = self.value(key)?;
        value.parse().map_err(|failure: Failure| self.unreadable(number, key, &failure))
    }

    fn time(&mut self, key: &'static str) -> Result<Timestamp, Failure> {
        let (number, value) = self.value(key)?;
        Timestamp::parse(value).map_err(|failure| self.unreadable(number, key, &failure))
    }

    fn pair(&mut self, key: &'static str) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let (number, value) = self.value(key)?;
        let pair = value.split_once(' ').and_then(|(one, two)| Some((Hex::parse(one)?, Hex::parse(two)?)));
        pair.ok_or_else(|| self.other(number, message!("two values in hex behind {}", key)))
    }

    /// The blocks of a section.
    fn blocks(&mut self, key: &'static str) -> Result<Vec<PemBlock>, Failure> {
        if self.next.and_then(|line| line.strip_suffix(':')) != Some(key) {
            return Err(self.wrong(message!("{}: in a line of its own", key)));
        }
        self.advance();
        let mut text = String::new();
        while let Some(line) = self.next.filter(|line| !line.contains(':')) {
            text.push_str(line);
            text.push('\n');
            self.advance();
        }
        Ok(PemBlock::all_of(text.as_bytes()))
    }

    fn certificates(&mut self, key: &'static str) -> Result<Vec<Certificate>, Failure> {
        let blocks = self.blocks(key)?;
        if blocks.is_empty() || blocks.len() > LARGEST_BUNDLE {
            return Err(self.wrong(message!("1 to {} certificates before this line", LARGEST_BUNDLE)));
        }
        let read = |block: PemBlock| {
            let der = block.contents.ok().filter(|_| block.label == "CERTIFICATE");
            let certificate = der.and_then(|der| Certificate::from_der(&der).ok());
            certificate.ok_or_else(|| self.wrong("certificates before this line"))
        };
        blocks.into_iter().map(read).collect()
    }

    fn key(&mut self) -> Result<EncryptedKey, Failure> {
        let mut blocks = self.blocks("key")?;
        let block = blocks.pop().filter(|block| blocks.is_empty() && block.label == ENCRYPTED_KEY);
        let der = block.and_then(|block| block.contents.ok());
        let der = der.ok_or_else(|| self.wrong("one encrypted private key before this line"))?;
        EncryptedKey::from_der(&der)
    }

    fn unreadable(&self, number: usize, key: &'static str, failure: &Failure) -> Failure {
        Failure::new("reading the kit", self.subject)
            .expected(message!("{} in line {}: {}", key, number, failure.what_was_expected()))
            .found(failure.what_was_found())
            .hint(ASK_AGAIN)
    }

    /// The next line is not what belongs there.
    fn wrong(&self, expected: impl Printable) -> Failure {
        let failure = self.other(self.number, expected);
        if self.next.is_some() { failure } else { failure.found("its end") }
    }

    /// The line of that number holds something else.
    fn other(&self, number: usize, expected: impl Printable) -> Failure {
        Failure::new("reading the kit", self.subject)
            .expected(message!("{} in line {}", expected, number))
            .found("something else")
            .hint(ASK_AGAIN)
    }
}

const CHECKSUM: &str = "sha256";
const CHECKSUM_DIGITS: usize = 64;
/// `=` in quoted-printable.
const ENCODED: &[u8] = b"=3D";
/// A line of its own.
const KEY: &[u8] = b"\nkey:\n";
const VERSION: &str = "kitcert-kit";
const SIGNATURE: &str = "signature";
const SEAL: &str = "seal";
const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";
const SUPPORTED: u32 = 1;
const ASK_AGAIN: &str = "ask whoever sent it to send it again, as a file";
