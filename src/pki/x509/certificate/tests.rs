//! What a certificate says of itself.

use super::*;
use crate::pki::specimens::root;

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
