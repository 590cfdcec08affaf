//! Numbers that look drawn, and are the same in every run of one seed; and how many somebody asks for.

use std::cell::Cell;

thread_local! {
    static DRAWS: Cell<bool> = const { Cell::new(false) };
}

/// Marsaglia's xorshift64, multiplied (xorshift64*).
pub struct Numbers(u64);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers::of(0)
    }
}

impl Numbers {
    /// Another sequence for each of these, and for each seed of the run.
    pub fn of(which: usize) -> Numbers {
        let first = 0x9e37_79b9_7f4a_7c15 ^ (which as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
        Numbers((first ^ seed().wrapping_mul(0xd134_2543_de82_ef95)).max(1))
    }

    /// The next below that limit, or 0 where there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % limit.max(1)
    }
}

/// What this run draws from: `KITCERT_SEED`, in hex. `tests/run` takes it from the commit, so that each commit tries
/// others; without it, 0.
pub fn seed() -> u64 {
    DRAWS.set(true);
    match std::env::var("KITCERT_SEED").as_deref() {
        Ok(text) => u64::from_str_radix(text, 16).expect("KITCERT_SEED is up to 16 hex digits"),
        Err(_) => 0,
    }
}

/// Whether this test has drawn anything: the next run may not come to where it is.
#[allow(dead_code, reason = "the library's own tests draw, and carry out no suggestion")]
pub fn draws() -> bool {
    DRAWS.get()
}

/// How many, from that variable; `all` is all of them.
pub fn number(variable: &str, otherwise: usize) -> usize {
    match std::env::var(variable).as_deref() {
        Ok("all") => usize::MAX,
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

/// So many of all, from that variable, others with each seed and with each `which`; in their order.
#[allow(dead_code, reason = "the library's own tests try all")]
pub fn some_of<T>(
    all: impl IntoIterator<Item = T>,
    (variable, otherwise): (&str, usize),
    which: usize,
) -> Vec<T> {
    let mut left: Vec<(usize, T)> = all.into_iter().enumerate().collect();
    let mut numbers = Numbers::of(which);
    let mut taken = Vec::new();
    while taken.len() < number(variable, otherwise) && !left.is_empty() {
        taken.push(left.swap_remove(numbers.below(left.len())));
    }
    taken.sort_by_key(|(place, _)| *place);
    taken.into_iter().map(|(_, one)| one).collect()
}
