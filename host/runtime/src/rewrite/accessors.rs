//! The accessor module: a core module over all memories and mutable globals of a component.
//!
//! | function | what it does |
//! |---|---|
//! | `m<k>-size` | the pages of memory *k* |
//! | `m<k>-grow` | grows memory *k* to so many pages; whether it could |
//! | `m<k>-read`, `m<k>-after` | shows the whole memory *k* as one list, without a copy |
//! | `to`, `write`, `allocate` | the next write goes to this address of the memory that it is lifted with |
//! | `g<k>-get`, `g<k>-set` | global *k* as the bits of a `u64` |
//!
//! A function that returns a list must return the address of its address and length. There is no free place in a
//! memory that is the guest's, so `read` parks the first 8 bytes in a global of its own and writes there that the list
//! begins at 0 and is as long as the memory; `after`, which the engine runs before the host sees anything, puts them
//! back. What is written is copied by the engine to where the canonical `realloc` says: `allocate` says the address
//! that `to` was given, and the engine checks the bounds.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, MemArg, MemoryType, Module, TypeSection, ValType,
};

use crate::rewrite::State;

/// Wasm pages are 2^16 bytes.
const PAGE_BITS: i32 = 16;

/// A function's type.
type Signature = (&'static [ValType], &'static [ValType]);

const GET: Signature = (&[], &[ValType::I32]);
const TAKE: Signature = (&[ValType::I32], &[]);
const GROW: Signature = (&[ValType::I32], &[ValType::I32]);
const WRITE: Signature = (&[ValType::I32, ValType::I32], &[]);
const ALLOCATE: Signature = (&[ValType::I32, ValType::I32, ValType::I32, ValType::I32], &[ValType::I32]);
const GLOBAL_GET: Signature = (&[], &[ValType::I64]);
const GLOBAL_SET: Signature = (&[ValType::I64], &[]);
const SIGNATURES: [Signature; 7] = [GET, TAKE, GROW, WRITE, ALLOCATE, GLOBAL_GET, GLOBAL_SET];

/// The name under which the module imports from a core instance.
pub(super) fn import_name(instance: u32) -> String {
    format!("i{instance}")
}

/// The module, finished.
pub(super) fn module(state: &State) -> Module {
    let mut accessors = Accessors::default();
    let first_own_global = state.globals.len() as u32;
    let (parked, to) = (first_own_global, first_own_global + 1);
    accessors.shared(to);
    for memory in 0..state.memories.len() as u32 {
        accessors.memory(memory, parked);
    }
    for (index, global) in state.globals.iter().enumerate() {
        accessors.global(index as u32, global.ty);
    }
    accessors.finish(state)
}

#[derive(Default)]
struct Accessors {
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
}

impl Accessors {
    fn add(&mut self, name: &str, signature: Signature, body: &Function) {
        let ty = SIGNATURES.iter().position(|one| *one == signature).expect("all signatures are listed");
        self.exports.export(name, ExportKind::Func, self.functions.len());
        self.functions.function(ty as u32);
        self.code.function(body);
    }

    fn shared(&mut self, to: u32) {
        let mut body = Function::new([]);
        body.instructions().local_get(0).global_set(to).end();
        self.add("to", TAKE, &body);
        let mut body = Function::new([]);
        body.instructions().global_get(to).end();
        self.add("allocate", ALLOCATE, &body);
        let mut body = Function::new([]);
        body.instructions().end();
        self.add("write", WRITE, &body);
    }

    fn memory(&mut self, memory: u32, parked: u32) {
        let at = |offset, align| MemArg { offset, align, memory_index: memory };
        let mut body = Function::new([]);
        body.instructions().memory_size(memory).end();
        self.add(&format!("m{memory}-size"), GET, &body);
        // A memory never shrinks: one that is larger already has grown too far.
        let mut body = Function::new([]);
        body.instructions()
            .local_get(0)
            .memory_size(memory)
            .i32_lt_u()
            .if_(BlockType::Empty)
            .i32_const(0)
            .return_()
            .end()
            .local_get(0)
            .memory_size(memory)
            .i32_sub()
            .memory_grow(memory)
            .i32_const(-1)
            .i32_ne()
            .end();
        self.add(&format!("m{memory}-grow"), GROW, &body);
        let mut body = Function::new([]);
        body.instructions()
            .i32_const(0)
            .i64_load(at(0, 3))
            .global_set(parked)
            .i32_const(0)
            .i32_const(0)
            .i32_store(at(0, 2))
            .i32_const(0)
            .memory_size(memory)
            .i32_const(PAGE_BITS)
            .i32_shl()
            .i32_store(at(4, 2))
            .i32_const(0)
            .end();
        self.add(&format!("m{memory}-read"), GET, &body);
        let mut body = Function::new([]);
        body.instructions().i32_const(0).global_get(parked).i64_store(at(0, 3)).end();
        self.add(&format!("m{memory}-after"), TAKE, &body);
    }

    fn global(&mut self, global: u32, ty: ValType) {
        let mut body = Function::new([]);
        let mut get = body.instructions();
        get.global_get(global);
        match ty {
            ValType::I32 => get.i64_extend_i32_u(),
            ValType::F32 => get.i32_reinterpret_f32().i64_extend_i32_u(),
            ValType::F64 => get.i64_reinterpret_f64(),
            ValType::I64 | ValType::V128 | ValType::Ref(_) => &mut get,
        }
        .end();
        self.add(&format!("g{global}-get"), GLOBAL_GET, &body);
        let mut body = Function::new([]);
        let mut set = body.instructions();
        set.local_get(0);
        match ty {
            ValType::I32 => set.i32_wrap_i64(),
            ValType::F32 => set.i32_wrap_i64().f32_reinterpret_i32(),
            ValType::F64 => set.f64_reinterpret_i64(),
            ValType::I64 | ValType::V128 | ValType::Ref(_) => &mut set,
        }
        .global_set(global)
        .end();
        self.add(&format!("g{global}-set"), GLOBAL_SET, &body);
    }

    fn finish(self, state: &State) -> Module {
        let mut types = TypeSection::new();
        for (parameters, results) in SIGNATURES {
            types.ty().function(parameters.iter().copied(), results.iter().copied());
        }
        let mut own = GlobalSection::new();
        let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
        own.global(mutable(ValType::I64), &ConstExpr::i64_const(0));
        own.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
        let mut module = Module::new();
        module.section(&types).section(&imports(state)).section(&self.functions).section(&own);
        module.section(&self.exports).section(&self.code);
        module
    }
}

fn imports(state: &State) -> ImportSection {
    let mut imports = ImportSection::new();
    for memory in &state.memories {
        let ty = MemoryType {
            minimum: memory.ty.initial,
            maximum: memory.ty.maximum,
            memory64: memory.ty.memory64,
            shared: memory.ty.shared,
            page_size_log2: memory.ty.page_size_log2,
        };
        imports.import(&import_name(memory.instance), &memory.export_name(), EntityType::Memory(ty));
    }
    for global in &state.globals {
        let ty = GlobalType { val_type: global.ty, mutable: true, shared: false };
        imports.import(&import_name(global.instance), &global.export_name(), EntityType::Global(ty));
    }
    imports
}
