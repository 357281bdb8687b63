//! Adapters that put the in-memory ends, honest or broken, under test.

use std::time::Duration;

use cdc_core::{ByteBudget, NextOffset, Partition, Sink, Source};
use cdc_testkit::conformance::sink::{Durable, SinkUnderTest};
use cdc_testkit::conformance::source::SourceUnderTest;
use cdc_testkit::{LogMessage, LogWriter, Warehouse};

/// A sink in memory, made by a function.
pub(crate) struct MemorySinks<F>(pub(crate) F);

impl<S: Sink, F: Fn(Warehouse) -> S> SinkUnderTest for MemorySinks<F> {
    type Sink = S;
    type Place = Warehouse;

    async fn open(&self) -> (S, Warehouse) {
        let warehouse = Warehouse::default();
        ((self.0)(warehouse.clone()), warehouse)
    }

    async fn durable(&self, warehouse: &Warehouse) -> Durable {
        Durable {
            rows: warehouse.rows(),
            checkpoint: warehouse.checkpoint(),
            dead_letters: warehouse.stored_dead_letters(),
        }
    }

    async fn break_sessions(&self, warehouse: &Warehouse) {
        warehouse.cut_sessions();
    }

    fn refused_texts(&self) -> Vec<String> {
        vec!["poison".to_owned(), "curse".to_owned()]
    }
}

/// A source in memory, made by a function.
pub(crate) struct MemorySources<F> {
    pub(crate) start: F,
    pub(crate) patience: Duration,
}

/// A log, and the partitions in it.
pub(crate) struct Place {
    log: LogWriter,
    partitions: Vec<Partition>,
}

impl<S: Source, F: Fn(LogWriter, ByteBudget) -> S> SourceUnderTest for MemorySources<F> {
    type Source = S;
    type Place = Place;

    async fn create(&self, partitions: i32) -> Place {
        let partitions = (0..partitions).map(|number| Partition::new("log", 0, number).unwrap());
        Place { log: LogWriter::default(), partitions: partitions.collect() }
    }

    async fn start(&self, place: &Place, budget: ByteBudget) -> S {
        place.log.assign(place.partitions.clone());
        (self.start)(place.log.clone(), budget)
    }

    fn partition(&self, place: &Place, number: i32) -> Partition {
        place.partitions[usize::try_from(number).unwrap()].clone()
    }

    async fn append(&self, place: &Place, partition: &Partition, messages: &[LogMessage<'_>]) {
        for message in messages {
            place.log.append_message(partition, message);
        }
    }

    async fn forget_before(&self, place: &Place, partition: &Partition, begins: NextOffset) {
        place.log.forget_before(partition, begins);
    }

    async fn create_again(&self, place: &Place) {
        for partition in &place.partitions {
            place.log.create_again(partition);
        }
    }

    async fn revoke_some(&self, place: &mut Place) {
        place.log.revoke(vec![place.partitions[0].clone()]);
    }

    async fn give_back(&self, place: &mut Place) {
        place.log.assign(vec![place.partitions[0].clone()]);
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}
