//! Nothing is called that `capabilities` does not announce: the host answers for it as PartyKit does.
//! covers: guest.capabilities, guest.on-connect, guest.on-message, guest.on-request

use party::bindings::exports::party::server::guest::Handlers;
use test_facts::Bare;

struct Fact;

test_facts::serve_bare!(Fact);

impl Bare for Fact {
    const HANDLERS: Handlers = Handlers::empty();
}
