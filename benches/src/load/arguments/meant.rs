//! From flags as typed to a scenario as meant.
//!
//! What must hold: what makes no sense is refused here, with a hint, before anything is sent.

use std::num::NonZeroU32;

use super::super::admin::AdminSocket;
use super::super::cold::ColdSettings;
use super::super::counter::CounterSettings;
use super::super::memory::MemorySettings;
use super::super::process::ServerProcess;
use super::super::scenario::Scenario;
use super::super::sleepers::SleepersSettings;
use super::super::target::{Target, TargetError};
use super::super::traffic::{FanOut, Pace, TrafficSettings};
use super::super::wake::WakeSettings;
use super::{Arguments, BroadcastArguments, EchoArguments, PaceArguments, ScenarioArguments};

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

impl ArgumentsError {
    /// What to do about it, where the message does not say so already.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ArgumentsError::Target(TargetError::Remote(_)) => {
                Some("load only servers that are yours, and then with --allow-remote")
            }
            ArgumentsError::Target(TargetError::Scheme(_)) => Some("write it like http://127.0.0.1:1999"),
            ArgumentsError::Senders { .. } => Some("lower --senders or raise --clients"),
            ArgumentsError::Target(
                TargetError::Path(_) | TargetError::Resolve { .. } | TargetError::NoAddress(_),
            )
            | ArgumentsError::NoProcess => None,
        }
    }
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
            ScenarioArguments::Wake(wake) => {
                let rooms = wake.rooms.get();
                let settings = WakeSettings {
                    party: wake.party.clone(),
                    rooms,
                    wakes: wake.wakes.map_or(rooms, |wakes| wakes.min(rooms)),
                    per_s: wake.rate,
                    connections: wake.connections.get(),
                    asleep_after: wake.asleep_after_s,
                    made_per_s: wake.make_rate,
                    prepares: !wake.made,
                    run,
                };
                Ok(Scenario::Wake(settings, wake.admin.clone().map(AdminSocket::new)))
            }
            ScenarioArguments::Sleepers(sleepers) => {
                let settings = SleepersSettings {
                    party: sleepers.party.clone(),
                    sockets: sleepers.sockets.get(),
                    per_room: sleepers.per_room.get(),
                    left_alone: sleepers.left_alone_s,
                    run,
                };
                let admin = AdminSocket::new(sleepers.admin.clone());
                Ok(Scenario::Sleepers(settings, self.server().ok_or(ArgumentsError::NoProcess)?, admin))
            }
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

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::super::scenario::Scenario;
    use super::super::super::traffic::Pace;
    use super::super::Arguments;
    use super::ArgumentsError;

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
