//! What rules cost a change: none, those that only look, those that make another row.

use std::hint::black_box;
use std::sync::Arc;

use benches::inputs;
use cdc_config::Secret;
use cdc_core::{
    ByteBudget, Change, ChangeEvent, NextOffset, Offset, Origin, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, RowBuffer, RowShape, TableId,
};
use cdc_rules::{
    Comparison, Condition, Deletes, Filter, FilterEffect, Pattern, Rule, RuleKind, RuleSet,
};
use cdc_workload::Operation;
use criterion::{Criterion, Throughput};

const CHANGES: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    rules(&mut criterion);
    criterion.final_summary();
}

fn rules(criterion: &mut Criterion) {
    let shape = inputs::order_shape();
    let rows: Vec<OwnedChange> = inputs::transactions(CHANGES)
        .iter()
        .flat_map(|transaction| &transaction.operations)
        .map(OwnedChange::of)
        .collect();
    let batch = one_record();
    let record = batch.get(0).expect("the batch was made with one record");
    let event = |change| ChangeEvent {
        table: TableId::new(0),
        change,
        origin: Origin::default(),
        emission: None,
        snapshot: None,
        ordinal: 0,
        record,
    };
    let mut group = criterion.benchmark_group("rules");
    group.throughput(Throughput::Elements(u64::try_from(rows.len()).unwrap_or(u64::MAX)));
    for (name, rules) in rule_sets() {
        let mut bound = rules.bind(&shape).expect("the rules name columns of orders");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for change in &rows {
                    let event = event(change.view(&shape));
                    black_box(&bound.apply(&event));
                }
            });
        });
    }
    group.finish();
}

/// From nothing to a hash per row, each a realistic set.
fn rule_sets() -> Vec<(&'static str, RuleSet)> {
    let words = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let set = |kinds: Vec<RuleKind>| RuleSet::new(kinds.into_iter().map(Rule::new).collect());
    let drop_cancelled = RuleKind::Filter(Filter {
        effect: FilterEffect::Drop,
        operations: Vec::new(),
        condition: Some(Condition {
            column: "status".to_owned(),
            comparisons: vec![Comparison::Equals("cancelled".to_owned())],
        }),
        deletes: Deletes::Pass,
    });
    let validate = vec![
        RuleKind::Required { columns: words(&["customer_id", "amount"]) },
        RuleKind::Range {
            column: "amount".to_owned(),
            min: Some("0".to_owned()),
            max: Some("100000".to_owned()),
        },
        RuleKind::Allowed {
            column: "status".to_owned(),
            values: words(&["pending", "shipped", "delivered"]),
        },
        RuleKind::Pattern {
            column: "product_name".to_owned(),
            pattern: Pattern::parse("^(Widget|Gadget) [A-Z]$").expect("it is a valid expression"),
        },
    ];
    let project = vec![
        RuleKind::Rename { column: "amount".to_owned(), to: "price".to_owned() },
        RuleKind::Drop { columns: words(&["updated_at"]) },
    ];
    let hash = vec![RuleKind::Hash { column: "product_name".to_owned(), key: Secret::new("k") }];
    vec![
        ("none", set(Vec::new())),
        ("filter", set(vec![drop_cancelled])),
        ("validate", set(validate)),
        ("project", set(project)),
        ("hash", set(hash)),
    ]
}

/// The rows of an operation.
enum OwnedChange {
    Insert(RowBuffer),
    Update(RowBuffer, RowBuffer),
    Delete(RowBuffer),
}

impl OwnedChange {
    fn of(operation: &Operation) -> Self {
        let cells = inputs::order_cells;
        match operation {
            Operation::Insert(order) => Self::Insert(cells(order)),
            Operation::Update { before, after } => Self::Update(cells(before), cells(after)),
            Operation::Delete(order) => Self::Delete(cells(order)),
        }
    }

    fn view<'e>(&'e self, shape: &'e Arc<RowShape>) -> Change<'e> {
        let row = |cells| inputs::order_row(cells, shape);
        match self {
            Self::Insert(after) => Change::Insert { after: row(after) },
            Self::Update(before, after) => {
                Change::Update { before: Some(row(before)), after: row(after) }
            }
            Self::Delete(before) => Change::Delete { before: row(before) },
        }
    }
}

/// Rules look at rows alone, so one empty record stands for all.
fn one_record() -> RecordBatch {
    let partition = Partition::new("dbserver1.public.orders", 0, 0).expect("it is a valid name");
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    let offset = Offset::try_new(0).expect("zero is an offset");
    builder.push(&RecordParts { offset, timestamp_ms: None, key: None, value: None, headers: &[] });
    builder.finish(ByteBudget::new(1 << 20).charge(0))
}
