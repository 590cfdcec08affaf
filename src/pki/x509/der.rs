//! DER to the letter.
//!
//! The parser that we read certificates with takes BER's liberties; Go's `cryptobyte` does not,
//! and drops what breaks them. So everything is looked through once before it is read.

use crate::pki::element::length_of;

/// Where the bytes stand, which says what tags of their own they may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A whole certificate: version, extensions and the parameters of RSA-PSS, `[0]` to `[3]`.
    Certificate,
    /// The value of an extension: the names and so on, `[0]` to `[8]`, primitive ones too.
    Extension,
}

/// Whether these bytes are whole elements of DER (X.690 section 10), as strictly as Go reads
/// them: definite and shortest lengths, minimal numbers, well-formed texts and times.
pub(super) fn is_strict(bytes: &[u8], place: Place) -> bool {
    are_elements(bytes, place, DEEPEST).is_some()
}

fn are_elements(mut bytes: &[u8], place: Place, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    while let Some((tag, rest)) = bytes.split_first() {
        let (length, rest) = length_of(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        is_element(*tag, contents, place, depth)?;
        bytes = rest;
    }
    Some(())
}

fn is_element(tag: u8, contents: &[u8], place: Place, depth: usize) -> Option<()> {
    match (tag, place) {
        (0xa0..=0xa3, _) | (0xa4..=0xa8, Place::Extension) | (0x30 | 0x31, _) => {
            return are_elements(contents, place, depth);
        }
        (0x80..=0x88, Place::Extension) => return Some(()),
        // The unique identifiers of RFC 5280 section 4.1.2.8, which Go passes over.
        (0x81 | 0x82, Place::Certificate) => return is_bit_string(contents).then_some(()),
        (0x06, Place::Certificate) => return has_small_arcs(contents).then_some(()),
        _ => {}
    }
    let is_sound = match tag {
        0x01 => matches!(contents, [0x00 | 0xff]),
        0x02 => is_minimal_integer(contents),
        0x03 => is_bit_string(contents),
        0x04 | 0x14 | 0x1a => true,
        0x05 => contents.is_empty(),
        0x06 => is_object_identifier(contents),
        0x0c => std::str::from_utf8(contents).is_ok(),
        0x12 => contents.iter().all(|octet| octet.is_ascii_digit() || *octet == b' '),
        0x13 => contents.iter().all(|octet| octet.is_ascii_alphanumeric() || PRINTABLE.contains(octet)),
        0x16 => contents.is_ascii(),
        0x17 => is_time(contents, 12),
        0x18 => is_time(contents, 14),
        0x1e => contents.len().is_multiple_of(2),
        _ => false,
    };
    is_sound.then_some(())
}

fn is_minimal_integer(contents: &[u8]) -> bool {
    match contents {
        [] => false,
        [0x00, second, ..] => second & 0x80 != 0,
        [0xff, second, ..] => second & 0x80 == 0,
        _ => true,
    }
}

fn is_bit_string(contents: &[u8]) -> bool {
    match contents {
        [0] => true,
        [spare @ 0..=7, .., last] => last.trailing_zeros() >= u32::from(*spare),
        _ => false,
    }
}

pub(super) fn is_object_identifier(contents: &[u8]) -> bool {
    let mut starts = true;
    for octet in contents {
        if starts && *octet == 0x80 {
            return false;
        }
        starts = octet & 0x80 == 0;
    }
    starts && !contents.is_empty()
}

/// Whether it is an object identifier of numbers below 2³¹, which are all that Go reads but in policies.
pub(super) fn has_small_arcs(contents: &[u8]) -> bool {
    let is_small = |arc: &[u8]| {
        let number = arc.iter().try_fold(0_u32, |number, octet| {
            number.checked_mul(0x80).and_then(|number| number.checked_add(u32::from(octet & 0x7f)))
        });
        number.is_some_and(|number| number <= i32::MAX.unsigned_abs())
    };
    is_object_identifier(contents) && contents.split_inclusive(|octet| octet & 0x80 == 0).all(is_small)
}

fn is_time(contents: &[u8], digits: usize) -> bool {
    match contents.split_last() {
        Some((b'Z', number)) => number.len() == digits && number.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Beyond letters and digits; the last two are there since Go allows them.
const PRINTABLE: &[u8] = b" '()+,-./:=?*&";

/// Nothing in a certificate is nested so deep.
const DEEPEST: usize = 24;

#[cfg(test)]
pub(in crate::pki) mod tests;
