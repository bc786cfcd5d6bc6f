//! Every bound there is on a room, named, with its unit and default, and where the number comes from.
//!
//! Crossing one is an error that the guest can see where that makes sense and a dropped turn where it does not;
//! it never harms another room. Bounds on the host itself (connections, workers, queues between threads) are
//! beside the code that holds them.

mod words;

/// Rooms in one page of a list that a room asks for.
pub const ROOMS_PAGE_MAX: u32 = 1_000;
/// Bytes of the path of a static asset that a room reads, as it stands in a URL: what file systems take (Linux: `PATH_MAX`).
pub const ASSET_PATH_BYTES_MAX: usize = 4_096;
/// Bytes of a URL, and of all headers of a request, that a room may send: as much as the host reads of a client's.
pub const REQUEST_HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of outcomes that wait for their turn in one room. One always has a place.
pub const OUTCOMES_BYTES_MAX: u64 = 32 << 20;
/// How long a room waits for what is done for it on its own host, in milliseconds: as long as a client for a room.
pub const WORK_DEADLINE_MS: u64 = 30_000;

/// Calls of durable rooms that one room knows of at a time: those without an answer, and those whose caller may ask again.
pub const CALLS_KNOWN_MAX: usize = 4_096;
/// Bytes of the answers to them that it keeps. One always has a place.
pub const CALLS_KNOWN_BYTES_MAX: u64 = 32 << 20;

/// How much longer than for a request (`request_deadline_ms`) a room waits for another one that it calls, in milliseconds.
pub const CALL_GRACE_MS: u64 = 5_000;

/// How long a room waits for a fetch, in milliseconds, if it does not say less: what Node's own client gives a server for its
/// head.
pub const FETCH_MS_MAX: u64 = 300_000;
/// Redirects that one fetch may follow (the Fetch standard).
pub const FETCH_REDIRECTS_MAX: u32 = 20;
/// Headers of a fetch: as many as the host reads of a client's.
pub const FETCH_HEADERS_MAX: usize = 100;
/// Headers that a lobby says: those that a client may have sent, and as many of its own.
pub const LOBBY_HEADERS_MAX: usize = 200;

/// The bounds of one party's rooms. All can be set in `party.toml` under `[limits]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Linear memory of one instance, in bytes: 128 MiB, as Durable Objects have.
    pub memory_bytes_max: u64,
    /// Fuel of one turn: about one unit per wasm instruction.
    pub turn_fuel_max: u64,
    /// CPU time of one turn, in milliseconds: 30 s, as Durable Objects have.
    pub turn_deadline_ms: u64,
    /// A message from a client, in bytes: 1 MiB exactly, as PartyKit has (at most 32 MiB can be set, which partyserver has).
    pub message_in_bytes_max: u32,
    /// A message to a client, in bytes.
    pub message_out_bytes_max: u32,
    /// Messages that one turn may send; a broadcast counts one for each connection that it reaches.
    pub turn_sends_max: u32,
    /// Bytes that one turn may send and answer; a broadcast counts once.
    pub turn_output_bytes_max: u64,
    /// The body of a request, in bytes.
    pub request_body_bytes_max: u32,
    /// The body of a response, in bytes.
    pub response_body_bytes_max: u32,
    /// A key, in bytes (Durable Objects).
    pub key_bytes_max: u32,
    /// A value, in bytes: 128 KiB and the 34 bytes of grace that Durable Objects give; 2 MiB with the profile partyserver.
    pub value_bytes_max: u32,
    /// Keys and values of one room, in bytes.
    pub storage_bytes_max: u64,
    /// Keys in one call of `get-many`, `put-many` or `delete-many`.
    pub keys_per_call_max: u32,
    /// Entries in one page of `list`.
    pub page_entries_max: u32,
    /// Keys and values in one page of `list`, in bytes.
    pub page_bytes_max: u32,
    /// Keys and values that one turn may write, in bytes.
    pub turn_write_bytes_max: u64,
    /// Connections of one room (Durable Objects with hibernation).
    pub connections_max: u32,
    /// Tags of one connection (PartyKit).
    pub tags_max: u32,
    /// Characters of one tag (PartyKit).
    pub tag_chars_max: u32,
    /// Bytes kept with a connection (Durable Objects today; classic PartyKit gives 2,048 with the URL).
    pub attachment_bytes_max: u32,
    /// Characters of an auto-response: of the text that is answered, and of the answer (Durable Objects).
    pub auto_response_chars_max: u32,
    /// Events of one connection that may wait in the mailbox; beyond, its socket is not read.
    pub credit_events: u32,
    /// Bytes of one connection's events that may wait in the mailbox. One message always fits.
    pub credit_bytes: u32,
    /// Requests of one room that may wait for their turn; beyond, 503.
    pub requests_waiting_max: u32,
    /// Requests of one room that may be unanswered, those that wait for their turn among them; beyond, 503.
    pub requests_open_max: u32,
    /// Bytes that may wait to be written to one connection; beyond, it is closed with 1013.
    pub outbound_queue_bytes_max: u32,
    /// Bytes that the guest may have written to one stream and that the other side has not taken. One write always fits.
    pub stream_credit_bytes: u32,
    /// Streams of one room that may be open: answers that are being written, bodies that arrive, sockets of its own.
    pub streams_open_max: u32,
    /// Operations of one room that may be open.
    pub operations_open_max: u32,
    /// Holds that may be nested (Durable Objects).
    pub holds_max: u32,
    /// Log lines of one turn.
    pub turn_log_lines_max: u32,
    /// Log bytes of one turn.
    pub turn_log_bytes_max: u32,
    /// Events whose export has returned `pending` and that may not have settled; a turn that would leave more is
    /// dropped.
    pub events_pending_max: u32,
    /// Turns that may run ahead of their commits, or wait with their outputs for earlier ones.
    pub uncommitted_turns_max: u32,
    /// Bytes that a room's turns may have written and sent while their commits are under way; beyond, the room
    /// takes no further event. One turn always fits.
    pub uncommitted_bytes_max: u64,
    /// How long a room has nothing to do before it sleeps, in milliseconds (Durable Objects: 10 s).
    pub idle_ms: u64,
    /// How often the memory of a room that does not come to rest is saved while it changes, in milliseconds.
    pub checkpoint_interval_ms: u64,
    /// Records in the journal of a durable room; then its memory is saved as soon as it comes to rest between two turns,
    /// and at twice as many it takes no turn before it is.
    pub journal_records_max: u32,
    /// Bytes in the journal of a durable room, with the same meaning.
    pub journal_bytes_max: u64,
    /// When a connecting client gets its 101 although `on-connect` has not settled, in milliseconds: PartySocket
    /// gives up at 4,000.
    pub accept_deadline_ms: u64,
    /// How long `on-connect` may take to settle, in milliseconds.
    pub connect_deadline_ms: u64,
    /// How long `on-close` may take to settle, in milliseconds: so long the connection stays known.
    pub close_deadline_ms: u64,
    /// How long a request may wait for its answer, in milliseconds.
    pub request_deadline_ms: u64,
    /// How long a hold, and a start, may last, in milliseconds (Durable Objects' blockConcurrencyWhile).
    pub hold_deadline_ms: u64,
    /// How long one `on-alarm` may take to settle, in milliseconds (Durable Objects: 15 min).
    pub alarm_deadline_ms: u64,
    /// How long a room goes on with the version of its party that it has until it is quiet, when another is deployed, in
    /// milliseconds; then its operations end as interrupted.
    pub upgrade_wait_ms: u64,
    /// Dropped turns within a minute that suspend a room.
    pub drops_per_minute_max: u32,
    /// How long a room stays suspended, in milliseconds.
    pub suspended_ms: u64,
}

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

/// The largest `message_in_bytes_max` that may be set: 32 MiB, what workerd takes in 2026.
pub const MESSAGE_IN_BYTES_CEILING: u32 = 32 * MIB;
/// The largest `auto_response_chars_max` that may be set: every client can ask for the answer again and again.
pub const AUTO_RESPONSE_CHARS_CEILING: u32 = 64 * KIB;
/// Messages, broadcasts and answers that one turn may give, each counted once: one to each of the most connections that a
/// room may have. However small, each takes some 200 bytes of the host's memory until it has left, and a turn's are
/// applied in one go.
pub const TURN_OUTPUTS_MAX: usize = 32_768;
/// The first pause before a failed alarm is tried again, in milliseconds; each further one is twice as long
/// (Durable Objects).
pub const ALARM_RETRY_FIRST_MS: u64 = 2_000;
/// How often a failed alarm is tried again (Durable Objects).
pub const ALARM_RETRIES_MAX: u32 = 6;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes_max: 128 << 20,
            turn_fuel_max: 20_000_000_000,
            turn_deadline_ms: 30_000,
            message_in_bytes_max: MIB,
            message_out_bytes_max: 32 * MIB,
            turn_sends_max: 1_000_000,
            turn_output_bytes_max: 64 << 20,
            request_body_bytes_max: 32 * MIB,
            response_body_bytes_max: 32 * MIB,
            key_bytes_max: 2_048,
            value_bytes_max: 131_072 + 34,
            storage_bytes_max: 1 << 30,
            keys_per_call_max: 1_000,
            page_entries_max: 1_000,
            page_bytes_max: MIB,
            turn_write_bytes_max: 16 << 20,
            connections_max: 32_768,
            tags_max: 9,
            tag_chars_max: 256,
            attachment_bytes_max: 16_384,
            auto_response_chars_max: 2_048,
            credit_events: 16,
            credit_bytes: 256 * KIB,
            requests_waiting_max: 1_024,
            requests_open_max: 4_096,
            outbound_queue_bytes_max: MIB,
            stream_credit_bytes: 256 * KIB,
            streams_open_max: 4_096,
            operations_open_max: 10_000,
            holds_max: 64,
            turn_log_lines_max: 256,
            turn_log_bytes_max: 64 * KIB,
            events_pending_max: 65_536,
            uncommitted_turns_max: 64,
            uncommitted_bytes_max: 64 << 20,
            idle_ms: 10_000,
            checkpoint_interval_ms: 60_000,
            journal_records_max: 1_000,
            journal_bytes_max: 16 << 20,
            accept_deadline_ms: 3_500,
            connect_deadline_ms: 30_000,
            close_deadline_ms: 30_000,
            request_deadline_ms: 30_000,
            hold_deadline_ms: 30_000,
            alarm_deadline_ms: 900_000,
            upgrade_wait_ms: 30_000,
            drops_per_minute_max: 10,
            suspended_ms: 60_000,
        }
    }
}
