//! Cases that proptest draws. A generator makes its case of a row of numbers; of a case that fails, proptest makes the
//! row shorter and its numbers smaller for as long as it fails still, which makes the case a simple one.

use proptest::collection::{VecStrategy, vec};
use proptest::num::u32::Any;
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::numbers::seed;

/// What a generator draws from: the row, and behind its end numbers that follow from how long it is, so that what is
/// drawn until it says so comes to an end.
pub struct Row {
    row: Vec<u32>,
    next: usize,
}

impl Row {
    pub fn new(row: &[u32]) -> Row {
        Row { row: row.to_vec(), next: 0 }
    }

    /// The next below that limit, or 0 where there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let drawn = self.row.get(self.next).copied().unwrap_or_else(|| mixed(self.next as u64));
        self.next += 1;
        drawn as usize % limit.max(1)
    }
}

/// The upper half of splitmix64's number of that place.
fn mixed(place: u64) -> u32 {
    let number = (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((number ^ (number >> 31)) >> 32).unwrap()
}

/// A row that can be made simpler.
pub type Tree = <VecStrategy<Any> as proptest::strategy::Strategy>::Tree;

/// So many rows of at most that many numbers: others for each of `which`, and for each seed of the run.
pub fn rows(which: u64, longest: usize, count: usize) -> Vec<Tree> {
    let mut start = [0; 32];
    start[..8].copy_from_slice(&seed().to_le_bytes());
    start[8..16].copy_from_slice(&which.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &start);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = vec(proptest::num::u32::ANY, longest / 2..=longest);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap()).collect()
}

/// The simplest row that fails as `tree`'s does.
pub fn simplest(tree: &mut Tree, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut simplest = tree.current();
    for _ in 0..STEPS {
        let row = tree.current();
        let goes_on = if fails(&row) {
            simplest = row;
            tree.simplify()
        } else {
            tree.complicate()
        };
        if !goes_on {
            break;
        }
    }
    simplest
}

const STEPS: usize = 2_000;

#[test]
fn the_simplest_row_that_fails_is_found() {
    let mut tree = rows(0, 40, 50).into_iter().find(|tree| tree.current().len() > 20).unwrap();
    let fails = |row: &[u32]| row.iter().any(|number| *number > 1_000);
    let row = simplest(&mut tree, fails);
    let (large, others): (Vec<u32>, Vec<u32>) = row.iter().partition(|number| **number > 0);
    assert_eq!((large.as_slice(), others.len()), (&[1_001][..], 19), "{row:?}");
}
