//! A certificate that rcgen has encoded, finished: its names to the byte, and its signature.
//!
//! rcgen writes a name from parts of its own, each kind of part once and in a few kinds of text. A CA's
//! name has to stand in every certificate that it issues as the CA itself has it, whatever that is
//! (`DC=local, DC=corp`, two organizational units): peers compare the bytes.

use super::distinguished_name::DistinguishedName;
use super::shape::VERSION;
use crate::model::Failure;
use crate::pki::element::{BIT_STRING, Element, SEQUENCE, element, only, parts};

/// The certificate of a draft, with those names, signed. The draft's own names and its signature do not
/// matter. None for bytes that are no draft of a certificate.
pub(in crate::pki) fn finish(
    draft: &[u8],
    (issuer, subject): (&DistinguishedName, &DistinguishedName),
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some((body, algorithm)) = named(draft, issuer, subject) else { return Ok(None) };
    let signature = [&[0], sign(&body)?.as_slice()].concat();
    let all = [body, algorithm, element(BIT_STRING, &signature)].concat();
    Ok(Some(element(SEQUENCE, &all)))
}

/// What is to be signed, and the name of the algorithm.
fn named(
    draft: &[u8],
    issuer: &DistinguishedName,
    subject: &DistinguishedName,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let [(_, body), (_, algorithm), _]: [Element<'_>; 3] = parts(only(draft, SEQUENCE)?)?.try_into().ok()?;
    let fields = parts(body)?;
    let first = usize::from(fields.first()?.0 == VERSION);
    let whole = |(at, (tag, contents)): (usize, &Element<'_>)| match at.checked_sub(first) {
        Some(ISSUER) => issuer.der().to_vec(),
        Some(SUBJECT) => subject.der().to_vec(),
        _ => element(*tag, contents),
    };
    let body: Vec<u8> = fields.iter().enumerate().flat_map(whole).collect();
    Some((element(SEQUENCE, &body), element(SEQUENCE, algorithm)))
}

/// Behind the version: serialNumber, signature, issuer, validity, subject (RFC 5280 section 4.1).
const ISSUER: usize = 2;
const SUBJECT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::pki::specimens::a_leaf;
    use crate::pki::x509::Certificate;

    fn name(parts: &[&[u8]]) -> DistinguishedName {
        DistinguishedName::from_der(&element(SEQUENCE, &parts.concat()))
    }

    fn set(tag: u8, text: &[u8]) -> Vec<u8> {
        let attribute = [element(6, &[0x55, 4, 11]), element(tag, text)].concat();
        element(0x31, &element(SEQUENCE, &attribute))
    }

    #[test]
    fn only_the_names_and_the_signature_become_others() {
        let draft = a_leaf(Role::Client, |_| ());
        let (one, other) = (set(0x0c, b"A"), set(0x1e, &[0, 0x42]));
        let (issuer, subject) = (name(&[&one, &one, &other]), name(&[&[b'x'; 300], &one]));
        assert_eq!(
            finish(draft.der(), (draft.issuer(), draft.subject()), |_| Ok(vec![]))
                .ok()
                .unwrap()
                .map(|der| der.len() < draft.der().len()),
            Some(true)
        );
        let made = finish(draft.der(), (&issuer, draft.subject()), |body| {
            assert!(!body.is_empty());
            Ok(vec![7; 3])
        });
        let made = Certificate::from_der(&made.ok().flatten().unwrap()).unwrap();
        assert_eq!((made.issuer(), made.subject()), (&issuer, draft.subject()));
        assert_eq!(made.serial(), draft.serial());
        assert_eq!(made.public_key(), draft.public_key());
        assert_eq!(made.extensions().len(), draft.extensions().len());
        assert!(finish(&draft.der()[1..], (&issuer, &subject), |_| Ok(vec![])).ok().unwrap().is_none());
    }

    #[test]
    fn with_its_own_names_and_signature_a_certificate_stays_what_it_is() {
        let draft = a_leaf(Role::Client, |_| ());
        let [_, _, (_, signature)] = parts(only(draft.der(), SEQUENCE).unwrap()).unwrap().try_into().unwrap();
        let signature = signature[1..].to_vec();
        let same = finish(draft.der(), (draft.issuer(), draft.subject()), |_| Ok(signature));
        assert_eq!(same.ok().flatten().unwrap(), draft.der());
    }
}
