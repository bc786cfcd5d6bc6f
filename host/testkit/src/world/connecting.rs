//! Clients that ask for a connection.

use std::pin::Pin;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http};

use crate::client::Client;
use crate::transcript::payload::{Content, escaped};
use crate::world::World;
use crate::world::knocking::{Answer, Knocking};
use crate::world::requests::told_header;

/// The key of every handshake: that of RFC 6455, section 1.3.
const SOCKET_KEY: http::HeaderValue = http::HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");

/// A client before it asks to be let in. Awaited, it is the client; it is an error if it was not let in.
#[must_use = "a client asks only when this is awaited"]
pub struct Connecting<'w> {
    world: &'w World,
    path: String,
    headers: Vec<(String, String)>,
}

impl<'w> Connecting<'w> {
    /// What stands behind the `?` of its URL: `name=ada&token=x`.
    pub fn query(mut self, query: &str) -> Connecting<'w> {
        self.path += "?";
        self.path += query;
        self
    }

    /// A header of its request.
    pub fn header(mut self, name: &str, value: &str) -> Connecting<'w> {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks, and gives back whatever the answer is: let in, refused, or nothing yet.
    pub async fn knock(self) -> Result<Answer> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.world.knock(&self.path, &headers).await
    }
}

impl<'w> IntoFuture for Connecting<'w> {
    type Output = Result<Client>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Client>> + 'w>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let path = self.path.clone();
            match self.knock().await? {
                Answer::Connected(client) => Ok(client),
                Answer::Refused(status, body) => bail!("{path}: refused with {status} {body:?}"),
                Answer::Nothing(_) => bail!("{path}: no answer"),
            }
        })
    }
}

impl World {
    /// A client of a room. Its `query` and headers can be said before it is awaited:
    /// `world.connect("main", "lobby").query("name=ada").await?`.
    pub fn connect(&self, party: &str, room: &str) -> Connecting<'_> {
        Connecting { world: self, path: format!("{party}/{room}"), headers: Vec::new() }
    }

    /// A client of no room, at a path of the host: `world.connect_outside("/some/socket").await?`.
    pub fn connect_outside(&self, path: &str) -> Connecting<'_> {
        Connecting { world: self, path: path.to_owned(), headers: Vec::new() }
    }

    /// Lets a client ask for a connection. The path follows `/parties/`: `main/lobby?_pk=alice`; or it begins with `/`, and is one of
    /// the host.
    pub async fn knock(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let is_outside = path.starts_with('/');
        let routed = match is_outside {
            true => path.to_owned(),
            false => self.as_routed(&format!("/parties/{path}")),
        };
        let mut request = format!("ws://world{routed}").into_client_request()?;
        // A random one would be the one thing in a world that does not come from its seed, and guests can see it.
        request.headers_mut().insert(http::header::SEC_WEBSOCKET_KEY, SOCKET_KEY);
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::try_from(*name)?, value.parse()?);
        }
        let (host, name, path) = (Rc::clone(&self.host), self.host.story.name_client(), path.to_owned());
        let below: String =
            headers.iter().map(|(name, value)| format!("\n{}", told_header(name, value))).collect();
        let asked = escaped(&path).replacen('?', " ?", 1);
        let of_host = if is_outside { "host:" } else { "" };
        self.host.story.tell(format!("> {name} connect {of_host}{asked}{below}"));
        let stream = self.dial().await?;
        let answer = Box::pin(async move {
            match tokio_tungstenite::client_async(request, stream).await {
                Ok((socket, _)) => Ok(Answer::Connected(Client::new(host, name, path, socket))),
                Err(tungstenite::Error::Http(response)) => {
                    let body = response.body().as_deref().unwrap_or_default();
                    let body = String::from_utf8_lossy(body).into_owned();
                    let status = response.status().as_u16();
                    let told = match body.is_empty() {
                        true => String::new(),
                        false => format!(" {}", Content::Text(body.clone()).written()),
                    };
                    host.story.tell(format!("< {name} refused {status}{told}"));
                    Ok(Answer::Refused(status, body))
                }
                Err(error) => Err(error).context(path),
            }
        });
        Knocking::new(Rc::clone(&self.host), answer).answer().await
    }
}
