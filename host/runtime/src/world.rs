//! Whether a component fits the contract: compares its exports and imports with those of `wit/`, by type.
//!
//! The reference is the world itself in its binary form, made from `wit/` with the bindings. A guest function fits
//! if its type is a subtype of the contract's, an imported function if the contract's is a subtype of it: what
//! the engine asks, too, but here every misfit is named, not the first.

use wasmparser::Validator;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentInstanceType, ComponentType, ComponentTypeId,
};
use wasmparser::types::{Types, TypesRef};

use crate::bindings::COMPONENT_TYPE;
use crate::load::LoadError;
use crate::wasi::OFFERED;

/// The interface that every party exports.
const GUEST: &str = "party:server/guest@0.1.0";
/// The package of the contract.
const PACKAGE: &str = "party:server/";
/// The version of WASI that is offered, all of its patches.
const WASI_VERSION: &str = "0.2.";

/// The contract's own types.
pub(crate) struct Contract {
    types: Types,
    world: ComponentTypeId,
}

impl Contract {
    /// Reads it with this validator, which must read the component, too: types of two validators cannot be
    /// compared.
    pub(crate) fn read(validator: &mut Validator) -> Contract {
        let types = validator.validate_all(COMPONENT_TYPE).expect("the generated world is valid");
        validator.reset();
        let world =
            world_in(types.as_ref()).expect("the generated world has the shape that wit-component gives it");
        Contract { types, world }
    }

    fn world(&self) -> &ComponentType {
        &self.types[self.world]
    }

    /// Whether the guest interface is exported, and every function of it with its type.
    pub(crate) fn check_exports(&self, found: TypesRef<'_>, exports: &[String]) -> Result<(), LoadError> {
        let Some(guest) = instance(found, found.component_item_for_export(GUEST).map(|item| &item.ty)) else {
            return Err(no_guest(exports));
        };
        let (mut missing, mut mistyped) = (Vec::new(), Vec::new());
        for (name, wanted) in self.functions(self.world().exports.get(GUEST).map(|item| &item.ty)) {
            match guest.exports.get(name) {
                None => missing.push(name.to_owned()),
                Some(item) if self.fits(&item.ty, found, wanted) => {}
                Some(_) => mistyped.push(name.to_owned()),
            }
        }
        if missing.is_empty() && mistyped.is_empty() {
            return Ok(());
        }
        Err(LoadError::GuestFunctions { wanted: GUEST, missing, mistyped })
    }

    /// Whether everything imported is offered.
    pub(crate) fn check_imports(&self, found: TypesRef<'_>, imports: &[String]) -> Result<(), LoadError> {
        let mut unfit = Vec::new();
        for name in imports {
            if name.starts_with(PACKAGE) {
                self.check_import(found, name, &mut unfit);
            } else if !is_offered_wasi(name) {
                unfit.push(name.clone());
            }
        }
        if unfit.is_empty() { Ok(()) } else { Err(LoadError::Imports { imports: unfit }) }
    }

    fn check_import(&self, found: TypesRef<'_>, name: &str, unfit: &mut Vec<String>) {
        let imported = found.component_item_for_import(name).map(|item| &item.ty);
        let offered = self.world().imports.get(name).map(|item| &item.ty);
        let (Some(imported), Some(offered)) =
            (instance(found, imported), instance(self.types.as_ref(), offered))
        else {
            return unfit.push(name.to_owned());
        };
        for (function, wanted) in functions(imported) {
            let fits = offered.exports.get(function).is_some_and(|item| {
                ComponentEntityType::is_subtype_of(&item.ty, self.types.as_ref(), wanted, found)
            });
            if !fits {
                unfit.push(format!("{name} {function}"));
            }
        }
    }

    fn functions(&self, ty: Option<&ComponentEntityType>) -> Vec<(&str, &ComponentEntityType)> {
        instance(self.types.as_ref(), ty).map(functions).unwrap_or_default()
    }

    fn fits(&self, found: &ComponentEntityType, types: TypesRef<'_>, wanted: &ComponentEntityType) -> bool {
        ComponentEntityType::is_subtype_of(found, types, wanted, self.types.as_ref())
    }
}

/// The world is an export of an exported component type.
fn world_in(types: TypesRef<'_>) -> Option<ComponentTypeId> {
    let ComponentEntityType::Type { referenced: ComponentAnyTypeId::Component(outer), .. } =
        types.component_item_for_export("room-only")?.ty
    else {
        return None;
    };
    match types.get(outer)?.exports.values().next()?.ty {
        ComponentEntityType::Component(world) => Some(world),
        _ => None,
    }
}

fn instance<'a>(types: TypesRef<'a>, ty: Option<&ComponentEntityType>) -> Option<&'a ComponentInstanceType> {
    match ty? {
        ComponentEntityType::Instance(id) => types.get(*id),
        _ => None,
    }
}

fn functions(instance: &ComponentInstanceType) -> Vec<(&str, &ComponentEntityType)> {
    let exports = instance.exports.iter().map(|(name, item)| (name.as_str(), &item.ty));
    exports.filter(|(_, ty)| matches!(ty, ComponentEntityType::Func(_))).collect()
}

fn no_guest(exports: &[String]) -> LoadError {
    let interface = GUEST.split('@').next().unwrap_or(GUEST);
    let other_version = exports.iter().find(|name| name.split('@').next() == Some(interface));
    match other_version {
        Some(found) if found != GUEST => LoadError::WrongVersion { found: found.clone(), wanted: GUEST },
        _ => LoadError::NoGuest { wanted: GUEST, exports: exports.to_vec() },
    }
}

fn is_offered_wasi(name: &str) -> bool {
    let Some((interface, version)) = name.split_once('@') else { return false };
    version.starts_with(WASI_VERSION) && OFFERED.contains(&interface)
}
