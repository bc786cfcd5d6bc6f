//! The command line of `party-load`: flags as typed.
//!
//! What must hold: the defaults are the published scenarios, so that a run without flags compares with the table in
//! the readme.

pub mod meant;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  party-load echo --url http://127.0.0.1:1999 --pid $(pidof party-host)
      64 clients in 8 rooms, each sends its next message when the last is back
  party-load echo --rate 1000 --json echo.json
      1,000 messages a second whatever the server does; latencies count from when each was due
  party-load broadcast
      64 clients in one room, 4 of them keep 4 messages in flight; everyone gets everything
  party-load broadcast --rooms 4 --clients 32 --rate 3200
      3,200 deliveries a second
  party-load counter --clients 16
      durable increments of one number by 16 clients
  party-load cold
      the first answer of never-seen rooms
  party-load memory --pid 4711
      memory per awake room and per idle connection
  party-load wake --admin DATA/admin.sock
      20,000 sleeping rooms, each asked once, 1,000 a second
  party-load sleepers --admin DATA/admin.sock --pid 4711
      memory per socket whose room sleeps

The server must have the parties echo (sends each message back to its sender), broadcast (sends it to everyone in
the room, the sender too), counter (POST increments durably and answers with the number, GET reads it), tally (the
same in memory, whose rooms sleep) and hello (answers any request with 200, echoes messages), at /parties/<party>/<room>. Name others with --party.

Exit code: 0 if every message came once, in order and unaltered; 1 if not, or if the run broke off; 2 for wrong flags.";

/// Loads a server that has PartyKit's URLs, checks every message, and says what each one cost.
#[derive(Debug, Parser)]
#[command(name = "party-load", version, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub scenario: ScenarioArguments,
    /// Where the server listens.
    #[arg(long, global = true, default_value = "http://127.0.0.1:1999")]
    pub url: String,
    /// The server's process id: its CPU time (with that of its descendants) is charged to the messages.
    #[arg(long, global = true)]
    pub pid: Option<u32>,
    /// Also write the report to this file, as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Number that names this run's rooms; by default drawn from the clock.
    #[arg(long, global = true)]
    pub run: Option<u32>,
    /// Allow a server that is not on this machine. Only ever load a server that is yours.
    #[arg(long, global = true)]
    pub allow_remote: bool,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum ScenarioArguments {
    /// Messages that come back to their sender.
    Echo(EchoArguments),
    /// Messages that go to everyone in the room.
    Broadcast(BroadcastArguments),
    /// First contact: GET of known and new rooms, 100 new rooms at once, WebSocket connect to first echo.
    Cold(ColdArguments),
    /// Resident memory per awake room and per idle connection (needs --pid).
    Memory(MemoryArguments),
    /// Durable increments over HTTP.
    Counter(CounterArguments),
    /// Rooms that sleep, each asked once when it is due.
    Wake(WakeArguments),
    /// Resident memory per socket whose room sleeps (needs --pid and --admin).
    Sleepers(SleepersArguments),
}

/// Flags of `echo`.
#[derive(Debug, Args)]
pub struct EchoArguments {
    /// The party that echoes.
    #[arg(long, default_value = "echo")]
    party: String,
    /// Rooms.
    #[arg(long, default_value = "8")]
    rooms: NonZeroU32,
    /// Clients in each room; all of them send.
    #[arg(long, default_value = "8")]
    clients: NonZeroU32,
    /// Messages that each client keeps in flight.
    #[arg(long, default_value = "1")]
    in_flight: NonZeroU32,
    #[command(flatten)]
    pace: PaceArguments,
}

/// Flags of `broadcast`.
#[derive(Debug, Args)]
pub struct BroadcastArguments {
    /// The party that broadcasts.
    #[arg(long, default_value = "broadcast")]
    party: String,
    /// Rooms.
    #[arg(long, default_value = "1")]
    rooms: NonZeroU32,
    /// Clients in each room.
    #[arg(long, default_value = "64")]
    clients: NonZeroU32,
    /// Clients in each room that send.
    #[arg(long, default_value = "4")]
    senders: NonZeroU32,
    /// Messages that each sender keeps in flight.
    #[arg(long, default_value = "4")]
    in_flight: NonZeroU32,
    #[command(flatten)]
    pace: PaceArguments,
}

/// Flags of both kinds of traffic.
#[derive(Debug, Args)]
struct PaceArguments {
    /// Open loop: this many messages are delivered per second if none is lost (sends times receivers).
    #[arg(long, conflicts_with = "in_flight", value_parser = positive)]
    rate: Option<f64>,
    /// Seconds before measuring begins.
    #[arg(long, default_value = "1", value_parser = seconds)]
    warm_up_s: Duration,
    /// Seconds that are measured.
    #[arg(long, default_value = "5", value_parser = seconds)]
    window_s: Duration,
    /// Send no more messages than this.
    #[arg(long)]
    messages_max: Option<u64>,
}

/// Flags of `cold`.
#[derive(Debug, Args)]
pub struct ColdArguments {
    /// The party that answers requests.
    #[arg(long, default_value = "hello")]
    party: String,
    /// The party that echoes.
    #[arg(long, default_value = "echo")]
    echo_party: String,
    /// Requests for a known room, and for as many new ones.
    #[arg(long, default_value_t = 1_000)]
    requests: u32,
    /// New rooms asked for at once.
    #[arg(long, default_value = "100")]
    burst: NonZeroU32,
    /// How often.
    #[arg(long, default_value_t = 10)]
    bursts: u32,
    /// WebSockets opened to new rooms, one after another.
    #[arg(long, default_value_t = 200)]
    sockets: u32,
}

/// Flags of `memory`.
#[derive(Debug, Args)]
pub struct MemoryArguments {
    /// The party that echoes.
    #[arg(long, default_value = "echo")]
    party: String,
    /// Rooms that each run one message.
    #[arg(long, default_value_t = 5_000)]
    rooms: u32,
    /// Connections that stay open after one message each.
    #[arg(long, default_value_t = 5_000)]
    connections: u32,
}

/// Flags of `counter`.
#[derive(Debug, Args)]
pub struct CounterArguments {
    /// The party that counts.
    #[arg(long, default_value = "counter")]
    party: String,
    /// Clients, with one increment in flight each.
    #[arg(long, default_value = "1")]
    clients: NonZeroU32,
    /// Seconds before measuring begins.
    #[arg(long, default_value = "1", value_parser = seconds)]
    warm_up_s: Duration,
    /// Seconds that are measured.
    #[arg(long, default_value = "5", value_parser = seconds)]
    window_s: Duration,
    /// Ask for no more increments than this.
    #[arg(long)]
    increments_max: Option<u64>,
}

/// Flags of `wake`.
#[derive(Debug, Args)]
pub struct WakeArguments {
    /// The party that counts in a variable.
    #[arg(long, default_value = "tally")]
    party: String,
    /// Rooms that are made and fall asleep.
    #[arg(long, default_value = "20000")]
    rooms: NonZeroU32,
    /// How many of them are woken; by default all.
    #[arg(long)]
    wakes: Option<u32>,
    /// Wakes due per second.
    #[arg(long, default_value = "1000", value_parser = positive)]
    rate: f64,
    /// Rooms made per second; by default as many as the connections take. A host that makes more than it can save
    /// refuses some, and the run breaks off.
    #[arg(long, value_parser = positive)]
    make_rate: Option<f64>,
    /// Connections that ask.
    #[arg(long, default_value = "64")]
    connections: NonZeroU32,
    /// The host's admin socket: it is asked whether all rooms sleep, and what it counted.
    #[arg(long, value_name = "SOCKET")]
    admin: Option<PathBuf>,
    /// Without --admin: seconds in which all rooms fall asleep.
    #[arg(long, default_value = "15", value_parser = seconds)]
    asleep_after_s: Duration,
    /// The rooms were made by an earlier run with the same --run, and have not been woken since.
    #[arg(long, requires = "run")]
    made: bool,
}

/// Flags of `sleepers`.
#[derive(Debug, Args)]
pub struct SleepersArguments {
    /// The party that echoes.
    #[arg(long, default_value = "hello")]
    party: String,
    /// Sockets.
    #[arg(long, default_value = "19500")]
    sockets: NonZeroU32,
    /// How many of them share a room.
    #[arg(long, default_value = "1")]
    per_room: NonZeroU32,
    /// Seconds in which they are left alone, but for pings.
    #[arg(long, default_value = "40", value_parser = seconds)]
    left_alone_s: Duration,
    /// The host's admin socket: it is asked whether all rooms sleep.
    #[arg(long, value_name = "SOCKET")]
    admin: PathBuf,
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|rate| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "not a number above 0".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "not a number of seconds from 0 to 86400".to_owned())
}
