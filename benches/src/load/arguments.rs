//! The command line of `party-load`: flags as typed, turned into a scenario as meant.
//!
//! What must hold: the defaults are the published scenarios, so that a run without flags compares with the table in
//! the readme; what makes no sense is refused before anything is sent.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::cold::ColdSettings;
use super::counter::CounterSettings;
use super::memory::MemorySettings;
use super::process::ServerProcess;
use super::scenario::Scenario;
use super::target::{Target, TargetError};
use super::traffic::{FanOut, Pace, TrafficSettings};

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

The server must have the parties echo (sends each message back to its sender), broadcast (sends it to everyone in
the room, the sender too), counter (POST increments durably and answers with the number, GET reads it) and hello
(answers any request with 200), at /parties/<party>/<room>. Name others with --party.

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

/// Flags that make no sense together.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentsError {
    /// The server's address cannot be driven.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// More senders than clients.
    #[error("{senders} senders are more than the {clients} clients of a room")]
    Senders {
        /// Senders asked for.
        senders: u32,
        /// Clients in each room.
        clients: u32,
    },
    /// Memory cannot be read without the process.
    #[error("memory is read from the server's process; give its id with --pid")]
    NoProcess,
}

impl Arguments {
    /// The scenario that is meant. `run` names its rooms unless a flag does.
    pub fn scenario(&self, run: u32) -> Result<Scenario, ArgumentsError> {
        let run = self.run.unwrap_or(run);
        match &self.scenario {
            ScenarioArguments::Echo(echo) => Ok(Scenario::Traffic(echo.settings(run))),
            ScenarioArguments::Broadcast(broadcast) => Ok(Scenario::Traffic(broadcast.settings(run)?)),
            ScenarioArguments::Cold(cold) => Ok(Scenario::Cold(ColdSettings {
                request_party: cold.party.clone(),
                echo_party: cold.echo_party.clone(),
                requests: cold.requests,
                burst: cold.burst.get(),
                bursts: cold.bursts,
                sockets: cold.sockets,
                run,
            })),
            ScenarioArguments::Memory(memory) => {
                let settings = MemorySettings {
                    party: memory.party.clone(),
                    rooms: memory.rooms,
                    connections: memory.connections,
                    run,
                };
                Ok(Scenario::Memory(settings, self.server().ok_or(ArgumentsError::NoProcess)?))
            }
            ScenarioArguments::Counter(counter) => Ok(Scenario::Counter(CounterSettings {
                party: counter.party.clone(),
                clients: counter.clients.get(),
                warm_up: counter.warm_up_s,
                window: counter.window_s,
                increments_max: counter.increments_max,
                run,
            })),
        }
    }

    /// The server to drive.
    pub fn target(&self) -> Result<Target, ArgumentsError> {
        Ok(Target::parse(&self.url, self.allow_remote)?)
    }

    /// The server's process, if its id was given.
    pub fn server(&self) -> Option<ServerProcess> {
        self.pid.map(ServerProcess::new)
    }
}

impl EchoArguments {
    fn settings(&self, run: u32) -> TrafficSettings {
        self.pace.settings(
            FanOut::Echo,
            &self.party,
            self.rooms,
            self.clients,
            self.clients,
            self.in_flight,
            run,
        )
    }
}

impl BroadcastArguments {
    fn settings(&self, run: u32) -> Result<TrafficSettings, ArgumentsError> {
        if self.senders > self.clients {
            let (senders, clients) = (self.senders.get(), self.clients.get());
            return Err(ArgumentsError::Senders { senders, clients });
        }
        let fan_out = FanOut::Broadcast;
        Ok(self.pace.settings(
            fan_out,
            &self.party,
            self.rooms,
            self.clients,
            self.senders,
            self.in_flight,
            run,
        ))
    }
}

impl PaceArguments {
    #[expect(clippy::too_many_arguments, reason = "each is a field of the settings, under its own name")]
    fn settings(
        &self,
        fan_out: FanOut,
        party: &str,
        rooms: NonZeroU32,
        clients: NonZeroU32,
        senders: NonZeroU32,
        in_flight: NonZeroU32,
        run: u32,
    ) -> TrafficSettings {
        TrafficSettings {
            fan_out,
            party: party.to_owned(),
            rooms: rooms.get(),
            clients: clients.get(),
            senders: senders.get(),
            pace: match self.rate {
                Some(deliveries_per_s) => Pace::Open { deliveries_per_s },
                None => Pace::Closed { in_flight: in_flight.get() },
            },
            warm_up: self.warm_up_s,
            window: self.window_s,
            messages_max: self.messages_max,
            run,
        }
    }
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

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::scenario::Scenario;
    use super::super::traffic::Pace;
    use super::{Arguments, ArgumentsError};

    fn scenario(line: &str) -> Result<Scenario, ArgumentsError> {
        Arguments::try_parse_from(line.split(' ')).unwrap().scenario(1)
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_flags_the_published_scenarios_run() {
        let Ok(Scenario::Traffic(echo)) = scenario("party-load echo") else { panic!("not traffic") };
        assert_eq!((echo.rooms, echo.clients, echo.senders), (8, 8, 8));
        assert_eq!(echo.pace, Pace::Closed { in_flight: 1 });
        let Ok(Scenario::Traffic(broadcast)) = scenario("party-load broadcast") else {
            panic!("not traffic")
        };
        assert_eq!((broadcast.rooms, broadcast.clients, broadcast.senders), (1, 64, 4));
        assert_eq!(broadcast.pace, Pace::Closed { in_flight: 4 });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "party-load echo --rooms 0",
            "party-load echo --rate 0",
            "party-load echo --rate inf",
            "party-load echo --rate 10 --in-flight 2",
            "party-load echo --window-s -1",
            "party-load",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        assert!(matches!(
            scenario("party-load broadcast --clients 3"),
            Err(ArgumentsError::Senders { senders: 4, clients: 3 })
        ));
        assert!(matches!(scenario("party-load memory"), Err(ArgumentsError::NoProcess)));
    }
}
