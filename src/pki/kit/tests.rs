use super::*;
use crate::model::{Fingerprint, KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
use crate::pki::authority::{AuthorityRequest, CertificateAuthority, LeafRequest};
use crate::pki::key::{Passphrase, PrivateKey, sha256};
use crate::pki::x509::TrustBundle;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T17:00:00Z").unwrap()
}

fn authority() -> CertificateAuthority {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let validity = Validity::issued(now(), Lifetime::days(365), Lifetime::from_seconds(3600));
    let request = AuthorityRequest { name: "Test".parse().unwrap(), validity };
    CertificateAuthority::create(&request, &key).unwrap()
}

fn contents(authority: &CertificateAuthority, key: &PrivateKey) -> KitContents {
    let request =
        LeafRequest::new(Role::Client, "ana".parse().unwrap(), Vec::new(), now(), Lifetime::days(90));
    KitContents {
        name: "ana".parse().unwrap(),
        endpoint: "tcp://builder.example.com:8372".parse().unwrap(),
        contact: "Jo Ålén <jo@example.com>".parse().unwrap(),
        created: now(),
        join_before: now().plus(Lifetime::days(14)),
        chain: vec![authority.issue(&request, key.public_key()).unwrap()],
        trust: vec![authority.certificate().clone()],
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn kit() -> Kit {
    let authority = authority();
    let contents = contents(&authority, &key());
    Kit::sign(contents, &[authority]).unwrap()
}

fn found(text: impl AsRef<[u8]>) -> String {
    Kit::from_text(text.as_ref(), "ana.kit").err().map(|failure| failure.to_string()).unwrap_or_default()
}

/// The same text with the checksum that belongs to it, as somebody would make it who knows how.
fn with_checksum(text: &[u8]) -> Vec<u8> {
    let rest = &text[text.iter().position(|octet| *octet == b'\n').unwrap() + 1..];
    let mut made = format!("sha256: {}\n", Fingerprint::new(sha256(rest))).into_bytes();
    made.extend_from_slice(rest);
    made
}

#[test]
fn a_kit_is_read_and_printed_again_to_the_byte() {
    let passphrase = Passphrase::typed("one two").ok().unwrap();
    let authority = authority();
    let made = contents(&authority, &key());
    let sealed = Kit::seal(made, &[authority], &key(), &passphrase).unwrap();
    for (kit, has_key) in [(kit(), false), (sealed, true)] {
        let again = Kit::from_text(kit.to_text().as_bytes(), "ana.kit").unwrap();
        assert_eq!(again.has_key(), has_key);
        assert_eq!(again, kit);
        assert_eq!(again.to_text(), kit.to_text());
    }
}

#[test]
fn a_kit_without_a_key_holds_no_secret() {
    let text = kit().to_text();
    assert!(!text.contains("PRIVATE KEY"), "{text}");
}

#[test]
fn every_flipped_byte_and_every_truncation_is_refused_as_damage() {
    let text = kit().to_text().into_bytes();
    let last = String::from_utf8_lossy(&text).find("\nsignature").unwrap();
    let makes_the_last_line = last..last + "\nsignature".len();
    for at in 0..text.len() {
        for bit in [0, 7] {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            let said = found(&flipped);
            let told = match at {
                _ if makes_the_last_line.contains(&at) || at == text.len() - 1 => "cut off on its way",
                _ => "damaged on its way",
            };
            assert!(said.contains(told), "{at}: {said}");
        }
        let told = match at {
            0 => "an empty file",
            1..=8 => "found something else",
            // The last newline alone: mail takes it away.
            _ if at == text.len() - 1 => "",
            _ => "cut off on its way",
        };
        assert!(found(&text[..at]).contains(told), "cut off at {at}: {}", found(&text[..at]));
    }
    assert!(found([text.as_slice(), b"more"].concat()).contains("other text behind it"));
}

#[test]
fn every_change_by_somebody_who_mends_the_checksum_is_refused() {
    let text = kit().to_text().into_bytes();
    let body = text.iter().position(|octet| *octet == b'\n').unwrap() + 1;
    let mut whys = std::collections::BTreeSet::new();
    for at in body..text.len() {
        for change in [1, 0x20, 0x80] {
            let mut changed = text.clone();
            changed[at] ^= change;
            let said = found(with_checksum(&changed));
            assert!(!said.is_empty(), "byte {at} was changed by {change:#x}: {said}");
            whys.insert(said.rsplit("found ").next().unwrap().to_owned());
        }
    }
    assert!(whys.iter().any(|why| why.contains("wrong signature")), "{whys:#?}");
}

#[test]
fn each_fault_has_its_own_words() {
    let text = kit().to_text();
    let without_signature: String =
        text.lines().filter(|line| !line.starts_with("signature")).map(|line| format!("{line}\n")).collect();
    assert!(found(with_checksum(without_signature.as_bytes())).ends_with("found no signature"));
    let newer = text.replace("kitcert-kit: 1", "kitcert-kit: 2");
    assert!(found(with_checksum(newer.as_bytes())).contains("form 2, which a newer kitcert wrote"));
    let older = text.replace("kitcert-kit: 1", "kitcert-kit: 0");
    assert!(found(with_checksum(older.as_bytes())).contains("the number of its form in line 2"));
    let signature = text.lines().count();
    let torn = text.replace("\nsignature: ", "\nsignature: #");
    let said = found(with_checksum(torn.as_bytes()));
    assert!(said.contains(&format!("two values in hex behind signature in line {signature}")), "{said}");
    let elsewhere = text.replace("builder.example.com", "builder.example.net");
    assert!(found(with_checksum(elsewhere.as_bytes())).contains("wrong signature"));
    assert!(found(vec![0; LARGEST_KIT + 1]).contains("more than 65536 bytes"));
    assert!(found(vec![0; LARGEST_KIT]).contains("found something else"));
}

fn quoted(text: &str, quote: &str) -> String {
    text.lines().map(|line| format!("{quote}{line}\n")).collect()
}

#[test]
fn what_stands_around_a_kit_is_named() {
    let text = kit().to_text();
    let said = found(format!("Hello Ana,\n\n{text}"));
    assert!(said.ends_with("found a kit with other text before it"), "{said}");
    let said = found(format!("On Monday, Jo wrote:\n{}", quoted(&text, "> ")));
    assert!(said.ends_with("found a kit with other text before it"), "{said}");
    let said = found(format!("{text}-- \nJo\n"));
    assert!(said.ends_with("found a kit with other text behind it"), "{said}");
    // Whether base64 ends in one depends on how long the signatures are.
    let padded = std::iter::repeat_with(|| kit().to_text()).find(|text| text.contains('=')).unwrap();
    let said = found(padded.replace('=', "=3D"));
    assert!(said.ends_with("found one that mail has encoded (quoted-printable)"), "{said}");
    let parted = padded.replace('=', "=3D").replacen("\nsignature: ", "\nsignature: =\n", 1);
    let said = found(parted);
    assert!(said.ends_with("found one that mail has encoded (quoted-printable)"), "{said}");
}

/// None of it changes what was signed.
#[test]
fn what_mail_does_to_the_ends_of_lines_is_no_damage() {
    let kit = kit();
    let text = kit.to_text();
    for mailed in [
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
        format!("\n\n{text}\n \n"),
        text.replace("name: ana\n", "name: ana\n\n"),
        text.replace('\n', " \n"),
        text.trim_end().to_owned(),
        format!("\u{feff}{text}"),
        text.replace('\n', "\n\n"),
        quoted(&text, "> "),
        quoted(&text, ">> "),
        quoted(&text, "    "),
        quoted(&text.replace('\n', "\n\n"), "\t").replace("\t\n", "\n"),
        quoted(&text, "> ").replace('\n', "\r\n"),
    ] {
        let read = Kit::from_text(mailed.as_bytes(), "ana.kit");
        assert!(read.as_ref().is_ok_and(|read| *read == kit), "{:?}", read.err().map(|why| why.to_string()));
    }
    for (mark, unit) in
        [(&[0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), (&[0xfe, 0xff], u16::to_be_bytes)]
    {
        let text = text.replace('\n', "\r\n");
        let utf16 = mark.iter().copied().chain(text.encode_utf16().flat_map(unit));
        assert!(Kit::from_text(&utf16.collect::<Vec<u8>>(), "ana.kit").is_ok_and(|read| read == kit));
    }
    for damaged in [text.replace("name: ana", "name:  ana"), text.replace("name: ana", " name: ana")] {
        assert!(Kit::from_text(damaged.as_bytes(), "ana.kit").is_err());
    }
}

#[test]
fn a_kit_has_one_to_sixteen_certificates_to_trust() {
    let text = kit().to_text();
    let trust = text.find("trust:\n").unwrap() + "trust:\n".len();
    let end = text.find("signature: ").unwrap();
    let said = |count| {
        let changed = [&text[..trust], &text[trust..end].repeat(count), &text[end..]].concat();
        found(with_checksum(changed.as_bytes()))
    };
    for count in [0, 17] {
        assert!(said(count).contains("1 to 16 certificates before this line"), "{}", said(count));
    }
    assert!(said(16).contains("wrong signature"), "{}", said(16));
}

#[test]
fn a_kit_is_of_the_ca_whose_fingerprint_was_told_and_of_no_other() {
    let kit = kit();
    let own = kit.contents().trust[0].fingerprint();
    for told in [own.to_string(), own.to_string()[..32].to_owned(), own.words().to_string()] {
        assert!(kit.is_of(&told.parse().unwrap()).is_ok(), "{told}");
    }
    let other = authority();
    let told = other.certificate().fingerprint().words().parse().unwrap();
    assert!(kit.is_of(&told).unwrap_err().to_string().contains("signed by the CA with the fingerprint"));
    let of_request = kit.contents().leaf().public_key().fingerprint().words().parse().unwrap();
    assert!(kit.is_of(&of_request).unwrap_err().to_string().contains("that of your own request"));
    assert!(kit.is_of_trusted(&TrustBundle::new(kit.contents().trust.clone())));
    assert!(!kit.is_of_trusted(&TrustBundle::new(vec![other.certificate().clone()])));
}

#[test]
fn a_ca_that_is_named_and_did_not_sign_does_not_count() {
    let (signing, other) = (authority(), authority());
    let mut made = contents(&signing, &key());
    let told = other.certificate().fingerprint().to_string().parse().unwrap();
    made.trust.push(other.certificate().clone());
    let kit = Kit::sign(made, &[signing]).unwrap();
    assert!(kit.is_of(&told).is_err());
    let foreign = contents(&authority(), &key());
    assert!(Kit::sign(foreign, &[other]).is_err(), "a CA that the kit does not name cannot sign it");
}

#[test]
fn during_a_rollover_a_kit_is_of_both_cas() {
    let (old, new) = (authority(), authority());
    let mut made = contents(&new, &key());
    made.trust = vec![new.certificate().clone(), old.certificate().clone()];
    let fingerprints = [old.certificate().fingerprint(), new.certificate().fingerprint()];
    let text = Kit::sign(made, &[new, old]).unwrap().to_text();
    let kit = Kit::from_text(text.as_bytes(), "ana.kit").unwrap();
    for fingerprint in fingerprints {
        assert!(kit.is_of(&fingerprint.to_string().parse().unwrap()).is_ok());
    }
}

#[test]
fn a_kit_with_a_key_is_opened_by_its_passphrase_and_only_as_it_was_made() {
    let authority = authority();
    let passphrase = Passphrase::generate().ok().unwrap();
    let client = key();
    let made = contents(&authority, &client);
    let kit = Kit::seal(made, &[authority], &client, &passphrase).unwrap();
    assert!(kit.open(&passphrase).ok().unwrap().public_key() == client.public_key());
    let wrong = kit.open(&Passphrase::generate().ok().unwrap()).err().unwrap();
    assert!(wrong.to_string().contains("expected the passphrase that was shown"), "{wrong}");

    let text = kit.to_text();
    let seal = text.find("seal: ").unwrap();
    let mut opened = 0;
    for at in text.find('\n').unwrap() + 1..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        if changed == text.as_bytes() {
            continue;
        }
        if let Ok(changed) = Kit::from_text(&with_checksum(&changed), "ana.kit") {
            opened += 1;
            assert!(changed.open(&passphrase).is_err(), "byte {at}");
        }
    }
    assert!(opened > 80, "only the seal's own digits are left to the passphrase, not {opened}");
    let another = text.replace("ENCRYPTED PRIVATE KEY", "SOMEBODY'S PRIVATE KEY");
    assert!(found(with_checksum(another.as_bytes())).contains("one encrypted private key before this line"));
    let unsealed: String = text[..seal].to_owned();
    assert!(found(with_checksum(unsealed.as_bytes())).contains("seal: and a value"));
}
