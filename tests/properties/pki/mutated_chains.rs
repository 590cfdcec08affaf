//! Certificates changed at random, bit by bit and part by part: nothing panics, and none that Go
//! refuses is let through.

use kitcert::model::Severity;
use proptest::strategy::ValueTree as _;

use crate::support::drawn::{Row, rows, simplest};
use crate::support::limbo::{self, Case};
use crate::support::numbers::number;
use crate::support::peers;

/// `KITCERT_MUTATIONS=100000 tests/run mutated_chains` makes more of them.
#[test]
fn no_mutated_chain_is_judged_milder_than_by_go() {
    let count = number("KITCERT_MUTATIONS", 2_000);
    let text = include_str!("../../../fixtures/corpus/chains.json");
    let cases = limbo::read(text);
    let made = |row: &[u32]| {
        let mut numbers = Row::new(row);
        let case = &cases[numbers.below(cases.len())];
        let position = numbers.below(case.sent.len() + case.trusted.len());
        let der = case.der_at(position);
        let mutated = mutation(&mut numbers, der);
        let made = case.with_der_at(position, &mutated);
        // Nobody checks the signature of an anchor, nor of a leaf that is one.
        let is_pinned = position == 0 && numbers.below(3) > 0;
        if is_pinned { made.with_der_at(case.sent.len(), &mutated) } else { made }
    };
    let mut rows = rows(0, LONGEST, count);
    let mutated: Vec<Case> = rows.iter().map(|row| made(&row.current())).collect();
    let gravest: Vec<Severity> = mutated.iter().map(Case::gravest).collect();
    let refused = gravest.iter().filter(|severity| **severity >= Severity::Error).count();
    let test = "no_mutated_chain_is_judged_milder_than_by_go";
    let Some(go) = peers::program("go-portable", test) else { return };
    let verdicts = limbo::verdicts_of_go(&go, &limbo::to_json(&mutated));
    assert_eq!(verdicts.len(), mutated.len());
    let by_go = verdicts.iter().filter(|(accepted, _)| !accepted).count();
    println!("{count} mutated chains: {refused} refused by us, {by_go} by Go");
    let milder: Vec<usize> = (0..count).filter(|at| is_milder(gravest[*at], &verdicts[*at])).collect();
    if let Some(first) = milder.first() {
        let of = |row: &[u32]| {
            let case = made(row);
            let verdict = limbo::verdicts_of_go(&go, &limbo::to_json(std::slice::from_ref(&case))).remove(0);
            (case, verdict)
        };
        let row = simplest(&mut rows[*first], |row| {
            let (case, verdict) = of(row);
            is_milder(case.gravest(), &verdict)
        });
        let (case, (_, said)) = of(&row);
        panic!(
            "{} of {count}, the first of them: {}: {said}\n{}",
            milder.len(),
            case.id,
            case.sent.concat() + &case.trusted.concat()
        );
    }
    // Mutations that everybody refuses would prove nothing.
    assert!((count - by_go) * 20 > count, "only {} are accepted by Go", count - by_go);
}

/// Whether we let through what Go refuses.
fn is_milder(gravest: Severity, (accepted, said): &(bool, String)) -> bool {
    // ring knows no P-521, so that such a key is warned of, and nobody here can say more of it.
    !accepted && gravest < Severity::Error && !said.contains("P521")
}

/// How many numbers a case is made of, at most.
const LONGEST: usize = 12;

fn mutation(numbers: &mut Row, mut der: Vec<u8>) -> Vec<u8> {
    match numbers.below(8) {
        0 | 1 => {
            let at = numbers.below(der.len());
            der[at] ^= 1 << numbers.below(8);
        }
        2 => {
            let at = numbers.below(der.len());
            der[at] = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x2e, 0x2a, 0x30][numbers.below(8)];
        }
        3 => der.truncate(numbers.below(der.len())),
        4 => return extensions_changed(numbers, &der),
        _ => return elements_changed(numbers, &der),
    }
    der
}

/// Two fields of the certificate's body swapped, one left out, one repeated, or one bit of one.
fn elements_changed(numbers: &mut Row, der: &[u8]) -> Vec<u8> {
    let Some([body, algorithm, signature]) = parts_of(der) else {
        return der.to_vec();
    };
    let Some(mut fields) = contents(body).and_then(elements).map(owned) else { return der.to_vec() };
    shuffle(numbers, &mut fields);
    let body = element(0x30, &fields.concat());
    element(0x30, &[&body, algorithm, signature].concat())
}

/// The same among its extensions: their order, one twice, one left out, one bit of one.
fn extensions_changed(numbers: &mut Row, der: &[u8]) -> Vec<u8> {
    let unchanged = || der.to_vec();
    let Some([body, algorithm, signature]) = parts_of(der) else {
        return unchanged();
    };
    let Some(mut fields) = contents(body).and_then(elements).map(owned) else { return unchanged() };
    let Some(at) = fields.iter().position(|field| field.first() == Some(&0xa3)) else { return unchanged() };
    let list = contents(&fields[at]).and_then(contents).and_then(elements).map(owned);
    let Some(mut extensions) = list else { return unchanged() };
    shuffle(numbers, &mut extensions);
    fields[at] = element(0xa3, &element(0x30, &extensions.concat()));
    let body = element(0x30, &fields.concat());
    element(0x30, &[&body, algorithm, signature].concat())
}

fn shuffle(numbers: &mut Row, parts: &mut Vec<Vec<u8>>) {
    if parts.is_empty() {
        return;
    }
    let (one, other) = (numbers.below(parts.len()), numbers.below(parts.len()));
    match numbers.below(4) {
        0 => parts.swap(one, other),
        1 => drop(parts.remove(one)),
        2 => parts.insert(other, parts[one].clone()),
        _ => {
            let at = numbers.below(parts[one].len());
            if let Some(octet) = parts[one].get_mut(at) {
                *octet ^= 1 << numbers.below(8);
            }
        }
    }
}

/// Body, algorithm and signature.
fn parts_of(der: &[u8]) -> Option<[&[u8]; 3]> {
    elements(contents(der)?)?.try_into().ok()
}

fn owned(parts: Vec<&[u8]>) -> Vec<Vec<u8>> {
    parts.into_iter().map(<[u8]>::to_vec).collect()
}

/// What is in the element that those bytes begin with.
pub fn contents(der: &[u8]) -> Option<&[u8]> {
    let (header, length) = header(der)?;
    der.get(header..header + length)
}

/// The elements one after the other, each with its tag and length.
pub fn elements(mut der: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (header, length) = header(der)?;
        let (one, rest) = der.split_at_checked(header + length)?;
        found.push(one);
        der = rest;
    }
    Some(found)
}

fn header(der: &[u8]) -> Option<(usize, usize)> {
    match *der.get(1)? {
        short @ 0..=0x7f => Some((2, usize::from(short))),
        long @ 0x81..=0x83 => {
            let count = usize::from(long & 0x7f);
            let octets = der.get(2..2 + count)?;
            Some((2 + count, octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet))))
        }
        _ => None,
    }
}

/// An element of DER, its length the shortest.
pub fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let octets = length.to_be_bytes();
    let significant = &octets[octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1)..];
    let mut made = vec![tag];
    match length {
        0..=0x7f => made.push(u8::try_from(length).unwrap()),
        _ => {
            made.push(0x80 | u8::try_from(significant.len()).unwrap());
            made.extend_from_slice(significant);
        }
    }
    made.extend_from_slice(contents);
    made
}
