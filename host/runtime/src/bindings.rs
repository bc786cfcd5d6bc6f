//! The contract as Rust types and traits, generated from `wit/`, its only copy.
//!
//! Arguments of exports borrow (`MessageParam<'_>`), values that come out of a guest are owned (`MessageResult`).
//! Every import may trap: a command outside of a turn, or a store that cannot be read, ends the guest at once.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "room-only",
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
    exports: { default: async },
    include_component_type: true,
});
