//! Tiny guests, written as core WebAssembly text and made into components of the contract's world.
//!
//! Every export of the contract is there; those that a test does not care for return `ok(done)`.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// Where `ok(done)` stands in a guest's memory.
pub(crate) const DONE: &str = "(i32.const 1024)";
/// Where `ok(pending)` stands.
pub(crate) const PENDING: &str = "(i32.const 1056)";
/// Where `err(failure)` stands: message "no", stack "here", status 418.
pub(crate) const FAILED: &str = "(i32.const 1088)";
/// All handlers of the contract but `save` and `restore`, which are no exports of `guest`.
pub(crate) const ALL_HANDLERS: u32 = (1 << 12) - 1;
/// `save` and `restore`.
pub(crate) const UPGRADE_HANDLERS: u32 = 0b11 << 17;

const GUEST: &str = "party:server/guest@0.1.0";

/// The exports, with the types that the canonical ABI gives them.
const EXPORTS: [(&str, &str); 12] = [
    ("on-start", "(param $event i64) (param $reason i32)"),
    ("on-resume", "(param $event i64) (param $reason i32)"),
    ("on-connect", "(param $event i64) (param $connection i64)"),
    (
        "on-message",
        "(param $event i64) (param $connection i64) (param $kind i32) (param $text i32) (param $bytes i32)",
    ),
    (
        "on-close",
        "(param $event i64) (param $connection i64) (param $code i32) (param $text i32) (param $bytes i32) (param $clean i32)",
    ),
    ("on-error", "(param $event i64) (param $connection i64) (param $text i32) (param $bytes i32)"),
    (
        "on-request",
        "(param $event i64) (param $request i64) (param $method i32) (param $method_bytes i32) \
         (param $uri i32) (param $uri_bytes i32) (param $headers i32) (param $headers_count i32) \
         (param $body_kind i32) (param $body i64) (param $body_bytes i32)",
    ),
    ("on-alarm", "(param $event i64)"),
    (
        "on-completed",
        "(param $event i64) (param $operation i64) (param $outcome i32) (param i64 i64 i32 i32 i64 i64 i32)",
    ),
    ("on-stream", "(param $event i64) (param $stream i64) (param i32 i32 i32 i32)"),
    ("on-drain", "(param $event i64) (param $stream i64) (param $credit i64)"),
    ("on-response-closed", "(param $event i64) (param $request i64)"),
];

/// A guest in the making.
pub(crate) struct Guest {
    handlers: u32,
    imports: String,
    items: String,
    bodies: Vec<(&'static str, String)>,
    capabilities: String,
    world: &'static str,
}

impl Guest {
    /// Every handler is there and does nothing.
    pub(crate) fn new() -> Guest {
        Guest {
            handlers: ALL_HANDLERS,
            imports: String::new(),
            items: String::new(),
            bodies: Vec::new(),
            capabilities: String::new(),
            world: "room-only",
        }
    }

    /// Says that only these handlers are real.
    pub(crate) fn handlers(mut self, handlers: u32) -> Guest {
        self.handlers = handlers;
        self
    }

    /// Imports a function of the contract, as `$name`, of this core type.
    pub(crate) fn import(mut self, interface: &str, name: &str, ty: &str) -> Guest {
        let line = format!("(import \"party:server/{interface}@0.1.0\" \"{name}\" (func ${name} {ty}))\n");
        self.imports.push_str(&line);
        self
    }

    /// Imports a function of WASI preview 1, as `$name`, of this core type.
    pub(crate) fn wasi(mut self, name: &str, ty: &str) -> Guest {
        let line = format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {ty}))\n");
        self.imports.push_str(&line);
        self
    }

    /// Adds functions, globals, data and such.
    pub(crate) fn item(mut self, item: &str) -> Guest {
        self.items.push_str(item);
        self.items.push('\n');
        self
    }

    /// What an export does.
    pub(crate) fn on(mut self, export: &'static str, body: &str) -> Guest {
        assert!(EXPORTS.iter().any(|(name, _)| *name == export), "{export} is an export of the contract");
        self.bodies.retain(|(before, _)| *before != export);
        self.bodies.push((export, body.into()));
        self
    }

    /// What `capabilities` does before it answers.
    pub(crate) fn prologue(mut self, body: &str) -> Guest {
        self.capabilities = body.into();
        self
    }

    /// The core module's text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            r#"(module
{imports}
(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 65536))
(data (i32.const 1056) "\00\00\00\00\01")
(data (i32.const 1088) "\01\00\00\00\80\04\00\00\02\00\00\00\01\00\00\00\82\04\00\00\04\00\00\00\01\00\a2\01")
(data (i32.const 1152) "nohere")
{items}
(func $allocate (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $heap))
  (global.set $heap
    (i32.and (i32.add (i32.add (global.get $heap) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
  (block $fits (loop $grow
    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)) (then (unreachable)))
    (br $grow)))
  (local.get $at))
(func (export "{GUEST}#capabilities") (result i32) {capabilities} (i32.const {handlers}))
"#,
            imports = self.imports,
            items = self.items,
            capabilities = self.capabilities,
            handlers = self.handlers,
        );
        for (name, params) in EXPORTS {
            let body = self.bodies.iter().find(|(export, _)| *export == name).map_or(DONE, |(_, body)| body);
            text.push_str(&format!(
                "(func ${name} (export \"{GUEST}#{name}\") {params} (result i32) {body})\n"
            ));
            text.push_str(&format!(
                "(func (export \"cabi_post_{GUEST}#{name}\") (param i32) (global.set $heap (i32.const 65536)))\n"
            ));
        }
        text.push(')');
        text
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        component(&self.text(), self.world)
    }
}

/// The contract, and its world of this name.
pub(crate) fn world(name: &str) -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_path(wit).expect("the contract resolves");
    let world = resolve.select_world(&[package], Some(name)).expect("the contract has this world");
    (resolve, world)
}

/// Makes a component of a core module's text, in one of the contract's worlds.
pub(crate) fn component(text: &str, world_name: &str) -> Vec<u8> {
    let (resolve, world) = world(world_name);
    component_of(text, &resolve, world)
}

/// Makes a component of a core module's text, in any world.
pub(crate) fn component_of(text: &str, resolve: &Resolve, world: WorldId) -> Vec<u8> {
    let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    encode(module, resolve, world)
}

/// Makes a component of a core module.
pub(crate) fn encode(mut module: Vec<u8>, resolve: &Resolve, world: WorldId) -> Vec<u8> {
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .expect("the world is encoded");
    let encoder = ComponentEncoder::default().module(&module).expect("the module fits the world");
    let encoder = encoder
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        .expect("the adapter is one");
    encoder.validate(true).encode().expect("the component is valid")
}

/// Sends every message back to who sent it.
pub(crate) fn echo() -> Guest {
    Guest::new().import("connections", "send", "(param i64 i32 i32 i32 i32)").on(
        "on-message",
        "(call $send (local.get $connection) (local.get $kind) (local.get $text) (local.get $bytes) (i32.const 2048))
         (i32.const 1024)",
    )
}

/// Logs every message, so that a test sees what a guest saw.
pub(crate) fn logging() -> Guest {
    Guest::new().import("logging", "log", "(param i32 i32 i32)")
}
