//! Fetches, now and then of what cannot be.

use bytes::Bytes;
use party_core::event::Output;
use party_core::fetch::FetchOptions;
use party_core::http::{Header, Request};
use party_core::limits::FETCH_MS_MAX;
use party_core::operation::Work;
use party_core::turn::operations::StartError;

use super::Guest;

impl Guest<'_> {
    pub(super) fn fetch(&mut self) {
        let uri = if self.chance.percent(95) { "https://a.test/" } else { "a.test" };
        let (method, body) = ("POST".to_owned(), Bytes::copy_from_slice(self.text().as_bytes()));
        let own_key = Header { name: "Idempotency-Key".into(), value: Bytes::from_static(b"mine") };
        let headers = if self.chance.percent(20) { vec![own_key] } else { Vec::new() };
        let request = Request { method, uri: uri.into(), headers, body, body_waits: false };
        let timeout_ms = [0, 50, 40_000][self.chance.below(3) as usize];
        let (redirects_max, resend) = (self.chance.below(21) as u32, self.chance.percent(50));
        let options = FetchOptions { timeout_ms, redirects_max, resend, streams: false };
        match self.turn.fetch(request.clone(), options) {
            Ok(id) => {
                self.log.say(|| format!("    fetch {id} {options:?}"));
                assert_eq!((self.draft.may_begin(), uri), (Ok(()), "https://a.test/"), "fetch");
                let request = self.with_its_key(request, resend);
                let work = Work::Fetch { request: Box::new(request), redirects_max, resend, streams: false };
                let deadline_ms = if timeout_ms == 0 { FETCH_MS_MAX } else { timeout_ms };
                self.draft.ask_within(id, work, deadline_ms);
            }
            Err(StartError::Invalid(why)) => assert_eq!(uri, "a.test", "{why}"),
            Err(error) => assert_eq!(self.draft.may_begin(), Err(error), "fetch"),
        }
    }

    /// The request, with the key that the turn has made for it if it has none of its own. What it is, only the turn knows.
    fn with_its_key(&self, mut request: Request, resend: bool) -> Request {
        if resend && request.headers.is_empty() {
            let Some(Output::Begin(_, work, _)) = self.turn.outputs().last() else {
                panic!("it begins nothing")
            };
            let Work::Fetch { request: begun, .. } = &**work else { panic!("it is another work") };
            let key = begun.headers.last().expect("what may be sent again has a key");
            assert_eq!((key.name.as_str(), key.value.len()), ("idempotency-key", 36));
            request.headers.push(key.clone());
        }
        request
    }
}
