//! The random numbers of every stream: `SplitMix64`, written out here.
//!
//! A seed names a stream for ever: bug reports, fixtures and benches quote it. So the generator must
//! not change with the version of a library, and its methods must not change at all. It is not for
//! secrets.

/// `SplitMix64` (Steele, Lea and Flood, 2014): 64 bits of state, period 2^64.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed. Seeds that differ in one bit give unrelated streams.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits, all equally likely.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number from 0 to `bound` - 1, and 0 when `bound` is 0.
    ///
    /// The high half of a product instead of a remainder: no division, and a bias below `bound` / 2^64,
    /// which no test of ours could see.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high half of 128 bits is 64 bits")
    }

    /// A number from `low` to `high`, both included; `low` when they are not in order.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.checked_sub(low).and_then(|width| u64::try_from(width).ok());
        let step = self.below(width.map_or(0, |width| width.saturating_add(1)));
        low.saturating_add_unsigned(step)
    }

    /// As [`between`](Self::between), for the numbers of an `integer` column.
    pub(crate) fn between_i32(&mut self, low: i32, high: i32) -> i32 {
        i32::try_from(self.between(i64::from(low), i64::from(high)))
            .expect("a number between two of 32 bits has 32 bits")
    }

    /// True once in `times` on average; always when `times` is 0 or 1.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// An index into a list of that length, or nothing when the list is empty.
    pub(crate) fn index(&mut self, length: usize) -> Option<usize> {
        let bound = u64::try_from(length).ok().filter(|bound| *bound > 0)?;
        usize::try_from(self.below(bound)).ok()
    }

    /// One of the given values, each equally likely.
    pub(crate) fn choose<T: Copy, const N: usize>(&mut self, values: &[T; N]) -> T {
        const { assert!(N > 0, "a choice needs a value") }
        let index = self.index(N).expect("the list is not empty");
        *values.get(index).expect("the index is below the length")
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn gives_the_published_numbers_of_the_algorithm() {
        let mut random = Random::new(1_234_567);
        let numbers = [random.bits(), random.bits(), random.bits()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn stays_within_the_bounds_and_reaches_both() {
        let mut random = Random::new(7);
        let drawn: Vec<i64> = (0..1000).map(|_| random.between(-2, 2)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&2));
        assert_eq!(random.between(5, 5), 5);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.index(0), None);
        assert_eq!(random.between(i64::MIN, i64::MIN), i64::MIN);
    }
}
