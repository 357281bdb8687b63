//! A topic whose number of partitions changed under a pipeline that has progress in it.

use cdc_core::{Partition, Sink as _, TopicName, Writer as _};
use cdc_postgres::{Mode, PostgresError, PostgresSink};

use crate::support::{Op, Warehouse, order, table};

#[tokio::test]
async fn f31_partitions_that_were_added_are_refused_at_the_start_and_while_running() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables.clone()).await;
    let topic = lane.partition.topic().as_str().to_owned();
    let sink = |count| {
        let topics = vec![(TopicName::parse(&topic).unwrap(), count)];
        PostgresSink::new(warehouse.settings(), tables.clone()).following(topics)
    };
    // Nothing is applied yet, so any number is as good as another.
    sink(1).open_lane().await.unwrap();
    let (_, mut running) = sink(2).open_lane().await.unwrap();
    lane.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    for count in [1, 3] {
        let Err(error) = sink(count).open_lane().await else { panic!("{count} partitions") };
        assert!(matches!(error, PostgresError::Occupied { .. }), "{error}");
        assert!(error.to_string().contains("had 2 when"), "{error}");
    }
    sink(2).open_lane().await.unwrap();
    let partition = |number| Partition::new(&topic, 0, number).unwrap();
    running.acquire(&[partition(1)]).await.unwrap();
    let error = running.acquire(&[partition(2)]).await.unwrap_err();
    assert!(matches!(error, PostgresError::Occupied { .. }), "{error}");
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.checkpoint WHERE partition = 2"), "0");
}
