use super::*;
use crate::pki::element::element;

/// The elements of a certificate, each to be changed by itself.
struct Elements {
    version: Vec<u8>,
    serial: Vec<u8>,
    inner: Vec<u8>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    key: Vec<u8>,
    last: Vec<u8>,
    outer: Vec<u8>,
    signature: Vec<u8>,
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

fn identifier(octets: &[u8]) -> Vec<u8> {
    element(OBJECT_IDENTIFIER, octets)
}

fn bits() -> Vec<u8> {
    element(BIT_STRING, &[0, 1, 2, 3])
}

fn text(tag: u8) -> Vec<u8> {
    element(tag, b"ana")
}

fn attribute() -> Vec<u8> {
    sequence(&[&identifier(&[0x55, 4, 3]), &text(0x0c)])
}

fn name_of(attribute: &[u8]) -> Vec<u8> {
    sequence(&[&element(SET, attribute)])
}

fn key_of(algorithm: &[&[u8]]) -> Vec<u8> {
    sequence(&[&sequence(algorithm), &bits()])
}

fn extension(parts: &[&[u8]]) -> Vec<u8> {
    element(EXTENSIONS, &sequence(&[&sequence(parts)]))
}

fn value() -> Vec<u8> {
    element(OCTET_STRING, &[0x05, 0x00])
}

impl Elements {
    fn sound() -> Elements {
        let ecdsa_with_sha256 = sequence(&[&identifier(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])]);
        let time = element(0x17, b"261123120000Z");
        let p256 = identifier(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
        Elements {
            version: element(VERSION, &element(INTEGER, &[2])),
            serial: element(INTEGER, &[1]),
            inner: ecdsa_with_sha256.clone(),
            issuer: name_of(&attribute()),
            validity: sequence(&[&time, &time]),
            subject: name_of(&attribute()),
            key: key_of(&[&identifier(EC_PUBLIC_KEY), &p256]),
            last: extension(&[&identifier(&[0x55, 0x1d, 19]), &value()]),
            outer: ecdsa_with_sha256,
            signature: bits(),
        }
    }

    fn der(&self) -> Vec<u8> {
        let body = sequence(&[
            &self.version,
            &self.serial,
            &self.inner,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.key,
            &self.last,
        ]);
        sequence(&[&body, &self.outer, &self.signature])
    }
}

/// Whether a certificate with that change has the shape of one.
fn with(change: impl FnOnce(&mut Elements)) -> bool {
    let mut elements = Elements::sound();
    change(&mut elements);
    is_a_certificate(&elements.der())
}

#[test]
fn a_certificate_is_three_elements_and_nothing_behind_them() {
    assert!(with(|_| {}));
    let der = Elements::sound().der();
    assert!(!is_a_certificate(&[&der[..], &[0x05, 0x00]].concat()));
    assert!(!is_a_certificate(&der[..der.len() - 1]));
    assert!(!is_a_certificate(&[]));
    assert!(!with(|one| one.signature = [bits(), bits()].concat()));
    assert!(!with(|one| one.signature = Vec::new()));
}

#[test]
fn a_certificate_of_any_size_is_read() {
    for octets in [0x7f, 0x80, 0xff, 0x100, 0x102, 0x1_0000, 0x1_0203] {
        assert!(with(|one| one.signature = element(BIT_STRING, &vec![0; octets])), "{octets}");
    }
}

#[test]
fn fields_stand_in_their_order_and_are_of_their_kind() {
    let octets = || element(OCTET_STRING, &[0, 1, 2]);
    assert!(with(|one| one.version = Vec::new()), "a first version says none");
    assert!(!with(|one| one.version = element(VERSION, &octets())));
    assert!(!with(
        |one| one.version = element(VERSION, &[element(INTEGER, &[2]), element(INTEGER, &[2])].concat())
    ));
    assert!(!with(|one| one.serial = octets()));
    assert!(!with(|one| one.validity = octets()));
    assert!(!with(|one| one.issuer = octets()));
    assert!(!with(|one| one.subject = octets()));
    assert!(!with(|one| one.key = octets()));
    assert!(!with(|one| one.signature = octets()));
    assert!(!with(|one| std::mem::swap(&mut one.serial, &mut one.inner)));
}

#[test]
fn the_algorithm_is_the_same_within_and_without() {
    let other = || sequence(&[&identifier(&[0x2b, 0x65, 0x70])]);
    assert!(!with(|one| one.inner = other()));
    assert!(!with(|one| one.outer = other()));
    assert!(with(|one| (one.inner, one.outer) = (other(), other())));
    let none = || sequence(&[]);
    assert!(!with(|one| (one.inner, one.outer) = (none(), none())));
    let text = || sequence(&[&element(OCTET_STRING, &[0x2b, 0x65, 0x70])]);
    assert!(!with(|one| (one.inner, one.outer) = (text(), text())));
}

#[test]
fn a_string_of_bits_has_no_spare_ones() {
    assert!(!with(|one| one.signature = element(BIT_STRING, &[1, 2])));
    assert!(!with(|one| one.signature = element(BIT_STRING, &[])));
    let spare = element(BIT_STRING, &[4, 0xf0]);
    assert!(!with(|one| one.key = sequence(&[&sequence(&[&identifier(&[0x2a])]), &spare])));
}

#[test]
fn a_name_is_attributes_of_text_in_sets() {
    assert!(with(|one| one.subject = sequence(&[])), "an empty one");
    for tag in [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1e] {
        let attribute = sequence(&[&identifier(&[0x55, 4, 3]), &text(tag)]);
        assert!(with(|one| one.issuer = name_of(&attribute)), "{tag:02x}");
    }
    for tag in [0x03, 0x04, 0x1a, 0x1c, 0x02] {
        let attribute = sequence(&[&identifier(&[0x55, 4, 3]), &text(tag)]);
        assert!(!with(|one| one.issuer = name_of(&attribute)), "{tag:02x}");
        assert!(!with(|one| one.subject = name_of(&attribute)), "{tag:02x}");
    }
    assert!(!with(|one| one.subject = sequence(&[&attribute()])), "no set");
    let two_values = sequence(&[&identifier(&[0x55, 4, 3]), &text(0x0c), &text(0x0c)]);
    assert!(!with(|one| one.subject = name_of(&two_values)));
    let of_octets = sequence(&[&element(OCTET_STRING, &[0x55, 4, 3]), &text(0x0c)]);
    assert!(!with(|one| one.subject = name_of(&of_octets)));
    assert!(
        !with(|one| one.subject = name_of(&element(SET, &attribute()))),
        "a set in place of an attribute"
    );
}

#[test]
fn a_key_has_the_parameters_of_its_kind() {
    let null = element(NULL, &[]);
    let curve = identifier(&[0x2a]);
    let (ec, rsa, ed) = (identifier(EC_PUBLIC_KEY), identifier(RSA_ENCRYPTION), identifier(ED25519));
    let other = identifier(&[0x2a, 3]);
    let sound: [&[&[u8]]; 7] = [
        &[&ec, &curve],
        &[&rsa, &null],
        &[&ed],
        &[&other],
        &[&other, &null],
        &[&other, &curve],
        &[&other, &ec],
    ];
    let unsound: [&[&[u8]]; 7] =
        [&[&ec], &[&ec, &null], &[&rsa], &[&rsa, &curve], &[&ed, &null], &[&ed, &curve], &[&null, &ec]];
    for algorithm in sound {
        assert!(with(|one| one.key = key_of(algorithm)), "{algorithm:02x?}");
    }
    for algorithm in unsound {
        assert!(!with(|one| one.key = key_of(algorithm)), "{algorithm:02x?}");
    }
    assert!(!with(|one| one.key = sequence(&[&sequence(&[&ed]), &bits(), &bits()])));
}

#[test]
fn behind_the_key_stand_identifiers_and_extensions_alone() {
    let sound = Elements::sound().last;
    assert!(with(|one| one.last = Vec::new()));
    for tag in [ISSUER_ID, SUBJECT_ID] {
        assert!(with(|one| one.last = [element(tag, &[0, 1]), sound.clone()].concat()), "{tag:02x}");
    }
    for tag in [0x80, 0x83, 0xa0, 0xa1, 0xa2, 0xa4, SEQUENCE] {
        assert!(!with(|one| one.last = [element(tag, &[]), sound.clone()].concat()), "{tag:02x}");
    }
}

#[test]
fn an_extension_is_an_identifier_perhaps_a_truth_value_and_octets() {
    let named = identifier(&[0x55, 0x1d, 19]);
    let critical = element(BOOLEAN, &[0xff]);
    let octets = value();
    let sound: [&[&[u8]]; 2] = [&[&named, &octets], &[&named, &critical, &octets]];
    let unsound: [&[&[u8]]; 6] = [
        &[],
        &[&named],
        &[&octets, &octets],
        &[&named, &octets, &critical],
        &[&named, &octets, &octets],
        &[&named, &critical, &octets, &octets],
    ];
    for parts in sound {
        assert!(with(|one| one.last = extension(parts)), "{parts:02x?}");
    }
    for parts in unsound {
        assert!(!with(|one| one.last = extension(parts)), "{parts:02x?}");
    }
    assert!(with(|one| one.last = element(EXTENSIONS, &sequence(&[]))));
    assert!(!with(|one| one.last = element(EXTENSIONS, &[])), "no list");
    assert!(!with(
        |one| one.last = element(EXTENSIONS, &sequence(&[&element(SET, &[named, octets].concat())]))
    ));
}

#[test]
fn an_extension_that_go_reads_has_its_own_shape() {
    let octets = element(OCTET_STRING, &[1]);
    let flag = element(BOOLEAN, &[0xff]);
    let number = element(INTEGER, &[0]);
    let usage = identifier(&[0x2b]);
    let name = element(0x82, b"example.com");
    let judged = |identifier: &str, sound: &[&[u8]], unsound: &[&[u8]]| {
        for value in sound {
            assert!(is_an_extension(identifier, value), "{identifier} of {value:02x?} is sound");
        }
        for value in unsound {
            assert!(!is_an_extension(identifier, value), "{identifier} of {value:02x?} is not");
        }
    };
    let empty = sequence(&[]);
    let unsound: [&[u8]; 4] = [&octets, &sequence(&[&bits()]), &[bits(), bits()].concat(), &[]];
    judged(oid::KEY_USAGE, &[&bits()], &unsound);
    judged(oid::SUBJECT_KEY_IDENTIFIER, &[&octets], &[&bits(), &sequence(&[&octets])]);
    judged(
        oid::EXTENDED_KEY_USAGE,
        &[&empty, &sequence(&[&usage, &usage])],
        &[&usage, &sequence(&[&usage, &octets]), &element(SET, &usage)],
    );
    judged(
        oid::BASIC_CONSTRAINTS,
        &[&empty, &sequence(&[&flag]), &sequence(&[&number]), &sequence(&[&flag, &number])],
        &[&flag, &sequence(&[&octets]), &sequence(&[&flag, &octets])],
    );
    let of_other_classes: [&[u8]; 2] = [&sequence(&[&element(0x42, &[])]), &sequence(&[&element(0xc2, &[])])];
    judged(oid::SUBJECT_ALT_NAME, &[&empty, &sequence(&[&name, &element(0xa4, &[])])], &of_other_classes);
    judged(oid::SUBJECT_ALT_NAME, &[], &[&name, &sequence(&[&octets])]);
    judged(oid::AUTHORITY_KEY_IDENTIFIER, &[&sequence(&[&element(0x80, &[1])])], &[&sequence(&[&octets])]);
    let usage_of = |octets: &[u8]| sequence(&[&element(OBJECT_IDENTIFIER, octets)]);
    let largest = usage_of(&[0x2a, 0x87, 0xff, 0xff, 0xff, 0x7f]);
    judged(oid::EXTENDED_KEY_USAGE, &[&largest], &[&usage_of(&[0x2a, 0x88, 0x80, 0x80, 0x80, 0x00])]);
    let (permitted, excluded) = (element(0xa0, &empty), element(0xa1, &empty));
    judged(
        oid::NAME_CONSTRAINTS,
        &[&empty, &sequence(&[&permitted]), &sequence(&[&excluded]), &sequence(&[&permitted, &excluded])],
        &[&[], &sequence(&[&excluded, &permitted]), &[sequence(&[&excluded]), empty.clone()].concat()],
    );
    let list = |name: &[u8]| sequence(&[&sequence(&[&element(0xa0, name)])]);
    judged(
        oid::REVOCATION_LISTS,
        &[&empty, &sequence(&[&empty]), &list(&element(0xa0, &[]))],
        &[&list(&element(0xa1, &[])), &list(&[])],
    );
    let policy = sequence(&[&usage]);
    judged(oid::POLICIES, &[&sequence(&[&policy])], &[&sequence(&[&policy, &policy]), &sequence(&[&usage])]);
    assert!(is_an_extension("1.2.3", &[0xff]));
}
