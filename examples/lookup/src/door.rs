//! The lobby: what is decided before a room is asked, and answered where there is none.

use party::{Decision, Error, Lobby, Request, Response, Result};

use crate::grants::{Grant, name};
use crate::{Answer, MAY, WATCH};

/// `/may/TENANT/USER/ACTION/RESOURCE` is answered from the tenant's room.
pub(crate) fn look_up(request: &Request) -> Result<Decision> {
    let Some(path) = request.path().strip_prefix(MAY) else { return Ok(Decision::proceed().into()) };
    if request.method != "GET" {
        return Ok(Response::status(405).with_header("allow", "GET").into());
    }
    let (tenant, asked) = path.split_once('/').unwrap_or((path, ""));
    let (tenant, asked) = (name("tenant", tenant)?, Grant::asked(asked)?);
    Ok(Decision::later(async move |lobby| Ok(ask(&lobby, &tenant, &asked).await?.into())))
}

/// Grants are for who has the key; what one may do is for everybody to ask.
pub(crate) fn check_key(lobby: &Lobby, request: &Request) -> Result<Decision> {
    if request.method == "GET" && request.path_in_room().starts_with(MAY) {
        return Ok(Decision::proceed().into());
    }
    let given = request.header("authorization").and_then(|value| value.strip_prefix(b"Bearer "));
    match lobby.var("KEY") {
        Some(key) if given == Some(key.as_bytes()) => Ok(Decision::proceed().into()),
        Some(_) => {
            let refused = Response::text("this needs the key: authorization: Bearer KEY");
            Ok(refused.with_status(401).with_header("www-authenticate", "Bearer").into())
        }
        None => Err(Error::new("the var KEY is not set, so nobody can change grants").with_status(403)),
    }
}

/// Who connects sees all grants: that is for those to whom `watch` is granted on `grants`.
///
/// Who they are is what they say here. Put the check of your login in its place: a session's cookie, a signed token.
pub(crate) fn check_watcher(room: &str, request: &Request) -> Result<Decision> {
    let mut parameters = request.query().unwrap_or_default().split('&');
    let user = parameters.find_map(|parameter| parameter.strip_prefix("user=")).unwrap_or_default();
    let (user, tenant) = (name("user", user)?, room.to_owned());
    let asked = Grant::of(&user, WATCH.0, WATCH.1)?;
    Ok(Decision::later(async move |lobby| {
        let Answer { may } = ask(&lobby, &tenant, &asked).await?.body_json()?;
        Ok(match may {
            true => Decision::proceed().with_header("x-user", user).into(),
            false => Response::text(format!("{asked} is not granted")).with_status(403).into(),
        })
    }))
}

/// Ask a tenant's room.
async fn ask(lobby: &Lobby, tenant: &str, asked: &Grant) -> Result<Response> {
    let answer = lobby.call(&lobby.party(), tenant).path(&format!("{MAY}{asked}")).await;
    answer.map_err(|error| Error::new(format!("nobody knows: {error}")).with_status(503))
}
