//! What Go passes over in a certificate and OpenSSL refuses to read: an element too many, one out of its order, or none
//! where some belong.
//!
//! OpenSSL reads by templates (crypto/x509/x_x509.c and v3_*.c) that leave nothing over, when it reads the certificate or
//! an extension that it looks at before it verifies anything (`ossl_x509v3_cache_extensions`). gRPC's C core, nginx,
//! haproxy, Node and Python read with it, or with what came from it.

use super::der::is_object_identifier;
use super::extension::oid;
use super::shape::{EXTENSIONS, VERSION};
use crate::pki::element::{
    BIT_STRING, BOOLEAN, Element, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, contents_of,
    only, parts,
};

/// Where OpenSSL finds what does not belong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// In a part of the certificate that is none of its extensions.
    Part(&'static str),
    /// In the extension with that object identifier.
    Extension(String),
}

/// Where the first such element stands; None where there is none. Of what has the shape of a certificate.
pub(super) fn first(der: &[u8]) -> Option<&'static str> {
    outside_extensions(der).unwrap_or(Some("the certificate"))
}

/// Whether the value of an extension is such that OpenSSL reads it, if it looks at that extension.
pub(super) fn is_in_extension(identifier: &str, value: &[u8]) -> bool {
    let is_read = match identifier {
        oid::AUTHORITY_KEY_IDENTIFIER => authority_key_identifier(value),
        oid::BASIC_CONSTRAINTS => tags_of(value).and_then(|tags| {
            matches!(tags.as_slice(), [] | [BOOLEAN] | [INTEGER] | [BOOLEAN, INTEGER]).then_some(())
        }),
        oid::EXTENDED_KEY_USAGE => tags_of(value).and_then(|tags| (!tags.is_empty()).then_some(())),
        oid::SUBJECT_ALT_NAME => first_of(value, SEQUENCE).and_then(general_names),
        oid::REVOCATION_LISTS => revocation_lists(value),
        oid::NAME_CONSTRAINTS => name_constraints(value),
        NETSCAPE_TYPE => first_of(value, BIT_STRING).map(drop),
        ADDRESSES => addresses(value),
        AUTONOMOUS_SYSTEMS => tags_of(value).and_then(|tags| are_rising(&tags, &[0xa0, 0xa1]).then_some(())),
        // Whoever did not ask for proxies' certificates (RFC 3820) refuses them.
        PROXY => None,
        _ => Some(()),
    };
    is_read.is_none()
}

/// None where the shape is no certificate's.
fn outside_extensions(der: &[u8]) -> Option<Option<&'static str>> {
    let [body, _, _] = parts(only(der, SEQUENCE)?)?.try_into().ok()?;
    let mut fields = parts(contents_of(body, SEQUENCE)?)?.into_iter().peekable();
    fields.next_if(|field| field.0 == VERSION);
    let [_, algorithm, issuer, validity, subject] = [(); 5].map(|()| fields.next());
    let key = fields.next()?;
    if !is_algorithm(algorithm?)? {
        return Some(Some("the signature algorithm"));
    }
    if !has_whole_names(issuer?)? {
        return Some(Some("the issuer's name"));
    }
    if parts(contents_of(validity?, SEQUENCE)?)?.len() != 2 {
        return Some(Some("the validity"));
    }
    if !has_whole_names(subject?)? {
        return Some(Some("the subject's name"));
    }
    let [of_key, bits] = parts(contents_of(key, SEQUENCE)?)?.try_into().ok()?;
    let is_rsa = parts(of_key.1)?.first().is_some_and(|kind| kind.1 == RSA_ENCRYPTION);
    let numbers = || parts(only(bits.1.get(1..)?, SEQUENCE)?);
    if !is_algorithm(of_key)? || is_rsa && numbers()?.len() != 2 {
        return Some(Some("the public key"));
    }
    let tags: Vec<u8> = fields.map(|field| field.0).collect();
    Some((!are_rising(&tags, &[0x81, 0x82, EXTENSIONS])).then_some("the order of its parts"))
}

fn is_algorithm(element: Element<'_>) -> Option<bool> {
    Some(parts(contents_of(element, SEQUENCE)?)?.len() <= 2)
}

/// Whether no relative name of it is empty.
fn has_whole_names(name: Element<'_>) -> Option<bool> {
    Some(parts(contents_of(name, SEQUENCE)?)?.iter().all(|relative| !relative.1.is_empty()))
}

fn authority_key_identifier(value: &[u8]) -> Option<()> {
    let fields = parts(first_of(value, SEQUENCE)?)?;
    let tags: Vec<u8> = fields.iter().map(|field| if field.0 == 0xa0 { 0x80 } else { field.0 }).collect();
    are_rising(&tags, &[0x80, 0xa1, 0x82]).then_some(())?;
    let mut names = fields.iter().filter(|field| field.0 == 0xa1);
    names.try_for_each(|names| names_of_any_number(names.1))
}

fn revocation_lists(value: &[u8]) -> Option<()> {
    parts(first_of(value, SEQUENCE)?)?.into_iter().try_for_each(|point| {
        let fields = parts(contents_of(point, SEQUENCE)?)?;
        let tags: Vec<u8> = fields.iter().map(|part| part.0).collect();
        (!tags.is_empty() && are_rising(&tags, &[0xa0, 0x81, 0xa2])).then_some(())?;
        fields.into_iter().try_for_each(|(tag, contents)| match tag {
            0xa0 => match parts(contents)?.as_slice() {
                [(0xa0, names)] => names_of_any_number(names),
                [(0xa1, _)] => Some(()),
                _ => None,
            },
            0xa2 => names_of_any_number(contents),
            _ => matches!(contents, [0] | [0..=7, _, ..]).then_some(()),
        })
    })
}

/// OpenSSL knows no minimum but 0, and no maximum.
fn name_constraints(value: &[u8]) -> Option<()> {
    parts(first_of(value, SEQUENCE)?)?.into_iter().try_for_each(|(_, subtrees)| {
        parts(subtrees)?.into_iter().try_for_each(|subtree| {
            let mut bounds = parts(contents_of(subtree, SEQUENCE)?)?.into_iter().skip(1);
            bounds.all(|bound| bound == (0x80, &[0])).then_some(())
        })
    })
}

/// RFC 3779 section 2.2.3, as far as OpenSSL looks before it needs it.
fn addresses(value: &[u8]) -> Option<()> {
    parts(first_of(value, SEQUENCE)?)?.into_iter().try_for_each(|family| {
        let [family, choice] = parts(contents_of(family, SEQUENCE)?)?.try_into().ok()?;
        contents_of(family, OCTET_STRING)?;
        match choice.0 {
            NULL => Some(()),
            SEQUENCE => parts(choice.1)?.into_iter().try_for_each(|one| match one.0 {
                BIT_STRING => Some(()),
                SEQUENCE => {
                    matches!(parts(one.1)?.as_slice(), [(BIT_STRING, _), (BIT_STRING, _)]).then_some(())
                }
                _ => None,
            }),
            _ => None,
        }
    })
}

/// The same, or none.
fn names_of_any_number(names: &[u8]) -> Option<()> {
    if names.is_empty() { Some(()) } else { general_names(names) }
}

/// At least one, each of a kind of RFC 5280 section 4.2.1.6.
fn general_names(names: &[u8]) -> Option<()> {
    let names = parts(names)?;
    (!names.is_empty()).then_some(())?;
    names.into_iter().try_for_each(|(tag, contents)| match tag {
        0xa0 => match parts(contents)?.as_slice() {
            [(OBJECT_IDENTIFIER, _), (0xa0, value)] => (parts(value)?.len() == 1).then_some(()),
            _ => None,
        },
        0xa4 => has_whole_names((SEQUENCE, only(contents, SEQUENCE)?))?.then_some(()),
        0x88 => is_object_identifier(contents).then_some(()),
        0x81 | 0x82 | 0x86 | 0x87 | 0xa3 | 0xa5 => Some(()),
        _ => None,
    })
}

fn tags_of(value: &[u8]) -> Option<Vec<u8>> {
    Some(parts(first_of(value, SEQUENCE)?)?.iter().map(|part| part.0).collect())
}

/// What is in the element that a value begins with: OpenSSL passes over what is behind it.
fn first_of(value: &[u8], tag: u8) -> Option<&[u8]> {
    contents_of(*parts(value)?.first()?, tag)
}

/// Whether they are some of those, each once, in their order.
fn are_rising(tags: &[u8], among: &[u8]) -> bool {
    let mut left = among.iter();
    tags.iter().all(|tag| left.any(|one| one == tag))
}

const NETSCAPE_TYPE: &str = "2.16.840.1.113730.1.1";
const PROXY: &str = "1.3.6.1.5.5.7.1.14";
const ADDRESSES: &str = "1.3.6.1.5.5.7.1.7";
const AUTONOMOUS_SYSTEMS: &str = "1.3.6.1.5.5.7.1.8";
/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
