//! Instructions that change what no accessor reaches: tables, and segments that are dropped.

use wasmparser::{FunctionBody, Operator};

use crate::capture::NotCapturable;
use crate::rewrite::unfit;

/// The first instruction of a function that stands in the way of a capture.
///
/// `memory.init` does not: it changes memory only, and the segment that it reads is gone only after a `data.drop`.
pub(super) fn state_changing_instruction(
    body: &FunctionBody<'_>,
) -> Result<Option<&'static str>, NotCapturable> {
    let mut operators = body.get_operators_reader().map_err(unfit)?;
    while !operators.eof() {
        let instruction = match operators.read().map_err(unfit)? {
            Operator::TableSet { .. } => "table.set",
            Operator::TableGrow { .. } => "table.grow",
            Operator::TableFill { .. } => "table.fill",
            Operator::TableCopy { .. } => "table.copy",
            Operator::TableInit { .. } => "table.init",
            Operator::ElemDrop { .. } => "elem.drop",
            Operator::DataDrop { .. } => "data.drop",
            _ => continue,
        };
        return Ok(Some(instruction));
    }
    Ok(None)
}
