//! What is stored of a record whose row holds values that the rules keep out of the warehouse.
//!
//! A dead letter would bring them in by the back door: it is the record as it came. So of a table whose
//! rules hash or drop columns a letter has a copy without their values, or none where it is not certain
//! which values those are. The original stays where it is, in the log, and what is stored of it (its
//! sizes, its time, and a hash under the key of the rules) tells whether a record is the one that was read.
//!
//! A key that holds such a value is stored as its hash. Later changes of the row are matched with its
//! letters by that, so that equal keys have equal forms whatever table a letter is of.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::{Redact, Redactions, Rejection, Stage, TableId};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::dead_letter::hexadecimal;

/// What hashes are made for, so that none of them is that of a value in the warehouse.
const OF_RECORD: &[u8] = b"cdc-pipeline dead letter: record\0";
const OF_KEY: &[u8] = b"cdc-pipeline dead letter: key\0";
const OF_NOTHING: &[u8] = b"cdc-pipeline dead letter: which key\0";

/// A table's columns whose values are not stored, and the keys of the rules that hash them.
#[derive(Debug, Clone)]
pub struct MaskedTable {
    /// The table.
    pub id: TableId,
    /// The columns, by their names in messages; none when everything may be stored.
    pub columns: Redactions,
    /// The keys, the one for what is stored of originals first.
    pub keys: Vec<Secret>,
}

/// Which values are not stored in dead letters. By default every value is.
#[derive(Debug, Clone, Default)]
pub struct LetterMasks(Option<Arc<Masks>>);

#[derive(Debug)]
struct Masks {
    format: Arc<dyn Redact>,
    tables: BTreeMap<TableId, Mask>,
    /// For records of which nobody knows for certain whose they are: what any table masks.
    any: Mask,
    keys: Vec<MacKey>,
}

#[derive(Debug, Default)]
struct Mask {
    columns: Redactions,
    key: Option<MacKey>,
}

/// What is stored of a record's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headers {
    /// All of them.
    Whole,
    /// Not all of them.
    Masked,
}

/// How a key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// As it came.
    Whole,
    /// As its hash, or not at all.
    Hidden,
}

/// What is stored of a record.
#[derive(Debug)]
pub(crate) struct Kept<'r> {
    /// The key, or its hash; nothing when there is no key to hash it with.
    pub(crate) key: Option<Cow<'r, [u8]>>,
    /// The value or its copy.
    pub(crate) value: Option<Vec<u8>>,
    /// Whether something is not as it came.
    pub(crate) is_masked: bool,
    /// Why there is no copy of the value.
    pub(crate) withheld: Option<&'static str>,
    /// In which form the key is stored.
    pub(crate) key_form: KeyForm,
    /// The hash of the whole record.
    pub(crate) digest: Option<Vec<u8>>,
    /// Which key the hashes are made with.
    pub(crate) hashed_by: Option<Vec<u8>>,
}

impl LetterMasks {
    /// Masks for these tables, by somebody who knows what the records look like.
    pub fn new(format: Arc<dyn Redact>, tables: impl IntoIterator<Item = MaskedTable>) -> Self {
        let (mut masks, mut any, mut keys) = (BTreeMap::new(), Mask::default(), Vec::new());
        for table in tables {
            for (column, redaction) in &table.columns {
                let held = any.columns.entry(column.clone()).or_insert(*redaction);
                *held = (*held).max(*redaction);
            }
            let own: Vec<_> = table.keys.iter().map(MacKey::new).collect();
            let key = own.first().cloned();
            keys.extend(own);
            masks.insert(table.id, Mask { columns: table.columns, key });
        }
        if any.columns.is_empty() {
            return Self::default();
        }
        any.key = keys.first().cloned();
        for mask in masks.values_mut().filter(|mask| mask.key.is_none()) {
            mask.key.clone_from(&any.key);
        }
        Self(Some(Arc::new(Masks { format, tables: masks, any, keys })))
    }

    /// The columns that are looked for in a record that was refused; none when it is stored as it came.
    pub(crate) fn columns(&self, rejection: &Rejection) -> Option<&Redactions> {
        self.mask(rejection).map(|(_, mask)| &mask.columns)
    }

    /// What is stored of a record that was refused.
    pub(crate) fn kept<'r>(
        &'r self,
        rejection: &Rejection,
        (key, value): (Option<&'r [u8]>, Option<Vec<u8>>),
        headers: Headers,
    ) -> Kept<'r> {
        let Some((masks, mask)) = self.mask(rejection) else {
            return Kept::whole(key, value);
        };
        let columns = &mask.columns;
        let copy = value.as_deref().map(|value| masks.format.value(value, columns));
        let is_value_masked = match &copy {
            None => false,
            Some(copy) => copy.as_ref().ok() != value.as_ref(),
        };
        let is_key_hidden = key.is_some_and(|key| !masks.format.is_free(key, columns));
        let is_masked = is_value_masked || is_key_hidden || headers == Headers::Masked;
        let mac = mask.key.as_ref().filter(|_| is_masked);
        let stored_key = match key {
            Some(key) if is_key_hidden => mac.map(|mac| Cow::Owned(mac.key_form(key))),
            key => key.map(Cow::Borrowed),
        };
        Kept {
            key: stored_key,
            withheld: copy.as_ref().and_then(|copy| copy.as_ref().err()).map(|error| error.code()),
            value: copy.and_then(Result::ok),
            is_masked,
            key_form: if is_key_hidden { KeyForm::Hidden } else { KeyForm::Whole },
            digest: mac.map(|mac| mac.of_record(key, value.as_deref())),
            hashed_by: mac.map(|mac| mac.name.clone()),
        }
    }

    /// A record that could not be decoded may be of any table, whatever its topic is called.
    fn mask(&self, rejection: &Rejection) -> Option<(&Masks, &Mask)> {
        let masks = self.0.as_deref()?;
        let of_table = match rejection.stage {
            Stage::Decode => None,
            Stage::Rule | Stage::Encode | Stage::Apply => rejection.table,
        };
        let mask = match of_table {
            Some(table) => masks.tables.get(&table).filter(|mask| !mask.columns.is_empty())?,
            None => &masks.any,
        };
        Some((masks, mask))
    }

    /// The forms in which letters may have a key.
    pub(crate) fn key_forms<'k>(&'k self, key: &'k [u8]) -> impl Iterator<Item = Cow<'k, [u8]>> {
        let keys = self.0.as_deref().map(|masks| &*masks.keys).unwrap_or_default();
        let hashed = keys.iter().map(|mac| Cow::Owned(mac.key_form(key)));
        std::iter::once(Cow::Borrowed(key)).chain(hashed)
    }

    /// The keys by which letters may be known, as they are called in letters.
    pub(crate) fn key_names(&self) -> Vec<Vec<u8>> {
        let keys = self.0.as_deref().map(|masks| &*masks.keys).unwrap_or_default();
        keys.iter().map(|mac| mac.name.clone()).collect()
    }

    /// The hash of a record by the key of this name; `None` when the key is not known.
    pub(crate) fn digest(
        &self,
        hashed_by: &[u8],
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        let mac = self.0.as_deref()?.keys.iter().find(|mac| mac.name == hashed_by)?;
        Some(mac.of_record(key, value))
    }
}

impl<'r> Kept<'r> {
    fn whole(key: Option<&'r [u8]>, value: Option<Vec<u8>>) -> Self {
        Self {
            key: key.map(Cow::Borrowed),
            value,
            is_masked: false,
            withheld: None,
            key_form: KeyForm::Whole,
            digest: None,
            hashed_by: None,
        }
    }

    /// Whether later changes of the row will find the letter by its key.
    pub(crate) fn is_watched(&self) -> bool {
        self.key_form == KeyForm::Whole || self.key.is_some()
    }
}

/// A key of the rules, ready to hash.
#[derive(Clone)]
struct MacKey {
    state: Hmac<Sha256>,
    /// What it is called in letters. It says nothing of the key itself.
    name: Vec<u8>,
}

impl MacKey {
    fn new(key: &Secret) -> Self {
        let state = Hmac::new_from_slice(key.expose().as_bytes());
        let state = state.expect("HMAC takes a key of any length");
        let name = hashed(&state, &[OF_NOTHING]);
        Self { name: name.get(..8).unwrap_or_default().to_vec(), state }
    }

    /// The hash of a record. Lengths stand before the bytes, and nothing has another length than none.
    fn of_record(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let length = |bytes: Option<&[u8]>| {
            let length = bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            length.to_be_bytes()
        };
        let (key_length, value_length) = (length(key), length(value));
        let [key, value] = [key, value].map(Option::unwrap_or_default);
        hashed(&self.state, &[OF_RECORD, &key_length, key, &value_length, value])
    }

    /// How a key is stored. It is text, so that whoever looks at a letter sees what it is.
    fn key_form(&self, key: &[u8]) -> Vec<u8> {
        let digits = hashed(&self.state, &[OF_KEY, key]);
        format!("hmac-sha256:{}", hexadecimal(&digits)).into_bytes()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(***)")
    }
}

fn hashed(state: &Hmac<Sha256>, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = state.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
