//! Tests that have their turn.

use crate::support::numbers::seed;
use crate::support::peers;

/// Whether that test is run now: some take many seconds of a processor each. Where `KITCERT_TURNS` is `commit`, as in
/// `.ci/run`, they have their turn with one seed of three; else each time.
pub fn is_turn(test: &str) -> bool {
    let have_turns = std::env::var("KITCERT_TURNS").is_ok_and(|turns| turns == "commit");
    let turn = test.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let is_now = seed().wrapping_add(turn).is_multiple_of(TURNS);
    if have_turns && !is_now {
        peers::skip(test, "it has its turn with one commit of three");
    }
    is_now || !have_turns
}

const TURNS: u64 = 3;
