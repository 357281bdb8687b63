//! Every state that can come about, the shortest way to a bad one, and those that cannot finish.

use std::collections::BTreeSet;

use super::action::Action;
use super::design::{Design, Harm, Verdict};
use super::pair::Pair;
use super::state::State;
use super::step::{self, Steps};

/// More states than any design has; beyond it the model is too large to be explored at all.
const STATES_MAX: usize = 8_000_000;

/// What was found about a design.
#[derive(Debug)]
pub struct Finding {
    /// What becomes of the design.
    pub verdict: Verdict,
    /// States that were looked at: all there are, or those up to the first harm.
    pub states: usize,
    /// States that cannot finish.
    pub stuck_states: usize,
    /// The shortest way to the harm, or to a state that cannot finish; one action each.
    pub trace: Vec<String>,
    /// What has happened in some state, by name.
    pub happened: BTreeSet<&'static str>,
}

/// Explores a design.
///
/// # Panics
///
/// When it has more states than the model is made for.
pub fn explore(design: Design) -> Finding {
    let mut search = Search::new(design);
    search.add(State::default().canonical());
    let mut apart = None;
    let mut at = 0;
    while let Some(packed) = search.states.get(at).copied() {
        let state = State::unpack(packed);
        search.from = at;
        let Pair { first, second } = state.workers;
        search.frozen = Pair { first: first.frozen, second: second.frozen };
        step::follow(design, &state, &mut search);
        search.edges_end.push(search.edges.len());
        if let Some((harm, action, next)) = search.harm.take() {
            return search.finding(Verdict::Unsafe(harm), Some(at), Some((action, next)));
        }
        match step::wrong(&state) {
            Some(Harm::Apart) => apart = apart.or(Some(at)),
            Some(harm) => return search.finding(Verdict::Unsafe(harm), Some(at), None),
            None => {}
        }
        at += 1;
    }
    if apart.is_some() {
        return search.finding(Verdict::Unsafe(Harm::Apart), apart, None);
    }
    let stuck = search.stuck();
    let first = stuck.iter().position(|stuck| *stuck);
    let verdict = if first.is_some() { Verdict::Stuck } else { Verdict::Sound };
    let stuck_states = stuck.iter().filter(|stuck| **stuck).count();
    Finding { stuck_states, ..search.finding(verdict, first, None) }
}

/// States in the order in which they were found, which is that of their distance.
struct Search {
    design: Design,
    states: Vec<u128>,
    numbers: Numbers,
    /// From which state each was found first.
    parents: Vec<u32>,
    /// The state that is being looked at.
    from: usize,
    /// Who is frozen in it.
    frozen: Pair<bool>,
    /// Where dependable actions lead, state by state.
    edges: Vec<u32>,
    edges_end: Vec<usize>,
    /// The first harmful action.
    harm: Option<(Harm, Action, u128)>,
    happened: BTreeSet<&'static str>,
}

impl Search {
    fn new(design: Design) -> Self {
        Self {
            design,
            states: Vec::new(),
            numbers: Numbers::default(),
            parents: Vec::new(),
            from: 0,
            frozen: Pair::default(),
            edges: Vec::new(),
            edges_end: Vec::new(),
            harm: None,
            happened: BTreeSet::new(),
        }
    }

    /// What is known once a verdict stands, with the way to a state and by an action beyond it.
    fn finding(self, verdict: Verdict, to: Option<usize>, last: Option<(Action, u128)>) -> Finding {
        let trace = to.map(|to| self.trace(to, last)).unwrap_or_default();
        let states = self.states.len();
        Finding { verdict, states, stuck_states: 0, trace, happened: self.happened }
    }

    fn add(&mut self, packed: u128) -> u32 {
        let slot = match self.numbers.find(packed, &self.states) {
            Slot::Taken(known) => return known,
            Slot::Free(slot) => slot,
        };
        assert!(self.states.len() < STATES_MAX, "the model has more states than it is made for");
        let number = u32::try_from(self.states.len()).expect("the limit is below 2^32");
        self.states.push(packed);
        self.parents.push(u32::try_from(self.from).expect("the limit is below 2^32"));
        self.numbers.insert(slot, number, &self.states);
        number
    }

    /// Whether each state is one from which dependable actions cannot lead to the end.
    fn stuck(&self) -> Vec<bool> {
        let into = self.reversed();
        let done = |packed: &u128| State::unpack(*packed).is_done(self.design.partitions);
        let mut stuck: Vec<bool> = self.states.iter().map(|packed| !done(packed)).collect();
        let finished = stuck.iter().enumerate().filter(|(_, stuck)| !**stuck);
        let mut todo: Vec<usize> = finished.map(|(at, _)| at).collect();
        while let Some(at) = todo.pop() {
            for from in into.of(at) {
                if let Some(stuck) = stuck.get_mut(index(*from)).filter(|stuck| **stuck) {
                    *stuck = false;
                    todo.push(index(*from));
                }
            }
        }
        stuck
    }

    /// From which states dependable actions lead to each.
    fn reversed(&self) -> Reversed {
        // Counted, then summed up to where each state's part ends, then filled from there down.
        let mut begins = vec![0_usize; self.states.len() + 1];
        for to in &self.edges {
            if let Some(count) = begins.get_mut(index(*to)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut begins {
            sum += *count;
            *count = sum;
        }
        let mut from = vec![0; self.edges.len()];
        let mut begin = 0;
        for (state, end) in self.edges_end.iter().enumerate() {
            let state = u32::try_from(state).expect("the limit is below 2^32");
            for to in self.edges.get(begin..*end).unwrap_or_default() {
                if let Some(place) = begins.get_mut(index(*to)) {
                    *place -= 1;
                    if let Some(place) = from.get_mut(*place) {
                        *place = state;
                    }
                }
            }
            begin = *end;
        }
        Reversed { begins, from }
    }

    /// The actions that lead to a state, and beyond it by a last one. States are kept up to the
    /// names of the workers, so the way is walked again with names that stay.
    fn trace(&self, to: usize, last: Option<(Action, u128)>) -> Vec<String> {
        let mut way = vec![to];
        while let Some(at) = way.last().copied().filter(|at| *at > 0) {
            way.push(self.parents.get(at).map_or(0, |parent| index(*parent)));
        }
        way.reverse();
        let mut goals: Vec<u128> =
            way.iter().skip(1).filter_map(|at| self.states.get(*at).copied()).collect();
        goals.extend(last.map(|(_, packed)| packed));
        let mut walk = Walk { state: State::default(), goal: 0, wants_harm: false, found: None };
        let mut trace = Vec::new();
        let steps = goals.len();
        for (number, goal) in goals.into_iter().enumerate() {
            walk.goal = goal;
            walk.wants_harm = last.is_some() && number + 1 == steps;
            let state = walk.state;
            step::follow(self.design, &state, &mut walk);
            let (action, next) = walk.found.take().expect("the way was found by the same steps");
            trace.push(action.to_string());
            walk.state = next;
        }
        trace
    }
}

/// Edges by where they lead.
struct Reversed {
    begins: Vec<usize>,
    from: Vec<u32>,
}

impl Reversed {
    fn of(&self, to: usize) -> &[u32] {
        let (begin, end) = (self.begins.get(to), self.begins.get(to + 1));
        let range = begin.zip(end).map(|(begin, end)| *begin..*end);
        range.and_then(|range| self.from.get(range)).unwrap_or_default()
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("states are held in memory")
}

impl Steps for Search {
    fn take(&mut self, action: Action, next: State, harm: Option<Harm>) {
        self.happened.insert(action.name());
        let packed = next.canonical();
        if let Some(harm) = harm {
            self.harm = self.harm.take().or(Some((harm, action, packed)));
            return;
        }
        let to = self.add(packed);
        if action.is_dependable(self.frozen.of(action.worker())) {
            self.edges.push(to);
        }
    }
}

/// Looks for the action that leads to a known state.
struct Walk {
    state: State,
    goal: u128,
    wants_harm: bool,
    found: Option<(Action, State)>,
}

impl Steps for Walk {
    fn take(&mut self, action: Action, next: State, harm: Option<Harm>) {
        let matches = next.canonical() == self.goal && harm.is_some() == self.wants_harm;
        if matches && self.found.is_none() {
            self.found = Some((action, next));
        }
    }
}

/// Which number each state has: a table of numbers, searched from where a state's bits point.
#[derive(Default)]
struct Numbers {
    slots: Vec<u32>,
}

/// What a search in the table ended at.
enum Slot {
    Taken(u32),
    Free(usize),
}

/// No state has this number.
const FREE: u32 = u32::MAX;

impl Numbers {
    fn find(&self, packed: u128, states: &[u128]) -> Slot {
        if self.slots.is_empty() {
            return Slot::Free(0);
        }
        let mask = self.slots.len() - 1;
        let mut slot = spread(packed) & mask;
        // A table is at most half full, so this ends.
        while let Some(number) = self.slots.get(slot).copied().filter(|number| *number != FREE) {
            if states.get(index(number)) == Some(&packed) {
                return Slot::Taken(number);
            }
            slot = (slot + 1) & mask;
        }
        Slot::Free(slot)
    }

    /// Puts the newest state where it was searched for.
    fn insert(&mut self, slot: usize, number: u32, states: &[u128]) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = number;
        }
        if states.len() * 2 <= self.slots.len() {
            return;
        }
        self.slots = vec![FREE; (self.slots.len() * 2).max(1 << 10)];
        for (number, packed) in (0..).zip(states) {
            if let Slot::Free(slot) = self.find(*packed, states)
                && let Some(slot) = self.slots.get_mut(slot)
            {
                *slot = number;
            }
        }
    }
}

/// Spreads the bits of a state: states differ in few bits, and nobody chooses them to collide.
fn spread(packed: u128) -> usize {
    let mixed = packed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) >> 80;
    usize::try_from(mixed).expect("48 bits are left")
}
