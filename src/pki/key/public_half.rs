//! The public half of an elliptic key whose file has the secret number alone.

use ring::agreement::{Algorithm, ECDH_P256, ECDH_P384, EphemeralPrivateKey};
#[expect(deprecated, reason = "ring has no other door to the public half of a number")]
use ring::test::rand::FixedSliceRandom;
use zeroize::Zeroizing;

use crate::model::KeyAlgorithm;

/// The secret number in its full length, and the point that belongs to it; None for a number that is
/// none of the curve's, and for another algorithm.
///
/// ring makes a key from random numbers: here they are the number of the file, and what it makes is
/// that number's key.
#[expect(deprecated, reason = "ring has no other door to the public half of a number")]
pub(super) fn public_half(algorithm: KeyAlgorithm, scalar: &[u8]) -> Option<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let (curve, length): (&'static Algorithm, usize) = match algorithm {
        KeyAlgorithm::EcdsaP256 => (&ECDH_P256, 32),
        KeyAlgorithm::EcdsaP384 => (&ECDH_P384, 48),
        KeyAlgorithm::Ed25519 => return None,
    };
    // Zeros before it are left out by some programs and added by others (Go, parseECPrivateKey).
    let zeros = scalar.iter().take_while(|octet| **octet == 0).count();
    let significant = scalar.get(zeros..)?;
    let padding = length.checked_sub(significant.len())?;
    let mut whole = Zeroizing::new(vec![0; padding]);
    whole.reserve_exact(significant.len());
    whole.extend_from_slice(significant);
    let made = EphemeralPrivateKey::generate(curve, &FixedSliceRandom { bytes: &whole }).ok()?;
    let point = made.compute_public_key().ok()?.as_ref().to_vec();
    Some((whole, point))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::PrivateKey;
    use crate::pki::key::key_structure::{KeyStructure, TakenApart};
    use crate::pki::pem::PemBlock;

    #[test]
    fn the_public_half_is_that_of_the_number() {
        for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
            let key = PrivateKey::generate(algorithm).ok().unwrap();
            let der = PemBlock::all_of(key.expose_pem().as_bytes()).remove(0).contents.unwrap();
            let Some(KeyStructure::Elliptic { scalar, point, .. }) =
                TakenApart::of(&der).map(|taken| taken.structure)
            else {
                panic!("no elliptic key")
            };
            assert_eq!(public_half(algorithm, scalar).unwrap().1, point.unwrap());
            let padded = [&[0; 9], scalar].concat();
            assert_eq!(public_half(algorithm, &padded).unwrap().0.as_slice(), scalar);
            for none in [&[][..], &[0; 32], &[0xff; 32], &[0xff; 48], &[1; 49]] {
                let is_number = algorithm == KeyAlgorithm::EcdsaP384 && none == [0xff; 32];
                assert_eq!(public_half(algorithm, none).is_some(), is_number, "{algorithm} {none:?}");
            }
        }
        assert!(public_half(KeyAlgorithm::Ed25519, &[1; 32]).is_none());
    }
}
