//! What has to be true of the source before anything is read, and what is said when it is not.

use cdc_core::{Halt, SourceTable};

use super::known::KnownTable;
use super::place::Incarnation;
use super::worker::Worker;
use crate::catalog::TableCatalog;
use crate::frame::RelationDescription;
use crate::lsn::Lsn;
use crate::slot::{SlotState, SystemIdentity};
use crate::source::TablePlace;
use crate::wire::{Client, Purpose};
use crate::{ReplicationError, catalog, publication, slot};

/// What to do where changes are missing or cannot be told from others.
const BEGIN_ANEW: &str = "to read the tables again in a new generation, drop the slot on the source \
    (SELECT pg_drop_replication_slot('…')), then run `cdc-pipeline accept-incarnation --topic …` with \
    the name of the slot";

impl Worker {
    /// Looks at the server, the tables and the publication.
    pub(crate) async fn prepare(&mut self, tables: &[SourceTable]) -> Result<(), ReplicationError> {
        let mut client = Client::connect(&self.settings, Purpose::Replication).await?;
        let identity = slot::identify(&mut client).await?;
        client.close().await;
        self.database.clone_from(&identity.database);
        self.identity = Some(Incarnation::of(&identity));
        let publication = self.settings.publication.clone();
        let sql = self.sql().await?;
        let catalogs = catalog::load(sql, tables).await?;
        // A publication with such a table would make the source refuse its own users' updates.
        if let Some(finding) = catalogs.iter().find_map(TableCatalog::identity_finding) {
            let (message, fix) = (finding.message, finding.fix);
            return Err(ReplicationError::Setup { halt: Halt::Data, message, fix });
        }
        for catalog in &catalogs {
            for (column, sql_type) in catalog.left_out() {
                tracing::warn!(table = %catalog.table, column, sql_type, "a column of a type that is not followed is left out");
            }
        }
        publication::ensure(sql, &publication, tables, true).await?;
        let known = catalogs
            .into_iter()
            .map(|catalog| Ok(KnownTable { partition: self.partition_of(catalog.oid)?, catalog }));
        self.known = known.collect::<Result<_, ReplicationError>>()?;
        Ok(())
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.identity.unwrap_or(Incarnation { system_id: 0, timeline: 0 })
    }

    /// Refuses another server, and the same one after it was restored or promoted.
    pub(crate) fn must_be_the_same(
        &self,
        identity: &SystemIdentity,
    ) -> Result<(), ReplicationError> {
        let found = Incarnation::of(identity);
        for known in self.remembered()? {
            if known != found {
                return Err(another_server(known, found));
            }
        }
        Ok(())
    }

    /// The servers that the sink's places name.
    fn remembered(&self) -> Result<Vec<Incarnation>, ReplicationError> {
        let mut remembered = Vec::new();
        for table in &self.known {
            remembered.extend(self.table_place(table)?.map(|place| place.of()));
        }
        let stream = self.outbox.standing(&self.stream_partition);
        let place = stream.and_then(|standing| standing.place);
        let place = place.as_deref().and_then(super::place::StreamPlace::parse);
        remembered.extend(place.map(|place| place.of));
        Ok(remembered)
    }

    /// From where the slot streams, as the snapshots of the tables have it.
    pub(crate) fn slot_began_at(&self) -> Result<Option<Lsn>, ReplicationError> {
        let mut began: Option<TablePlace> = None;
        for table in &self.known {
            began = began.or(self.table_place(table)?);
        }
        Ok(began.map(|place| Lsn::new(place.slot)))
    }

    /// Shows the state of the slot, and refuses one that is lost.
    pub(crate) fn note_slot(&self, state: Option<&SlotState>) -> Result<(), ReplicationError> {
        let Some(state) = state else { return Err(self.slot_is_gone()) };
        let safe = state.safe_wal_size.map(|bytes| u64::try_from(bytes).unwrap_or_default());
        self.status.set_slot(state.wal_status, state.retained.unwrap_or_default(), safe);
        if state.is_invalid() {
            let reason =
                state.invalidation.as_deref().unwrap_or("the source has removed log that it needs");
            let message = format!("the slot {} is lost: {reason}", self.settings.slot);
            return Err(self.begin_anew(message));
        }
        Ok(())
    }

    pub(crate) fn slot_is_gone(&self) -> ReplicationError {
        let slot = &self.settings.slot;
        let message = format!(
            "the slot {slot} is gone, and what was committed since the last position is not kept anywhere"
        );
        self.begin_anew(message)
    }

    pub(crate) fn slot_was_moved(&self, confirmed: Lsn, known: Lsn) -> ReplicationError {
        let slot = &self.settings.slot;
        let message = format!(
            "the slot {slot} stands at {confirmed}, behind {known}, where this pipeline stands: \
             somebody else has read from it, or made it anew"
        );
        self.begin_anew(message)
    }

    pub(crate) fn source_went_back(&self, end: Lsn, known: Lsn) -> ReplicationError {
        let message = format!(
            "the source's log ends at {end}, before {known}, where this pipeline stands: the source was \
             restored, and what it commits until there would be missing"
        );
        self.begin_anew(message)
    }

    pub(crate) fn no_way_back(&self) -> ReplicationError {
        let slot = &self.settings.slot;
        let message = format!(
            "the warehouse does not say where in the source its last change of {slot} stands"
        );
        self.begin_anew(message)
    }

    pub(crate) fn publication_is_younger(&self, answer: &ReplicationError) -> ReplicationError {
        let (slot, publication) = (&self.settings.slot, &self.settings.publication);
        let message = format!(
            "the slot {slot} streams from before the publication {publication} was made: {answer}"
        );
        self.begin_anew(message)
    }

    fn begin_anew(&self, message: String) -> ReplicationError {
        let fix = BEGIN_ANEW.replace("('…')", &format!("('{}')", self.settings.slot));
        ReplicationError::Setup { halt: Halt::Data, message, fix }
    }
}

/// The same where the slot has no name at hand.
fn begin_anew(message: String) -> ReplicationError {
    ReplicationError::Setup { halt: Halt::Data, message, fix: BEGIN_ANEW.to_owned() }
}

fn another_server(known: Incarnation, found: Incarnation) -> ReplicationError {
    let Incarnation { system_id, timeline } = known;
    let message = if system_id == found.system_id {
        format!(
            "the source follows timeline {}, the warehouse was filled from timeline {timeline}: the \
             source was restored or a standby was promoted, and changes may have been lost",
            found.timeline
        )
    } else {
        format!(
            "the source is the system {}, the warehouse was filled from the system {system_id}",
            found.system_id
        )
    };
    begin_anew(message)
}

/// The stream begins with the change that is known; a log without it is another one.
pub(crate) fn another_log(known: Lsn, found: Lsn) -> ReplicationError {
    let message = format!(
        "the source's log has no transaction at {known}, where this pipeline stands, and goes on at {found}: \
         the source was restored, and has committed others until there"
    );
    begin_anew(message)
}

/// A truncate that a snapshot of the rest of the table saw, and the one of its beginning did not.
pub(crate) fn truncated_between(relation: &RelationDescription) -> ReplicationError {
    let (schema, table) = (&relation.schema, &relation.table);
    let message = format!(
        "{schema}.{table} was truncated between two parts of its snapshot, which was interrupted: which \
         rows it removed cannot be told"
    );
    begin_anew(message)
}

pub(crate) fn unusable_topic(error: &cdc_core::CheckpointError) -> ReplicationError {
    ReplicationError::Setup {
        halt: Halt::Configuration,
        message: format!("cannot name a log after the slot: {error}"),
        fix: "choose another name as `source.postgres.slot`".to_owned(),
    }
}

pub(crate) fn oid_too_large(oid: u32) -> ReplicationError {
    ReplicationError::Setup {
        halt: Halt::Environment,
        message: format!("the table has the number {oid}, which is more than 31 bits hold"),
        fix: "create the table again in a database with smaller numbers, or read it through Debezium \
              with `[source.kafka]`"
            .to_owned(),
    }
}
