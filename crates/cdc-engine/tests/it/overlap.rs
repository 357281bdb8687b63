//! Faults that meet a batch while the next one is prepared behind it.

use cdc_engine::{Outcome, StopWhen};
use cdc_testkit::Fault;

use crate::rig::{Rig, Running, eventually, partition};

/// Records that are appended at a time.
const STEP: i64 = 10;

/// A pipeline of one lane on one partition, with a batch being applied and one prepared behind it
/// whenever a fault happens.
struct Overlapped {
    rig: Rig,
    running: Running,
    appended: i64,
}

impl Overlapped {
    async fn open() -> Self {
        let rig = Rig::default();
        rig.log.assign(vec![partition(0)]);
        let running = rig.open(1, StopWhen::Asked).await;
        Self { rig, running, appended: 0 }
    }

    /// Appends records, of which the first has this text.
    fn append(&mut self, first: &str) {
        let text = |step| if step == 0 { first } else { "row" };
        let records: Vec<_> =
            (0..STEP).map(|step| format!("c {} {}", self.appended + step, text(step))).collect();
        // At once, so that no batch is a single row, which somebody else could apply as a whole.
        self.rig.log.append_together(&partition(0), &records);
        self.appended += STEP;
    }

    /// Has one batch being applied and another prepared behind it. Each begins with the given text.
    async fn overlap(&mut self, front: &str, behind: &str) {
        let warehouse = self.rig.warehouse.clone();
        let before = warehouse.prepared_behind();
        warehouse.hold_applies();
        self.append(front);
        eventually("a batch is being applied", || warehouse.applying() == 1).await;
        self.append(behind);
        eventually("the next is prepared", || warehouse.prepared_behind() > before).await;
    }

    /// Lets faults happen to the batch in front, and waits until everything is applied.
    async fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        let warehouse = &self.rig.warehouse;
        self.rig.script(faults);
        warehouse.let_applies_go();
        let wanted = usize::try_from(self.appended).unwrap();
        let settled = || warehouse.rows().len() + warehouse.dead_letters().len() >= wanted;
        eventually("everything is settled", settled).await;
    }

    /// Stops, and holds the outcome to what was appended.
    async fn end(self, dead: &[i64]) {
        let Self { rig, running, appended } = self;
        running.stop.ask();
        assert_eq!(running.end().await.unwrap(), Outcome::Stopped);
        assert_eq!(rig.warehouse.faults_left(), 0);
        let keys: Vec<_> = rig.warehouse.rows().iter().map(|row| row.key).collect();
        let good: Vec<_> = (0..appended).filter(|key| !dead.contains(key)).collect();
        assert_eq!(keys, good, "each once and in order");
        let letters = rig.warehouse.dead_letters();
        let letters: Vec<_> = letters.iter().map(|(_, offset, _)| offset.get()).collect();
        assert_eq!(letters, dead);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_prepared_while_the_one_in_front_is_applied() {
    let mut overlapped = Overlapped::open().await;
    for _ in 0..10 {
        overlapped.overlap("row", "row").await;
        overlapped.fail([Fault::None]).await;
    }
    assert_eq!(overlapped.rig.warehouse.abandoned(), 0, "nothing failed");
    overlapped.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_batch_in_front_the_prepared_one_follows_it_once() {
    // The order matters: each fault meets writers that the one before has left in another state.
    let faults = [
        vec![Fault::Busy],
        vec![Fault::LostBefore],
        vec![Fault::LostReply],
        vec![Fault::Overtaken],
        vec![Fault::LostBefore, Fault::Busy, Fault::LostReply],
        vec![Fault::Overtaken],
        vec![Fault::Busy, Fault::LostReply],
        vec![Fault::LostReply],
        vec![Fault::Busy, Fault::Overtaken],
        vec![Fault::LostBefore],
    ];
    let mut overlapped = Overlapped::open().await;
    for (round, faults) in (1..).zip(faults) {
        overlapped.overlap("row", "row").await;
        overlapped.fail(faults).await;
        assert_eq!(overlapped.rig.warehouse.abandoned(), round, "one was prepared behind");
    }
    assert!(overlapped.rig.log.rewinds() > 0, "what another process moved is read again");
    overlapped.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_in_front_of_a_prepared_batch_becomes_a_dead_letter() {
    let mut overlapped = Overlapped::open().await;
    overlapped.overlap("curse", "row").await;
    overlapped.fail([]).await;
    overlapped.overlap("curse", "row").await;
    overlapped.fail([Fault::LostBefore]).await;
    assert_eq!(overlapped.rig.warehouse.abandoned(), 2, "one was prepared behind each");
    overlapped.end(&[0, 20]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_when_it_is_prepared_waits_for_the_batch_in_front() {
    for fault in [Fault::None, Fault::Busy, Fault::LostReply, Fault::Overtaken] {
        let mut overlapped = Overlapped::open().await;
        overlapped.overlap("row", "poison").await;
        overlapped.fail([fault]).await;
        overlapped.end(&[10]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_prepared_when_its_partition_is_taken_over_is_read_again() {
    let mut overlapped = Overlapped::open().await;
    overlapped.overlap("row", "row").await;
    overlapped.rig.warehouse.take_over(&[partition(0)]);
    overlapped.fail([]).await;
    overlapped.end(&[]).await;
}
