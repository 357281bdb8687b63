//! The values of single columns: those of the shop, and those that break software.

use crate::random::Random;
use crate::{Cents, Hostility};

/// `varchar(255)` of the product and `varchar(50)` of the status, in characters.
pub(crate) const PRODUCT_CHARS_MAX: usize = 255;
pub(crate) const STATUS_CHARS_MAX: usize = 50;

const PRODUCTS: [&str; 4] = ["Widget A", "Widget B", "Gadget X", "Gadget Y"];
const STATUSES: [&str; 3] = ["pending", "shipped", "delivered"];

/// One column in this many is hostile in a hostile stream.
const HOSTILE_ONE_IN: u64 = 3;

/// Text that quoting, escaping, COPY, JSON or a character set gets wrong. U+0000 is missing because
/// PostgreSQL has no such text.
const TEXTS: [&str; 18] = [
    "",
    " ",
    "O'Brien \"the\" \\ $1 %s {}",
    "tab\tline\nreturn\rbell\u{7}",
    "\u{1}\u{8}\u{c}\u{1f}\u{7f}",
    "\\N",
    "\\.",
    "NULL",
    "null",
    "'; DROP TABLE orders; --",
    "{\"payload\":{\"op\":\"d\"}}",
    "Überraschung — 日本語",
    "🎉",
    "👩\u{200d}👩\u{200d}👧 e\u{301}",
    "\u{feff}\u{202e}txet\u{2028}",
    "$$ $tag$ $$",
    ":variable :'quoted'",
    "  both ends  ",
];

/// Amounts at the ends of `decimal(10,2)`, around zero and where the length of their bytes changes.
const AMOUNTS: [i64; 14] = [
    9_999_999_999,
    -9_999_999_999,
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    32_767,
    32_768,
    -32_769,
    2_147_483_648,
    -2_147_483_649,
];

/// Times around zero, at calendar changes and at the ends of four-digit years.
const TIMES: [i64; 7] = [
    0,
    1,
    -1,
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
    -12_219_336_000_000_000,
    951_782_399_999_999,
];

/// Draws the values of columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    pub(crate) hostility: Hostility,
}

impl Values {
    pub(crate) fn customer(self, random: &mut Random) -> i32 {
        if self.strikes(random) {
            return random.choose(&[i32::MIN, -1, 0, i32::MAX]);
        }
        random.between_i32(1, 1000)
    }

    pub(crate) fn product(self, random: &mut Random) -> Option<String> {
        if self.strikes(random) {
            return hostile_text(random, PRODUCT_CHARS_MAX);
        }
        Some(random.choose(&PRODUCTS).to_owned())
    }

    pub(crate) fn status(self, random: &mut Random) -> Option<String> {
        if self.strikes(random) {
            return hostile_text(random, STATUS_CHARS_MAX);
        }
        Some(random.choose(&STATUSES).to_owned())
    }

    pub(crate) fn amount(self, random: &mut Random) -> Option<Cents> {
        if self.strikes(random) {
            return match random.below(4) {
                0 => None,
                1 => Some(Cents(random.between(-Cents::MAX.0, Cents::MAX.0))),
                _ => Some(Cents(random.choose(&AMOUNTS))),
            };
        }
        Some(Cents(random.between(1_000, 50_000)))
    }

    pub(crate) fn time(self, random: &mut Random, now_micros: i64) -> i64 {
        if self.strikes(random) { random.choose(&TIMES) } else { now_micros }
    }

    /// Whether this column gets a hostile value. A realistic stream draws nothing for the question.
    fn strikes(self, random: &mut Random) -> bool {
        match self.hostility {
            Hostility::Realistic => false,
            Hostility::Hostile => random.once_in(HOSTILE_ONE_IN),
        }
    }
}

fn hostile_text(random: &mut Random, chars_max: usize) -> Option<String> {
    match random.below(8) {
        0 => None,
        1 => Some(random.choose(&["x", "ü", "🎉", "'", "\\", "\""]).repeat(chars_max)),
        2 => {
            let length = random.index(chars_max).unwrap_or_default();
            Some((0..length).map(|_| any_char(random)).collect())
        }
        _ => Some(random.choose(&TEXTS).chars().take(chars_max).collect()),
    }
}

/// A character of one to four bytes, each length equally likely, without U+0000.
fn any_char(random: &mut Random) -> char {
    let (low, high) =
        random.choose(&[(0x01, 0x7f), (0x80, 0x7ff), (0x800, 0xd7ff), (0x1_0000, 0x1_ffff)]);
    let code = random.between(low, high);
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}
