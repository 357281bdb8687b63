//! Finding the columns of rules in a shape.
//!
//! Rules are walked in the order written over a list of the columns as they are named at that point.
//! A validation or a condition after a hash still sees the value that the source sent: what a rule
//! looks at is always the source's column, only the name it goes by changes.

use std::sync::Arc;

use cdc_config::closest;
use cdc_core::{Column, RowBuffer, RowShape, SemanticType, Slot};

use crate::bound::{Action, BoundRules, Projection, Step};
use crate::filter::{BoundComparison, BoundCondition, BoundFilter, OperationSet};
use crate::hash::KeyedHash;
use crate::literal::{Literal, LiteralFault};
use crate::rule::{Comparison, Condition, Filter};
use crate::validate::{BoundCheck, Test};
use crate::{Rule, RuleError, RuleKind};

/// Column names listed in an error before the list is cut off.
const KNOWN_COLUMNS_MAX: usize = 50;

/// Binds rules to a shape.
pub(crate) fn bind(rules: &[Rule], shape: &Arc<RowShape>) -> Result<BoundRules, RuleError> {
    let mut binder = Binder::new(shape);
    for rule in rules {
        binder.rule(rule)?;
    }
    let projection = binder.projection();
    Ok(BoundRules { input: Arc::clone(shape), twin: None, steps: binder.steps, projection })
}

/// A column that is still there, under its name at this point.
struct Working {
    source: usize,
    name: Arc<str>,
    hash: Option<(Arc<str>, KeyedHash)>,
}

/// A name that no longer stands for a column.
struct Former {
    name: Arc<str>,
    source: usize,
    by: Arc<str>,
}

struct Binder<'s> {
    shape: &'s RowShape,
    columns: Vec<Working>,
    former: Vec<Former>,
    steps: Vec<Step>,
}

/// A column in a rule: where it is in the row, what it means, and who asks.
struct Use<'u> {
    rule: &'u Arc<str>,
    column: &'u str,
    source: usize,
    semantic: &'u SemanticType,
}

impl<'s> Binder<'s> {
    fn new(shape: &'s RowShape) -> Self {
        let columns = shape.columns().iter().enumerate();
        let columns = columns
            .map(|(source, column)| Working { source, name: Arc::clone(&column.name), hash: None })
            .collect();
        Self { shape, columns, former: Vec::new(), steps: Vec::new() }
    }

    fn rule(&mut self, rule: &Rule) -> Result<(), RuleError> {
        let name = rule.shared_name();
        match rule.kind() {
            RuleKind::Filter(filter) => self.filter(name, filter),
            RuleKind::Required { columns } => {
                some(name, columns, "column")?;
                columns
                    .iter()
                    .try_for_each(|column| self.check(name, column, |_| Ok(Test::Required)))
            }
            RuleKind::Range { column, min, max } => {
                self.check(name, column, |at| at.range(min.as_deref(), max.as_deref()))
            }
            RuleKind::Allowed { column, values } => {
                some(name, values, "value")?;
                self.check(name, column, |at| at.literals(values).map(Test::Allowed))
            }
            RuleKind::Pattern { column, pattern } => self.check(name, column, |at| {
                at.needs_text()?;
                Ok(Test::Pattern(pattern.clone()))
            }),
            RuleKind::Rename { column, to } => self.rename(name, column, to),
            RuleKind::Drop { columns } => {
                some(name, columns, "column")?;
                columns.iter().try_for_each(|column| self.drop_column(name, column))
            }
            RuleKind::Hash { column, key } => {
                self.hash(name, column, KeyedHash::new(key.expose().as_bytes()))
            }
        }
    }

    fn check(
        &mut self,
        rule: &Arc<str>,
        column: &str,
        test: impl FnOnce(&Use<'_>) -> Result<Test, RuleError>,
    ) -> Result<(), RuleError> {
        let at = self.find(rule, column)?;
        let check = BoundCheck { column: at.source, name: column.to_owned(), test: test(&at)? };
        self.steps.push(Step { rule: Arc::clone(rule), action: Action::Check(check) });
        Ok(())
    }

    fn filter(&mut self, rule: &Arc<str>, filter: &Filter) -> Result<(), RuleError> {
        if filter.operations.is_empty() && filter.condition.is_none() {
            return Err(RuleError::Incomplete {
                rule: Arc::clone(rule),
                lacks: "operation or column",
            });
        }
        let condition = match &filter.condition {
            Some(condition) => Some(self.find(rule, &condition.column)?.condition(condition)?),
            None => None,
        };
        let bound = BoundFilter {
            effect: filter.effect,
            operations: OperationSet::of(&filter.operations),
            condition,
            deletes: filter.deletes,
        };
        self.steps.push(Step { rule: Arc::clone(rule), action: Action::Filter(bound) });
        Ok(())
    }

    fn rename(&mut self, rule: &Arc<str>, column: &str, to: &str) -> Result<(), RuleError> {
        let index = self.position(rule, column)?;
        if to.is_empty() {
            return Err(RuleError::EmptyName { rule: Arc::clone(rule), column: column.to_owned() });
        }
        if column == to {
            return Ok(());
        }
        if self.columns.iter().any(|other| *other.name == *to) {
            let (column, to) = (column.to_owned(), to.to_owned());
            return Err(RuleError::NameTaken { rule: Arc::clone(rule), column, to });
        }
        if let Some(working) = self.columns.get_mut(index) {
            let name = std::mem::replace(&mut working.name, to.into());
            self.former.push(Former { name, source: working.source, by: Arc::clone(rule) });
        }
        Ok(())
    }

    fn drop_column(&mut self, rule: &Arc<str>, column: &str) -> Result<(), RuleError> {
        let index = self.position(rule, column)?;
        let Working { source, name, .. } = self.columns.remove(index);
        self.former.push(Former { name, source, by: Arc::clone(rule) });
        if self.columns.is_empty() {
            return Err(RuleError::NoColumnLeft { rule: Arc::clone(rule) });
        }
        Ok(())
    }

    fn hash(&mut self, rule: &Arc<str>, column: &str, hash: KeyedHash) -> Result<(), RuleError> {
        let at = self.find(rule, column)?;
        if !has_canonical_text(at.semantic) {
            return Err(at.unsuitable("a column whose type is supported"));
        }
        let index = self.position(rule, column)?;
        if let Some(working) = self.columns.get_mut(index) {
            if let Some((by, _)) = &working.hash {
                let (rule, by) = (Arc::clone(rule), Arc::clone(by));
                return Err(RuleError::HashedColumn { rule, column: column.to_owned(), by });
            }
            working.hash = Some((Arc::clone(rule), hash));
        }
        Ok(())
    }

    fn find<'u>(&'u self, rule: &'u Arc<str>, column: &'u str) -> Result<Use<'u>, RuleError> {
        let index = self.position(rule, column)?;
        let found = self.columns.get(index).and_then(|working| {
            let semantic = &self.shape.columns().get(working.source)?.semantic;
            Some(Use { rule, column, source: working.source, semantic })
        });
        found.ok_or_else(|| self.unknown(rule, column))
    }

    fn position(&self, rule: &Arc<str>, column: &str) -> Result<usize, RuleError> {
        let position = self.columns.iter().position(|working| *working.name == *column);
        position.ok_or_else(|| self.unknown(rule, column))
    }

    /// Says what became of the name, or what it may have been meant to be.
    fn unknown(&self, rule: &Arc<str>, column: &str) -> RuleError {
        let (rule, column) = (Arc::clone(rule), column.to_owned());
        if let Some(former) = self.former.iter().rev().find(|former| *former.name == *column) {
            let by = Arc::clone(&former.by);
            return match self.columns.iter().find(|working| working.source == former.source) {
                Some(working) => {
                    RuleError::RenamedColumn { rule, column, now: working.name.to_string(), by }
                }
                None => RuleError::DroppedColumn { rule, column, by },
            };
        }
        let names = || self.columns.iter().map(|working| &*working.name);
        let near_miss = closest(&column, names()).map(str::to_owned);
        let mut known = names().take(KNOWN_COLUMNS_MAX).collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = self.columns.len().checked_sub(KNOWN_COLUMNS_MAX) {
            known = format!("{known} and {more} more");
        }
        RuleError::UnknownColumn { rule, column, known, near_miss }
    }

    /// The output columns, or nothing when they are the input columns.
    fn projection(&mut self) -> Option<Projection> {
        let input = self.shape.columns();
        let mut hashes = Vec::new();
        let mut slots = Vec::with_capacity(self.columns.len());
        let mut output = Vec::with_capacity(self.columns.len());
        for working in self.columns.drain(..) {
            let semantic = match working.hash {
                None => {
                    slots.push(Slot::Source(working.source));
                    input.get(working.source)?.semantic.clone()
                }
                Some((_, hash)) => {
                    slots.push(Slot::Derived(hashes.len()));
                    hashes.push((working.source, hash));
                    SemanticType::Text
                }
            };
            output.push(Column::new(working.name, semantic));
        }
        if hashes.is_empty() && output == input {
            return None;
        }
        let output = Arc::new(RowShape::new(output));
        let (before, after) = (RowBuffer::new(), RowBuffer::new());
        Some(Projection { output, slots, hashes, before, after })
    }
}

impl Use<'_> {
    fn range(&self, min: Option<&str>, max: Option<&str>) -> Result<Test, RuleError> {
        let shown = match (min, max) {
            (Some(min), Some(max)) => format!("from {min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => {
                return Err(RuleError::Incomplete { rule: Arc::clone(self.rule), lacks: "bound" });
            }
        };
        let min = min.map(|text| self.bound(text)).transpose()?;
        let max = max.map(|text| self.bound(text)).transpose()?;
        if let (Some(min), Some(max)) = (&min, &max)
            && min.is_above(max)
        {
            let column = self.column.to_owned();
            return Err(RuleError::EmptyRange { rule: Arc::clone(self.rule), column });
        }
        Ok(Test::Range { min, max, shown })
    }

    fn condition(&self, condition: &Condition) -> Result<BoundCondition, RuleError> {
        some(self.rule, &condition.comparisons, "comparison")?;
        let comparisons = condition.comparisons.iter().map(|comparison| {
            Ok(match comparison {
                Comparison::Equals(text) => BoundComparison::Equals(self.literal(text)?),
                Comparison::NotEquals(text) => BoundComparison::NotEquals(self.literal(text)?),
                Comparison::In(texts) => {
                    some(self.rule, texts, "value")?;
                    BoundComparison::In(self.literals(texts)?)
                }
                Comparison::IsNull => BoundComparison::IsNull,
                Comparison::NotNull => BoundComparison::NotNull,
                Comparison::Less(text) => BoundComparison::Less(self.bound(text)?),
                Comparison::Greater(text) => BoundComparison::Greater(self.bound(text)?),
            })
        });
        Ok(BoundCondition {
            column: self.source,
            comparisons: comparisons.collect::<Result<_, _>>()?,
        })
    }

    fn needs_text(&self) -> Result<(), RuleError> {
        match self.semantic {
            SemanticType::Text
            | SemanticType::Json
            | SemanticType::Xml
            | SemanticType::Ltree
            | SemanticType::Tsvector
            | SemanticType::Enum { .. }
            | SemanticType::EnumSet { .. }
            | SemanticType::SelfEvident => Ok(()),
            SemanticType::Boolean
            | SemanticType::Int16
            | SemanticType::Int32
            | SemanticType::Int64
            | SemanticType::Float32
            | SemanticType::Float64
            | SemanticType::Bytes
            | SemanticType::Decimal { .. }
            | SemanticType::VariableDecimal
            | SemanticType::Date
            | SemanticType::Time(_)
            | SemanticType::Timestamp(_)
            | SemanticType::ZonedTimestamp
            | SemanticType::Uuid
            | SemanticType::EncodedBytes(_)
            | SemanticType::Bits { .. }
            | SemanticType::VarBits { .. }
            | SemanticType::IsoDate
            | SemanticType::IsoTime
            | SemanticType::ZonedTime
            | SemanticType::IsoTimestamp
            | SemanticType::Interval(_)
            | SemanticType::Structured(_)
            | SemanticType::Year
            | SemanticType::Array { .. }
            | SemanticType::Map { .. }
            | SemanticType::Vector
            | SemanticType::HalfVector
            | SemanticType::SparseVector
            | SemanticType::Point
            | SemanticType::Geometry
            | SemanticType::Geography
            | SemanticType::Circle
            | SemanticType::Line
            | SemanticType::Unsupported { .. } => Err(self.unsuitable("a text column")),
        }
    }

    fn literals(&self, texts: &[String]) -> Result<Vec<Literal>, RuleError> {
        texts.iter().map(|text| self.literal(text)).collect()
    }

    fn literal(&self, text: &str) -> Result<Literal, RuleError> {
        Literal::parse(text, self.semantic).map_err(|fault| self.fault(text, fault))
    }

    fn bound(&self, text: &str) -> Result<Literal, RuleError> {
        Literal::parse_bound(text, self.semantic).map_err(|fault| self.fault(text, fault))
    }

    fn fault(&self, text: &str, fault: LiteralFault) -> RuleError {
        let (rule, column) = (Arc::clone(self.rule), self.column.to_owned());
        let literal = text.to_owned();
        match fault {
            LiteralFault::UnsuitableType { needs } => self.unsuitable(needs),
            LiteralFault::Malformed { expected } => {
                let semantic = self.semantic.to_string();
                RuleError::InvalidLiteral { rule, column, semantic, literal, expected }
            }
            LiteralFault::UnknownLabel { near_miss } => {
                RuleError::UnknownLabel { rule, column, literal, near_miss }
            }
        }
    }

    fn unsuitable(&self, needs: &'static str) -> RuleError {
        RuleError::UnsuitableType {
            rule: Arc::clone(self.rule),
            column: self.column.to_owned(),
            semantic: self.semantic.to_string(),
            needs,
        }
    }
}

/// Refuses an empty list.
fn some<T>(rule: &Arc<str>, list: &[T], lacks: &'static str) -> Result<(), RuleError> {
    if list.is_empty() {
        return Err(RuleError::Incomplete { rule: Arc::clone(rule), lacks });
    }
    Ok(())
}

/// Whether a hash of the values can be recomputed in SQL: their text form is PostgreSQL's own.
fn has_canonical_text(semantic: &SemanticType) -> bool {
    match semantic {
        SemanticType::Boolean
        | SemanticType::Int16
        | SemanticType::Int32
        | SemanticType::Int64
        | SemanticType::Float32
        | SemanticType::Float64
        | SemanticType::Text
        | SemanticType::Bytes
        | SemanticType::EncodedBytes(_)
        | SemanticType::Bits { .. }
        | SemanticType::Decimal { .. }
        | SemanticType::VariableDecimal
        | SemanticType::Date
        | SemanticType::IsoDate
        | SemanticType::Time(_)
        | SemanticType::IsoTime
        | SemanticType::Timestamp(_)
        | SemanticType::IsoTimestamp
        | SemanticType::ZonedTimestamp
        | SemanticType::Year
        | SemanticType::Uuid
        | SemanticType::Json
        | SemanticType::Xml
        | SemanticType::Ltree
        | SemanticType::Tsvector
        | SemanticType::Enum { .. }
        | SemanticType::EnumSet { .. }
        | SemanticType::SelfEvident => true,
        SemanticType::VarBits { .. }
        | SemanticType::ZonedTime
        | SemanticType::Interval(_)
        | SemanticType::Structured(_)
        | SemanticType::Array { .. }
        | SemanticType::Map { .. }
        | SemanticType::Vector
        | SemanticType::HalfVector
        | SemanticType::SparseVector
        | SemanticType::Point
        | SemanticType::Geometry
        | SemanticType::Geography
        | SemanticType::Circle
        | SemanticType::Line
        | SemanticType::Unsupported { .. } => false,
    }
}
