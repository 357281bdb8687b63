//! What is kept of letters, and what is not.

use cdc_core::{RedactError, Redaction};

use super::*;

/// Values are `name=value` pairs with commas between; anything else is not understood.
#[derive(Debug)]
struct Pairs;

impl Redact for Pairs {
    fn value(&self, value: &[u8], columns: &Redactions) -> Result<Vec<u8>, RedactError> {
        let text = str::from_utf8(value).map_err(|_| RedactError::NotJson)?;
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let value = if columns.contains_key(name) { "***" } else { value };
            Some(format!("{name}={value}"))
        };
        let pairs: Option<Vec<String>> = text.split(',').map(pair).collect();
        Ok(pairs.ok_or(RedactError::UnknownShape)?.join(",").into_bytes())
    }

    fn is_free(&self, key: &[u8], columns: &Redactions) -> bool {
        self.value(key, columns).is_ok_and(|copy| copy == key)
    }
}

const PEOPLE: u32 = 0;
const ORDERS: u32 = 1;
const PLAIN: u32 = 2;

fn table(id: u32, columns: &[&str], keys: &[&str]) -> MaskedTable {
    MaskedTable {
        id: TableId::new(id),
        columns: columns.iter().map(|it| ((*it).to_owned(), Redaction::Always)).collect(),
        keys: keys.iter().map(|key| Secret::new(*key)).collect(),
    }
}

fn masks() -> LetterMasks {
    let tables = [
        table(PEOPLE, &["email"], &["one", "two"]),
        table(ORDERS, &["card"], &[]),
        table(PLAIN, &[], &[]),
    ];
    LetterMasks::new(Arc::new(Pairs), tables)
}

fn refused(stage: Stage, table: Option<u32>) -> Rejection {
    let rejection = Rejection::new(stage, "test", "test");
    match table {
        Some(table) => rejection.in_table(TableId::new(table)),
        None => rejection,
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn a_letter_of_a_masked_table_has_a_copy_and_a_keyed_hash_of_the_original() {
    let (masks, rejection) = (masks(), refused(Stage::Apply, Some(PEOPLE)));
    let kept = masks.kept(
        &rejection,
        (Some(b"id=1"), Some(bytes("id=1,email=a@b.c,card=4"))),
        Headers::Whole,
    );
    assert_eq!(kept.value, Some(bytes("id=1,email=***,card=4")));
    assert_eq!((kept.key.as_deref(), kept.withheld), (Some(b"id=1".as_slice()), None));
    assert!(kept.is_masked && kept.is_watched() && kept.key_form == KeyForm::Whole);
    let by = kept.hashed_by.as_deref().unwrap();
    let again = |value: &[u8]| masks.digest(by, Some(b"id=1"), Some(value));
    assert_eq!(kept.digest, again(b"id=1,email=a@b.c,card=4"));
    assert_ne!(kept.digest, again(b"id=1,email=a@b.d,card=4"));
    assert_ne!(kept.digest, masks.digest(by, Some(b"id=1i"), Some(b"d=1,email=a@b.c,card=4")));
    assert_eq!(masks.digest(b"another", None, None), None);
    assert_ne!(masks.digest(by, None, Some(b"")), masks.digest(by, Some(b""), None));
}

#[test]
fn what_has_nothing_to_hide_is_stored_as_it_came() {
    let masks = masks();
    for (rejection, text) in [
        (refused(Stage::Apply, Some(PLAIN)), "garbage, email=a@b.c"),
        (refused(Stage::Rule, Some(ORDERS)), "id=1,email=of no interest here"),
        (refused(Stage::Decode, None), "id=1"),
    ] {
        let kept = masks.kept(&rejection, (Some(b"id=1"), Some(bytes(text))), Headers::Whole);
        assert_eq!(kept.value, Some(bytes(text)));
        assert!(!kept.is_masked && kept.digest.is_none() && kept.withheld.is_none());
    }
    let none = LetterMasks::new(Arc::new(Pairs), [table(PLAIN, &[], &[])]);
    assert!(none.0.is_none());
    assert!(
        !none
            .kept(&refused(Stage::Decode, None), (None, Some(bytes("garbage"))), Headers::Whole)
            .is_masked
    );
}

#[test]
fn of_a_value_that_is_not_understood_nothing_is_stored_whatever_its_topic_is_called() {
    let masks = masks();
    for rejection in [
        refused(Stage::Decode, Some(PLAIN)),
        refused(Stage::Decode, None),
        refused(Stage::Encode, Some(PEOPLE)),
    ] {
        let kept = masks.kept(&rejection, (None, Some(bytes("a@b.c"))), Headers::Whole);
        assert_eq!((kept.value, kept.withheld), (None, Some("unknown_shape")));
        assert!(kept.is_masked);
    }
    let kept = masks.kept(
        &refused(Stage::Decode, None),
        (None, Some(bytes("email=a,card=4,id=1"))),
        Headers::Whole,
    );
    assert_eq!(kept.value, Some(bytes("email=***,card=***,id=1")), "what any table masks");
}

#[test]
fn a_key_that_holds_a_masked_value_is_stored_as_a_hash_that_its_changes_are_found_by() {
    let masks = masks();
    let key = b"email=a@b.c".as_slice();
    for rejection in [refused(Stage::Apply, Some(PEOPLE)), refused(Stage::Decode, None)] {
        let kept = masks.kept(&rejection, (Some(key), None), Headers::Whole);
        let form = kept.key.as_deref().unwrap();
        assert!(kept.is_masked && kept.key_form == KeyForm::Hidden && kept.is_watched());
        assert!(form.starts_with(b"hmac-sha256:") && form.len() == 76, "{form:?}");
        assert!(masks.key_forms(key).any(|known| known == form));
        assert!(!masks.key_forms(b"email=a@b.d").any(|known| known == form));
        assert!(masks.key_names().contains(kept.hashed_by.as_ref().unwrap()));
    }
    assert!(masks.key_forms(key).any(|form| form == key), "as letters of other tables have it");
    assert!(LetterMasks::default().key_forms(key).eq([Cow::Borrowed(key)]));
}

#[test]
fn without_any_key_a_key_is_not_stored_and_the_letter_says_that_nobody_watches_its_row() {
    let masks = LetterMasks::new(Arc::new(Pairs), [table(ORDERS, &["card"], &[])]);
    let kept = masks.kept(
        &refused(Stage::Apply, Some(ORDERS)),
        (Some(b"card=4"), Some(bytes("card=4"))),
        Headers::Whole,
    );
    assert_eq!((kept.key.as_deref(), kept.digest.as_deref()), (None, None));
    assert!(kept.is_masked && kept.key_form == KeyForm::Hidden && !kept.is_watched());
}

#[test]
fn nothing_prints_a_key() {
    assert!(!format!("{:?}", masks()).contains("one"));
}
