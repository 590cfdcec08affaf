//! What becomes of a kit on its way: mail ends its lines in another way, adds empty ones, quotes or indents
//! it, and leaves out the last newline; a Windows shell writes UTF-16.
//!
//! All of this is undone before a kit is read. Nothing of it is signed, and what is signed is compared.

use zeroize::Zeroizing;

/// The file with its lines as they were written.
pub(super) fn as_written(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let decoded = text_of_utf16(bytes);
    let bytes = decoded.as_ref().map_or(bytes, |text| text.as_slice());
    // It may be a key, by mistake.
    let mut written = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    let quote = quote_of(bytes);
    for line in lines(bytes) {
        let Some(line) = without_quote(line, quote) else { return unquoted(bytes) };
        written.extend_from_slice(line);
        if !line.is_empty() {
            written.push(b'\n');
        }
    }
    written
}

/// Whether a file claims to be a kit, or to have one among other text.
#[must_use]
pub(super) fn is_kit(bytes: &[u8]) -> bool {
    // Of UTF-16 the beginning is enough, as a shell writes it. Nothing else is copied: it may be a key.
    let decoded = text_of_utf16(bytes.get(..FIRST_LINES).unwrap_or(bytes));
    let bytes = decoded.as_ref().map_or(bytes, |text| text.as_slice());
    let mut lines = lines(bytes).map(|line| {
        let quote = line.iter().take_while(|byte| is_of_quote(**byte)).count();
        line.get(quote..).unwrap_or_default()
    });
    // Of one whose lines were broken, joined or cut off what no other file has.
    let has = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    let mut is_behind_checksum = false;
    let begins = lines.any(|line| {
        let is_version = is_behind_checksum && line.starts_with(b"kitcert-kit: ");
        is_behind_checksum = line.starts_with(b"sha256: ") || line.is_empty() && is_behind_checksum;
        is_version
    });
    begins || has(b"join-before: ") && (has(b"seal: ") || has(b"certificate:"))
}

/// Lines without what stands at their ends; no line of a kit is empty, or ends with a blank.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let lines = bytes.split(|byte| *byte == b'\n' || *byte == b'\r').map(<[u8]>::trim_ascii_end);
    lines.filter(|line| !line.is_empty())
}

/// What stands in front of the first line, and so of all: no line of a kit begins so.
fn quote_of(bytes: &[u8]) -> &[u8] {
    let first = lines(bytes).find(|line| line.iter().any(|byte| !is_of_quote(*byte))).unwrap_or_default();
    let length = first.iter().take_while(|byte| is_of_quote(**byte)).count();
    first.get(..length).unwrap_or_default()
}

fn is_of_quote(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'>')
}

/// A line without that quote; of an empty line its blanks may be gone.
fn without_quote<'a>(line: &'a [u8], quote: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(quote) {
        None if line.iter().all(|byte| is_of_quote(*byte)) => Some(&[]),
        rest => rest,
    }
}

/// The same text in UTF-8, if its byte order mark says that it is UTF-16.
fn text_of_utf16(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (units, is_little) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ => return None,
    };
    let unit = |two: [u8; 2]| if is_little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) };
    // Each unit becomes three bytes at the most.
    let mut text = Zeroizing::new(Vec::with_capacity(units.len() / 2 * 3 + 3));
    let units = units.chunks_exact(2).map(|two| unit([two[0], two[1]]));
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(text)
}

fn unquoted(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut written = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    for line in lines(bytes) {
        written.extend_from_slice(line);
        written.push(b'\n');
    }
    written
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Far more than the first two lines have.
const FIRST_LINES: usize = 1024;
