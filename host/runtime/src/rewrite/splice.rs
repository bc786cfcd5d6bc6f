//! Puts the rewritten component together: the author's sections, with modules that export more, and behind them the
//! accessor module, an instance of it, and its functions as one exported instance.

use std::collections::BTreeSet;

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentInstanceSection, ComponentSectionId, ComponentTypeSection,
    ComponentValType, ExportKind, InstanceSection, ModuleArg, ModuleSection, PrimitiveValType, RawSection,
};

use crate::capture::NotCapturable;
use crate::rewrite::scan::{Outline, Section};
use crate::rewrite::{ACCESSORS, State, accessors};

/// The rewritten component.
pub(super) fn splice(outline: &Outline<'_>, state: &State) -> Result<Vec<u8>, NotCapturable> {
    let mut component = Component::new();
    for section in &outline.sections {
        match section {
            Section::Other { id, data } => component.section(&RawSection { id: *id, data }),
            Section::Module(number) => {
                let data = &outline.exporting(*number, state)?;
                component.section(&RawSection { id: ComponentSectionId::CoreModule as u8, data })
            }
        };
    }
    component.section(&ModuleSection(&accessors::module(state)));
    let instances: BTreeSet<u32> = (state.memories.iter().map(|memory| memory.instance))
        .chain(state.globals.iter().map(|global| global.instance))
        .collect();
    let names: Vec<_> = instances.into_iter().map(|one| (accessors::import_name(one), one)).collect();
    let mut instance = InstanceSection::new();
    instance.instantiate(
        outline.modules.len() as u32,
        names.iter().map(|(name, instance)| (name.as_str(), ModuleArg::Instance(*instance))),
    );
    component.section(&instance);
    Lifted::new(outline).all(state).append_to(&mut component, outline.counts.instances);
    Ok(component.finish())
}

impl Outline<'_> {
    /// A module with exports for what any of its instances keeps: all of them keep the same.
    fn exporting(&self, number: usize, state: &State) -> Result<Vec<u8>, NotCapturable> {
        let Some(instance) = self.instance_of(number) else {
            return self.modules[number].exporting(&[], &[]);
        };
        let memories: Vec<_> =
            state.memories.iter().filter(|memory| memory.instance == instance).copied().collect();
        let globals: Vec<_> =
            state.globals.iter().filter(|global| global.instance == instance).copied().collect();
        self.modules[number].exporting(&memories, &globals)
    }
}

/// Types of the accessors, by their place among the types that are added.
mod types {
    pub(super) const BYTES: u32 = 0;
    pub(super) const GET_U32: u32 = 1;
    pub(super) const TAKE_U32: u32 = 2;
    pub(super) const GROW: u32 = 3;
    pub(super) const READ: u32 = 4;
    pub(super) const WRITE: u32 = 5;
    pub(super) const GET_U64: u32 = 6;
    pub(super) const TAKE_U64: u32 = 7;
}

/// The accessors as functions of the component.
struct Lifted {
    accessors: u32,
    next_core_function: u32,
    next_core_memory: u32,
    next_function: u32,
    first_type: u32,
    aliases: ComponentAliasSection,
    functions: CanonicalFunctionSection,
    exported: Vec<(String, u32)>,
}

impl Lifted {
    fn new(outline: &Outline<'_>) -> Lifted {
        Lifted {
            accessors: outline.core_instances(),
            next_core_function: outline.counts.core_functions,
            next_core_memory: outline.counts.core_memories,
            next_function: outline.counts.functions,
            first_type: outline.counts.types,
            aliases: ComponentAliasSection::new(),
            functions: CanonicalFunctionSection::new(),
            exported: Vec::new(),
        }
    }

    fn all(mut self, state: &State) -> Lifted {
        let to = self.core_function("to");
        let allocate = self.core_function("allocate");
        let write = self.core_function("write");
        self.lift("to", to, types::TAKE_U32, &[]);
        for (k, memory) in state.memories.iter().enumerate() {
            let name = memory.export_name();
            let kind = ExportKind::Memory;
            self.aliases.alias(Alias::CoreInstanceExport { instance: memory.instance, kind, name: &name });
            let memory = CanonicalOption::Memory(self.next_core_memory);
            self.next_core_memory += 1;
            self.lift_same(&format!("m{k}-size"), types::GET_U32);
            self.lift_same(&format!("m{k}-grow"), types::GROW);
            let read = self.core_function(&format!("m{k}-read"));
            let after = self.core_function(&format!("m{k}-after"));
            let options = [memory, CanonicalOption::PostReturn(after)];
            self.lift(&format!("m{k}-read"), read, types::READ, &options);
            let options = [memory, CanonicalOption::Realloc(allocate)];
            self.lift(&format!("m{k}-write"), write, types::WRITE, &options);
        }
        for k in 0..state.globals.len() {
            self.lift_same(&format!("g{k}-get"), types::GET_U64);
            self.lift_same(&format!("g{k}-set"), types::TAKE_U64);
        }
        self
    }

    fn core_function(&mut self, name: &str) -> u32 {
        let kind = ExportKind::Func;
        self.aliases.alias(Alias::CoreInstanceExport { instance: self.accessors, kind, name });
        self.next_core_function += 1;
        self.next_core_function - 1
    }

    fn lift_same(&mut self, name: &str, ty: u32) {
        let core_function = self.core_function(name);
        self.lift(name, core_function, ty, &[]);
    }

    fn lift(&mut self, name: &str, core_function: u32, ty: u32, options: &[CanonicalOption]) {
        self.functions.lift(core_function, self.first_type + ty, options.iter().copied());
        self.exported.push((name.to_owned(), self.next_function));
        self.next_function += 1;
    }

    fn append_to(self, component: &mut Component, instances: u32) {
        component.section(&self.aliases).section(&self.types()).section(&self.functions);
        let mut instance = ComponentInstanceSection::new();
        let items = self.exported.iter();
        instance.export_items(items.map(|(name, index)| (name.as_str(), ComponentExportKind::Func, *index)));
        component.section(&instance);
        let mut export = ComponentExportSection::new();
        export.export(ACCESSORS, ComponentExportKind::Instance, instances, None);
        component.section(&export);
    }

    /// The types, in the order of [`types`].
    fn types(&self) -> ComponentTypeSection {
        let primitive = ComponentValType::Primitive;
        let (u32, u64) = (primitive(PrimitiveValType::U32), primitive(PrimitiveValType::U64));
        let bool = primitive(PrimitiveValType::Bool);
        let bytes = ComponentValType::Type(self.first_type + types::BYTES);
        let mut section = ComponentTypeSection::new();
        section.defined_type().list(primitive(PrimitiveValType::U8));
        let signatures: [(Option<ComponentValType>, Option<ComponentValType>); 7] = [
            (None, Some(u32)),
            (Some(u32), None),
            (Some(u32), Some(bool)),
            (None, Some(bytes)),
            (Some(bytes), None),
            (None, Some(u64)),
            (Some(u64), None),
        ];
        for (parameter, result) in signatures {
            section.function().params(parameter.map(|ty| ("value", ty))).result(result);
        }
        section
    }
}
