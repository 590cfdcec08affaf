//! Numbers and durations as yaml.v3 and Go read them, where the YAML parser here says otherwise.

use std::ops::Range;

use serde_yaml::{Number, Value};

/// What a Go `int` holds.
pub(super) const INTEGER: Range<i128> = i64::MIN as i128..i64::MAX as i128 + 1;
/// What a Go `uint16` holds.
pub(super) const SIXTEEN_BITS: Range<i128> = 0..0x1_0000;

/// Whether yaml.v3 stores a number in an integer of that range: it cuts off what is behind the
/// point.
pub(super) fn is_within(number: &Number, range: &Range<i128>) -> bool {
    if let Some(whole) = number.as_i64() {
        return range.contains(&i128::from(whole));
    }
    if let Some(whole) = number.as_u64() {
        return range.contains(&i128::from(whole));
    }
    // The cast ends at the limits of the type, which lie outside of every range but for the
    // lowest 64-bit number, where Go's conversion ends too.
    number.as_f64().is_some_and(|number| {
        let cut = (number as i128).max(INTEGER.start);
        !number.is_nan() && range.contains(&cut)
    })
}

/// Whether unquoted text that is a string here is a number to yaml.v3: `1_000`, `010`.
pub(super) fn reads_as_number(text: &str, range: &Range<i128>) -> bool {
    let is_string = |text: &str| matches!(serde_yaml::from_str(text), Ok(Value::String(_)));
    if !is_string(text) || !text.starts_with(|first: char| first.is_ascii_digit() || "+-".contains(first)) {
        return false;
    }
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let radix = if digits.bytes().all(|digit| digit < b'8') { 8 } else { 10 };
        let number = i128::from_str_radix(digits, radix);
        return number
            .is_ok_and(|number| range.contains(&if plain.starts_with('-') { -number } else { number }));
    }
    match serde_yaml::from_str(&plain) {
        Ok(Value::Number(number)) => is_within(&number, range),
        _ => false,
    }
}

/// Whether Go's `time.ParseDuration` takes it: `10s`, `1h5m`, `-1.5h`, `0`.
pub(super) fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let has_parts = !rest.is_empty();
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|digit: char| digit.is_ascii_digit() || digit == '.');
        let digits = &rest[..rest.len() - number.len()];
        let has_digit = digits.bytes().any(|digit| digit.is_ascii_digit());
        let unit = UNITS.into_iter().find_map(|unit| number.strip_prefix(unit));
        match unit {
            Some(behind) if has_digit && digits.matches('.').count() < 2 => rest = behind,
            _ => return false,
        }
    }
    has_parts
}

/// Those that begin with another one stand before it.
const UNITS: [&str; 8] = ["ns", "us", "\u{b5}s", "\u{3bc}s", "ms", "s", "m", "h"];
