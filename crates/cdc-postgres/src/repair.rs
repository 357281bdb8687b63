//! Brings rows back that a history lacks, from a part of the log that is read once more.
//!
//! A repair is a run of its own beside the pipeline: its name, and so its checkpoint, its books and its
//! owner, are other ones, and of the pipeline's state it writes dead letters and table events alone,
//! where none stands at that place. It reads no further than the pipeline has applied: what comes behind
//! that is the pipeline's to write.
//!
//! The rows of a batch go into a staging table; those whose place in the log the history has are taken
//! out, and the rest is inserted. One lock for each target, held until the commit, lets two repairs see
//! each other's rows.

mod present;
mod run;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cdc_core::Sink;

pub use self::run::RepairRun;
pub use self::writer::RepairWriter;
use crate::body::PostgresBody;
use crate::error::PostgresError;
use crate::owner::{OwnerName, Token};
use crate::plan::PostgresPlan;
use crate::settings::{PipelineName, PostgresSettings, TableSettings};
use crate::stager::PostgresStager;
use crate::state;
use crate::tables::Tables;

/// Whether a repair changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    /// Rows are brought back.
    Restore,
    /// Rows are counted; nothing is written anywhere.
    Count,
}

/// Rows of committed batches, by what became of them.
#[derive(Debug, Default)]
pub struct RepairCounts {
    present: AtomicU64,
    restored: AtomicU64,
}

impl RepairCounts {
    /// Rows that the histories had.
    pub fn present(&self) -> u64 {
        self.present.load(Ordering::Relaxed)
    }

    /// Rows that they lacked.
    pub fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    fn add(&self, present: u64, restored: u64) {
        self.present.fetch_add(present, Ordering::Relaxed);
        self.restored.fetch_add(restored, Ordering::Relaxed);
    }
}

/// The histories of a pipeline as the target of a repair.
#[derive(Debug)]
pub struct RepairSink {
    shared: Arc<Shared>,
    lanes_opened: AtomicU32,
}

/// What all lanes of a repair have in common.
#[derive(Debug)]
struct Shared {
    /// Under the name of the run.
    settings: PostgresSettings,
    /// Whose histories they are.
    pipeline: PipelineName,
    tables: Arc<Tables>,
    mode: RepairMode,
    counts: Arc<RepairCounts>,
    token: Token,
}

impl RepairSink {
    /// A sink for a run. `tables` are histories.
    pub fn new(run: &RepairRun, tables: Vec<TableSettings>, mode: RepairMode) -> Self {
        let settings = PostgresSettings { pipeline: run.name().clone(), ..run.settings().clone() };
        let shared = Shared {
            settings,
            pipeline: run.settings().pipeline.clone(),
            tables: Arc::new(Tables::new(tables)),
            mode,
            counts: Arc::default(),
            token: Token::random(),
        };
        Self { shared: Arc::new(shared), lanes_opened: AtomicU32::new(0) }
    }

    /// What becomes of the rows, while it runs and afterwards.
    pub fn counts(&self) -> Arc<RepairCounts> {
        Arc::clone(&self.shared.counts)
    }
}

impl Sink for RepairSink {
    type Body = PostgresBody;
    type Plan = PostgresPlan;
    type Error = PostgresError;
    type Stager = PostgresStager;
    type Writer = RepairWriter;

    async fn open_lane(&self) -> Result<(PostgresStager, RepairWriter), PostgresError> {
        let shared = Arc::clone(&self.shared);
        let session = state::open(&shared.settings).await?;
        let lane = self.lanes_opened.fetch_add(1, Ordering::Relaxed);
        let owner = OwnerName::new(&shared.settings.pipeline, shared.token, lane);
        let stager = PostgresStager::new(Arc::clone(&shared.tables));
        Ok((stager, RepairWriter::open(shared, owner, session).await?))
    }
}

/// How much of the pipeline's name a run's name shows.
const NAME_CHARS_SHOWN: usize = 20;

/// The name under which a run beside a pipeline keeps its progress: readable, and another one for each
/// pipeline and for all that the run is `about`.
pub(crate) fn run_name(
    pipeline: &PipelineName,
    kind: &str,
    about: &str,
    number: Option<u32>,
) -> PipelineName {
    let shown: String =
        pipeline.as_str().chars().filter(char::is_ascii).take(NAME_CHARS_SHOWN).collect();
    let hash = digest(&format!("{pipeline}\n{about}"));
    let number = number.map_or_else(String::new, |number| format!(".{number}"));
    let name = format!("{shown} {kind} {:08x}{number}", hash >> 32);
    PipelineName::parse(&name).expect("it is short and printable")
}

/// FNV-1a: the same in every build, because a killed run is found again by it.
pub(crate) fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
