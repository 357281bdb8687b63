//! The plans of messages without schema block, by table, and the guess which table comes next.

use std::sync::Arc;

use crate::declarations::Declarations;
use crate::plan::RowPlan;
use crate::row::{Column, RowShape, SemanticType};

/// How many tables a decoder remembers before it starts over. A topic holds one; a routed topic
/// holds a few.
const TABLES_MAX: usize = 256;

/// Which of a table's rows a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowRole {
    /// `before` and `after`.
    Image,
    /// The record's key.
    Key,
}

#[derive(Debug)]
struct TableEntry {
    db: Box<str>,
    schema: Box<str>,
    table: Box<str>,
    /// The name under which the table's columns are declared.
    declared_as: String,
    image: Option<Arc<RowPlan>>,
    key: Option<Arc<RowPlan>>,
}

/// A table as the `source` block names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableName<'n> {
    pub(super) db: &'n str,
    pub(super) schema: &'n str,
    pub(super) table: &'n str,
}

impl TableName<'_> {
    fn declared_as(self) -> String {
        let space = if self.schema.is_empty() { self.db } else { self.schema };
        if space.is_empty() { self.table.to_owned() } else { format!("{space}.{}", self.table) }
    }

    fn is(self, entry: &TableEntry) -> bool {
        self.table == &*entry.table && self.schema == &*entry.schema && self.db == &*entry.db
    }
}

#[derive(Debug, Default)]
pub(super) struct TablePlans {
    entries: Vec<TableEntry>,
    current: usize,
}

impl TablePlans {
    /// Whether there is a table to guess.
    pub(super) fn has_guess(&self) -> bool {
        self.entries.get(self.current).is_some()
    }

    /// Makes this table the current one; false when it was already.
    pub(super) fn select(&mut self, name: TableName<'_>) -> bool {
        if self.entries.get(self.current).is_some_and(|entry| name.is(entry)) {
            return false;
        }
        let declared_as = name.declared_as();
        self.select_declared(name, declared_as);
        true
    }

    /// Chooses a table for a key that comes before any message told the table: the only declared
    /// one, or none.
    pub(super) fn select_unknown(&mut self, declarations: &Declarations) {
        let name = TableName { db: "", schema: "", table: "" };
        self.select_declared(name, declarations.only_table().unwrap_or_default().to_owned());
    }

    /// Chooses a table by the name under which its columns are declared.
    pub(super) fn select_named(&mut self, declared_as: &str) {
        let name = TableName { db: "", schema: "", table: declared_as };
        if !self.entries.get(self.current).is_some_and(|entry| name.is(entry)) {
            self.select_declared(name, declared_as.to_owned());
        }
    }

    fn select_declared(&mut self, name: TableName<'_>, declared_as: String) {
        if let Some(found) = self.entries.iter().position(|entry| name.is(entry)) {
            self.current = found;
            return;
        }
        if self.entries.len() >= TABLES_MAX {
            self.entries.clear();
        }
        self.current = self.entries.len();
        self.entries.push(TableEntry {
            db: name.db.into(),
            schema: name.schema.into(),
            table: name.table.into(),
            declared_as,
            image: None,
            key: None,
        });
    }

    /// The current table's plan, if such a row was seen.
    pub(super) fn plan(&self, role: RowRole) -> Option<Arc<RowPlan>> {
        let entry = self.entries.get(self.current)?;
        match role {
            RowRole::Image => entry.image.clone(),
            RowRole::Key => entry.key.clone(),
        }
    }

    /// A plan for rows of the current table with these members, remembered.
    pub(super) fn learn(
        &mut self,
        role: RowRole,
        names: Vec<Arc<str>>,
        declarations: &Declarations,
    ) -> Arc<RowPlan> {
        let entry = self.entries.get_mut(self.current);
        let table = entry.as_ref().map(|entry| entry.declared_as.as_str()).unwrap_or_default();
        let column = |name: Arc<str>| {
            let declared = declarations.get(table, &name).cloned();
            Column::new(name, declared.unwrap_or(SemanticType::SelfEvident))
        };
        let shape = RowShape::new(names.into_iter().map(column).collect());
        let plan = Arc::new(RowPlan::observed(Arc::new(shape)));
        if let Some(entry) = entry {
            match role {
                RowRole::Image => entry.image = Some(Arc::clone(&plan)),
                RowRole::Key => entry.key = Some(Arc::clone(&plan)),
            }
        }
        plan
    }
}
