//! The built program on a source that it reads itself. No test below starts Kafka.
//!
//! Start reading at [`Busy`]: a source that keeps its own account of what happened to each row.

mod again;
mod crashes;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cdc_stack::postgres::Cluster;

use crate::rig::{Deployment, Mode, Source, Warehouse, assert_equal, assert_no_dead_letters};

/// Beside each change its account, in the same transaction.
const ACCOUNT: &str = "
    create table account (n bigserial primary key, order_id int, what text);
    create function note(order_id int, op text) returns void language sql as $$
        insert into account (order_id, what)
        select $1, $2 || (pg_current_xact_id()::text::bigint & 4294967295) $$;
    create function note_change() returns trigger language plpgsql as $$ begin
        if tg_op = 'UPDATE' and old.order_id = new.order_id then
            perform note(new.order_id, 'u'); return null;
        end if;
        if tg_op <> 'INSERT' then perform note(old.order_id, 'd'); end if;
        if tg_op <> 'DELETE' then perform note(new.order_id, 'c'); end if;
        return null;
    end $$;
    create trigger note after insert or update or delete on orders
        for each row execute function note_change();";

/// Keys that changed are beyond those that the sequence gives.
const MOVED_BY: u32 = 10_000_000;

/// A source under load that keeps an account of what happened to each row.
#[derive(Debug)]
struct Busy {
    source: Source,
}

impl Busy {
    /// A source with this many orders.
    fn on(cluster: &'static Cluster, name: &str, orders: u32) -> Self {
        let source = Source::on(cluster, name);
        source.run(ACCOUNT);
        source.run(&format!(
            "insert into orders (customer_id, product_name, amount, status) \
             select n, repeat('y', n % 90), n / 100.0, 'new' from generate_series(1, {orders}) as n; \
             analyze orders"
        ));
        Self { source }
    }

    /// One transaction of some hundred changes of all kinds. The source may be away.
    fn change(&self, number: u32) -> bool {
        let (changed, removed) = (number % 97, number % 211);
        let sql = format!(
            "begin; \
             insert into orders (customer_id, product_name, amount, status) \
             select n, repeat('x', n % 50), n / 100.0, 'late' from generate_series(1, 100) as n; \
             savepoint given_up; update orders set amount = 0 where order_id % 97 = 5; \
             rollback to given_up; \
             update orders set amount = amount + 1, status = 'changed' where order_id % 97 = {changed}; \
             delete from orders where order_id % 211 = {removed}; \
             update orders set order_id = order_id + {MOVED_BY} \
             where order_id = (select min(order_id) from orders); \
             commit"
        );
        self.source.try_run(&sql).is_ok()
    }

    /// Changes until it is told to stop. How often it succeeded.
    fn change_until(&self, stop: &AtomicBool) -> u32 {
        let mut changed = 0;
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            changed += u32::from(self.change(number));
            thread::sleep(Duration::from_millis(60));
        }
        changed
    }

    /// Both kinds of pipeline on it, which read the snapshot in small pieces.
    fn deployments<'c>(&self, name: &str, cluster: &'c Cluster) -> [Deployment<'c>; 2] {
        Mode::BOTH.map(|mode| self.deployment(name, mode, cluster))
    }

    fn deployment<'c>(&self, name: &str, mode: Mode, cluster: &'c Cluster) -> Deployment<'c> {
        let name = format!("{name}_{}", mode.word());
        let warehouse = Warehouse::on(cluster, &name);
        let mut deployment = Deployment::native(&name, mode, &self.source, warehouse);
        deployment.native = Some("chunk_rows = 500\nheartbeat = \"500ms\"\n".to_owned());
        deployment.initialised()
    }

    /// Fails unless the warehouse shows what the source has, every change once.
    #[track_caller]
    fn assert_arrived(&self, deployment: &Deployment<'_>) {
        assert_no_dead_letters(deployment);
        let books = deployment.execute(&["ledger"]).expect_code(0).stdout;
        let verdict = books.lines().last().unwrap_or_default();
        assert!(verdict.starts_with("books balance: "), "{books}");
        if deployment.mode == Mode::Mirror {
            assert_equal(&self.source, deployment, "public.orders_current");
        } else {
            assert_equal(&self.source, deployment, "public.orders_latest");
            self.assert_account(deployment);
        }
    }

    /// Fails unless the history's newest generation has of each row what the account says: everything,
    /// or the row as a snapshot saw it and everything behind that.
    #[track_caller]
    fn assert_account(&self, deployment: &Deployment<'_>) {
        let theirs = self
            .source
            .run("select order_id, string_agg(what, ' ' order by n) from account group by 1");
        let ours = deployment.warehouse.ask(
            "select order_id, string_agg(operation_type || case operation_type when 'r' then '' \
             else source_tx_id::text end, ' ' order by cdc_offset, cdc_ordinal) from orders_fact \
             where cdc_generation = (select max(cdc_generation) from orders_fact) group by 1",
        );
        let (theirs, ours) = (by_order(&theirs), by_order(&ours));
        let wrong: Vec<_> = theirs
            .iter()
            .map(|(order, account)| (order, *account, ours.get(order).copied().unwrap_or_default()))
            .filter(|(_, account, kept)| !is_account_of(kept, account))
            .take(5)
            .collect();
        assert!(wrong.is_empty(), "{}: (order, account, history): {wrong:#?}", deployment.name);
        let unknown = ours.keys().find(|order| !theirs.contains_key(*order));
        assert_eq!(unknown, None, "an order that the source never had");
    }
}

fn by_order(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('|')).collect()
}

/// Whether a history of a row is what its account says, from some moment on.
fn is_account_of(kept: &str, account: &str) -> bool {
    let (is_shown, streamed) = match kept.split_once(' ') {
        Some(("r", rest)) => (true, rest),
        None if kept == "r" => (true, ""),
        Some(_) | None => (false, kept),
    };
    let Some(before) = account.strip_suffix(streamed) else { return false };
    let before = before.trim_end();
    let was_there = !before.is_empty() && !before.rsplit(' ').next().unwrap_or("").starts_with('d');
    is_shown == was_there
}

#[test]
fn an_account_is_met_by_all_of_it_or_by_what_a_snapshot_saw_and_the_rest() {
    for kept in ["c1 u2 d3", "r u2 d3", "r d3", ""] {
        assert!(is_account_of(kept, "c1 u2 d3"), "{kept}");
    }
    for kept in ["u2 d3", "r c1 u2 d3", "c1 u2", "r u2 u2 d3", "r", "r r u2 d3", "d3"] {
        assert!(!is_account_of(kept, "c1 u2 d3"), "{kept}");
    }
}
