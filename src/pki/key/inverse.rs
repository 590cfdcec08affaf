//! Whether the numbers of an RSA key belong together (RFC 8017 section 3.2): `e · d ≡ 1 (mod p - 1)`, and so of the
//! exponents of its primes; `q · qInv ≡ 1 (mod p)`.
//!
//! Nothing that reads keys here says so of `d`, and what is computed with it is overwritten, as no library of large
//! numbers does.

use zeroize::Zeroizing;

/// A number, its lowest 64 bits first.
type Number = Zeroizing<Vec<u64>>;

/// Whether the product of two numbers leaves 1 when divided by a prime less 1; each the contents of an INTEGER.
pub(super) fn is_inverse_below(one: &[u8], other: &[u8], prime: &[u8]) -> bool {
    let mut modulus = number(prime);
    // A prime that is even is none.
    let Some(lowest) = modulus.first_mut().filter(|lowest| **lowest & 1 == 1) else { return false };
    *lowest -= 1;
    leaves_one(one, other, &modulus)
}

/// Whether it leaves 1 when divided by another number.
pub(super) fn is_inverse(one: &[u8], other: &[u8], modulus: &[u8]) -> bool {
    leaves_one(one, other, &number(modulus))
}

fn leaves_one(one: &[u8], other: &[u8], modulus: &[u64]) -> bool {
    let is_more_than_one = modulus.iter().enumerate().any(|(at, word)| *word > u64::from(at == 0));
    if !is_more_than_one {
        return false;
    }
    let unit = Zeroizing::new(vec![1]);
    let reduced = times(one, &unit, modulus);
    let product = times(other, &reduced, modulus);
    product.iter().enumerate().all(|(at, word)| *word == u64::from(at == 0))
}

/// So many times a number, by doubling and adding, modulo another.
fn times(octets: &[u8], what: &[u64], modulus: &[u64]) -> Number {
    let mut sum: Number = Zeroizing::new(vec![0; modulus.len() + 1]);
    for bit in octets.iter().flat_map(|octet| (0..8).rev().map(move |place| octet >> place & 1)) {
        double(&mut sum);
        reduce(&mut sum, modulus);
        if bit == 1 {
            add(&mut sum, what);
            reduce(&mut sum, modulus);
        }
    }
    sum
}

fn number(octets: &[u8]) -> Number {
    let words =
        octets.rchunks(8).map(|chunk| chunk.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)));
    Zeroizing::new(words.collect())
}

fn double(number: &mut [u64]) {
    let mut carried = 0;
    for word in number {
        let next = *word >> 63;
        *word = *word << 1 | carried;
        carried = next;
    }
}

fn add(number: &mut [u64], other: &[u64]) {
    let mut is_carried = false;
    for (at, word) in number.iter_mut().enumerate() {
        let (sum, one) = word.overflowing_add(other.get(at).copied().unwrap_or_default());
        let (sum, two) = sum.overflowing_add(u64::from(is_carried));
        *word = sum;
        is_carried = one || two;
    }
}

/// Takes the modulus away once, if the number is not smaller.
fn reduce(number: &mut [u64], modulus: &[u64]) {
    let of = |at: usize| modulus.get(at).copied().unwrap_or_default();
    let is_smaller = number.iter().enumerate().rev().find(|(at, word)| **word != of(*at));
    if is_smaller.is_some_and(|(at, word)| *word < of(at)) {
        return;
    }
    let mut is_borrowed = false;
    for (at, word) in number.iter_mut().enumerate() {
        let (difference, one) = word.overflowing_sub(of(at));
        let (difference, two) = difference.overflowing_sub(u64::from(is_borrowed));
        *word = difference;
        is_borrowed = one || two;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_one_is_an_inverse_and_nothing_else() {
        // 23 is prime: 3 · 15 = 45 = 2 · 22 + 1.
        assert!(is_inverse(&[8], &[3], &[23]) && !is_inverse(&[8], &[4], &[23]));
        assert!(is_inverse_below(&[15], &[3], &[23]));
        assert!(is_inverse_below(&[0, 15 + 22], &[3], &[0, 23]));
        for (one, other, prime) in [(14, 3, 23), (15, 3, 22), (15, 3, 1), (15, 0, 23)] {
            assert!(!is_inverse_below(&[one], &[other], &[prime]), "{one} {other} {prime}");
        }
        assert!(!is_inverse_below(&[15], &[3], &[]));
        // 2^89 - 1 is prime; 65537 has an inverse modulo 2^89 - 2.
        let prime = ((1_u128 << 89) - 1).to_be_bytes();
        let modulus = (1_u128 << 89) - 2;
        let inverse =
            (1..65537_u128).map(|times| times * modulus + 1).find(|sum| sum % 65537 == 0).unwrap() / 65537;
        assert!(is_inverse_below(&inverse.to_be_bytes(), &[1, 0, 1], &prime));
        assert!(!is_inverse_below(&(inverse + 1).to_be_bytes(), &[1, 0, 1], &prime));
    }
}
