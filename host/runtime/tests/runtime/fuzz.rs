//! Components that nobody would write: refused in words, or contained like any other guest.
//!
//! `PARTY_SEED=42` tries only that seed, `PARTY_LONG=1` a hundred times as many.

use std::collections::HashSet;
use std::env;
use std::mem::discriminant;
use std::ops::Range;
use std::sync::Arc;

use arbitrary::Unstructured;
use party_core::event::TurnEnd;
use party_core::http::Request;
use party_core::limits::Limits;
use party_core::message::Message;
use party_runtime::load::LoadError;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use wasm_smith::{Component, Config, InstructionKind, InstructionKinds, Module};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi};

use crate::guests::{echo, world};
use crate::room::{ENGINE, TestRoom, block_on, small_limits, vars};

/// Bytes that one component is drawn from.
const DRAWN_BYTES: usize = 8 << 10;

/// The seeds to try: so many, or more, or the one that is asked for.
pub(crate) fn seeds(count: u64) -> Range<u64> {
    match env::var("PARTY_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None if env::var_os("PARTY_LONG").is_some() => 0..count * 100,
        None => 0..count,
    }
}

fn drawn(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; DRAWN_BYTES];
    ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Says which seed it was if the test ends while this is there.
pub(crate) struct Trying(pub(crate) u64);

impl Drop for Trying {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with PARTY_SEED={}", self.0);
        }
    }
}

#[test]
fn random_components_are_refused_in_words() {
    let mut reasons = HashSet::new();
    for seed in seeds(300) {
        let _trying = Trying(seed);
        let bytes = drawn(seed);
        let Ok(component) = Component::new(Config::default(), &mut Unstructured::new(&bytes)) else {
            continue;
        };
        let refused = ENGINE.load(&component.to_bytes(), &vars(), &Arc::new(small_limits()));
        let error = refused.err().expect("chance does not know the contract");
        assert!(!error.to_string().is_empty());
        reasons.insert(discriminant(&error));
    }
    assert!(env::var_os("PARTY_SEED").is_some() || !reasons.is_empty());
}

/// A component with all imports and exports of the contract and random code. `None` if chance has made a module that
/// the encoder does not take.
fn random_guest(seed: u64) -> Option<Vec<u8>> {
    let (resolve, world) = world("party");
    let shape = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    let mut config = Config {
        memory64_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        custom_page_sizes_enabled: false,
        gc_enabled: false,
        reference_types_enabled: false,
        exceptions_enabled: false,
        wide_arithmetic_enabled: false,
        max_memory32_bytes: 1 << 20,
        max_table_elements: 1_000,
        ..Config::default()
    };
    if seed.is_multiple_of(4) {
        // Loops, recurses and calls the host with whatever it has: few survive their own start.
        config.module_shape = Some(shape);
    } else {
        config.exports = Some(shape);
        config.available_imports = Some(wat::parse_str("(module)").expect("it is a module"));
        config.disallow_traps = true;
        config.allowed_instructions = InstructionKinds::new(&[
            InstructionKind::Numeric,
            InstructionKind::Parametric,
            InstructionKind::Variable,
            InstructionKind::Memory,
        ]);
    }
    let bytes = drawn(seed);
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?.to_bytes();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).ok()?;
    ComponentEncoder::default().module(&module).ok()?.validate(true).encode().ok()
}

/// One event of each kind, again and again while the room takes them.
async fn live(component: &[u8], limits: Limits) -> Vec<TurnEnd> {
    let mut room = TestRoom::with_limits(component, limits);
    for _ in 0..3 {
        let client = room.connect().await;
        room.message(client, Message::text("hello")).await;
        room.message(client, Message::Binary(vec![0xff; 100].into())).await;
        let (method, uri) = ("GET".into(), "http://host/parties/party/room".into());
        room.request(Request {
            method,
            uri,
            headers: Vec::new(),
            body: Default::default(),
            body_waits: false,
        })
        .await;
        room.close(client).await;
        room.advance(1_000).await;
    }
    room.ends
}

/// Whether instances can be captured. Then they can be restored, too.
fn sleeps(component: &party_runtime::component::Component) -> bool {
    if component.capturable().is_err() {
        return false;
    }
    block_on(async {
        let mut fresh = component.instantiate().await.expect("it has started before");
        let snapshot = fresh.capture().expect("it can be captured");
        assert!(component.is_fresh(&snapshot));
        let mut restored = component.restore(&snapshot).await.expect("it is its own");
        assert_eq!(restored.capture(), Ok(snapshot));
    });
    true
}

#[test]
fn random_guests_are_contained() {
    let limits = Limits { turn_fuel_max: 1_000_000, ..small_limits() };
    let (mut made, mut refused, mut slept, mut lived, mut dropped) = (0, 0, 0, 0, 0);
    for seed in seeds(60) {
        let _trying = Trying(seed);
        let Some(component) = random_guest(seed) else { continue };
        made += 1;
        match ENGINE.load(&component, &vars(), &Arc::new(limits.clone())) {
            Err(LoadError::Start(_) | LoadError::InitialMemory { .. }) => refused += 1,
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(loaded) => {
                slept += u32::from(sleeps(&loaded));
                let ends = block_on(live(&component, limits.clone()));
                let drops = ends.iter().filter(|end| matches!(end, TurnEnd::Dropped(_))).count();
                lived += ends.len() - drops;
                dropped += drops;
            }
        }
        // Whatever it did, it did to itself.
        let mut healthy = TestRoom::of(&echo().build());
        block_on(async {
            let client = healthy.connect().await;
            healthy.message(client, Message::text("still there?")).await;
        });
        assert_eq!(healthy.sent(), ["still there?"]);
    }
    println!(
        "{made} guests: {refused} did not start; {slept} can sleep; {lived} turns ended, {dropped} were dropped"
    );
    assert!(env::var_os("PARTY_SEED").is_some() || (made > 20 && slept > 5 && lived + dropped > 20));
}
