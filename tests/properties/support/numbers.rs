//! Numbers that look drawn, and are the same in every run; and how many somebody asks for.

/// Marsaglia's xorshift64, multiplied (xorshift64*).
pub struct Numbers(u64);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers(0x9e37_79b9_7f4a_7c15)
    }
}

impl Numbers {
    /// Another sequence for each seed.
    pub fn of(seed: usize) -> Numbers {
        let Numbers(first) = Numbers::default();
        Numbers(first ^ (seed as u64).wrapping_mul(0x2545_f491_4f6c_dd1d))
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

/// How many, from that variable; `all` is all of them.
pub fn number(variable: &str, otherwise: usize) -> usize {
    match std::env::var(variable).as_deref() {
        Ok("all") => usize::MAX,
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}
