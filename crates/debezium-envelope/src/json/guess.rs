//! Which member of an object comes next, for objects whose members are known and mostly in order.

use super::{JsonError, Reader};

/// How many expected members may be absent before a guess is given up. The pair of times that newer
/// versions add is two members long, and the third is the member behind it.
const AHEAD: usize = 3;

/// A place in the order in which an object's members are expected.
///
/// Each is given as `,"name":`. The order may name a member twice where versions differ about its
/// place. A right guess costs one comparison of bytes for each member that was expected before.
#[derive(Debug, Clone)]
pub(crate) struct MemberGuess {
    expected: &'static [&'static str],
    next: usize,
    /// A bit for each expected member that was met.
    met: u32,
}

/// A member's name as it stands in the text: one with escapes is none of those that are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuessedMember<'t> {
    pub(crate) name: &'t str,
    /// Whether it is an expected member that was met before.
    pub(crate) again: bool,
}

impl MemberGuess {
    pub(crate) fn new(expected: &'static [&'static str]) -> Self {
        Self { expected, next: 0, met: 0 }
    }

    /// Notes that the member at `place` was met, and says whether that is for the second time.
    fn meet(&mut self, place: usize) -> bool {
        let bit = u32::try_from(place).ok().and_then(|place| 1_u32.checked_shl(place)).unwrap_or(0);
        let again = self.met & bit != 0;
        self.met |= bit;
        if place >= self.next {
            // From here on the guess is right again.
            self.next = place.saturating_add(1);
        }
        again
    }
}

fn bare(key: &'static str) -> &'static str {
    key.strip_prefix(",\"").and_then(|key| key.strip_suffix("\":")).unwrap_or_default()
}

impl<'t> Reader<'t> {
    /// As [`member`](Self::member), tried first as one of those that are expected next.
    pub(crate) fn guessed_member(
        &mut self,
        first: bool,
        guess: &mut MemberGuess,
    ) -> Result<Option<GuessedMember<'t>>, JsonError> {
        let ahead = guess.expected.get(guess.next..).unwrap_or_default().iter().take(AHEAD);
        for (place, key) in (guess.next..).zip(ahead) {
            if self.eat_member(first, key.as_bytes()) {
                self.count_token()?;
                let again = guess.meet(place);
                return Ok(Some(GuessedMember { name: bare(key), again }));
            }
        }
        let Some(token) = self.member(first)? else { return Ok(None) };
        let name = self.slice(token.range);
        let is_it = |place: &usize| guess.expected.get(*place).is_some_and(|key| bare(key) == name);
        let later = (guess.next..guess.expected.len()).find(is_it);
        let place = later.or_else(|| (0..guess.next).find(is_it));
        let again = place.is_some_and(|place| guess.meet(place));
        Ok(Some(GuessedMember { name, again }))
    }
}
