//! A core module: what it keeps, and the same module with exports for all of that.

use wasm_encoder::{ExportKind, ExportSection, RawSection, SectionId, ValType};
use wasmparser::{ExternalKind, MemoryType, Parser, Payload, TypeRef};

use crate::capture::NotCapturable;
use crate::config::wasm_features;
use crate::rewrite::code::state_changing_instruction;
use crate::rewrite::{Global, Memory, unfit};

/// A core module of a component.
pub(super) struct Module<'a> {
    bytes: &'a [u8],
    /// The memories that it defines, by index.
    pub(super) memories: Vec<(u32, MemoryType)>,
    /// The mutable globals that it defines, by index.
    pub(super) globals: Vec<(u32, ValType)>,
    exports: ExportSection,
    /// What stands in the way, if an instance is made of it.
    obstacle: Option<NotCapturable>,
}

impl<'a> Module<'a> {
    /// Reads a module.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Module<'a>, NotCapturable> {
        let (memories, globals, exports) = Default::default();
        let mut module = Module { bytes, memories, globals, exports, obstacle: None };
        let (mut memories, mut globals) = (0, 0);
        for payload in parser().parse_all(bytes) {
            match payload.map_err(unfit)? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import.map_err(unfit)?.ty {
                            TypeRef::Memory(_) => memories += 1,
                            TypeRef::Global(_) => globals += 1,
                            TypeRef::Func(_)
                            | TypeRef::FuncExact(_)
                            | TypeRef::Table(_)
                            | TypeRef::Tag(_) => {}
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        module.memory(memories, memory.map_err(unfit)?);
                        memories += 1;
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        module.global(globals, global.map_err(unfit)?.ty);
                        globals += 1;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(unfit)?;
                        module.exports.export(export.name, export_kind(export.kind)?, export.index);
                    }
                }
                Payload::CodeSectionEntry(body) if module.obstacle.is_none() => {
                    module.obstacle = state_changing_instruction(&body)?.map(NotCapturable::Instruction);
                }
                _ => {}
            }
        }
        Ok(module)
    }

    fn memory(&mut self, index: u32, ty: MemoryType) {
        if ty.memory64 {
            self.obstacle.get_or_insert(NotCapturable::Memory64);
        } else if ty.shared {
            self.obstacle.get_or_insert(NotCapturable::SharedMemory);
        }
        self.memories.push((index, ty));
    }

    fn global(&mut self, index: u32, ty: wasmparser::GlobalType) {
        if !ty.mutable {
            return;
        }
        match ty.content_type {
            wasmparser::ValType::I32 => self.globals.push((index, ValType::I32)),
            wasmparser::ValType::I64 => self.globals.push((index, ValType::I64)),
            wasmparser::ValType::F32 => self.globals.push((index, ValType::F32)),
            wasmparser::ValType::F64 => self.globals.push((index, ValType::F64)),
            other @ (wasmparser::ValType::V128 | wasmparser::ValType::Ref(_)) => {
                self.obstacle.get_or_insert(NotCapturable::GlobalType(other.to_string()));
            }
        }
    }

    /// Whether instances of it can be captured.
    pub(super) fn check(&self) -> Result<(), NotCapturable> {
        self.obstacle.clone().map_or(Ok(()), Err)
    }

    /// The same module, which exports these, too.
    pub(super) fn exporting(
        &self,
        memories: &[Memory],
        globals: &[Global],
    ) -> Result<Vec<u8>, NotCapturable> {
        let mut exports = self.exports.clone();
        for memory in memories {
            exports.export(&memory.export_name(), ExportKind::Memory, memory.index);
        }
        for global in globals {
            exports.export(&global.export_name(), ExportKind::Global, global.index);
        }
        let mut module = wasm_encoder::Module::new();
        let mut pending = Some(exports);
        for payload in parser().parse_all(self.bytes) {
            let payload = payload.map_err(unfit)?;
            let Some((id, range)) = payload.as_section() else { continue };
            let is_exports = id == SectionId::Export as u8;
            if (is_exports || comes_after_exports(id))
                && let Some(exports) = pending.take()
            {
                module.section(&exports);
            }
            if !is_exports {
                module.section(&RawSection { id, data: &self.bytes[range.start..range.end] });
            }
        }
        if let Some(exports) = pending {
            module.section(&exports);
        }
        Ok(module.finish())
    }
}

fn parser() -> Parser {
    let mut parser = Parser::new(0);
    parser.set_features(wasm_features());
    parser
}

fn comes_after_exports(id: u8) -> bool {
    const AFTER: [SectionId; 5] =
        [SectionId::Start, SectionId::Element, SectionId::DataCount, SectionId::Code, SectionId::Data];
    AFTER.iter().any(|after| *after as u8 == id)
}

fn export_kind(kind: ExternalKind) -> Result<ExportKind, NotCapturable> {
    match kind {
        ExternalKind::Func => Ok(ExportKind::Func),
        ExternalKind::Table => Ok(ExportKind::Table),
        ExternalKind::Memory => Ok(ExportKind::Memory),
        ExternalKind::Global => Ok(ExportKind::Global),
        ExternalKind::Tag => Ok(ExportKind::Tag),
        ExternalKind::FuncExact => Err(NotCapturable::Builtin("exact function types")),
    }
}
