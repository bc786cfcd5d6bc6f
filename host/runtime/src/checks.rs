//! What is looked at before a component is compiled, from the outside in: that there is one, that its memories fit
//! a room, that it implements the contract.
//!
//! Compiling takes seconds and its errors speak of the engine; what can be found here is found in milliseconds and
//! named as the author of a party would name it. Function bodies are left to the compiler, which validates them
//! anyway.

use party_core::limits::Limits;
use wasmparser::{Encoding, MemoryType, Parser, Payload, ValidPayload, Validator};

use crate::config::wasm_features;
use crate::load::{COMPONENT_BYTES_MAX, LoadError};
use crate::world::Contract;

/// Bytes of a wasm page.
const PAGE_BYTES: u64 = 65_536;
/// How much of something that is not WebAssembly is shown.
const BEGINNING_BYTES: usize = 16;

/// Checks a component's bytes.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    check_kind(bytes)?;
    let mut validator = Validator::new_with_features(wasm_features());
    let contract = Contract::read(&mut validator);
    let mut outline = Outline::default();
    let mut types = None;
    let mut parser = Parser::new(0);
    parser.set_features(wasm_features());
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(malformed)?;
        outline.look_at(&payload, limits)?;
        if let ValidPayload::End(of_ended) = validator.payload(&payload).map_err(malformed)? {
            types = Some(of_ended);
        }
    }
    let types = types.ok_or_else(|| LoadError::Malformed("it has no end".into()))?;
    contract.check_exports(types.as_ref(), &outline.exports)?;
    contract.check_imports(types.as_ref(), &outline.imports)
}

fn malformed(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Malformed(error.to_string())
}

fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len() as u64, bytes_max: COMPONENT_BYTES_MAX });
    }
    if !bytes.starts_with(b"\0asm") {
        let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(BEGINNING_BYTES)]).into_owned();
        return Err(LoadError::NotWasm { beginning });
    }
    Ok(())
}

/// Names at the top of a component, and how deep the parser is in it.
#[derive(Default)]
struct Outline {
    depth: u32,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outline {
    fn look_at(&mut self, payload: &Payload<'_>, limits: &Limits) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if self.depth == 0 => {
                return Err(LoadError::CoreModule);
            }
            Payload::Version { .. } => self.depth += 1,
            Payload::End(_) => self.depth -= 1,
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    check_memory(memory.map_err(malformed)?, limits)?;
                }
            }
            Payload::ComponentImportSection(imports) if self.depth == 1 => {
                for import in imports.clone() {
                    self.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if self.depth == 1 => {
                for export in exports.clone() {
                    self.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_memory(memory: MemoryType, limits: &Limits) -> Result<(), LoadError> {
    if memory.memory64 {
        return Err(LoadError::Memory64);
    }
    if memory.shared {
        return Err(LoadError::SharedMemory);
    }
    let bytes = memory.initial.saturating_mul(PAGE_BYTES);
    if bytes > limits.memory_bytes_max {
        return Err(LoadError::InitialMemory { bytes, bytes_max: limits.memory_bytes_max });
    }
    Ok(())
}
