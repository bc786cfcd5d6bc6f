//! One thread that drives all clients: it sends what is due, reads what came, and judges it.
//!
//! ```text
//! connect ─► warm up ─► window ─► drain ─► close
//!            send, read           read     read until each socket has ended
//! ```
//!
//! What must hold: the CPU times of the server are read exactly when the window opens and closes; nothing is sent
//! after it; draining ends when all that is owed has come, or nothing has come for `SILENCE_MAX`.

use std::time::{Duration, Instant};

use super::super::frame::FRAME_BYTES_MAX;
use super::super::latency::Latencies;
use super::super::payload::Stamp;
use super::super::poller::{Poller, Ready};
use super::super::process::ServerProcess;
use super::super::sample::Sample;
use super::super::target::Target;
use super::super::websocket::SocketError;
use super::super::wire::Flushed;
use super::client::{Client, Sender, connect_all};
use super::tally::Tally;
use super::{FanOut, Integrity, Pace, TrafficError, TrafficReport, TrafficSettings};

/// How long nothing may come, after the window, before what is owed counts as lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(2);

/// How long the server may take to answer all closes.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// An open loop sleeps until this long before a message is due and then watches the clock: `epoll` counts in
/// milliseconds, and a late wake-up would count as the server's latency.
const WATCH_CLOCK: Duration = Duration::from_millis(2);

/// Size of the buffer that all sockets are read into. A broadcast comes in bursts of many small frames.
const SCRATCH_BYTES: usize = 4 * FRAME_BYTES_MAX;

#[derive(Clone, Copy, Debug)]
enum Phase {
    WarmUp,
    Window { opened: Sample },
    Drain { opened: Sample, closed: Sample },
}

#[derive(Debug)]
struct Engine<'a> {
    settings: &'a TrafficSettings,
    server: Option<ServerProcess>,
    origin: Instant,
    poller: Poller,
    clients: Vec<Client>,
    /// The client of each sender, by the sender's id.
    client_of_sender: Vec<usize>,
    /// Messages sent, by the sender's id.
    sent: Vec<u64>,
    sent_in_all: u64,
    last_sent_ns: u64,
    tally: Tally,
    send_late: Latencies,
    scratch: Vec<u8>,
}

/// Connects all clients, runs the load, and reports. `server` is the process whose CPU time is charged.
pub fn run(
    target: &Target,
    settings: &TrafficSettings,
    server: Option<ServerProcess>,
) -> Result<TrafficReport, TrafficError> {
    let mut engine = Engine::connect(target, settings, server)?;
    let (opened, closed) = engine.drive()?;
    let closes_unanswered = engine.close()?;
    Ok(engine.report(opened, closed, closes_unanswered))
}

impl<'a> Engine<'a> {
    fn connect(
        target: &Target,
        settings: &'a TrafficSettings,
        server: Option<ServerProcess>,
    ) -> Result<Engine<'a>, TrafficError> {
        let poller = Poller::new()?;
        let (clients, client_of_sender) = connect_all(target, settings, &poller)?;
        Ok(Engine {
            settings,
            server,
            origin: Instant::now(),
            poller,
            clients,
            sent: vec![0; client_of_sender.len()],
            client_of_sender,
            sent_in_all: 0,
            last_sent_ns: 0,
            tally: Tally::new(settings.run),
            send_late: Latencies::new(),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    /// Warm-up, window and drain. Returns what was measured at the window's ends.
    fn drive(&mut self) -> Result<(Sample, Sample), TrafficError> {
        self.origin = Instant::now();
        let mut phase = Phase::WarmUp;
        if let Pace::Closed { .. } = self.settings.pace {
            for client in 0..self.clients.len() {
                self.top_up(client)?;
            }
        }
        loop {
            phase = self.next_phase(phase)?;
            let sending = match phase {
                Phase::WarmUp | Phase::Window { .. } => true,
                Phase::Drain { opened, closed } if self.is_settled() => return Ok((opened, closed)),
                Phase::Drain { .. } => false,
            };
            let wait = if sending { self.send_due()? } else { Duration::from_millis(5) };
            for index in 0..self.poller.wait(wait)? {
                let ready = self.poller.ready(index);
                self.serve(ready)?;
                if let (true, Pace::Closed { .. }) = (sending, self.settings.pace) {
                    self.top_up(ready.token)?;
                }
            }
        }
    }

    fn next_phase(&mut self, phase: Phase) -> Result<Phase, TrafficError> {
        let now = self.now_ns();
        match phase {
            Phase::WarmUp if now >= nanoseconds(self.settings.warm_up) => {
                let opened = Sample::take(self.server)?;
                self.tally.open_window(self.now_ns());
                Ok(Phase::Window { opened })
            }
            Phase::Window { opened }
                if opened.at.elapsed() >= self.settings.window || self.is_exhausted() =>
            {
                let closed = Sample::take(self.server)?;
                self.tally.close_window(self.now_ns());
                Ok(Phase::Drain { opened, closed })
            }
            Phase::WarmUp | Phase::Window { .. } | Phase::Drain { .. } => Ok(phase),
        }
    }

    /// All that may be sent has been sent, and has come or been given up.
    fn is_exhausted(&self) -> bool {
        self.settings.messages_max.is_some_and(|max| self.sent_in_all >= max) && self.is_settled()
    }

    /// All that is owed has come, or nothing has come for long.
    fn is_settled(&self) -> bool {
        let quiet_since_ns = self.tally.last_event_ns().max(self.last_sent_ns);
        let silent_ns = self.now_ns().saturating_sub(quiet_since_ns);
        self.tally.delivered >= self.expected() || silent_ns > nanoseconds(SILENCE_MAX)
    }

    fn expected(&self) -> u64 {
        match self.settings.fan_out {
            FanOut::Echo => self.sent_in_all,
            FanOut::Broadcast => self.sent_in_all * u64::from(self.settings.clients),
        }
    }

    /// In an open loop sends every message that is due. Returns how long to wait for sockets.
    fn send_due(&mut self) -> Result<Duration, TrafficError> {
        let Pace::Open { deliveries_per_s } = self.settings.pace else {
            return Ok(Duration::from_millis(5));
        };
        let receivers = match self.settings.fan_out {
            FanOut::Echo => 1.0,
            FanOut::Broadcast => f64::from(self.settings.clients),
        };
        let interval_ns = 1e9 * receivers / deliveries_per_s;
        loop {
            if self.settings.messages_max.is_some_and(|max| self.sent_in_all >= max) {
                return Ok(Duration::from_millis(5));
            }
            let due_ns = (self.sent_in_all as f64 * interval_ns) as u64;
            let now_ns = self.now_ns();
            if due_ns > now_ns {
                let wait = Duration::from_nanos(due_ns - now_ns);
                return Ok(wait.saturating_sub(WATCH_CLOCK));
            }
            let sender = (self.sent_in_all % self.client_of_sender.len() as u64) as usize;
            let client = self.client_of_sender[sender];
            self.queue_message(client, due_ns);
            self.flush(client)?;
            if self.tally.window_covers(due_ns) {
                self.send_late.record_ns(self.now_ns() - due_ns);
            }
        }
    }

    /// In a closed loop sends until the client has as many in flight as it should.
    fn top_up(&mut self, client: usize) -> Result<(), TrafficError> {
        let Pace::Closed { in_flight } = self.settings.pace else {
            return Ok(());
        };
        let Some(Sender { id, returned }) = self.clients[client].sender else {
            return Ok(());
        };
        let mut queued = false;
        while self.sent[id as usize] - returned < u64::from(in_flight)
            && self.settings.messages_max.is_none_or(|max| self.sent_in_all < max)
        {
            self.queue_message(client, self.now_ns());
            queued = true;
        }
        if queued { self.flush(client) } else { Ok(()) }
    }

    fn queue_message(&mut self, client: usize, intended_ns: u64) {
        let client = &mut self.clients[client];
        let sender = client.sender.as_ref().expect("only clients that send are asked to").id;
        let sequence = self.sent[sender as usize];
        let stamp = Stamp { run: self.settings.run, sender, sequence, intended_ns };
        client.socket.queue_text(&stamp.encode());
        self.sent[sender as usize] += 1;
        self.sent_in_all += 1;
        self.last_sent_ns = intended_ns;
    }

    /// Writes what the client has queued, and watches for room to write if not all of it went.
    fn flush(&mut self, index: usize) -> Result<(), TrafficError> {
        let client = &mut self.clients[index];
        let flushed = client
            .socket
            .flush()
            .map_err(|error| TrafficError::Socket { client: index, source: error.into() })?;
        let waits = flushed == Flushed::Partly;
        if waits != client.waits_to_write {
            client.waits_to_write = waits;
            self.poller.watch_writable(&client.socket, index, waits)?;
        }
        Ok(())
    }

    /// Reads and judges what one socket has to say.
    fn serve(&mut self, ready: Ready) -> Result<(), TrafficError> {
        if ready.writable {
            self.flush(ready.token)?;
        }
        if !ready.readable {
            return Ok(());
        }
        let Engine { clients, tally, sent, scratch, origin, .. } = self;
        let Client { socket, receiver, sender, .. } = &mut clients[ready.token];
        // One look at the clock per read: all messages of one read came at once.
        let mut came_ns = None;
        socket
            .read(scratch, |is_text, payload| {
                let now_ns = *came_ns.get_or_insert_with(|| nanoseconds(origin.elapsed()));
                let judged = tally.judge(receiver, sent, now_ns, is_text, payload);
                if let (Some((id, sequence)), Some(own)) = (judged, sender.as_mut())
                    && id == own.id
                {
                    own.returned = own.returned.max(sequence + 1);
                }
            })
            .map_err(|source| TrafficError::Socket { client: ready.token, source })?;
        Ok(())
    }

    /// Closes all sockets in order and judges what still comes. Returns how many closes went unanswered.
    fn close(&mut self) -> Result<u64, TrafficError> {
        for index in 0..self.clients.len() {
            self.clients[index].socket.queue_close();
            self.flush(index)?;
        }
        let deadline = Instant::now() + CLOSE_WAIT;
        let mut open = self.clients.len() as u64;
        while open > 0 && Instant::now() < deadline {
            for ready in 0..self.poller.wait(Duration::from_millis(5))? {
                let ready = self.poller.ready(ready);
                match self.serve(ready) {
                    Ok(()) => {}
                    // A reset, too, is an end once the close was sent.
                    Err(TrafficError::Socket {
                        client,
                        source: SocketError::Closed { .. } | SocketError::Io(_),
                    }) => {
                        self.poller.forget(&self.clients[client].socket)?;
                        open -= 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(open)
    }

    fn report(&self, opened: Sample, closed: Sample, closes_unanswered: u64) -> TrafficReport {
        let usage = opened.until(&closed);
        let delivered = self.tally.delivered_in_window;
        TrafficReport {
            settings: self.settings.clone(),
            window_s: usage.wall.as_secs_f64(),
            messages_per_s: usage.per_second(delivered),
            server_cpu_us_per_message: usage.server_cpu_us_per(delivered),
            server_cpu_percent: usage.server_cpu_percent(),
            latency: self.tally.latencies.summary(),
            own_cpu_percent: usage.own_cpu_percent(),
            others_cpu_percent: usage.others_cpu_percent(),
            send_late: self.send_late.summary(),
            integrity: Integrity {
                sent: self.sent_in_all,
                expected: self.expected(),
                lost: self.clients.iter().map(|client| client.receiver.lost(&self.sent)).sum(),
                duplicated: self.tally.duplicated,
                reordered: self.tally.reordered,
                corrupted: self.tally.corrupted,
                foreign: self.tally.foreign,
                order_disagreements: self.order_disagreements(),
            },
            closes_unanswered,
        }
    }

    /// In each room, the receivers whose order differs from that of the first whose order is known.
    fn order_disagreements(&self) -> u64 {
        if self.settings.fan_out == FanOut::Echo {
            return 0;
        }
        self.clients
            .chunks(self.settings.clients as usize)
            .map(|room| {
                let mut orders = room.iter().filter_map(|client| client.receiver.order(&self.sent));
                let first = orders.next();
                orders.filter(|order| Some(*order) != first).count() as u64
            })
            .sum()
    }

    fn now_ns(&self) -> u64 {
        nanoseconds(self.origin.elapsed())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
