//! Elements of DER, taken apart and put together. What may stand where is for those who call it.

/// A tag, and what the element holds.
pub(in crate::pki) type Element<'a> = (u8, &'a [u8]);

/// The elements that stand one after the other.
pub(in crate::pki) fn parts(mut der: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while let [tag, rest @ ..] = der {
        let (length, rest) = length_of(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        found.push((*tag, contents));
        der = rest;
    }
    Some(found)
}

/// The contents of the one element of that tag.
pub(in crate::pki) fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    let [element] = parts(der)?.try_into().ok()?;
    contents_of(element, tag)
}

/// What the element holds, if it has that tag.
pub(in crate::pki) fn contents_of(element: Element<'_>, tag: u8) -> Option<&[u8]> {
    (element.0 == tag).then_some(element.1)
}

/// The length of an element, and what follows it. No certificate that we read is longer than
/// three bytes of length can say.
pub(in crate::pki) fn length_of(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let count = match first {
        0..=0x7f => return Some((usize::from(*first), rest)),
        0x81..=0x83 => usize::from(first & 0x7f),
        _ => return None,
    };
    let (octets, rest) = rest.split_at_checked(count)?;
    let length = octets.iter().fold(0, |length, octet| length * 256 + usize::from(*octet));
    let is_shortest = length >= 0x80 && octets.first() != Some(&0);
    is_shortest.then_some((length, rest))
}

/// An element of that tag, of whatever length.
pub(in crate::pki) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant = length.iter().position(|octet| *octet != 0).unwrap_or(length.len() - 1);
    let octets = length.get(significant..).unwrap_or_default();
    let mut der = vec![tag];
    if contents.len() >= 0x80 {
        der.push(0x80 | octets.len().to_le_bytes()[0]);
    }
    der.extend_from_slice(octets);
    der.extend_from_slice(contents);
    der
}

pub(in crate::pki) const BOOLEAN: u8 = 0x01;
pub(in crate::pki) const INTEGER: u8 = 0x02;
pub(in crate::pki) const BIT_STRING: u8 = 0x03;
pub(in crate::pki) const OCTET_STRING: u8 = 0x04;
pub(in crate::pki) const NULL: u8 = 0x05;
pub(in crate::pki) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(in crate::pki) const UTF8_STRING: u8 = 0x0c;
pub(in crate::pki) const SEQUENCE: u8 = 0x30;
pub(in crate::pki) const SET: u8 = 0x31;
