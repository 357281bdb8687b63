//! Opens lanes into one warehouse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cdc_core::{Sink, TopicName};
use tokio::time::Instant;

use crate::body::PostgresBody;
use crate::chain::Heads;
use crate::error::PostgresError;
use crate::owner::{OwnerName, Token};
use crate::plan::PostgresPlan;
use crate::reach::is_to_look_again;
use crate::registry;
use crate::session::within;
use crate::settings::{PostgresSettings, TableSettings};
use crate::stager::PostgresStager;
use crate::state;
use crate::tables::Tables;
use crate::topics;
use crate::writer::PostgresWriter;

/// A warehouse and the tables that are written to it; see [`Sink`].
#[derive(Debug)]
pub struct PostgresSink {
    settings: Arc<PostgresSettings>,
    tables: Arc<Tables>,
    /// The topics, where they are known; see [`following`](Self::following).
    topics: Vec<(TopicName, usize)>,
    token: Token,
    lanes_opened: AtomicU32,
}

impl PostgresSink {
    /// A sink. Nothing is connected before the first lane is opened.
    pub fn new(settings: PostgresSettings, tables: Vec<TableSettings>) -> Self {
        Self {
            settings: Arc::new(settings),
            tables: Arc::new(Tables::new(tables)),
            topics: Vec::new(),
            token: Token::random(),
            lanes_opened: AtomicU32::new(0),
        }
    }

    /// The same sink, for these topics with so many partitions each. It refuses a topic that has
    /// another number than when the pipeline began to follow it, at the start and while it runs.
    #[must_use]
    pub fn following(mut self, topics: Vec<(TopicName, usize)>) -> Self {
        self.topics = topics;
        self
    }
}

impl Sink for PostgresSink {
    type Body = PostgresBody;
    type Plan = PostgresPlan;
    type Error = PostgresError;
    type Stager = PostgresStager;
    type Writer = PostgresWriter;

    /// What is done here may be done again, so a session that is lost under way is no reason to give up.
    async fn open_lane(&self) -> Result<(PostgresStager, PostgresWriter), PostgresError> {
        let deadline = Instant::now() + self.settings.connect_patience;
        loop {
            match self.try_open_lane().await {
                Err(error) if is_to_look_again(&error, deadline).await => {}
                opened => return opened,
            }
        }
    }
}

impl PostgresSink {
    async fn try_open_lane(&self) -> Result<(PostgresStager, PostgresWriter), PostgresError> {
        let mut session = state::open(&self.settings).await?;
        let pipeline = &self.settings.pipeline;
        let follow = async {
            registry::admit(&mut session, pipeline, self.tables.all()).await?;
            registry::forget_others(&mut session, pipeline, self.tables.all()).await?;
            topics::follow(&mut session, pipeline, &self.topics).await
        };
        let doing = "writing down what the pipeline follows";
        within(self.settings.start_timeout(), doing, follow).await?;
        let lane = self.lanes_opened.fetch_add(1, Ordering::Relaxed);
        let owner = OwnerName::new(pipeline, self.token, lane);
        let (settings, tables) = (Arc::clone(&self.settings), Arc::clone(&self.tables));
        let heads = Arc::new(Heads::new(&tables, settings.letter_masks.clone()));
        let stager = PostgresStager::beside(Arc::clone(&tables), Arc::clone(&heads));
        let writer = PostgresWriter::first(settings, (tables, heads), owner, session).await?;
        Ok((stager, writer))
    }
}
