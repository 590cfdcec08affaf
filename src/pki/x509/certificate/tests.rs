use super::*;
use crate::pki::specimens::{a_leaf, root};

#[test]
fn a_signature_that_was_right_says_nothing_of_another_key() {
    let (ours, other) = (root(|_| ()), root(|_| ()));
    let leaf = ours.leaf(Role::Client, |_| ());
    let (ours, other) = (ours.certificate, other.certificate);
    for _ in 0..2 {
        assert!(!leaf.is_signed_by(other.public_key()));
        assert!(leaf.is_signed_by(ours.public_key()));
    }
    assert!(!leaf.clone().is_signed_by(other.public_key()));
}

#[test]
fn a_file_of_certificates_has_64_kib_at_the_most() {
    let leaf = a_leaf(Role::Client, |_| ());
    let mut file = leaf.to_pem().into_bytes();
    file.resize(LARGEST_PEM, b'\n');
    assert_eq!(Certificate::chain_from_pem(&file, "cert.pem").unwrap(), [leaf]);
    file.push(b'\n');
    let failure = Certificate::chain_from_pem(&file, "cert.pem").unwrap_err();
    assert_eq!(failure.what_was_found(), "65537 bytes");
}
