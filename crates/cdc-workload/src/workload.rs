//! The stream itself: transactions of operations on rows that really exist.

use crate::options::Choice;
use crate::random::Random;
use crate::values::Values;
use crate::{Hostility, Order, WorkloadOptions};

/// Deleted keys that a hostile stream remembers, to insert them again. Older ones give way.
const FREED_KEYS_MAX: usize = 1024;

/// Keys at the ends of their range and around zero, which a hostile stream from key 1 uses too.
const BOUNDARY_KEYS: [i32; 4] = [i32::MIN, -1, 0, i32::MAX];

/// One in this many inserts of a hostile stream takes a key that was freed.
const FREED_KEY_ONE_IN: u64 = 4;
/// One in this many updates of a hostile stream changes the key.
const KEY_CHANGE_ONE_IN: u64 = 8;
/// One in this many updates of a hostile stream writes the row as it is.
const UNCHANGED_ONE_IN: u64 = 16;

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A row that was not there.
    Insert(Order),
    /// A row in its two states; the key differs when the key itself was changed.
    Update {
        /// The row as it was.
        before: Order,
        /// The row as it is.
        after: Order,
    },
    /// The last state of a row that is gone.
    Delete(Order),
}

impl Operation {
    /// Whether this is an update which gives the row another key.
    pub fn changes_key(&self) -> bool {
        match self {
            Self::Update { before, after } => before.order_id != after.order_id,
            Self::Insert(_) | Self::Delete(_) => false,
        }
    }
}

/// How a transaction's rows reach the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// One statement for each operation.
    Statements,
    /// One COPY of inserts, whose rows share places in the source's log.
    Copy,
}

/// Operations that take effect together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Counts up from 1 within a stream.
    pub id: u64,
    /// Commit time, microseconds since 1970-01-01 UTC; never earlier than that of the transaction before.
    pub commit_micros: i64,
    /// How the rows reach the source.
    pub load: Load,
    /// In the order of their effect, at least one.
    pub operations: Vec<Operation>,
}

/// The stream of a description.
///
/// As an iterator it gives transactions of [`WorkloadOptions::changes_per_transaction`] operations and
/// ends only when the keys of an `integer` column are used up. It holds the rows that live, at most
/// [`WorkloadOptions::keys`] and those of [`copy`](Self::copy); picking one takes constant time.
#[derive(Debug, Clone)]
pub struct Workload {
    options: WorkloadOptions,
    random: Random,
    values: Values,
    live: Vec<Order>,
    freed: Vec<i32>,
    next_order_id: i32,
    next_transaction: u64,
    now_micros: i64,
}

impl Workload {
    /// The stream from its beginning, on an empty table.
    pub fn new(options: WorkloadOptions) -> Self {
        let freed = match options.hostility {
            Hostility::Hostile if options.first_order_id <= 1 => BOUNDARY_KEYS.to_vec(),
            Hostility::Hostile | Hostility::Realistic => Vec::new(),
        };
        Self {
            random: Random::new(options.seed),
            values: Values { hostility: options.hostility },
            live: Vec::new(),
            freed,
            next_order_id: options.first_order_id.max(1),
            next_transaction: 1,
            now_micros: options.start_micros,
            options,
        }
    }

    /// The next transaction, with that many operations (at least one), or fewer when keys run out.
    /// Nothing when there is no key left for a first one.
    pub fn transaction(&mut self, changes: u32) -> Option<Transaction> {
        let changes = usize::try_from(changes.max(1)).unwrap_or(usize::MAX);
        let mut operations = Vec::with_capacity(changes.min(1024));
        while operations.len() < changes {
            let Some(operation) = self.operation() else { break };
            operations.push(operation);
        }
        self.commit(operations, Load::Statements)
    }

    /// One transaction which loads that many new rows with COPY, whatever mix and limit say.
    /// Nothing when no row is asked for or no key is left.
    pub fn copy(&mut self, rows: u32) -> Option<Transaction> {
        let operations = (0..rows).map_while(|_| self.insert()).collect();
        self.commit(operations, Load::Copy)
    }

    /// Moves the clock of the stream to a later time, so that live traffic has the times of now. It
    /// never goes back.
    pub fn advance_clock(&mut self, now_micros: i64) {
        self.now_micros = self.now_micros.max(now_micros);
    }

    /// Rows that live now, in no order.
    pub fn live(&self) -> &[Order] {
        &self.live
    }

    /// The key that the next insert of a new key will take: above all keys that counted up so far.
    pub fn next_order_id(&self) -> i32 {
        self.next_order_id
    }

    fn commit(&mut self, operations: Vec<Operation>, load: Load) -> Option<Transaction> {
        if operations.is_empty() {
            return None;
        }
        let transaction = Transaction {
            id: self.next_transaction,
            commit_micros: self.now_micros,
            load,
            operations,
        };
        self.next_transaction += 1;
        let step = self.random.between(0, 2 * i64::from(self.options.tick_micros));
        self.now_micros = self.now_micros.saturating_add(step);
        Some(transaction)
    }

    fn operation(&mut self) -> Option<Operation> {
        let mix = self.options.mix;
        let mut choice = mix.draw(&mut self.random);
        let is_full = u32::try_from(self.live.len()).unwrap_or(u32::MAX) >= self.options.keys;
        if self.live.is_empty() {
            choice = Choice::Insert;
        } else if choice == Choice::Insert && is_full && mix.returns_to_rows() {
            choice = mix.draw_without_insert(&mut self.random);
        }
        match choice {
            Choice::Insert => self.insert(),
            Choice::Update => self.update(),
            Choice::Delete => self.delete(),
        }
    }

    fn insert(&mut self) -> Option<Operation> {
        let order_id = self.key_for_insert()?;
        let (values, random) = (self.values, &mut self.random);
        let order = Order {
            order_id,
            customer_id: values.customer(random),
            product_name: values.product(random),
            amount: values.amount(random),
            status: values.status(random),
            created_at_micros: Some(values.time(random, self.now_micros)),
            updated_at_micros: Some(values.time(random, self.now_micros)),
        };
        // A mix of inserts only never comes back to a row, so its memory stays empty.
        if self.options.mix.returns_to_rows() {
            self.live.push(order.clone());
        }
        Some(Operation::Insert(order))
    }

    fn update(&mut self) -> Option<Operation> {
        let index = self.random.index(self.live.len())?;
        let before = self.live.get(index)?.clone();
        let mut after = before.clone();
        match self.options.hostility {
            Hostility::Realistic => {
                after.status = self.values.status(&mut self.random);
                after.updated_at_micros = Some(self.now_micros);
            }
            Hostility::Hostile => self.mangle(&mut after),
        }
        *self.live.get_mut(index)? = after.clone();
        Some(Operation::Update { before, after })
    }

    /// Changes any columns of a row: none, some, or the key as well.
    fn mangle(&mut self, order: &mut Order) {
        if self.random.once_in(UNCHANGED_ONE_IN) {
            return;
        }
        if self.random.once_in(KEY_CHANGE_ONE_IN)
            && let Some(order_id) = self.key_for_insert()
        {
            self.free(order.order_id);
            order.order_id = order_id;
        }
        let (values, random) = (self.values, &mut self.random);
        if random.once_in(3) {
            order.customer_id = values.customer(random);
        }
        if random.once_in(3) {
            order.product_name = values.product(random);
        }
        if random.once_in(3) {
            order.amount = values.amount(random);
        }
        order.status = values.status(random);
        order.updated_at_micros = Some(values.time(random, self.now_micros));
    }

    fn delete(&mut self) -> Option<Operation> {
        let index = self.random.index(self.live.len())?;
        let order = self.live.swap_remove(index);
        if self.options.hostility == Hostility::Hostile {
            self.free(order.order_id);
        }
        Some(Operation::Delete(order))
    }

    /// A key that no live row has: the next one, or in a hostile stream sometimes an earlier one.
    fn key_for_insert(&mut self) -> Option<i32> {
        if self.options.hostility == Hostility::Hostile
            && self.random.once_in(FREED_KEY_ONE_IN)
            && let Some(index) = self.random.index(self.freed.len())
        {
            return Some(self.freed.swap_remove(index));
        }
        // The last key of the type is one of the boundary keys, so counting stops before it.
        let key = self.next_order_id;
        self.next_order_id = key.checked_add(1)?;
        Some(key)
    }

    fn free(&mut self, order_id: i32) {
        if self.freed.len() < FREED_KEYS_MAX {
            self.freed.push(order_id);
        } else if let Some(index) = self.random.index(self.freed.len())
            && let Some(place) = self.freed.get_mut(index)
        {
            *place = order_id;
        }
    }
}

impl Iterator for Workload {
    type Item = Transaction;

    fn next(&mut self) -> Option<Transaction> {
        self.transaction(self.options.changes_per_transaction)
    }
}
