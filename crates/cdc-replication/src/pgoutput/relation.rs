//! What the server says of a table before the first row of it.

use super::{PgOutputError, Reader};

/// Which columns of an old row the server logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicaIdentity {
    /// Those of the primary key, if there is one.
    Default,
    /// None.
    Nothing,
    /// All of them.
    Full,
    /// Those of a unique index.
    Index,
}

impl ReplicaIdentity {
    /// The identity that this letter of the catalog stands for.
    pub fn of_letter(letter: u8) -> Option<Self> {
        match letter {
            b'd' => Some(Self::Default),
            b'n' => Some(Self::Nothing),
            b'f' => Some(Self::Full),
            b'i' => Some(Self::Index),
            _ => None,
        }
    }

    /// The catalog's letter for it.
    pub fn letter(self) -> u8 {
        match self {
            Self::Default => b'd',
            Self::Nothing => b'n',
            Self::Full => b'f',
            Self::Index => b'i',
        }
    }
}

/// A table: its name and its columns as they stand in the rows that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    /// The table's number, which rows name it by.
    pub oid: u32,
    /// The schema; empty for `pg_catalog`.
    pub schema: &'m str,
    /// The name within the schema.
    pub name: &'m str,
    /// Which columns of an old row come.
    pub identity: ReplicaIdentity,
    columns: &'m [u8],
    count: u16,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationColumn<'m> {
    /// Whether it is one that identifies a row. With full identity all are.
    pub is_key: bool,
    /// The name.
    pub name: &'m str,
    /// The number of its type.
    pub type_oid: u32,
    /// What the type is restricted to; -1 for nothing.
    pub type_modifier: i32,
}

impl<'m> Relation<'m> {
    pub(super) fn read(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        let oid = reader.number("the number of a table")?;
        let schema = reader.text("the schema of a table")?;
        let name = reader.text("the name of a table")?;
        let identity =
            reader.one_of("a replica identity, d, n, f or i", ReplicaIdentity::of_letter)?;
        let count = reader.count("the number of columns")?;
        let mut checked = reader.clone();
        for _ in 0..count {
            RelationColumn::read(&mut checked)?;
        }
        let length = checked.position().saturating_sub(reader.position());
        let columns = reader.take(length, "columns")?;
        Ok(Self { xid, oid, schema, name, identity, columns, count })
    }

    /// The columns in the order in which rows have them.
    pub fn columns(&self) -> RelationColumns<'m> {
        RelationColumns { reader: Reader::new(self.columns), left: self.count }
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'m> RelationColumn<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError> {
        let is_key = reader.one_of("the flags of a column, 0 or 1", |byte| match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })?;
        Ok(Self {
            is_key,
            name: reader.text("the name of a column")?,
            type_oid: reader.number("the type of a column")?,
            type_modifier: reader.signed("the modifier of a column's type")?,
        })
    }
}

/// Yields the columns of a [`Relation`].
#[derive(Debug, Clone)]
pub struct RelationColumns<'m> {
    reader: Reader<'m>,
    left: u16,
}

impl<'m> Iterator for RelationColumns<'m> {
    type Item = RelationColumn<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        RelationColumn::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for RelationColumns<'_> {}
