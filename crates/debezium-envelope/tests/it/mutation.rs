//! Mutations of real messages, schema blocks, decimals and declared types, for a bounded time: there
//! is no panic, and the decoder decodes a usual record afterwards.

use std::time::{Duration, Instant};

use debezium_envelope::{Flattened, Limits, Message, MessageDecoder};

use crate::bodies::{self, look};
use crate::fixtures::{BARE_KEY, SCHEMA_KEY, VALUES, declarations, decoder, value};

/// How long each test mutates at most; the number of rounds is bounded too.
const TIME: Duration = Duration::from_secs(2);
const ROUNDS: u64 = 100_000;

/// Bytes that mean something to a parser of JSON, base64 or types.
const TELLING: &[u8] = b"{}[]\",:\\-+.eE0123456789/=()u* \x00\x7f\xc3\xff";

/// A generator of equally distributed numbers: xorshift with a fixed seed, so that a failure can be
/// repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn telling(&mut self) -> u8 {
        let place = self.below(TELLING.len());
        *TELLING.get(place).unwrap()
    }

    /// Changes a few places: a byte replaced, removed or put in, a part repeated or cut out.
    fn mutate(&mut self, bytes: &mut Vec<u8>, from: usize) {
        for _ in 0..=self.below(4) {
            let at = from + self.below(bytes.len().saturating_sub(from));
            let until = (at + self.below(24)).min(bytes.len());
            match self.below(6) {
                0 | 1 => {
                    let byte = self.telling();
                    bytes.get_mut(at).into_iter().for_each(|place| *place = byte);
                }
                2 => bytes.insert(at.min(bytes.len()), self.telling()),
                3 if at < bytes.len() => {
                    bytes.remove(at);
                }
                4 => drop(bytes.drain(at.min(until)..until)),
                _ => {
                    let part = bytes.get(at..until).unwrap_or_default().to_vec();
                    let at = at.min(bytes.len());
                    bytes.splice(at..at, part);
                }
            }
        }
    }
}

fn rounds(seed: u64, mut round: impl FnMut(&mut Random)) {
    let mut random = Random(seed);
    let end = Instant::now() + TIME;
    for number in 0..ROUNDS {
        round(&mut random);
        if number % 64 == 0 && Instant::now() > end {
            return;
        }
    }
}

fn assert_usable(decoder: &mut MessageDecoder) {
    for name in ["update bare", "update schema"] {
        let result = decoder.decode(Some(BARE_KEY.as_bytes()), Some(value(name).as_bytes()));
        assert!(matches!(result, Ok(Message::Change(_))), "{result:?}");
    }
}

#[test]
fn mutated_messages_and_keys_are_answered() {
    let mut decoder = decoder();
    rounds(1, |random| {
        let (_, text) = VALUES.get(random.below(VALUES.len())).unwrap();
        let mut value = text.as_bytes().to_vec();
        // Half of the mutations leave the schema block alone, so that the payload is reached.
        let payload = text.find(r#","payload":"#).filter(|_| random.below(2) == 0).unwrap_or(0);
        random.mutate(&mut value, payload);
        let mut key = if random.below(2) == 0 { BARE_KEY } else { SCHEMA_KEY }.as_bytes().to_vec();
        if random.below(4) == 0 {
            random.mutate(&mut key, 0);
            bodies::message(&mut decoder, &key);
        }
        look(&mut decoder, Some(&key), Some(&value));
        look(&mut decoder, Some(&key), None);
    });
    assert_usable(&mut decoder);
}

#[test]
fn mutated_schema_blocks_are_answered() {
    let mut decoder = decoder();
    rounds(2, |random| {
        let (head, _) = value("insert schema").split_once(r#","payload":"#).unwrap();
        let mut schema = head.strip_prefix(bodies::BEFORE_SCHEMA).unwrap().as_bytes().to_vec();
        random.mutate(&mut schema, 0);
        bodies::schema_block(&mut decoder, &schema);
    });
    assert_usable(&mut decoder);
}

#[test]
fn mutated_decimals_are_answered() {
    let mut decoder = bodies::decimal_decoder();
    let forms = [
        "\"AeI6\"",
        "1234.50",
        "\"-0.00000000000000000001\"",
        "1E+3",
        "\"Infinity\"",
        r#"{"scale":20,"value":"/w=="}"#,
        "\"SztMqFqGxHoJiiI//////w==\"",
    ];
    rounds(3, |random| {
        let mut cell = forms.get(random.below(forms.len())).unwrap().as_bytes().to_vec();
        random.mutate(&mut cell, 0);
        bodies::decimal(&mut decoder, &cell);
    });
    let usable = value("insert bare").replace("\"pending\"", "1.5");
    assert!(decoder.decode(None, Some(usable.as_bytes())).is_ok());
}

#[test]
fn mutated_declarations_are_answered_and_read_back() {
    let forms = [
        "decimal(10,2)",
        "timestamp(micros)",
        "array(map(text,decimal(*,4)))",
        "bits(12)",
        "varbits(40)",
        "bytes(hex)",
        "interval(iso)",
        "map(int32,array(float64))",
        "date(structured)",
    ];
    rounds(4, |random| {
        let mut text = forms.get(random.below(forms.len())).unwrap().as_bytes().to_vec();
        random.mutate(&mut text, 0);
        bodies::declaration(&text);
    });
}

#[test]
fn mutated_arrays_are_answered() {
    let mut decoder = bodies::array_decoder();
    let forms = [
        "[]",
        "[\"a\",null,\"b\"]",
        "[[\"a\"],[\"b\"]]",
        "[[[null]],[[null]]]",
        "[\"__debezium_unavailable_value\"]",
    ];
    rounds(6, |random| {
        let mut cell = forms.get(random.below(forms.len())).unwrap().as_bytes().to_vec();
        random.mutate(&mut cell, 0);
        bodies::array(&mut decoder, &cell);
    });
    let usable = value("insert bare").replace("\"pending\"", "[\"a\"]");
    assert!(decoder.decode(None, Some(usable.as_bytes())).is_ok());
}

#[test]
fn mutated_flattened_rows_are_answered() {
    let flattened = Flattened::default().of_table("public.orders");
    let mut decoder =
        MessageDecoder::new(declarations(), Limits::default()).expecting_flattened(flattened);
    let row = br#"{"order_id":7,"amount":"AeI6","created_at":1714979289000001,"__op":"u","__table":"orders","__lsn":42,"__source_ts_ms":5,"__deleted":"false"}"#;
    rounds(5, |random| {
        let mut value = row.to_vec();
        random.mutate(&mut value, 0);
        look(&mut decoder, Some(BARE_KEY.as_bytes()), Some(&value));
        look(&mut decoder, None, Some(value_of(random).as_bytes()));
    });
    let result = decoder.decode(Some(BARE_KEY.as_bytes()), Some(row));
    assert!(matches!(result, Ok(Message::Flattened(_))), "{result:?}");
}

fn value_of(random: &mut Random) -> &'static str {
    VALUES.get(random.below(VALUES.len())).unwrap().1
}
