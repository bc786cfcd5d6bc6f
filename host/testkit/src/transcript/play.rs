//! Playing a transcript in a world, step by step.
//!
//! A transcript ends at the first thing that is not as it says: what comes after is a consequence. If it is to be brought
//! up to date it goes on, and notes what would have to be written ([`Edits`]).

mod expect;
mod going_on;
mod left;
mod notes;
mod outbound;
mod seats;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;
use party_node::room_log::DROPPED;

use crate::outbound::Requested;
use crate::transcript::payload::Content;
use crate::transcript::play::seats::Seat;
use crate::transcript::run::Note;
use crate::transcript::step::{Action, Answer, Commits, Deed, Request, Step, Transcript};
use crate::transcript::template::{Names, Template};
use crate::transcript::update::Edits;
use crate::world::{Response, World};

/// Something that was not as the transcript says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The number of the line, from 1; one more than there are if it is about the end.
    pub line: usize,
    /// What it is, in a line.
    pub what: String,
    /// What was expected and what was found, and more that helps, line by line.
    pub details: Vec<String>,
}

impl Failure {
    fn new(line: usize, what: impl Into<String>) -> Failure {
        Failure { line, what: what.into(), details: Vec::new() }
    }
}

/// Complaints of the host that are told with a failure.
const COMPLAINTS_TOLD_MAX: usize = 3;

/// A response that will be.
type Coming = Pin<Box<dyn Future<Output = Result<Response>>>>;

/// A transcript being played.
pub(crate) struct Player<'w> {
    world: &'w World,
    transcript: &'w Transcript,
    /// What paths are relative to.
    directory: PathBuf,
    /// Files that are not read from there.
    files: &'w BTreeMap<PathBuf, Arc<[u8]>>,
    /// Files that steps have made.
    exported: BTreeMap<PathBuf, Vec<u8>>,
    /// What has been taken so far.
    names: Names,
    seats: BTreeMap<String, Seat>,
    requests: BTreeMap<String, Coming>,
    /// Responses that have come and that no line was about.
    responses: BTreeMap<String, Response>,
    /// What rooms have fetched, and no line was about.
    asked: VecDeque<Requested>,
    /// Lines that guests have logged since the last look.
    logged: VecDeque<String>,
    /// Turns that were dropped, and that no line was about: the line of the step that did it, and why.
    dropped: VecDeque<(usize, String)>,
    /// What the host has complained of last.
    complaints: VecDeque<String>,
    /// What would have to be written, if the transcript is to be brought up to date.
    pub(crate) edits: Option<Edits>,
    /// Where something can be written that comes after a step: before these lines.
    places: Vec<usize>,
    /// What whoever reads the result should know.
    pub(crate) notes: Vec<Note>,
    /// The line of the last step that did something.
    acted: usize,
}

impl<'w> Player<'w> {
    pub(crate) fn new(
        world: &'w World,
        transcript: &'w Transcript,
        directory: &Path,
        files: &'w BTreeMap<PathBuf, Arc<[u8]>>,
        is_update: bool,
    ) -> Player<'w> {
        Player {
            world,
            transcript,
            directory: directory.to_owned(),
            files,
            exported: BTreeMap::new(),
            names: Names::new(),
            seats: BTreeMap::new(),
            requests: BTreeMap::new(),
            responses: BTreeMap::new(),
            asked: VecDeque::new(),
            logged: VecDeque::new(),
            dropped: VecDeque::new(),
            complaints: VecDeque::new(),
            edits: is_update.then(Edits::default),
            places: Vec::new(),
            notes: Vec::new(),
            acted: 1,
        }
    }

    pub(crate) async fn play(&mut self) -> Result<(), Failure> {
        self.play_all().await.map_err(|mut failure| {
            // Of what went before, it is the last that explains it.
            self.listen();
            failure
                .details
                .extend(self.complaints.iter().map(|complaint| format!("the host says: {complaint}")));
            failure
        })
    }

    async fn play_all(&mut self) -> Result<(), Failure> {
        let transcript = self.transcript;
        let mut steps = transcript.steps.iter().peekable();
        while let Some(step) = steps.next() {
            match &step.action {
                Action::Expect(_) | Action::Unordered(_) => {
                    // Lines that expect something belong together: they are brought up to date together.
                    let mut block = vec![step];
                    while let Some(next) = steps.next_if(|next| next.expects()) {
                        block.push(next);
                    }
                    self.expect_all(&block).await?;
                    if let Some(last) = block.last() {
                        self.was_expected(last.line + last.lines);
                    }
                }
                Action::Draw(_) => self.act(step).await?,
                action => {
                    self.no_turn_was_dropped()?;
                    if matches!(action, Action::Crash(_) | Action::Restart(_)) {
                        self.nothing_is_left(step.line).await?;
                    }
                    self.acted = step.line;
                    self.act(step).await?;
                    self.everything_was_answered()?;
                    self.listen();
                    self.has_come(step.line + step.lines);
                    if !matches!(action, Action::Crash(_) | Action::Restart(_)) {
                        // Seeds that nobody has drawn were for this step.
                        self.world.draw_from([]);
                    }
                }
            }
        }
        self.no_turn_was_dropped()?;
        self.nothing_is_left(transcript.lines.len() + 1).await
    }

    /// Hears what the host has complained of.
    fn listen(&mut self) {
        for complaint in self.world.take_complaints() {
            if let Some(why) = complaint.strip_prefix(DROPPED) {
                self.dropped.push_back((self.acted, why.to_owned()));
            }
            if self.complaints.len() == COMPLAINTS_TOLD_MAX {
                self.complaints.pop_front();
            }
            self.complaints.push_back(complaint);
        }
    }

    /// A panic, a trap or a limit that no line expects is a failure, also if nobody could see it.
    fn no_turn_was_dropped(&mut self) -> Result<(), Failure> {
        self.listen();
        let Some((line, why)) = self.dropped.front() else { return Ok(()) };
        let mut failure = Failure::new(*line, "here a turn was dropped that no line expects");
        failure.details.push(format!("`{}` below it expects that", expect::dropped(why)));
        Err(failure)
    }

    async fn act(&mut self, step: &Step) -> Result<(), Failure> {
        let failed = |error: anyhow::Error| Failure::new(step.line, format!("{error:#}"));
        let world = self.world;
        match &step.action {
            Action::Client(client, deed) => self.deed(step.line, client, deed).await,
            Action::Request(request) => self.request(step, request).await,
            Action::Leave(name) => {
                let coming = self.requests.remove(name);
                drop(coming.ok_or_else(|| Failure::new(step.line, format!("{name} was answered already")))?);
                world.settle().await;
                Ok(())
            }
            Action::Advance(time) => {
                world.advance(*time).await;
                Ok(())
            }
            Action::Jump(time) => {
                world.jump(*time).await;
                Ok(())
            }
            Action::Outbound(outbound) => self.lay_down(step.line, outbound),
            Action::Draw(seeds) => {
                world.draw_from(seeds.iter().copied());
                Ok(())
            }
            Action::Hibernate(room) => world.hibernate(room).await.map_err(failed),
            Action::Crash(down) => {
                self.note_checkpoints(step.line).await;
                world.crash_for(*down).await.map_err(failed)
            }
            Action::Restart(down) => world.restart_host_after(*down).await.map_err(failed),
            Action::Upgrade(party, file) => {
                let component = self.read(step.line, file)?;
                let deployed = world.upgrade(party, &component).await;
                deployed.map(drop).map_err(|error| failed(error.into()))
            }
            Action::RollBack(party) => {
                world.roll_back(party).await.map(drop).map_err(|error| failed(error.into()))
            }
            Action::Fork(from, to) => world.fork(from, to).await.map(drop).map_err(failed),
            Action::Export(file, room) => {
                let bytes = world.export(room).await.map_err(failed)?;
                self.exported.insert(file.clone(), bytes);
                Ok(())
            }
            Action::Import(file, to) => {
                let bytes = self.read(step.line, file)?;
                self.note_another_component(step.line, file, &bytes, to);
                world.import(&bytes, to).await.map(drop).map_err(failed)
            }
            Action::Continue(continues) => self.go_on(step.line, continues).await,
            Action::Commits(what) => {
                match what {
                    Commits::Fail => world.fail_next_commit(),
                    Commits::Wait => world.hold_commits(),
                    Commits::Go => world.let_commits_go().await,
                }
                Ok(())
            }
            Action::Ignore(client) => {
                self.seat(step.line, client)?.ignore();
                Ok(())
            }
            Action::Expect(_) | Action::Unordered(_) => self.expect_all(&[step]).await,
        }
    }

    fn read(&self, line: usize, file: &Path) -> Result<Vec<u8>, Failure> {
        if let Some(bytes) = self.exported.get(file) {
            return Ok(bytes.clone());
        }
        if let Some(bytes) = self.files.get(file) {
            return Ok(bytes.to_vec());
        }
        let path = self.directory.join(file);
        let unreadable = |error| Failure::new(line, format!("{} cannot be read: {error}", path.display()));
        std::fs::read(&path).map_err(unreadable)
    }

    fn seat(&mut self, line: usize, client: &str) -> Result<&mut Seat, Failure> {
        self.seats.get_mut(client).ok_or_else(|| Failure::new(line, format!("there is no client {client}")))
    }

    fn fill(&self, line: usize, template: &Template) -> Result<String, Failure> {
        template.fill(&self.names).map_err(|what| Failure::new(line, what))
    }

    fn fill_headers(
        &self,
        line: usize,
        headers: &[(String, Template)],
    ) -> Result<Vec<(String, String)>, Failure> {
        headers.iter().map(|(name, value)| Ok((name.clone(), self.fill(line, value)?))).collect()
    }

    async fn deed(&mut self, line: usize, client: &str, deed: &Deed) -> Result<(), Failure> {
        if let Deed::Connect { to, query, headers } = deed {
            let query = query.as_ref().map(|query| self.fill(line, query)).transpose()?;
            let headers = self.fill_headers(line, headers)?;
            let path = query.map_or_else(|| to.clone(), |query| format!("{to}?{query}"));
            if let Some(mut before) = self.seats.remove(client) {
                before.nothing_is_left(client).await.map_err(|what| Failure { line, ..what })?;
            }
            let seat = Seat::take(self.world, &path, &headers).await;
            let seat = seat.map_err(|error| Failure::new(line, format!("{client} cannot ask: {error:#}")))?;
            self.seats.insert(client.to_owned(), seat);
            return Ok(());
        }
        let content = match deed {
            Deed::Send(payload) => Some(payload.fill(&self.names).map_err(|what| Failure::new(line, what))?),
            Deed::Close(_, reason) => Some(Content::Text(self.fill(line, reason)?)),
            Deed::Connect { .. } | Deed::Cut | Deed::Stall | Deed::Slow(_) | Deed::Dead => None,
        };
        let done = self.seat(line, client)?.act(client, deed, content).await;
        if matches!(deed, Deed::Cut) {
            // What it has cut is found by the host, too.
            self.world.settle().await;
        }
        done.map_err(|error| Failure::new(line, format!("{error:#}")))
    }

    async fn request(&mut self, step: &Step, request: &Request) -> Result<(), Failure> {
        let line = step.line;
        let failed = |error: anyhow::Error| Failure::new(line, format!("{error:#}"));
        let path = self.fill(line, &request.path)?;
        let headers = self.fill_headers(line, &request.headers)?;
        let body = request.body.as_ref().map(|body| body.fill(&self.names)).transpose();
        let body = match body.map_err(|what| Failure::new(line, what))? {
            None => Vec::new(),
            Some(Content::Text(text)) => text.into_bytes(),
            Some(Content::Binary(bytes)) => bytes,
        };
        let coming = self.world.ask_with(&request.method, &path, &headers, &body).await.map_err(failed)?;
        match &request.answer {
            Answer::Later(name) => {
                self.requests.insert(name.clone(), Box::pin(coming));
                Ok(())
            }
            Answer::Now(reply) => {
                let response = coming.await.map_err(failed)?;
                self.answered(step, request, reply, &response)
            }
        }
    }
}
