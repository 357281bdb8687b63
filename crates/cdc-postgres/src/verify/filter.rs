//! Rules that keep rows out, as conditions on the rows of the source.

use crate::catalog::TargetTable;
use crate::ident::Identifier;
use crate::sql::literal;

use super::{Passes, RowFilter, ValueTest};

/// The condition that all filters together are; `None` without any. The error names a column that the
/// source lacks.
pub(super) fn condition(
    filters: &[RowFilter],
    source: &TargetTable,
) -> Result<Option<String>, String> {
    let mut conditions = Vec::with_capacity(filters.len());
    for filter in filters {
        let (Some(column), Ok(name)) =
            (source.column(&filter.column), Identifier::parse(&filter.column))
        else {
            return Err(format!(
                "the rule {} looks at the column {}, which the source does not have",
                filter.name, filter.column
            ));
        };
        let tests = filter.tests.iter().map(|test| sql(test, &name.quoted(), &column.type_name));
        let tests = tests.collect::<Vec<_>>().join(" AND ");
        conditions.push(match filter.passes {
            Passes::Matching => format!("({tests}) IS TRUE"),
            Passes::Others => format!("({tests}) IS NOT TRUE"),
        });
    }
    Ok(if conditions.is_empty() { None } else { Some(conditions.join(" AND ")) })
}

fn sql(test: &ValueTest, column: &str, kind: &str) -> String {
    let typed = |text: &String| format!("{}::{kind}", literal(text));
    match test {
        ValueTest::Equals(value) => format!("{column} = {}", typed(value)),
        ValueTest::NotEquals(value) => format!("{column} <> {}", typed(value)),
        ValueTest::In(values) => {
            let values: Vec<String> = values.iter().map(typed).collect();
            format!("{column} = ANY (ARRAY[{}]::{kind}[])", values.join(", "))
        }
        ValueTest::IsNull => format!("{column} IS NULL"),
        ValueTest::NotNull => format!("{column} IS NOT NULL"),
        ValueTest::Less(value) => format!("{column} < {}", typed(value)),
        ValueTest::Greater(value) => format!("{column} > {}", typed(value)),
    }
}
