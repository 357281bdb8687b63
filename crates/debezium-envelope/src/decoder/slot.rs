//! Reading one row of a message into cells that are used again for the next one.

use std::sync::Arc;

use super::tables::{RowRole, TablePlans};
use crate::declarations::Declarations;
use crate::error::{DecodeError, Side};
use crate::flattened::Flattened;
use crate::json::Reader;
use crate::limits::Limits;
use crate::plan::{RowPlan, RowRead, RowTarget, member_names};
use crate::row::{Row, RowBuffer, RowShape};
use crate::semantic::Scratch;

/// A row's cells and the shape they have.
#[derive(Debug)]
pub(super) struct RowSlot {
    pub(super) buffer: RowBuffer,
    pub(super) shape: Arc<RowShape>,
}

impl RowSlot {
    pub(super) fn new() -> Self {
        Self { buffer: RowBuffer::new(), shape: Arc::new(RowShape::new(Vec::new())) }
    }

    pub(super) fn view<'d>(&'d self, record: &'d str) -> Row<'d> {
        self.buffer.row(&self.shape, record)
    }

    /// Reads the row at the cursor along the plan.
    fn read(
        &mut self,
        plan: &RowPlan,
        reader: &mut Reader<'_>,
        context: &mut Context<'_>,
    ) -> Result<RowRead, DecodeError> {
        if !Arc::ptr_eq(&self.shape, plan.shape()) {
            self.shape = Arc::clone(plan.shape());
        }
        let mut target = RowTarget {
            buffer: &mut self.buffer,
            scratch: &mut *context.scratch,
            limits: context.limits,
            side: context.side,
        };
        plan.read(reader, &mut target)
    }
}

/// What reading a row needs besides the row's own slot.
pub(super) struct Context<'c> {
    pub(super) scratch: &'c mut Scratch,
    pub(super) tables: &'c mut TablePlans,
    pub(super) declarations: &'c Declarations,
    pub(super) flattened: Option<&'c Flattened>,
    pub(super) limits: &'c Limits,
    pub(super) side: Side,
}

impl Context<'_> {
    /// Reads the row at the cursor as one of the current table's, whatever members it has.
    pub(super) fn read_observed(
        &mut self,
        slot: &mut RowSlot,
        role: RowRole,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let at = reader.at();
        if let Some(plan) = self.tables.plan(role) {
            if slot.read(&plan, reader, self)? == RowRead::Done {
                return Ok(());
            }
            reader.seek(at);
        }
        let mut names = member_names(reader, self.side, self.limits)?;
        if let Some(flattened) = self.flattened {
            names.sort_by_key(|name| flattened.meaning(name).is_some());
        }
        reader.seek(at);
        let plan = self.tables.learn(role, names, self.declarations);
        match slot.read(&plan, reader, self)? {
            RowRead::Done => Ok(()),
            // The plan was made from these very members.
            RowRead::OtherMembers => {
                Err(DecodeError::json(self.side, self.limits, reader.malformed("the same members")))
            }
        }
    }

    pub(super) fn read_row(
        &mut self,
        slot: &mut RowSlot,
        plan: Option<&Arc<RowPlan>>,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let problem = || "the envelope's rows are not described".into();
        let plan =
            plan.ok_or_else(|| DecodeError::InvalidSchema { side: self.side, problem: problem() })?;
        // A described row is never of other members: the schema's word is final.
        slot.read(plan, reader, self).map(drop)
    }
}
