//! The outline of a component: which core modules and core instances there are, how many of everything that has an
//! index, and whether there is state that accessors cannot reach.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ExternalKind,
    Instance, Parser, Payload,
};

use crate::capture::NotCapturable;
use crate::config::wasm_features;
use crate::rewrite::module::Module;
use crate::rewrite::{Global, Memory, State, unfit};

/// A component from above.
#[derive(Default)]
pub(super) struct Outline<'a> {
    /// Its sections, in order.
    pub(super) sections: Vec<Section<'a>>,
    /// Its core modules.
    pub(super) modules: Vec<Module<'a>>,
    /// For each core instance its module; none for those that only gather exports of others.
    instances: Vec<Option<u32>>,
    /// How many there are already: the next index of each kind.
    pub(super) counts: Counts,
}

/// A section of a component.
pub(super) enum Section<'a> {
    /// A core module, by its number.
    Module(usize),
    /// Anything else, as it is.
    Other { id: u8, data: &'a [u8] },
}

/// How many items of each index space there are.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) core_functions: u32,
    pub(super) core_memories: u32,
    pub(super) types: u32,
    pub(super) functions: u32,
    pub(super) instances: u32,
}

impl<'a> Outline<'a> {
    /// Reads a component, and finds what cannot be captured.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Outline<'a>, NotCapturable> {
        let mut outline = Outline::default();
        let mut parser = Parser::new(0);
        parser.set_features(wasm_features());
        let mut depth = 0;
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(unfit)?;
            match &payload {
                // A module's own sections, and a nested component's.
                Payload::End(_) if depth > 0 => depth -= 1,
                Payload::ModuleSection { .. } if depth > 0 => return Err(NotCapturable::NestedModule),
                Payload::InstanceSection(_) if depth > 0 => return Err(NotCapturable::NestedModule),
                Payload::ComponentCanonicalSection(functions) if depth > 0 => {
                    for function in functions.clone() {
                        check_canonical(&function.map_err(unfit)?)?;
                    }
                }
                Payload::ComponentSection { .. } if depth > 0 => depth += 1,
                _ if depth > 0 => {}
                Payload::ModuleSection { unchecked_range, .. } => {
                    let module = &bytes[unchecked_range.start..unchecked_range.end];
                    outline.sections.push(Section::Module(outline.modules.len()));
                    outline.modules.push(Module::read(module)?);
                    depth = 1;
                }
                _ => {
                    if let Some((id, range)) = payload.as_section() {
                        let data = &bytes[range.start..range.end];
                        outline.sections.push(Section::Other { id, data });
                    }
                    if matches!(payload, Payload::ComponentSection { .. }) {
                        depth = 1;
                    }
                    outline.count(payload)?;
                }
            }
        }
        for module in outline.instances.iter().flatten() {
            outline.modules[*module as usize].check()?;
        }
        Ok(outline)
    }

    /// The number of core instances.
    pub(super) fn core_instances(&self) -> u32 {
        self.instances.len() as u32
    }

    /// One of the core instances of a module.
    pub(super) fn instance_of(&self, module: usize) -> Option<u32> {
        let found = self.instances.iter().position(|one| one.is_some_and(|one| one as usize == module));
        found.map(|instance| instance as u32)
    }

    /// What instances of this component keep.
    pub(super) fn state(&self) -> State {
        let mut state = State { memories: Vec::new(), globals: Vec::new() };
        for (instance, module) in self.instances.iter().enumerate() {
            let Some(module) = module.map(|module| &self.modules[module as usize]) else { continue };
            let instance = instance as u32;
            let memories = module.memories.iter().map(|&(index, ty)| Memory { instance, index, ty });
            let globals = module.globals.iter().map(|&(index, ty)| Global { instance, index, ty });
            state.memories.extend(memories);
            state.globals.extend(globals);
        }
        state
    }

    fn count(&mut self, payload: Payload<'_>) -> Result<(), NotCapturable> {
        match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.instances.push(match instance.map_err(unfit)? {
                        Instance::Instantiate { module_index, .. } => Some(module_index),
                        Instance::FromExports(_) => None,
                    });
                }
            }
            Payload::ComponentInstanceSection(instances) => self.counts.instances += instances.count(),
            Payload::ComponentTypeSection(types) => self.counts.types += types.count(),
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.counts.alias(&alias.map_err(unfit)?)?;
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    let function = function.map_err(unfit)?;
                    check_canonical(&function)?;
                    match function {
                        CanonicalFunction::Lift { .. } => self.counts.functions += 1,
                        _ => self.counts.core_functions += 1,
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    self.counts.one_more(import.map_err(unfit)?.ty.kind())?;
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    self.counts.one_more(export.map_err(unfit)?.kind)?;
                }
            }
            Payload::ComponentStartSection { .. } => return Err(NotCapturable::Builtin("a start function")),
            _ => {}
        }
        Ok(())
    }
}

impl Counts {
    fn one_more(&mut self, kind: ComponentExternalKind) -> Result<(), NotCapturable> {
        match kind {
            ComponentExternalKind::Func => self.functions += 1,
            ComponentExternalKind::Type => self.types += 1,
            ComponentExternalKind::Instance => self.instances += 1,
            ComponentExternalKind::Component => {}
            // Numbers of modules would no longer be those of the modules inside.
            ComponentExternalKind::Module => return Err(NotCapturable::ForeignModule),
            ComponentExternalKind::Value => return Err(NotCapturable::Builtin("values")),
        }
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), NotCapturable> {
        match alias {
            ComponentAlias::CoreInstanceExport { kind, .. } => match kind {
                ExternalKind::Func | ExternalKind::FuncExact => self.core_functions += 1,
                ExternalKind::Memory => self.core_memories += 1,
                ExternalKind::Table | ExternalKind::Global | ExternalKind::Tag => {}
            },
            ComponentAlias::InstanceExport { kind, .. } => self.one_more(*kind)?,
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::Type => self.types += 1,
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Component => {}
                ComponentOuterAliasKind::CoreModule => return Err(NotCapturable::ForeignModule),
            },
        }
        Ok(())
    }
}

/// Refuses what keeps state in the engine.
fn check_canonical(function: &CanonicalFunction) -> Result<(), NotCapturable> {
    match function {
        CanonicalFunction::Lift { .. }
        | CanonicalFunction::Lower { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => Ok(()),
        CanonicalFunction::ResourceNew { .. } => Err(NotCapturable::OwnResources),
        _ => Err(NotCapturable::Builtin("a built-in function of the component model")),
    }
}
