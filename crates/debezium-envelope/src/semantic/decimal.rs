//! Decimals in each wire form: Connect's bytes, a struct with its own scale, a JSON number, text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::text::PLACEHOLDER;
use super::{CellInput, Scratch};
use crate::decimal::{Decimal, DecimalError};
use crate::error::CellError;
use crate::json::{JsonKind, Reader, StringToken};
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

const CONNECT_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const VARIABLE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";

pub(super) fn from_connect(schema: &ConnectSchema) -> Result<Option<SemanticType>, &'static str> {
    match (schema.name.as_deref(), schema.kind.as_str()) {
        (Some(CONNECT_DECIMAL), "bytes") => {
            let scale = schema.parameter("scale").ok_or("a Decimal has no scale parameter")?;
            let scale = scale.parse().map_err(|_| "a Decimal's scale is not a 32-bit integer")?;
            let precision =
                schema.parameter("connect.decimal.precision").and_then(|text| text.parse().ok());
            Ok(Some(SemanticType::Decimal { precision, scale }))
        }
        (Some(VARIABLE_DECIMAL), "struct") => Ok(Some(SemanticType::VariableDecimal)),
        _ => Ok(None),
    }
}

/// A decimal whose scale is known: base64 of the unscaled integer, or a JSON number
/// (`decimal.format=NUMERIC`), which must be exact at that scale.
pub(super) fn decode_fixed(scale: i32, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    match cell.reader.kind()? {
        JsonKind::String => {
            let token = cell.reader.string()?;
            let decimal = unscaled(cell.reader, &token, scale, cell.scratch)?;
            decimal.check(cell.limits)?;
            cell.buffer.put(cell.index, Value::Decimal(decimal))?;
        }
        JsonKind::Number => {
            let text = cell.reader.number()?.text;
            let scratch = &mut *cell.scratch;
            let own = Decimal::parse(text, &mut scratch.bytes, cell.limits)?;
            let decimal = own.rescale(scale, &mut scratch.wide, cell.limits)?;
            cell.buffer.put(cell.index, Value::Decimal(decimal))?;
        }
        JsonKind::Null | JsonKind::Boolean | JsonKind::Array | JsonKind::Object => {
            return Err(cell.wrong_type("base64 text or a number"));
        }
    }
    Ok(())
}

/// The decimal that a base64 token encodes.
fn unscaled<'s>(
    reader: &Reader<'_>,
    token: &StringToken,
    scale: i32,
    scratch: &'s mut Scratch,
) -> Result<Decimal<'s>, DecimalError> {
    let text = reader.characters_in(token, &mut scratch.text);
    scratch.bytes.clear();
    STANDARD.decode_vec(text, &mut scratch.bytes).map_err(|_| DecimalError::NotBase64 {})?;
    if scratch.bytes.is_empty() {
        return Err(DecimalError::Empty {});
    }
    Ok(Decimal::from_connect_bytes(&scratch.bytes, scale))
}

/// A decimal that carries its own scale: `{"scale":2,"value":"…"}`, decimal text, or a number.
pub(super) fn decode_variable(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    match cell.reader.kind()? {
        JsonKind::Object => decode_struct(cell),
        JsonKind::String => {
            let token = cell.reader.string()?;
            let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
            let value = if text == PLACEHOLDER && cell.role.detects() {
                Value::Unavailable
            } else {
                Value::Decimal(Decimal::parse(text, &mut cell.scratch.bytes, cell.limits)?)
            };
            cell.buffer.put(cell.index, value)?;
            Ok(())
        }
        JsonKind::Number => {
            let text = cell.reader.number()?.text;
            let decimal = Decimal::parse(text, &mut cell.scratch.bytes, cell.limits)?;
            cell.buffer.put(cell.index, Value::Decimal(decimal))?;
            Ok(())
        }
        JsonKind::Null | JsonKind::Boolean | JsonKind::Array => {
            Err(cell.wrong_type("an object with scale and value, text or a number"))
        }
    }
}

fn decode_struct(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let (mut scale, mut value) = (None, None);
    cell.each_member("an object with scale and value", &["scale", "value"], |name, cell| {
        if name == "scale" {
            let number = cell.integer("a 32-bit scale")?;
            let number = i32::try_from(number).map_err(|_| DecimalError::ScaleOutOfRange {})?;
            scale = Some(number);
        } else if !cell.reader.eat_null() {
            value = Some(cell.string("base64 text")?);
        }
        Ok(true)
    })?;
    let scale = scale.ok_or(DecimalError::MissingScale {})?;
    let value = value.ok_or(DecimalError::MissingValue {})?;
    let decimal = unscaled(cell.reader, &value, scale, cell.scratch)?;
    decimal.check(cell.limits)?;
    cell.buffer.put(cell.index, Value::Decimal(decimal))?;
    Ok(())
}
