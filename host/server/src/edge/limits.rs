//! Bounds on the host's edge. Those on rooms and their connections are in `party_core::limits`.

/// How much the outside may ask of one host, and how long it may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeLimits {
    /// Connections of all kinds at once; beyond, 503 and closed.
    pub connections_max: usize,
    /// TLS handshakes under way at once; beyond, a client is closed.
    pub handshakes_max: usize,
    /// How long a TLS handshake may take, in milliseconds; beyond, the client is cut.
    pub handshake_ms_max: u64,
    /// Request line and headers together, in bytes; beyond, 431. At least 8,192, hyper's own minimum.
    pub head_bytes_max: usize,
    /// Headers of one request; beyond, 431.
    pub headers_max: usize,
    /// How long a connection may take for the head of a request, or stay idle, or leave a response unread, in
    /// milliseconds; beyond, it is cut.
    pub head_ms_max: u64,
    /// How long the body of a request may take, in milliseconds; beyond, 408.
    pub body_ms_max: u64,
    /// Bytes of all request bodies that are held at once; beyond, 503.
    pub bodies_bytes_max: usize,
    /// How long a request is waited for whose client sends no more and may have gone, in milliseconds; beyond, it is given up.
    pub half_open_ms_max: u64,
    /// How often a WebSocket is pinged, in milliseconds.
    pub ping_interval_ms: u64,
    /// How long a WebSocket may stay silent after a ping, in milliseconds; beyond, it is cut.
    pub ping_timeout_ms: u64,
    /// How long a client may take to answer a close, and to read what stands before it, in milliseconds; beyond,
    /// it is cut.
    pub close_ms_max: u64,
}

impl Default for EdgeLimits {
    fn default() -> EdgeLimits {
        EdgeLimits {
            connections_max: 65_536,
            handshakes_max: 1_024,
            handshake_ms_max: 10_000,
            head_bytes_max: 32 << 10,
            headers_max: 100,
            head_ms_max: 30_000,
            body_ms_max: 60_000,
            bodies_bytes_max: 256 << 20,
            half_open_ms_max: 5_000,
            ping_interval_ms: 30_000,
            ping_timeout_ms: 30_000,
            close_ms_max: 5_000,
        }
    }
}
