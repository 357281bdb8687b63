//! Which dead letters are meant.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use crate::settings::PipelineName;

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterState {
    /// Nobody has decided about it, or a retry failed.
    Open,
    /// It was retried, and its record has had its effect since.
    Retried,
    /// It was retried, and a mirror had a newer version of its row.
    Superseded,
    /// Somebody put it aside.
    Discarded,
}

impl LetterState {
    /// The word that is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Retried => "retried",
            Self::Superseded => "superseded",
            Self::Discarded => "discarded",
        }
    }
}

/// Which letters: those for which everything holds that is said here. Nothing said means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LetterFilter {
    /// Letters with these numbers; empty for any.
    pub ids: Vec<i64>,
    /// The table, by its name in the source or in the warehouse.
    pub table: Option<String>,
    /// The reason, as a word.
    pub reason: Option<String>,
    /// The column at fault.
    pub column: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// The number of the partition.
    pub partition: Option<i32>,
    /// The first offset.
    pub from: Option<i64>,
    /// The offset after the last one.
    pub until: Option<i64>,
    /// Kept within this time.
    pub within: Option<Duration>,
    /// What became of it.
    pub state: Option<LetterState>,
}

/// The condition, for a table called `l`; its parameters are those that [`bound`] binds.
pub(crate) const MATCHES: &str = r#"l.pipeline = $1
   AND ($2::int8[] IS NULL OR l.id = ANY ($2))
   AND ($3::text IS NULL OR $3 IN (l.source_table, l.target_table))
   AND ($4::text IS NULL OR l.reason = $4)
   AND ($5::text IS NULL OR l.column_name = $5)
   AND ($6::text IS NULL OR l.topic = $6)
   AND ($7::int4 IS NULL OR l.partition = $7)
   AND ($8::int8 IS NULL OR l."offset" >= $8)
   AND ($9::int8 IS NULL OR l."offset" < $9)
   AND ($10::float8 IS NULL OR l.created_at >= now() - $10 * interval '1 second')
   AND ($11::text IS NULL OR l.state = $11)"#;

/// Binds the first eleven parameters.
pub(crate) fn bound<'q>(
    query: Query<'q, Postgres, PgArguments>,
    pipeline: &PipelineName,
    filter: &LetterFilter,
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(pipeline.as_str().to_owned())
        .bind((!filter.ids.is_empty()).then(|| filter.ids.clone()))
        .bind(filter.table.clone())
        .bind(filter.reason.clone())
        .bind(filter.column.clone())
        .bind(filter.topic.clone())
        .bind(filter.partition)
        .bind(filter.from)
        .bind(filter.until)
        .bind(filter.within.map(|within| within.as_secs_f64()))
        .bind(filter.state.map(LetterState::name))
}
