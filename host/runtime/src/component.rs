//! A component that is ready to be instantiated: one room, one instance.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use party_core::event::{DropCause, Handlers};
use party_core::limits::Limits;
use sha2::{Digest as _, Sha256};
use wasmtime::component::InstancePre;

use crate::bindings::RoomOnlyIndices;
use crate::capture::NotCapturable;
use crate::engine::Engine;
use crate::image::Image;
use crate::instance::Instance;
use crate::load::LoadError;
use crate::lobby::LobbyIndices;
use crate::snapshot::LayoutKey;
use crate::state::InstanceState;
use crate::upgrade::UpgradeIndices;

/// The SHA-256 of a component's bytes: its identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A party's code, checked, compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Component(Arc<Parts>);

struct Parts {
    linked: Linked,
    digest: Digest,
    handlers: Handlers,
    image: Result<Image, NotCapturable>,
    vars: Arc<BTreeMap<String, String>>,
    limits: Arc<Limits>,
    engine: Engine,
}

/// Code with its imports, and where its exports are.
#[derive(Clone)]
pub(crate) struct Linked {
    pub(crate) instance: InstancePre<InstanceState>,
    pub(crate) indices: RoomOnlyIndices,
    /// Where `upgrade` is, if it is exported.
    pub(crate) upgrade: Option<UpgradeIndices>,
    /// Where `lobby` is, if it is exported.
    pub(crate) lobby: Option<LobbyIndices>,
}

impl Component {
    /// A component of which it is not known yet what it can do.
    pub(crate) fn new(
        engine: Engine,
        linked: Linked,
        digest: Digest,
        vars: Arc<BTreeMap<String, String>>,
        limits: Arc<Limits>,
    ) -> Component {
        let handlers = Handlers::default();
        let image = Err(NotCapturable::Rewriting("it is being loaded".into()));
        Component(Arc::new(Parts { linked, digest, handlers, image, vars, limits, engine }))
    }

    /// This component with what an instance of it says that it can do, and what it is before its first turn.
    pub(crate) fn with(&self, handlers: Handlers, image: Result<Image, NotCapturable>) -> Component {
        let Parts { linked, digest, vars, limits, engine, .. } = &*self.0;
        Component(Arc::new(Parts {
            linked: linked.clone(),
            digest: *digest,
            handlers,
            image,
            vars: Arc::clone(vars),
            limits: Arc::clone(limits),
            engine: engine.clone(),
        }))
    }

    /// Its identity.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Which handlers are real. Nothing else is to be called.
    pub fn handlers(&self) -> Handlers {
        self.0.handlers
    }

    /// Another component for the same rooms: loaded by the same engine, with the same vars and limits. Blocks, as
    /// [`Engine::load`] does.
    pub fn sibling(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        self.engine().load(bytes, &self.0.vars, &self.0.limits)
    }

    /// Makes an instance: a room's life. It has run its prologue (`guest.capabilities`) and waits for its first
    /// turn.
    pub async fn instantiate(&self) -> Result<Instance, DropCause> {
        Instance::start(self).await
    }

    /// Which snapshots are of this component. `None` if its instances cannot be captured.
    pub fn layout_key(&self) -> Option<LayoutKey> {
        self.0.image.as_ref().ok().map(|image| image.layout_key)
    }

    pub(crate) fn image_or_why(&self) -> Result<&Image, &NotCapturable> {
        self.0.image.as_ref()
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }
}
