//! In what a shadow and its live table differ.

use std::fmt;
use std::time::{Duration, Instant};

use sqlx::postgres::PgRow;

use super::Halted;
use super::statements::Sides;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;

const DOING: &str = "comparing a shadow with its table";

/// Joins of whole tables, in one snapshot. A table without statistics looks small to the planner, which
/// would then compare every row with every other.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_hashjoin = on; \
                     SET LOCAL enable_mergejoin = on; SET LOCAL enable_nestloop = off; \
                     SET LOCAL statement_timeout = 0";

/// The result of a comparison.
#[derive(Debug, Clone, Default)]
pub struct ShadowDiff {
    /// Rows of the live table.
    pub live_rows: u64,
    /// Rows of the shadow.
    pub shadow_rows: u64,
    /// Rows only in the live table.
    pub only_live: u64,
    /// Rows of a history that have the place of another one.
    pub doubled: u64,
    /// Rows only in the shadow.
    pub only_shadow: u64,
    /// Rows in both with different values.
    pub differing: u64,
    /// In how many of them each column differs; columns that differ nowhere are left out.
    pub columns: Vec<(String, u64)>,
    /// The first keys of each kind.
    pub keys: Vec<ShadowKey>,
    /// Columns that were not compared, because the server alone fills them.
    pub left_out: Vec<String>,
    /// For how long writers waited.
    pub halted: Duration,
}

impl ShadowDiff {
    /// How many rows differ in any way.
    pub fn differences(&self) -> u64 {
        [self.only_live, self.doubled, self.only_shadow, self.differing].iter().sum()
    }
}

/// A row that differs, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowKey {
    /// In what it differs.
    pub kind: ShadowKind,
    /// The names and values of its key.
    pub key: String,
}

/// In what a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShadowKind {
    /// Only the live table has it.
    OnlyLive,
    /// Only the shadow has it.
    OnlyShadow,
    /// Its values differ.
    Differing,
}

impl fmt::Display for ShadowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyLive => "only live",
            Self::OnlyShadow => "only in the shadow",
            Self::Differing => "different",
        })
    }
}

impl Halted {
    /// Compares both tables, as they are now. Writers go on as soon as the server has taken its snapshot.
    /// `limit` is how many keys of each kind are named; `since` is when writers were halted.
    ///
    /// # Errors
    ///
    /// When the shadow does not stand where the pipeline stands, and whatever the server answers.
    pub async fn compare(
        mut self,
        limit: u32,
        since: Instant,
    ) -> Result<ShadowDiff, PostgresError> {
        let sides = self.meet().await?;
        let mut reader = Reader(Session::connect(&self.settings).await?);
        reader.0.execute(DOING, BEGIN).await?;
        // The first statement takes the snapshot.
        let _: (i32,) = reader.one("SELECT 1").await?;
        self.session.roll_back().await?;
        drop(self);
        let halted = since.elapsed();
        let mut diff =
            ShadowDiff { halted, left_out: sides.left_out.clone(), ..ShadowDiff::default() };
        reader.fill(&sides, limit, &mut diff).await?;
        Ok(diff)
    }
}

/// A session with a snapshot of both tables.
struct Reader(Session);

impl Reader {
    async fn one<R>(&mut self, statement: &str) -> Result<R, PostgresError>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        sqlx::query_as(statement)
            .persistent(false)
            .fetch_one(self.0.driver())
            .await
            .map_err(|error| from_driver(DOING, error))
    }

    async fn fill(
        &mut self,
        sides: &Sides,
        limit: u32,
        diff: &mut ShadowDiff,
    ) -> Result<(), PostgresError> {
        let count = |raw: i64| u64::try_from(raw).unwrap_or(0);
        let (live, shadow): (i64, i64) = self.one(&sides.rows()).await?;
        let (only_live, doubled, only_shadow): (i64, i64, i64) = self.one(&sides.counts()).await?;
        let (differing, columns): (i64, Vec<i64>) = self.one(&sides.differing()).await?;
        (diff.live_rows, diff.shadow_rows) = (count(live), count(shadow));
        (diff.only_live, diff.doubled) = (count(only_live), count(doubled));
        (diff.only_shadow, diff.differing) = (count(only_shadow), count(differing));
        let names = sides.compared.iter().map(|column| column.plain.clone());
        let columns = names.zip(columns.into_iter().map(count));
        diff.columns = columns.filter(|(_, rows)| *rows > 0).collect();
        let kinds = [ShadowKind::OnlyLive, ShadowKind::OnlyShadow, ShadowKind::Differing];
        let counts = [diff.only_live, diff.only_shadow, diff.differing];
        for ((kind, rows), statement) in kinds.into_iter().zip(counts).zip(sides.first_keys()) {
            if rows == 0 {
                continue;
            }
            let keys: Vec<String> = sqlx::query_scalar(&statement)
                .persistent(false)
                .bind(i64::from(limit))
                .fetch_all(self.0.driver())
                .await
                .map_err(|error| from_driver(DOING, error))?;
            diff.keys.extend(keys.into_iter().map(|key| ShadowKey { kind, key }));
        }
        Ok(())
    }
}
