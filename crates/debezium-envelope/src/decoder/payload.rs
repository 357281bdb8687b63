//! Reading the members of a payload, in whatever order they stand.

use super::MessageDecoder;
use super::frame::{Frame, Image, ImageState, OpField};
use super::slot::{Context, RowSlot};
use super::tables::RowRole;
use crate::error::{DecodeError, Side};
use crate::json::{JsonKind, MemberGuess, Reader};
use crate::schema::CompiledSchema;
use crate::source::FrameReader;

/// The members of an envelope in the order of version 2.7 and later; before, the transaction came
/// last.
const PAYLOAD_MEMBERS: &[&str] = &[
    ",\"before\":",
    ",\"after\":",
    ",\"source\":",
    ",\"transaction\":",
    ",\"op\":",
    ",\"ts_ms\":",
    ",\"ts_us\":",
    ",\"ts_ns\":",
    ",\"transaction\":",
];

impl MessageDecoder {
    /// Reads the payload's members, in whatever order they stand.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "a method's path fixes its lifetimes too early"
    )]
    pub(super) fn read_frame(
        &mut self,
        reader: &mut Reader<'_>,
        schema: Option<&CompiledSchema>,
    ) -> Result<Frame, DecodeError> {
        let limits = self.limits;
        let json = |error| DecodeError::json(Side::Value, &limits, error);
        let mut frame = Frame::new();
        let start = reader.at();
        reader.open_object().map_err(json)?;
        let mut first = true;
        let mut guess = MemberGuess::new(PAYLOAD_MEMBERS);
        while let Some(member) = reader.guessed_member(first, &mut guess).map_err(json)? {
            first = false;
            let name = member.name;
            let kind = reader.kind().map_err(json)?;
            let twice = match (name, kind) {
                ("before" | "after", _) => {
                    let image = self.read_image(reader, schema, name == "after")?;
                    let place = if name == "after" { &mut frame.after } else { &mut frame.before };
                    !matches!(std::mem::replace(place, image).state, ImageState::Missing)
                }
                ("op", JsonKind::String) => {
                    let code = reader.string().map_err(json)?;
                    let code = OpField::parse(reader.slice(code.range));
                    std::mem::replace(&mut frame.op, code) != OpField::Missing
                }
                ("op", kind) if kind != JsonKind::Null => {
                    reader.skip_value().map_err(json)?;
                    std::mem::replace(&mut frame.op, OpField::NotText) != OpField::Missing
                }
                ("source", JsonKind::Object) => {
                    let source = self.in_frame(reader, |frame| frame.source())?;
                    frame.source.replace(source).is_some()
                }
                ("transaction", JsonKind::Object) => {
                    let transaction = self.in_frame(reader, |frame| frame.transaction())?;
                    // The block is an object, so it is there.
                    transaction
                        .transpose()
                        .is_some_and(|block| frame.transaction.replace(block).is_some())
                }
                ("ts_ms" | "ts_us" | "ts_ns", JsonKind::Number) => {
                    let (path, place) = match name {
                        "ts_ms" => ("ts_ms", &mut frame.ts_ms),
                        "ts_us" => ("ts_us", &mut frame.ts_us),
                        _ => ("ts_ns", &mut frame.ts_ns),
                    };
                    let time = self.in_frame(reader, |frame| frame.integer(path))??;
                    std::mem::replace(place, time).is_some()
                }
                ("message", JsonKind::Object) => {
                    let message = self.in_frame(reader, |frame| frame.logical())?;
                    frame.message.replace(message).is_some()
                }
                _ => reader.skip_value().map(|_| false).map_err(json)?,
            };
            if twice || member.again {
                return Err(DecodeError::DuplicateField { path: name.into() });
            }
        }
        frame.payload = start..reader.at();
        Ok(frame)
    }

    /// Reads a part of the frame; when its content is wrong, steps over it and keeps the error,
    /// because the message may turn out to be one that has no such part.
    fn in_frame<T>(
        &mut self,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&mut FrameReader<'_, '_>) -> Result<T, DecodeError>,
    ) -> Result<Result<T, DecodeError>, DecodeError> {
        let at = reader.at();
        let mut frame =
            FrameReader { reader, unescaped: &mut self.unescaped, limits: &self.limits };
        let result = read(&mut frame);
        if result.is_err() {
            frame.reader.seek(at);
            frame.skip()?;
        }
        Ok(result)
    }

    fn read_image(
        &mut self,
        reader: &mut Reader<'_>,
        schema: Option<&CompiledSchema>,
        is_after: bool,
    ) -> Result<Image, DecodeError> {
        let limits = self.limits;
        let json = |error| DecodeError::json(Side::Value, &limits, error);
        let at = reader.at();
        let image = |state| Image { state, at };
        if reader.eat_null() {
            return Ok(image(ImageState::Null));
        }
        if reader.kind().map_err(json)? != JsonKind::Object {
            reader.skip_value().map_err(json)?;
            return Ok(image(ImageState::NotARow));
        }
        let (slot, mut context) = self.image_context(is_after);
        let result = match schema {
            Some(schema) => {
                let plan = if is_after { &schema.after } else { &schema.before };
                context.read_row(slot, plan.as_ref(), reader)
            }
            None if context.tables.has_guess() => {
                context.read_observed(slot, RowRole::Image, reader)
            }
            None => {
                reader.skip_value().map_err(json)?;
                return Ok(image(ImageState::Pending));
            }
        };
        match result {
            Ok(()) => Ok(image(ImageState::Row)),
            Err(error) => {
                reader.seek(at);
                reader.skip_value().map_err(json)?;
                Ok(image(ImageState::Failed(error)))
            }
        }
    }

    pub(super) fn image_context(&mut self, is_after: bool) -> (&mut RowSlot, Context<'_>) {
        let slot = if is_after { &mut self.after } else { &mut self.before };
        let context = Context {
            scratch: &mut self.scratch,
            tables: &mut self.tables,
            declarations: &self.declarations,
            flattened: None,
            limits: &self.limits,
            side: Side::Value,
        };
        (slot, context)
    }

    /// Reads the flattened row at the cursor into the slot of rows after a change.
    pub(super) fn read_flattened(
        &mut self,
        reader: &mut Reader<'_>,
        schema: Option<&CompiledSchema>,
    ) -> Result<(), DecodeError> {
        self.select_flattened_table();
        let mut context = Context {
            scratch: &mut self.scratch,
            tables: &mut self.tables,
            declarations: &self.declarations,
            flattened: self.flattened.as_ref().map(|flat| &*flat.transform),
            limits: &self.limits,
            side: Side::Value,
        };
        match schema {
            Some(schema) => context.read_row(&mut self.after, schema.row.as_ref(), reader),
            None => context.read_observed(&mut self.after, RowRole::Image, reader),
        }
    }
}
