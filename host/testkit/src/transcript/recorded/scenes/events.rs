//! What came in: each event is a step, or belongs to one.

use std::collections::BTreeMap;

use party_core::event::{Event, NewConnection, Outcome};
use party_core::http::Request;
use party_core::ids::{ConnectionId, RequestId, Seed};
use party_core::journal::{Fate, Happening};
use party_core::limits::Limits;
use party_core::message::CloseFrame;
use party_core::profile::Profile;
use party_server::config::differing_limits;

use crate::client::NO_CODE;
use crate::transcript::recorded::lines;
use crate::transcript::recorded::scenes::scene::Place;
use crate::transcript::recorded::scenes::{Asked, Client, DROPPED, Scenes, State};

/// The seed of a turn that left none.
const NO_SEED: Seed = Seed([0; 32]);

impl Scenes {
    /// Gives back to what belongs what was let leave with it.
    pub(super) fn happening(&mut self, happening: &Happening<'_>) -> Place {
        match happening {
            Happening::Life(_) => {}
            Happening::Settings { vars, limits, profile } => self.settings(vars, limits, *profile),
            Happening::Resumed => self.crashes(),
            Happening::Time(now) => {
                if now.0 > self.clock {
                    self.jump(now.0);
                }
            }
            Happening::Event { event, arriving, now, fate } => {
                let seed = match fate {
                    Fate::Turn(seed) => Some(*seed),
                    Fate::Dropped => Some(NO_SEED),
                    Fate::Unheard => None,
                };
                let place = self.event(event, *arriving, now.0, seed);
                if *fate == Fate::Dropped {
                    self.expect(place, DROPPED.into());
                }
                return place;
            }
        }
        self.here()
    }

    fn event(
        &mut self,
        event: &Event,
        arriving: Option<&NewConnection>,
        now: u64,
        seed: Option<Seed>,
    ) -> Place {
        match event {
            Event::Start(_) => {
                self.passes(now);
                self.before.seeds.extend(seed);
                return Place::Before;
            }
            Event::Resume(_) => {
                self.before.seeds.extend(seed);
                return Place::Before;
            }
            Event::Connect(id) => {
                let Some(arriving) = arriving else { return self.here() };
                self.passes(now);
                self.connects(*id, arriving, seed);
            }
            Event::Message(id, message) => {
                let line = self.open(*id).map(|name| format!("> {name} send {}", lines::message(message)));
                if let Some(line) = line {
                    self.passes(now);
                    self.happens(vec![line], seed);
                }
            }
            Event::Close(id, frame, was_clean) => return self.closes(*id, frame, *was_clean, now, seed),
            Event::Error(id, error) => {
                let name = self.clients.get(id).map_or_else(|| id.to_string(), |client| client.name.clone());
                self.passes(now);
                let error = error.replace(char::is_control, " ");
                self.comment(&format!("not repeated: {name} broke the protocol or a limit: {error}"));
            }
            Event::Request(id, request) => {
                self.passes(now);
                self.asks(*id, request, seed);
            }
            Event::ResponseClosed(id) => {
                if let Some(Asked { name, .. }) = self.requests.remove(id) {
                    self.passes(now);
                    self.happens(vec![format!("> {name} cut")], seed);
                }
            }
            Event::Alarm | Event::Completed(..) | Event::Stream(..) | Event::Drain(..) => {
                if let Event::Stream(stream, what) = event {
                    self.stream_brings(stream.operation(), what);
                }
                if let Event::Completed(id, outcome) = event {
                    let was_fetched = self.fetch_ends(*id, outcome, now);
                    if matches!(outcome, Outcome::Asset(_)) {
                        self.comment("an asset was read here; what is played reads it as it is then");
                    }
                    if !was_fetched && matches!(outcome, Outcome::Response(_) | Outcome::Rooms(_)) {
                        self.comment(
                            "not repeated: what another room, or the list of rooms, has answered here",
                        );
                    }
                }
                if now > self.clock || self.scenes.is_empty() {
                    self.jump(now);
                }
                self.goes_on(seed);
            }
        }
        self.here()
    }

    fn settings(&mut self, vars: &BTreeMap<String, String>, limits: &Limits, profile: Profile) {
        let mut settings = vec![format!("profile {}", profile.name())];
        for (name, value) in differing_limits(limits, &Limits::default()) {
            settings.push(format!("limit {name} {value}"));
        }
        for (name, value) in vars {
            let is_word = !name.is_empty() && !name.contains(char::is_whitespace);
            let is_line = value.trim() == value && !value.chars().any(char::is_control);
            settings.push(match is_word && is_line {
                true => format!("var {name} {value}"),
                false => format!("# not repeated: the var {name:?}, which no line can hold"),
            });
        }
        if !std::mem::replace(&mut self.has_settings, true) {
            self.bytes += settings.iter().map(String::len).sum::<usize>();
            self.settings = settings;
        } else if settings != self.settings {
            self.comment("not repeated: vars, limits or the profile were others from here on");
        }
    }

    pub(super) fn connects(&mut self, id: ConnectionId, arriving: &NewConnection, seed: Option<Seed>) {
        let name = self.name(id, &arriving.key);
        let line = format!("> {name} {}", lines::connect(&self.room, &arriving.uri, &arriving.key));
        let (headers, unwritten) = lines::headers(&arriving.headers);
        self.unwritten(&unwritten);
        self.happens([vec![line], headers].concat(), seed);
        self.clients.insert(id, Client { name, state: State::Connecting(Vec::new(), false) });
    }

    fn closes(
        &mut self,
        id: ConnectionId,
        frame: &CloseFrame,
        was_clean: bool,
        now: u64,
        seed: Option<Seed>,
    ) -> Place {
        let Some(client) = self.clients.get_mut(&id) else { return self.here() };
        let name = client.name.clone();
        match std::mem::replace(&mut client.state, State::Gone) {
            // Its client answers the room's close at once.
            State::Closed(scene) => {
                if let Some(scene) = self.scenes.get_mut(scene) {
                    scene.seeds.extend(seed);
                }
                Place::Scene(scene)
            }
            // It went with its host: the room hears of it when it is next woken.
            State::Gone => {
                self.before.seeds.extend(seed);
                Place::Before
            }
            State::Connecting(..) | State::Open => {
                self.passes(now);
                let may_be_sent = frame.code == NO_CODE || CloseFrame::may_be_sent(frame.code);
                let is_close = was_clean && may_be_sent;
                let line = match is_close {
                    true => format!("> {name} {}", lines::close(Some(frame))),
                    false => format!("> {name} cut"),
                };
                self.happens(vec![line], seed);
                if is_close {
                    // With the same close.
                    self.expect(self.here(), format!("< {name} {}", lines::close(Some(frame))));
                }
                self.here()
            }
        }
    }

    fn asks(&mut self, id: RequestId, request: &Request, seed: Option<Seed>) {
        let line = lines::request(&self.room, request);
        let (headers, unwritten) = lines::headers(&request.headers);
        self.unwritten(&unwritten);
        self.happens([vec![line], headers].concat(), seed);
        let (name, scene) = (self.name_request(), self.scenes.len() - 1);
        self.scenes[scene].answer = Some(name.clone());
        self.requests.insert(id, Asked { name, scene, is_of_scene: true });
    }

    /// The host died, and another took the room up.
    fn crashes(&mut self) {
        if std::mem::take(&mut self.is_taken_up) {
            return;
        }
        self.happens(vec!["crash".into()], None);
        let mut lost = Vec::new();
        for client in self.clients.values_mut() {
            if matches!(client.state, State::Open | State::Connecting(..)) {
                lost.push(format!("< {} lost", client.name));
            }
            client.state = State::Gone;
        }
        let place = self.here();
        lost.into_iter().for_each(|line| self.expect(place, line));
        self.requests.clear();
    }
}
