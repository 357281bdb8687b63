//! A cursor over a text of fixed fields.

/// What is left of a text.
pub(super) struct Cursor<'t>(&'t [u8]);

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text.as_bytes())
    }

    /// Steps over a byte, if it is the next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Steps over a byte that has to be the next.
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    /// A run of decimal digits between `least` and `most` long, and its length.
    pub(super) fn digits(&mut self, least: usize, most: usize) -> Option<(i64, usize)> {
        let mut number = 0_i64;
        let mut count = 0_usize;
        while count < most {
            let Some((byte @ b'0'..=b'9', rest)) = self.0.split_first() else { break };
            number = number.checked_mul(10)?.checked_add(byte.wrapping_sub(b'0').into())?;
            count = count.saturating_add(1);
            self.0 = rest;
        }
        (count >= least).then_some((number, count))
    }

    /// Two digits of a number up to `most`.
    pub(super) fn two(&mut self, most: i64) -> Option<i64> {
        let (number, _) = self.digits(2, 2)?;
        (number <= most).then_some(number)
    }

    /// Microseconds of an optional fraction of one to six digits.
    pub(super) fn fraction(&mut self) -> Option<i64> {
        if !self.eat(b'.') {
            return Some(0);
        }
        let (number, digits) = self.digits(1, 6)?;
        let missing = u32::try_from(6_usize.checked_sub(digits)?).ok()?;
        number.checked_mul(10_i64.checked_pow(missing)?)
    }

    /// Succeeds when nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// The text that is left.
    pub(super) fn rest(&self) -> &'t [u8] {
        self.0
    }
}
