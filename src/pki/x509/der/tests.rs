use super::Place::{Certificate, Extension};
use super::*;
use crate::pki::element::element;

/// An OCTET STRING of so many zeros whose length is written so.
fn with_length(length: &[u8], count: usize) -> Vec<u8> {
    [&[0x04], length, &vec![0; count]].concat()
}

#[test]
fn a_length_is_definite_and_the_shortest() {
    for count in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x1234, 0xffff, 0x1_0000, 0x1_0203] {
        let bytes = element(0x04, &vec![0; count]);
        assert!(is_strict(&bytes, Certificate), "{count}");
        assert!(!is_strict(&bytes[..bytes.len() - 1], Certificate), "{count}, cut off");
        assert!(!is_strict(&[bytes, vec![0x04]].concat(), Certificate), "{count}, and another's beginning");
    }
    let longer: [(&[u8], usize); 7] = [
        (&[0x81, 0x7f], 0x7f),
        (&[0x81, 0x00], 0),
        (&[0x82, 0x00, 0x80], 0x80),
        (&[0x83, 0x00, 0x01, 0x00], 0x100),
        (&[0x84, 0x00, 0x01, 0x00, 0x00], 0x1_0000),
        (&[0x84, 0x01, 0x00, 0x00, 0x00], 0x100_0000),
        (&[0x80], 0),
    ];
    for (length, count) in longer {
        assert!(!is_strict(&with_length(length, count), Certificate), "{length:02x?}");
    }
    assert!(!is_strict(&[0x04], Certificate), "no length");
    assert!(!is_strict(&[0x04, 0x82, 0x01], Certificate), "half a length");
}

#[test]
fn nothing_and_several_elements_are_whole() {
    assert!(is_strict(&[], Certificate));
    assert!(is_strict(&[0x05, 0x00, 0x05, 0x00], Certificate));
    assert!(!is_strict(&[0x05, 0x00, 0x05, 0x01, 0x00], Certificate));
}

#[test]
fn elements_are_looked_into_so_deep_and_no_deeper() {
    let nested = |depth: usize| (0..depth).fold(Vec::new(), |inner, _| element(0x30, &inner));
    assert!(is_strict(&nested(DEEPEST - 1), Certificate));
    assert!(!is_strict(&nested(DEEPEST), Certificate));
    assert!(!is_strict(&nested(5000), Certificate));
    for tag in [0x30, 0x31, 0xa0, 0xa3] {
        assert!(is_strict(&element(tag, &[0x01, 0x01, 0xff]), Certificate), "{tag:02x}");
        assert!(!is_strict(&element(tag, &[0x01, 0x01, 0x01]), Certificate), "{tag:02x}");
    }
}

#[test]
fn tags_of_their_own_are_those_of_the_place() {
    let sound = |tag: u8, place: Place| is_strict(&element(tag, &[0x05, 0x00]), place);
    let of_certificates: Vec<u8> = (0x80..=0xbf).filter(|tag| sound(*tag, Certificate)).collect();
    let of_extensions: Vec<u8> = (0x80..=0xbf).filter(|tag| sound(*tag, Extension)).collect();
    assert_eq!(of_certificates, [0x81, 0x82].into_iter().chain(0xa0..=0xa3).collect::<Vec<_>>());
    assert!(!is_strict(&element(0x81, &[0x08, 0x00]), Certificate), "a unique identifier is bits");
    assert_eq!(of_extensions, (0x80..=0x88).chain(0xa0..=0xa8).collect::<Vec<_>>());
    // A primitive one is not looked into, and a constructed one is.
    assert!(is_strict(&element(0x82, b"example.com"), Extension));
    assert!(!is_strict(&element(0xa4, b"example.com"), Extension));
}

/// Whether an element of that tag may have these contents.
fn holds(tag: u8, contents: &[u8]) -> bool {
    is_strict(&element(tag, contents), Certificate)
}

#[track_caller]
fn judged(tag: u8, sound: &[&[u8]], unsound: &[&[u8]]) {
    for contents in sound {
        assert!(holds(tag, contents), "{tag:02x} of {contents:02x?} is sound");
    }
    for contents in unsound {
        assert!(!holds(tag, contents), "{tag:02x} of {contents:02x?} is not");
    }
}

#[test]
fn a_truth_value_is_all_or_nothing() {
    judged(0x01, &[&[0x00], &[0xff]], &[&[], &[0x01], &[0xfe], &[0xff, 0xff]]);
}

#[test]
fn a_number_is_as_short_as_it_can_be() {
    judged(
        0x02,
        &[
            &[0x00],
            &[0x7f],
            &[0x80],
            &[0x00, 0x80],
            &[0xff, 0x7f],
            &[0x01, 0x00],
            &[0x80, 0xff],
            &[0x00, 0xff, 0x00],
        ],
        &[&[], &[0x00, 0x7f], &[0x00, 0x00], &[0xff, 0x80], &[0xff, 0xff, 0x00]],
    );
}

#[test]
fn a_string_of_bits_says_how_many_are_spare_and_has_them_zero() {
    judged(
        0x03,
        &[&[0], &[0, 0xff], &[1, 0xfe], &[3, 0x01, 0xf8], &[7, 0x80], &[7, 0xff, 0x80], &[4, 0x00]],
        &[&[], &[1], &[1, 0x01], &[3, 0xf8, 0x04], &[7, 0x40], &[8, 0x00], &[8, 0xff, 0x00]],
    );
}

#[test]
fn an_object_identifier_is_whole_and_its_numbers_the_shortest() {
    judged(
        0x06,
        &[&[0x2a], &[0x2a, 0x86, 0x48], &[0x2a, 0x81, 0x80, 0x01]],
        &[&[], &[0x80], &[0x2a, 0x80, 0x01], &[0x2a, 0x86], &[0x80, 0x01]],
    );
}

#[test]
fn texts_have_the_letters_of_their_kind() {
    judged(0x0c, &[b"", "Bücher".as_bytes()], &[&[0xff], &[0xc3]]);
    judged(0x12, &[b"", b"0 9"], &[b"a", b"-1", b"0\t"]);
    judged(0x13, &[b"", b"aZ09 '()+,-./:=?*&"], &[b"a@b", b"_", b"\0", &[0xe9], b"#"]);
    judged(0x16, &[b"", b"ana@example.com\x7f"], &[&[0x80], "é".as_bytes()]);
    judged(0x1e, &[b"", b"\0a\0b"], &[b"a", b"\0a\0"]);
}

#[test]
fn a_time_is_in_digits_to_the_second_and_utc() {
    judged(
        0x17,
        &[b"261123120000Z"],
        &[b"", b"Z", b"2611231200Z", b"261123120000", b"261123120000+", b"20261123120000Z", b"26112312000aZ"],
    );
    judged(0x18, &[b"20261123120000Z"], &[b"", b"261123120000Z", b"20261123120000", b"20261123120000.5Z"]);
}

#[test]
fn what_is_not_known_is_not_sound() {
    judged(0x04, &[b"", &[0xff]], &[]);
    judged(0x14, &[b"", &[0xff]], &[]);
    judged(0x1a, &[b"", &[0xff]], &[]);
    judged(0x05, &[b""], &[&[0x00]]);
    for tag in [0x00, 0x07, 0x0a, 0x10, 0x11, 0x15, 0x19, 0x1c, 0x1f, 0x24, 0x40, 0xc0] {
        judged(tag, &[], &[b"", &[0x00]]);
    }
}
