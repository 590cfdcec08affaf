//! Tests that have their turn.

use crate::support::numbers::seed;
use crate::support::peers;

/// Whether that test is run with this seed: some take many seconds of a processor each, and have their turn with one
/// commit of three. By hand, where no seed is set, and with `KITCERT_TURNS=all` each has it.
pub fn is_turn(test: &str) -> bool {
    let is_all = std::env::var("KITCERT_TURNS").is_ok_and(|turns| turns == "all");
    let turn = test.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let is_now = seed().wrapping_add(turn) % TURNS == 0;
    let is_turn = is_all || is_now || std::env::var_os("KITCERT_SEED").is_none();
    if !is_turn {
        peers::skip(test, "it has its turn with one commit of three; KITCERT_TURNS=all runs it");
    }
    is_turn
}

const TURNS: u64 = 3;
