//! A cursor over bytes that checks each step.

use super::{PgOutputError, Tuple, TupleColumn};
use crate::Lsn;

/// Reads numbers, names and tuples one after the other; an error says where.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'m> {
    rest: &'m [u8],
    /// The length of the whole, from which the position follows.
    end: usize,
}

impl<'m> Reader<'m> {
    /// A cursor at the beginning.
    pub(crate) fn new(bytes: &'m [u8]) -> Self {
        Self { rest: bytes, end: bytes.len() }
    }

    /// A cursor behind what has been read already.
    pub(crate) fn behind(bytes: &'m [u8], position: usize) -> Self {
        Self { rest: bytes.get(position..).unwrap_or_default(), end: bytes.len() }
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(&self) -> Result<(), PgOutputError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(PgOutputError::Trailing { position: self.position() })
        }
    }

    /// What is left.
    pub(crate) fn rest(&mut self) -> &'m [u8] {
        std::mem::take(&mut self.rest)
    }

    fn cut_short(&self, expected: &'static str) -> PgOutputError {
        PgOutputError::CutShort { position: self.position(), expected }
    }

    fn chunk<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], PgOutputError> {
        let (chunk, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.cut_short(expected))?;
        self.rest = rest;
        Ok(*chunk)
    }

    /// So many bytes.
    pub(crate) fn take(
        &mut self,
        length: usize,
        expected: &'static str,
    ) -> Result<&'m [u8], PgOutputError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.cut_short(expected))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A byte.
    pub(crate) fn byte(&mut self, expected: &'static str) -> Result<u8, PgOutputError> {
        let [byte] = self.chunk(expected)?;
        Ok(byte)
    }

    /// A byte that says what follows.
    pub(crate) fn one_of<T>(
        &mut self,
        expected: &'static str,
        known: impl FnOnce(u8) -> Option<T>,
    ) -> Result<T, PgOutputError> {
        let position = self.position();
        let byte = self.byte(expected)?;
        known(byte).ok_or(PgOutputError::UnknownByte { position, expected })
    }

    /// A number without sign.
    pub(crate) fn number(&mut self, expected: &'static str) -> Result<u32, PgOutputError> {
        self.chunk(expected).map(u32::from_be_bytes)
    }

    /// A number with a sign.
    pub(crate) fn signed(&mut self, expected: &'static str) -> Result<i32, PgOutputError> {
        self.chunk(expected).map(i32::from_be_bytes)
    }

    /// A place in the log.
    pub(crate) fn lsn(&mut self, expected: &'static str) -> Result<Lsn, PgOutputError> {
        self.chunk(expected).map(|bytes| Lsn::new(u64::from_be_bytes(bytes)))
    }

    /// A point in time.
    pub(crate) fn time(&mut self, expected: &'static str) -> Result<i64, PgOutputError> {
        self.chunk(expected).map(i64::from_be_bytes)
    }

    /// A count of 16 bits.
    pub(crate) fn count(&mut self, expected: &'static str) -> Result<u16, PgOutputError> {
        let position = self.position();
        let count = i16::from_be_bytes(self.chunk(expected)?);
        u16::try_from(count).map_err(|_| PgOutputError::Negative { position, expected })
    }

    /// A length or a count of 32 bits.
    pub(crate) fn length(&mut self, expected: &'static str) -> Result<usize, PgOutputError> {
        let position = self.position();
        let length = self.signed(expected)?;
        usize::try_from(length).map_err(|_| PgOutputError::Negative { position, expected })
    }

    /// Text up to a zero byte.
    pub(crate) fn text(&mut self, expected: &'static str) -> Result<&'m str, PgOutputError> {
        let position = self.position();
        let length = self.rest.iter().position(|byte| *byte == 0);
        let length = length.ok_or_else(|| self.cut_short(expected))?;
        let text = self.take(length, expected)?;
        self.byte(expected)?;
        str::from_utf8(text).map_err(|_| PgOutputError::NotUtf8 { position, expected })
    }

    /// The columns of a row.
    pub(crate) fn tuple(&mut self) -> Result<Tuple<'m>, PgOutputError> {
        let begin = self.rest;
        let count = self.count("the number of columns")?;
        for _ in 0..count {
            self.column()?;
        }
        let length = begin.len().saturating_sub(self.rest.len());
        Ok(Tuple::of_checked(begin.get(..length).unwrap_or_default(), count))
    }

    /// One column of a row.
    pub(crate) fn column(&mut self) -> Result<TupleColumn<'m>, PgOutputError> {
        let expected = "a column of the kind n, u, t or b";
        let position = self.position();
        match self.byte(expected)? {
            b'n' => Ok(TupleColumn::Null),
            b'u' => Ok(TupleColumn::Unchanged),
            b't' => self.counted().map(TupleColumn::Text),
            b'b' => self.counted().map(TupleColumn::Binary),
            _ => Err(PgOutputError::UnknownByte { position, expected }),
        }
    }

    fn counted(&mut self) -> Result<&'m [u8], PgOutputError> {
        let length = self.length("the length of a value")?;
        self.take(length, "a value")
    }
}
