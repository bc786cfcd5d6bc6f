//! A world of one seed: the caller is asked to call, calls and answers are on their way for a while, and the host does to
//! both rooms whatever hosts do.

use std::collections::BTreeMap;

use bytes::Bytes;
use party_core::call::{Attempt, Call, CallId};
use party_core::event::{Outcome, Output};
use party_core::http::Request;
use party_core::ids::{OperationId, RequestId, Seed, Timestamp};
use party_core::operation::Work;

use crate::guest::Came;
use crate::log::Log;
use crate::random::Random;
use crate::side::Side;
use crate::tally::Tally;

/// Rounds until a world must have come to rest.
const ROUNDS_MAX: u32 = 10_000;

/// A call that is carried for the caller.
struct Carried {
    call: Call,
    request: Request,
    at: At,
}

/// Where it is.
enum At {
    /// On its way to the callee; or to be asked once more.
    ThereFrom(Timestamp),
    /// It waits there, as this request.
    There(RequestId),
    /// The answer is on its way back.
    Back(Outcome),
    /// The caller has it, and has not said that it will not ask again.
    Answered,
}

struct World {
    caller: Side,
    callee: Side,
    is_durable: bool,
    now: Timestamp,
    carried: BTreeMap<OperationId, Carried>,
    next_token: u64,
    crashes: u64,
    random: Random,
    tally: Tally,
    log: Log,
}

/// Lives the world of a seed. Panics if it breaks a promise.
pub(crate) fn live(seed: u64, log: Log) -> Tally {
    let mut random = Random::new(seed);
    let is_durable = random.percent(70);
    let mut world = World {
        caller: Side::new("caller", true, log),
        callee: Side::new("callee", is_durable, log),
        is_durable,
        now: Timestamp(1_000),
        carried: BTreeMap::new(),
        next_token: 1,
        crashes: 0,
        random,
        tally: Tally::default(),
        log,
    };
    world.tally.meet("called", if is_durable { "a durable room" } else { "a room that is not durable" });
    let steps = [20, 60, 200][world.random.below(3) as usize];
    let crash = [0, 2, 8][world.random.below(3) as usize];
    for _ in 0..steps {
        world.step(crash);
    }
    world.come_to_rest();
    world.check();
    world.tally
}

impl World {
    fn step(&mut self, crash: u64) {
        let seed = self.seed();
        match self.random.below(100) {
            0..14 => self.ask_to_call(),
            14..30 => _ = self.caller.turn(self.now, seed),
            30..48 => _ = self.callee.turn(self.now, seed),
            48..60 => self.caller.write(),
            60..72 => self.callee.write(),
            72..84 => self.carry_one(),
            84..87 => {
                let ms = [1, 10, 500, 20_000][self.random.below(4) as usize];
                self.tell_time(ms);
            }
            87..91 => _ = self.caller.save(self.random.percent(50)),
            91..95 => {
                let is_known = self.callee.room.known_calls() > 0;
                let is_saved = self.callee.save(self.random.percent(50));
                (is_saved && is_known).then(|| self.tally.meet("saved", "with a call known"));
            }
            _ if self.random.percent(crash * 10) => self.crash(),
            _ => {}
        }
        self.see();
    }

    fn seed(&mut self) -> Seed {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.random.next().to_le_bytes());
        Seed(seed)
    }

    /// A client asks the caller to call.
    fn ask_to_call(&mut self) {
        let body = Bytes::copy_from_slice(&self.next_token.to_le_bytes());
        let request =
            Request { method: "CALL".into(), uri: "/".into(), headers: Vec::new(), body, body_waits: false };
        if self.caller.room.request(request, self.now).is_ok() {
            self.next_token += 1;
        }
    }

    fn tell_time(&mut self, ms: u64) {
        self.now = self.now.after_ms(ms);
        for side in [&mut self.caller, &mut self.callee] {
            side.room.on_time(self.now);
            side.carry_out();
        }
    }

    /// One of what is on its way arrives.
    fn carry_one(&mut self) {
        let moving = self.carried.iter().filter(|(_, one)| match one.at {
            At::ThereFrom(at) => at <= self.now,
            At::Back(_) => true,
            At::There(_) | At::Answered => false,
        });
        let moving: Vec<OperationId> = moving.map(|(id, _)| *id).collect();
        let Some(id) = self.random.pick(moving) else { return };
        let Some(one) = self.carried.get_mut(&id) else { return };
        match std::mem::replace(&mut one.at, At::Answered) {
            At::ThereFrom(_) => {
                one.at = match self.callee.room.call(one.call.clone(), one.request.clone(), self.now) {
                    Ok(request) => At::There(request),
                    Err(_) => At::ThereFrom(self.now.after_ms(50)),
                };
                self.log.say(|| format!("call {id} arrives"));
            }
            At::Back(outcome) => {
                self.log.say(|| format!("answer {id} arrives"));
                self.caller.room.answered(id, outcome);
            }
            at @ (At::There(_) | At::Answered) => one.at = at,
        }
        self.caller.carry_out();
        self.callee.carry_out();
    }

    /// What has left the rooms.
    fn see(&mut self) {
        for output in self.caller.take_outputs() {
            match output {
                Output::Begin(id, work, attempt) => self.begin(id, &work, attempt),
                Output::Forget(id) => {
                    let Some(one) = self.carried.remove(&id) else { continue };
                    self.log.say(|| format!("forget {id}"));
                    if matches!(one.at, At::Answered) {
                        self.tally.meet("told", "that it is not asked again");
                    }
                    self.callee.room.call_gone(&one.call.id);
                }
                _ => {}
            }
        }
        self.hear_callee();
    }

    fn hear_callee(&mut self) {
        for output in self.callee.take_outputs() {
            match output {
                Output::Respond(request, response) => {
                    self.back(request, Outcome::Response(Box::new(response)))
                }
                Output::Interrupted(request) => self.back(request, Outcome::Interrupted),
                _ => {}
            }
        }
    }

    fn begin(&mut self, id: OperationId, work: &Work, attempt: Attempt) {
        let Work::Call { room, request, once, .. } = work else { panic!("only calls are made here") };
        let once = once.expect("the caller is durable");
        if attempt == Attempt::Again {
            self.tally.meet("asked", "again, after a crash");
        }
        self.log.say(|| format!("begin {id} {attempt:?}"));
        let (party, caller) = ("party".into(), self.caller.name.into());
        let incarnation = once.incarnation;
        assert_eq!(room, self.callee.name);
        let call = Call { id: CallId { party, room: caller, incarnation, operation: id }, once, attempt };
        let at = At::ThereFrom(self.now);
        let before = self.carried.insert(id, Carried { call, request: (**request).clone(), at });
        assert!(before.is_none(), "{id} is begun twice");
    }

    fn back(&mut self, request: RequestId, outcome: Outcome) {
        let waits = |one: &&mut Carried| matches!(one.at, At::There(id) if id == request);
        if let Some(one) = self.carried.values_mut().find(waits) {
            one.at = At::Back(outcome);
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        match self.random.below(4) {
            0 => {
                // Its commits fail; whoever carried its calls goes with it, and tells nobody.
                self.log.say(|| "the caller is lost".into());
                self.tally.meet("lost", "caller");
                if !self.carried.is_empty() {
                    self.tally.meet("asked", "by a room that was lost");
                }
                self.carried.clear();
                self.caller.begin_again();
            }
            1 => {
                self.log.say(|| "the callee is lost".into());
                self.tally.meet("lost", "callee");
                if self.callee.fail() {
                    // What it says of its end is heard.
                    self.hear_callee();
                }
                self.lose_answers();
                self.callee.begin_again();
            }
            _ => {
                self.log.say(|| "crash".into());
                for one in self.carried.values() {
                    match one.at {
                        At::ThereFrom(_) => self.tally.meet("crash", "with a call on its way"),
                        At::There(_) => self.tally.meet("crash", "with a call open"),
                        At::Back(_) => self.tally.meet("crash", "with an answer on its way"),
                        At::Answered => {}
                    }
                }
                self.carried.clear();
                self.caller.begin_again();
                self.callee.begin_again();
            }
        }
    }

    /// Whoever waited for the callee asks once more.
    fn lose_answers(&mut self) {
        for one in self.carried.values_mut() {
            if let At::There(_) = one.at {
                one.call.attempt = Attempt::Again;
                one.at = At::ThereFrom(self.now.after_ms(50));
                self.tally.meet("asked", "again, of a room that was lost");
            }
        }
    }

    fn come_to_rest(&mut self) {
        self.log.say(|| "comes to rest".into());
        for _ in 0..ROUNDS_MAX {
            self.caller.write_all();
            self.callee.write_all();
            self.see();
            let seed = self.seed();
            let moved = self.caller.turn(self.now, seed) | self.callee.turn(self.now, seed);
            self.carry_one();
            self.see();
            let is_moving = self.carried.values().any(|one| matches!(one.at, At::Back(_)));
            if moved || is_moving || !self.caller.commits.is_empty() || !self.callee.commits.is_empty() {
                continue;
            }
            let waits = [self.caller.room.operations(), self.callee.room.operations()];
            let requests = self.callee.room.requests();
            if waits == [Some(0), Some(0)] && requests == 0 && self.caller.room.requests() == 0 {
                return;
            }
            self.tell_time(1_000);
        }
        panic!("the rooms did not come to rest");
    }

    /// What the rooms know in the end.
    fn check(&mut self) {
        let caller = self.caller.memory();
        let callee = self.callee.memory();
        let heard = self.callee.heard();
        self.log.say(|| format!("{caller:?}\n{callee:?}\n{heard:?}"));
        assert_eq!(caller.waits, BTreeMap::new(), "every call has ended");
        for (token, times) in &heard {
            assert_eq!(*times, 1, "{token} was heard so often");
        }
        let mut ended = BTreeMap::new();
        for (token, came) in &caller.outcomes {
            assert!(ended.insert(*token, *came).is_none(), "{token} has ended twice");
            let times = heard.get(token).copied().unwrap_or_default();
            match came {
                Came::Answer(200, of) => {
                    assert_eq!(of, token, "the answer to another call");
                    assert_eq!(times, 1, "{token} was answered and not heard");
                    self.tally.meet("outcome", "200");
                }
                Came::Answer(500, _) => self.tally.meet("outcome", "500"),
                Came::Answer(504, _) => self.tally.meet("outcome", "504"),
                // A room of which nothing is kept that it has heard says so of its end.
                Came::Answer(503, _) if !self.is_durable => self.tally.meet("outcome", "503"),
                Came::Answer(status, _) => panic!("{token} was answered {status}"),
                Came::Interrupted => {
                    assert!(!self.is_durable, "{token} was interrupted, between durable rooms");
                    self.tally.meet("outcome", "interrupted");
                }
                Came::Timeout => self.tally.meet("outcome", "timeout"),
                Came::Dropped => self.tally.meet("outcome", "dropped"),
            }
        }
        if self.is_durable {
            assert!(callee.heard.iter().all(|token| heard.contains_key(token)), "memory and storage agree");
        }
        // Nobody waits for any of them, and whoever was asked has been told so.
        let all_said = self.crashes == 0 && !caller.outcomes.iter().any(|(_, came)| *came == Came::Dropped);
        let known = self.callee.room.known_calls();
        assert!(!all_said || known == 0, "{known} calls are still known");
    }
}
