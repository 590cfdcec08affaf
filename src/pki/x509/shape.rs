//! The shape of a certificate: which element stands where.
//!
//! The parser that we read certificates with takes some elements for others (an OCTET STRING where
//! an OBJECT IDENTIFIER belongs); Go's does not, and drops what is not to the letter. What an
//! element holds is for [`der`](super::der) and the parser.

use super::der::has_small_arcs;
use super::extension::oid;
use crate::pki::element::{
    BIT_STRING, BOOLEAN, Element, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, contents_of,
    only, parts,
};

/// Whether the bytes have the shape of a certificate (RFC 5280 section 4.1), as strictly as Go's
/// `x509.ParseCertificate` looks at it, to the two names of the signature's algorithm.
pub(super) fn is_a_certificate(der: &[u8]) -> bool {
    judge(der).is_some()
}

/// Whether the value of an extension that Go reads has that extension's shape; true for others.
pub(super) fn is_an_extension(identifier: &str, value: &[u8]) -> bool {
    match identifier {
        oid::KEY_USAGE => only(value, BIT_STRING).is_some(),
        oid::SUBJECT_KEY_IDENTIFIER => only(value, OCTET_STRING).is_some(),
        oid::EXTENDED_KEY_USAGE => {
            all_are(value, |tag| tag == OBJECT_IDENTIFIER)
                && only(value, SEQUENCE)
                    .and_then(parts)
                    .is_some_and(|usages| usages.iter().all(|one| has_small_arcs(one.1)))
        }
        oid::NAME_CONSTRAINTS => name_constraints(value).is_some(),
        oid::REVOCATION_LISTS => revocation_lists(value).is_some(),
        oid::POLICIES => policies(value).is_some(),
        oid::BASIC_CONSTRAINTS => all_are(value, |tag| tag == BOOLEAN || tag == INTEGER),
        oid::SUBJECT_ALT_NAME | oid::AUTHORITY_KEY_IDENTIFIER => all_are(value, |tag| tag & 0xc0 == 0x80),
        _ => true,
    }
}

fn judge(der: &[u8]) -> Option<()> {
    let [body, outer, signature] = parts(only(der, SEQUENCE)?)?.try_into().ok()?;
    whole_octets(signature)?;
    let mut fields = parts(contents_of(body, SEQUENCE)?)?.into_iter().peekable();
    if fields.peek()?.0 == VERSION {
        only(fields.next()?.1, INTEGER)?;
    }
    contents_of(fields.next()?, INTEGER)?;
    let inner = fields.next()?;
    (inner == outer).then_some(())?;
    algorithm(inner)?;
    name(fields.next()?)?;
    parts(contents_of(fields.next()?, SEQUENCE)?)?;
    name(fields.next()?)?;
    public_key(fields.next()?)?;
    for (tag, contents) in fields {
        match tag {
            EXTENSIONS => extensions(contents)?,
            ISSUER_ID | SUBJECT_ID => {}
            _ => return None,
        }
    }
    Some(())
}

fn algorithm(element: Element<'_>) -> Option<Vec<Element<'_>>> {
    let parts = parts(contents_of(element, SEQUENCE)?)?;
    contents_of(*parts.first()?, OBJECT_IDENTIFIER)?;
    Some(parts)
}

/// A key of a kind that Go knows has the parameters of its kind.
fn public_key(element: Element<'_>) -> Option<()> {
    let [algorithm_of_key, bits] = parts(contents_of(element, SEQUENCE)?)?.try_into().ok()?;
    whole_octets(bits)?;
    let parts = algorithm(algorithm_of_key)?;
    let parameters = parts.get(1).map(|parameters| parameters.0);
    let is_sound = match parts.first()?.1 {
        EC_PUBLIC_KEY => parameters == Some(OBJECT_IDENTIFIER),
        RSA_ENCRYPTION => parameters == Some(NULL),
        ED25519 => parameters.is_none(),
        _ => true,
    };
    is_sound.then_some(())
}

fn name(element: Element<'_>) -> Option<()> {
    for set in parts(contents_of(element, SEQUENCE)?)? {
        for attribute in parts(contents_of(set, SET)?)? {
            let [kind, value] = parts(contents_of(attribute, SEQUENCE)?)?.try_into().ok()?;
            contents_of(kind, OBJECT_IDENTIFIER)?;
            STRINGS.contains(&value.0).then_some(())?;
        }
    }
    Some(())
}

fn extensions(contents: &[u8]) -> Option<()> {
    for extension in parts(only(contents, SEQUENCE)?)? {
        let tags: Vec<u8> = parts(contents_of(extension, SEQUENCE)?)?.iter().map(|part| part.0).collect();
        let is_sound = matches!(
            tags.as_slice(),
            [OBJECT_IDENTIFIER, OCTET_STRING] | [OBJECT_IDENTIFIER, BOOLEAN, OCTET_STRING]
        );
        is_sound.then_some(())?;
    }
    Some(())
}

/// What is permitted, what is excluded, in this order (`parseNameConstraintsExtension`). Where nothing is, that is
/// told of the constraints.
fn name_constraints(value: &[u8]) -> Option<()> {
    let subtrees = parts(only(value, SEQUENCE)?)?;
    let tags: Vec<u8> = subtrees.iter().map(|one| one.0).collect();
    matches!(tags.as_slice(), [] | [0xa0] | [0xa1] | [0xa0, 0xa1]).then_some(())
}

/// Where a name is given it is a full one (`parseExtensions`).
fn revocation_lists(value: &[u8]) -> Option<()> {
    let points = *parts(value)?.first()?;
    parts(contents_of(points, SEQUENCE)?)?.into_iter().try_for_each(|point| {
        let fields = parts(contents_of(point, SEQUENCE)?)?;
        match fields.first() {
            Some((0xa0, name)) => (parts(name)?.first()?.0 == 0xa0).then_some(()),
            _ => Some(()),
        }
    })
}

/// Each once, as Go has it since 1.27 (`parseCertificatePoliciesExtension`).
fn policies(value: &[u8]) -> Option<()> {
    let policies = *parts(value)?.first()?;
    let mut known: Vec<&[u8]> = Vec::new();
    parts(contents_of(policies, SEQUENCE)?)?.into_iter().try_for_each(|policy| {
        let identifier = contents_of(*parts(contents_of(policy, SEQUENCE)?)?.first()?, OBJECT_IDENTIFIER)?;
        let is_new = !known.contains(&identifier);
        known.push(identifier);
        is_new.then_some(())
    })
}

/// A BIT STRING without spare bits, which Go would shift out.
fn whole_octets(element: Element<'_>) -> Option<()> {
    (contents_of(element, BIT_STRING)?.first() == Some(&0)).then_some(())
}

/// Whether the one SEQUENCE holds elements of such tags alone.
fn all_are(der: &[u8], is_sound: impl Fn(u8) -> bool) -> bool {
    let inner = only(der, SEQUENCE).and_then(parts);
    inner.is_some_and(|parts| parts.iter().all(|part| is_sound(part.0)))
}

pub(in crate::pki) const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
pub(in crate::pki) const EXTENSIONS: u8 = 0xa3;
/// The texts that Go reads in a name: UTF8, Numeric, Printable, T61, IA5 and BMP.
const STRINGS: [u8; 6] = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1e];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

#[cfg(test)]
mod tests;
