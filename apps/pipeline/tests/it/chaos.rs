//! A short campaign of faults against the program, and proof that its oracle would see damage.

use std::path::PathBuf;

use cdc_chaos::{
    Invariant, Met, Options, SHORT_FAULTS as FAULTS, SHORT_SEED as SEED, Tempo, Violation, play,
};

#[test]
fn forty_faults_under_load_violate_nothing_and_damage_afterwards_is_named() {
    let options = Options {
        seed: SEED,
        faults: FAULTS,
        tempo: Tempo::Scaled,
        pipeline: PathBuf::from(env!("CARGO_BIN_EXE_cdc-pipeline")),
        replayer: None,
        logs: None,
    };
    let finished = play(&options, |fault| println!("{fault:?}")).unwrap();
    let campaign = &finished.campaign;
    assert_eq!(campaign.violations, [], "chaos --seed {SEED} --faults {FAULTS} --scaled");
    assert_eq!(campaign.faults.len(), FAULTS);
    assert!(campaign.traffic.changes > 1_000, "{:?}", campaign.traffic);
    assert!(campaign.traffic.dead_letters > 0, "{:?}", campaign.traffic);
    assert!(
        campaign.faults.iter().any(|fault| fault.met == Met::Window),
        "nothing met a transaction between compare-and-set and COMMIT"
    );

    let victim = "create temporary table victim on commit drop as select * from movements \
         where operation_type = 'u' order by abs(cdc_offset - (select max(cdc_offset) / 2 from \
         movements)), cdc_partition limit 1";
    let of_victim = "from victim where (m.cdc_partition, m.cdc_offset) = (victim.cdc_partition, \
                     victim.cdc_offset)";
    let named = |damage: &str| {
        let found = finished.violations_after(&format!("{victim}; {damage}")).unwrap();
        invariants(&found)
    };
    assert_eq!(named("select 1 where false"), [], "nothing is damaged");
    let lost = named(
        "delete from movements as m using victim where (m.cdc_partition, m.cdc_offset) \
                      = (victim.cdc_partition, victim.cdc_offset)",
    );
    for expected in [Invariant::NoLoss, Invariant::Order, Invariant::LedgerSums] {
        assert!(lost.contains(&expected), "{expected:?} is not in {lost:?}");
    }
    let doubled = named("insert into movements select * from victim");
    for expected in [Invariant::NoDuplicate, Invariant::Order, Invariant::LedgerSums] {
        assert!(doubled.contains(&expected), "{expected:?} is not in {doubled:?}");
    }
    let changed = named(&format!(
        "update movements as m set amount = coalesce(m.amount, 0) + 0.01 {of_victim}"
    ));
    for expected in [Invariant::NothingInvented, Invariant::Order] {
        assert!(changed.contains(&expected), "{expected:?} is not in {changed:?}");
    }
    let stale = named("update stock set version = version - 1 where key = 1");
    assert_eq!(stale, [Invariant::EqualsSource]);
    let moved = named("update cdc.checkpoint set next_offset = next_offset + 1");
    assert_eq!(moved, [Invariant::CheckpointIsHead]);
    let hole = named("delete from cdc.ledger where first_offset = 0");
    assert!(hole.contains(&Invariant::LedgerWithoutHoles), "{hole:?}");
    let unread = named("delete from cdc.dead_letter");
    assert_eq!(unread, [Invariant::LedgerSums, Invariant::DeadLetters]);
}

fn invariants(violations: &[Violation]) -> Vec<Invariant> {
    let mut found: Vec<_> = violations.iter().map(|violation| violation.invariant).collect();
    found.sort();
    found.dedup();
    found
}
