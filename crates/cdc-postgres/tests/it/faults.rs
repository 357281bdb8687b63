//! Troubles of the server in the middle of a batch: nothing is written, no row is blamed, and the same
//! batch is written when they are over. Each is one that the server has itself, but for a disk and a
//! memory that are full, whose answer is given by a trigger.

use std::time::Duration;

use cdc_config::Secret;
use cdc_core::{Classify as _, ErrorClass, Halt, NextOffset, ResumePoint, Writer as _};
use cdc_postgres::{Mode, PostgresError, PostgresSettings};
use cdc_stack::postgres::Cluster;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::mirror::HARD;
use crate::support::{Lane, Op, Warehouse, order, table};

/// Rows, dead letters, and where the log has been applied to.
const STATE: &str = "SELECT (SELECT count(*) FROM orders_fact), (SELECT count(*) FROM \
                     cdc.dead_letter), (SELECT max(next_offset) FROM cdc.checkpoint)";

/// A lane that has written one order, so that it has planned its table.
async fn lane(adapt: impl FnOnce(&Warehouse, &mut PostgresSettings)) -> (Warehouse, Lane) {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut settings = warehouse.settings();
    adapt(&warehouse, &mut settings);
    let mut lane = Lane::open(settings, tables).await;
    lane.write(&[Op::Insert(order(1, 100, "first"))]).await;
    assert_eq!(warehouse.sql(STATE), "1|0|101");
    (warehouse, lane)
}

fn second() -> [Op; 1] {
    [Op::Insert(order(2, 100, "second"))]
}

/// Has each order that is written run this before.
fn before_each_order(warehouse: &Warehouse, statement: &str) {
    warehouse.sql(&format!(
        "CREATE OR REPLACE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             {statement}; RETURN NEW; END $$;
         CREATE TRIGGER trouble BEFORE INSERT ON orders_fact FOR EACH ROW
             EXECUTE FUNCTION public.trouble()"
    ));
}

/// Fails with this code whenever it is tried, without a trace; and succeeds in the same session once
/// the trouble is over.
async fn passes(warehouse: &Warehouse, lane: &mut Lane, code: &str) {
    for _ in 0..3 {
        let error = lane.try_write(&second()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient, "{code}: {error}");
        let PostgresError::Server { sqlstate, .. } = &error else { panic!("{code}: {error}") };
        assert_eq!(sqlstate, code);
        assert_eq!(warehouse.sql(STATE), "1|0|101", "{code}");
    }
    warehouse.sql("DROP TRIGGER trouble ON orders_fact");
    lane.write(&second()).await;
    assert_eq!(warehouse.sql(STATE), "2|0|102", "{code}");
}

#[tokio::test]
async fn f55_f60_f62_f109_a_full_disk_or_memory_or_a_conflict_is_repeated_until_it_is_over() {
    for (code, advice) in [("40001", None), ("53100", Some("free disk space")), ("53200", None)] {
        let (warehouse, mut lane) = lane(|_, _| ()).await;
        before_each_order(&warehouse, &format!("RAISE EXCEPTION 'no' USING ERRCODE = '{code}'"));
        let error = lane.try_write(&second()).await.unwrap_err();
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(advice.unwrap_or_default()), "{code}: {hint}");
        passes(&warehouse, &mut lane, code).await;
    }
}

#[tokio::test]
async fn f53_a_server_that_has_become_read_only_is_tried_again() {
    let (warehouse, mut lane) = lane(|_, _| ()).await;
    // What comes after the rows, the step of the checkpoint, is refused then by the server itself.
    before_each_order(&warehouse, "PERFORM set_config('transaction_read_only', 'on', true)");
    passes(&warehouse, &mut lane, "25006").await;
}

#[tokio::test]
async fn f57_a_statement_that_takes_too_long_is_cancelled_and_tried_again() {
    let limit = |_: &Warehouse, settings: &mut PostgresSettings| {
        settings.statement_timeout = Duration::from_millis(200);
    };
    let (warehouse, mut lane) = lane(limit).await;
    before_each_order(&warehouse, "PERFORM pg_sleep(20)");
    passes(&warehouse, &mut lane, "57014").await;
}

#[tokio::test]
async fn f54_a_deadlock_costs_the_batch_nothing_but_another_try() {
    let (warehouse, mut lane) = lane(|warehouse, _| {
        let short = format!("ALTER DATABASE {} SET deadlock_timeout = '50ms'", warehouse.database);
        warehouse.sql(&short);
    })
    .await;
    let database = warehouse.database.clone();
    // The batch has the table and wants the checkpoint; this one the other way round.
    let other = tokio::task::spawn_blocking(move || {
        let sql = "SET deadlock_timeout = '1min'; BEGIN; SELECT FROM cdc.checkpoint FOR UPDATE;
             DO $$ BEGIN LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted
                 AND pg_backend_pid() = ANY (pg_blocking_pids(pid))); PERFORM pg_sleep(0.005);
             END LOOP; END $$;
             LOCK TABLE orders_fact; COMMIT";
        Cluster::shared().psql(&database, sql).unwrap();
    });
    while warehouse.sql(
        "SELECT count(*) FROM pg_locks WHERE relation = 'cdc.checkpoint'::regclass
            AND mode = 'RowShareLock' AND pid <> pg_backend_pid()",
    ) == "0"
    {}
    let error = lane.try_write(&second()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error}");
    let PostgresError::Server { reason, .. } = &error else { panic!("{error}") };
    assert_eq!(*reason, "deadlock");
    other.await.unwrap();
    assert_eq!(warehouse.sql(STATE), "1|0|101");
    lane.write(&second()).await;
    assert_eq!(warehouse.sql(STATE), "2|0|102");
}

/// A role that may do what the pipeline does, and no more.
fn role(warehouse: &Warehouse, options: &str) -> String {
    let role = format!("writer_{}", warehouse.database);
    warehouse.sql(&format!(
        "CREATE ROLE {role} LOGIN {options}; GRANT USAGE ON SCHEMA cdc TO {role};
         GRANT ALL ON ALL TABLES IN SCHEMA cdc, public TO {role};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA cdc, public TO {role}"
    ));
    role
}

fn as_role(warehouse: &Warehouse, settings: &mut PostgresSettings, role: &str) {
    settings.url = Secret::new(Cluster::shared().url_for(role, &warehouse.database));
}

#[tokio::test]
async fn f59_a_server_without_a_free_connection_is_waited_for() {
    let mut url = String::new();
    let (warehouse, mut lane) = lane(|warehouse, settings| {
        let role = role(warehouse, "CONNECTION LIMIT 1");
        as_role(warehouse, settings, &role);
        settings.connect_patience = Duration::from_millis(100);
        url = settings.url.expose().to_owned();
    })
    .await;
    warehouse.sql("SELECT pg_terminate_backend(backend_pid) FROM cdc.checkpoint");
    let taken = loop {
        if let Ok(taken) = PgConnection::connect(&url).await {
            break taken;
        }
    };
    lane.try_write(&second()).await.unwrap_err();
    let error = lane.writer.acquire(std::slice::from_ref(&lane.partition)).await.unwrap_err();
    let said = cdc_core::with_causes(&error);
    assert!(said.contains("too many connections"), "{said}");
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{said}");
    taken.close().await.unwrap();
    let next = ResumePoint::At(NextOffset::try_new(101).unwrap());
    // The server counts the connection until its process has gone.
    while lane.writer.acquire(std::slice::from_ref(&lane.partition)).await.is_err() {}
    assert_eq!(lane.acquire().await, next);
    lane.write(&second()).await;
    assert_eq!(warehouse.sql(STATE), "2|0|102");
}

#[tokio::test]
async fn f63_f109_f110_a_right_that_is_taken_away_halts_and_no_row_is_parked_or_lost() {
    let mut name = String::new();
    let (warehouse, mut lane) = lane(|warehouse, settings| {
        name = role(warehouse, "");
        as_role(warehouse, settings, &name);
    })
    .await;
    // Of these the second is refused, so that there is a dead letter to write.
    let ops = [
        Op::Insert(order(2, 100, "second")),
        Op::Insert(order(3, 100, &"x".repeat(51))),
        Op::Insert(order(4, 100, "fourth")),
    ];
    for target in ["orders_fact", "cdc.dead_letter", "cdc.checkpoint", "cdc.ledger"] {
        warehouse.sql(&format!("REVOKE ALL ON {target} FROM {name}"));
        let error = lane.try_write(&ops).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment), "{target}: {error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains("`cdc-pipeline check` prints the statement"), "{target}: {hint}");
        assert_eq!(warehouse.sql(STATE), "1|0|101", "{target}");
        warehouse.sql(&format!("GRANT ALL ON {target} TO {name}"));
    }
    lane.write(&ops).await;
    assert_eq!(warehouse.sql(STATE), "3|1|104");
}

/// A port whose first session that says `COMMIT` gets no answer: when the server has heard it, the
/// session is broken off.
async fn deaf_to_the_answer_of_a_commit() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut is_armed = true;
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let at = ("127.0.0.1", Cluster::shared().port());
            let mut server = TcpStream::connect(at).await.unwrap();
            if !std::mem::take(&mut is_armed) {
                tokio::spawn(async move {
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
                });
                continue;
            }
            tokio::spawn(async move {
                let mut commits = 0;
                let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                loop {
                    tokio::select! {
                        read = client.read(&mut up) => {
                            let said = &up[..read.unwrap_or(0)];
                            if said.is_empty() {
                                return;
                            }
                            commits += usize::from(said.windows(6).any(|word| word == b"COMMIT"));
                            server.write_all(said).await.unwrap();
                        }
                        read = server.read(&mut down) => {
                            // The first batch commits as usual.
                            if commits > 1 {
                                return;
                            }
                            client.write_all(&down[..read.unwrap_or(0)]).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn f50_a_commit_whose_answer_was_lost_is_looked_up_and_not_repeated() {
    let port = deaf_to_the_answer_of_a_commit().await;
    let (warehouse, mut lane) = lane(|warehouse, settings| {
        let database = &warehouse.database;
        settings.url = Secret::new(format!("postgres://postgres@127.0.0.1:{port}/{database}"));
    })
    .await;
    let error = lane.try_write(&second()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    assert_eq!(warehouse.sql(STATE), "2|0|102", "the server has heard COMMIT");
    // Whoever asks is told where to go on, so that nothing is sent again.
    assert_eq!(lane.acquire().await, ResumePoint::At(NextOffset::try_new(102).unwrap()));
    // And who sends it all the same changes nothing.
    let error = lane.try_write(&second()).await.unwrap_err();
    assert!(matches!(error, PostgresError::Fenced { .. }), "{error}");
    assert_eq!(warehouse.sql(STATE), "2|0|102");
}

#[tokio::test]
async fn f71_a_row_that_somebody_put_in_the_way_by_hand_is_replaced_or_parked_beside_it() {
    let mirror = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&mirror).await;
    let mut mirror = warehouse.lane(mirror).await;
    warehouse.sql(
        "INSERT INTO orders_current (order_id, customer_id, status, cdc_generation, cdc_offset)
         SELECT id, 7, 'by hand', 0, 0 FROM generate_series(1, 400) AS id",
    );
    let ops: Vec<Op> = (1..=800).map(|id| Op::Insert(order(id, 100, "log"))).collect();
    assert_eq!(mirror.write(&ops).await, []);
    let rows = "SELECT status, count(*) FROM orders_current GROUP BY status";
    assert_eq!(warehouse.sql(rows), "log|800", "a mirror is as the log says");

    let (warehouse, mut lane) = lane(|warehouse, _| {
        warehouse.sql("CREATE UNIQUE INDEX one_row_of_an_order ON orders_fact (order_id)");
    })
    .await;
    warehouse.sql(
        "INSERT INTO orders_fact (order_id, status, cdc_generation, cdc_partition, cdc_offset, cdc_ordinal)
         VALUES (2, 'by hand', 0, 3, 0, 0)",
    );
    let ops = [1, 2, 3].map(|id| Op::Insert(order(id + 10 * i32::from(id != 2), 100, "log")));
    let letters = lane.write(&ops).await;
    let reasons: Vec<_> = letters.iter().map(|letter| &*letter.rejection.reason).collect();
    assert_eq!(reasons, ["unique"]);
    assert_eq!(letters[0].at.record, 1);
    assert!(letters[0].rejection.hint.as_ref().unwrap().contains("the row that stands there"));
    let rows =
        "SELECT string_agg(order_id || ' ' || status, ', ' ORDER BY order_id) FROM orders_fact";
    assert_eq!(
        warehouse.sql(rows),
        "1 first, 2 by hand, 11 log, 13 log",
        "both versions are there"
    );
    assert_eq!(warehouse.sql(STATE), "4|1|104");
}

#[tokio::test]
async fn f106_one_bad_row_among_ten_thousand_costs_one_more_copy() {
    let (warehouse, mut lane) = lane(|_, _| ()).await;
    warehouse.sql(
        "CREATE SEQUENCE public.copies;
         CREATE FUNCTION public.count_copies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM nextval('public.copies'); RETURN NULL; END $$;
         CREATE TRIGGER count_copies BEFORE INSERT ON orders_fact FOR EACH STATEMENT
             EXECUTE FUNCTION public.count_copies();
         ALTER TABLE orders_fact ADD CONSTRAINT cheap CHECK (amount < 500)",
    );
    let ops: Vec<Op> = (0..10_000)
        .map(|id| Op::Insert(order(id, if id == 7_777 { 50_000 } else { 100 }, "order")))
        .collect();
    let letters = lane.write(&ops).await;
    assert_eq!(letters.iter().map(|letter| letter.at.record).collect::<Vec<_>>(), [7_777]);
    assert_eq!(warehouse.sql(STATE), "10000|1|10101");
    assert_eq!(warehouse.sql("SELECT last_value FROM public.copies"), "2");
}

#[tokio::test]
async fn f58_sessions_that_are_ended_again_and_again_lose_and_repeat_nothing() {
    let (warehouse, mut lane) = lane(|_, _| ()).await;
    for id in 2..22 {
        let ops = [Op::Insert(order(id, 100, "again"))];
        warehouse.sql("SELECT pg_terminate_backend(backend_pid) FROM cdc.checkpoint");
        let error = lane.try_write(&ops).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
        lane.acquire().await;
        lane.write(&ops).await;
    }
    assert_eq!(warehouse.sql(STATE), "21|0|121");
}

#[tokio::test]
async fn f58_a_session_that_was_idle_for_too_long_inside_a_transaction_is_opened_again() {
    let idle = |_: &Warehouse, settings: &mut PostgresSettings| {
        settings.idle_in_transaction_timeout = Duration::from_millis(100);
    };
    let (warehouse, mut lane) = lane(idle).await;
    let batch = lane.staged(&second()).await;
    lane.writer.prepare(&batch).await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND state = 'idle in transaction'";
    while warehouse.sql(open) != "0" {}
    let error = lane.writer.apply(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    lane.acquire().await;
    lane.writer.apply(&batch).await.unwrap();
    assert_eq!(warehouse.sql(STATE), "2|0|102");
}
