//! Which versions of its parties a host serves: what is known of a deployment after a restart.
//!
//! A version is a component. Of each party the store knows the one that is served and the one before, so that a host that
//! is started again knows what it can go back to. It is told before a version is served and never after, and replaces all
//! that was told before, at once. Their bytes are components like any others: whoever reclaims says that they are needed.

use party_core::commit::ComponentDigest;

use crate::kept::KeepError;

/// The most parties whose versions are known.
pub const PARTIES_MAX: usize = 1_024;
/// The longest name of a project or a party, in bytes: that of an address.
pub(crate) const NAME_BYTES_MAX: usize = party_core::address::NAME_BYTES_MAX;

/// The versions of one party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyVersions {
    /// The project that it is served under, at most 64 bytes.
    pub project: String,
    /// Its name, at most 64 bytes.
    pub party: String,
    /// The version that is served.
    pub served: ComponentDigest,
    /// The one that was served before, if there was one.
    pub before: Option<ComponentDigest>,
    /// Whether somebody has gone back from `before` to `served`, and not just replaced it.
    pub was_rolled_back: bool,
}

impl PartyVersions {
    /// The components that it takes to go on and to go back.
    pub fn components(&self) -> impl Iterator<Item = ComponentDigest> {
        [Some(self.served), self.before].into_iter().flatten()
    }
}

/// Whether so much can be known.
pub(crate) fn check_size(versions: &[PartyVersions]) -> Result<(), KeepError> {
    KeepError::check_size("list of versions, in parties,", versions.len(), PARTIES_MAX as u64)?;
    for PartyVersions { project, party, .. } in versions {
        for name in [project, party] {
            KeepError::check_size("name of a party", name.len(), NAME_BYTES_MAX as u64)?;
        }
    }
    Ok(())
}
