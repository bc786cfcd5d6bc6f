//! Which project a request is for: decided once, of the host that it names.
//!
//! A host with one project has nothing to decide: everything is for it, whatever is asked for. Of several, the one counts
//! that lists the name under `hosts` in its party.toml; else the one that is called as the name's first label, as in
//! `chat.example.com` and `chat.localhost`. What names none is for the first project, so that its clients need not know that it
//! is not alone; unless that has `hosts` itself: then a name that is nobody's gets 404, and only those who give no name, an
//! address or `localhost` are taken there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use party_core::http::Response;
use party_node::project::Project;
use thiserror::Error;

use super::exchange::host;
use super::origins::AllowedOrigins;
use crate::assets::Assets;
use crate::config::routing::Routing;

/// What a proxy says that it was asked for. It is among the headers only where it is believed (`proxies.rs`).
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Who asks for this asks for nobody by name.
const LOCALHOST: &str = "localhost";
/// The longest name of a host, in bytes, as in DNS.
const HOST_BYTES_MAX: usize = 253;

/// What the edge is told of a project.
#[derive(Clone, Debug, Default)]
pub struct ProjectOptions {
    /// The names of hosts under which it is asked for, beside its own as the first label.
    pub hosts: Vec<HostName>,
    /// Static assets.
    pub assets: Option<Arc<Assets>>,
    /// Whose pages may speak to its rooms; `None`: all.
    pub allowed_origins: Option<AllowedOrigins>,
    /// How its rooms are addressed. Its parties have the same profile.
    pub routing: Routing,
}

/// The name of a host as a client names it: in lower case, without a port and a dot at its end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostName(String);

/// Why a text is no name of a host. What to do is in [`HostNameError::hint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HostNameError {
    /// A scheme, a path or a user.
    #[error("has more than the name of a host")]
    TooMuch,
    /// A port.
    #[error("has a port")]
    Port,
    /// `*`.
    #[error("has a \"*\"")]
    Wildcard,
    /// Not what a client would name.
    #[error("is no name that a client would give")]
    BadName,
}

impl HostNameError {
    /// What to write instead.
    pub fn hint(self) -> &'static str {
        match self {
            HostNameError::TooMuch => "write the name alone: \"chat.example.com\"",
            HostNameError::Port => "leave it out: a name counts on every port",
            HostNameError::Wildcard => {
                "list each name; the project's own name as the first label is taken without being listed"
            }
            HostNameError::BadName => {
                "write a name in a-z, 0-9, -, _ and ., others as xn--…, or an address such as 192.0.2.7"
            }
        }
    }
}

impl HostName {
    /// Reads one: `chat.example.com`, `192.0.2.7` or `[2001:db8::7]`.
    pub fn parse(text: &str) -> Result<HostName, HostNameError> {
        if text.contains(['/', '?', '#', '@']) {
            return Err(HostNameError::TooMuch);
        }
        if text.contains('*') {
            return Err(HostNameError::Wildcard);
        }
        if let Some(address) = address(text) {
            return Ok(HostName::of_address(address));
        }
        if text.contains(':') {
            return Err(HostNameError::Port);
        }
        let name = plain(text);
        let of_label = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(of_label);
        match name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label) {
            true => Ok(HostName(name.into_owned())),
            false => Err(HostNameError::BadName),
        }
    }

    /// As it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in a URL.
    fn of_address(address: IpAddr) -> HostName {
        HostName(match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        })
    }
}

/// The address that it is, in brackets or not.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// As names are compared: in lower case, without the dot of the root.
fn plain(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

/// A project as the edge knows it.
#[derive(Clone)]
pub(crate) struct EdgeProject {
    pub(crate) project: Arc<Project>,
    pub(crate) assets: Option<Arc<Assets>>,
    allowed_origins: Option<AllowedOrigins>,
    routing: Routing,
}

impl EdgeProject {
    pub(crate) fn name(&self) -> &str {
        &self.project.name
    }

    /// How its rooms are addressed.
    pub(crate) fn routing(&self) -> &Routing {
        &self.routing
    }

    pub(crate) fn assets(&self) -> Option<&Assets> {
        self.assets.as_deref()
    }

    /// Whether the page that asks may speak to its rooms and lobbies. An error is the refusal.
    pub(crate) fn allow_page(&self, headers: &HeaderMap) -> Result<(), Response> {
        self.allowed_origins.as_ref().map_or(Ok(()), |origins| origins.check(headers))
    }
}

/// All projects of a host, by what they are asked for.
pub(crate) struct Projects {
    /// At least one.
    all: Vec<EdgeProject>,
    /// The names that are listed, then the projects' own.
    by_host: HashMap<String, usize>,
    by_label: HashMap<String, usize>,
    /// Whether the first takes what is nobody's.
    takes_all: bool,
}

impl Projects {
    /// Those of a node, and what is said of each, by its name; of a project of which nothing is said, as by default.
    pub(crate) fn new(of_node: &[Arc<Project>], mut options: HashMap<String, ProjectOptions>) -> Projects {
        let mut projects =
            Projects { all: Vec::new(), by_host: HashMap::new(), by_label: HashMap::new(), takes_all: true };
        for (index, project) in of_node.iter().enumerate() {
            let ProjectOptions { hosts, assets, allowed_origins, routing } =
                options.remove(&project.name).unwrap_or_default();
            projects.takes_all &= index > 0 || hosts.is_empty();
            projects.by_host.extend(hosts.into_iter().map(|HostName(host)| (host, index)));
            projects.by_label.insert(project.name.clone(), index);
            projects.all.push(EdgeProject { project: Arc::clone(project), assets, allowed_origins, routing });
        }
        projects
    }

    /// The one that a request is for, as far as its headers are believed. An error is the refusal of one that names no
    /// project of this host, or no host.
    pub(crate) fn asked_for(&self, parts: &Parts) -> Result<&EdgeProject, Response> {
        if let [only] = &self.all[..] {
            return Ok(only);
        }
        let asked = match forwarded(&parts.headers) {
            Some(authority) => authority,
            None => Cow::Owned(host(parts)?),
        };
        let asked = Authority::try_from(asked.as_ref()).ok().filter(|asked| !asked.as_str().contains('@'));
        let asked = asked.ok_or_else(|| Response::text(400, "the x-forwarded-host header is no host"))?;
        match self.of_host(asked.host()) {
            Some(index) => Ok(&self.all[index]),
            None => {
                let told: String = asked.host().chars().take(HOST_BYTES_MAX).collect();
                let text = format!("no project of this host is served as {told}");
                Err(Response::text(404, text))
            }
        }
    }

    fn of_host(&self, host: &str) -> Option<usize> {
        let host = plain(host);
        // An address can be written in several ways.
        let address = address(&host).map(HostName::of_address);
        if let Some(index) = self.by_host.get(address.as_ref().map_or(&*host, HostName::as_str)) {
            return Some(*index);
        }
        if host == LOCALHOST || address.is_some() {
            return Some(0);
        }
        let label = host.split('.').next().unwrap_or_default();
        self.by_label.get(label).copied().or(self.takes_all.then_some(0))
    }
}

/// What a proxy that is believed was asked for: of several, what the last has heard, if it has heard anything.
fn forwarded(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let last = headers.get_all(FORWARDED_HOST).into_iter().next_back()?;
    let text = String::from_utf8_lossy(last.as_bytes());
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.rsplit(',').next().unwrap_or_default().trim()),
        Cow::Owned(text) => text.into(),
    };
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::Request;
    use party_node::assets::NoAssets;
    use party_node::outbound::NoNetwork;
    use party_node::project::Project;

    use super::{HostName, ProjectOptions, Projects};

    /// Projects of these names, each with these hosts.
    fn projects(all: &[(&str, &[&str])]) -> Projects {
        let project = |(name, _): &(&str, &[&str])| {
            let (name, outbound, assets) = ((*name).to_owned(), Arc::new(NoNetwork), Arc::new(NoAssets));
            Arc::new(Project { name, outbound, assets, crons: Vec::new() })
        };
        let options = |(name, hosts): &(&str, &[&str])| {
            let hosts = hosts.iter().map(|host| HostName::parse(host).expect("it is one")).collect();
            ((*name).to_owned(), ProjectOptions { hosts, ..ProjectOptions::default() })
        };
        let of_node: Vec<_> = all.iter().map(project).collect();
        Projects::new(&of_node, all.iter().map(options).collect())
    }

    /// The name of the project that a request is for, or what it is refused with.
    fn asked(projects: &Projects, target: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).expect("it is a request").into_parts().0;
        match projects.asked_for(&parts) {
            Ok(project) => project.name().to_owned(),
            Err(refusal) => format!("{} {}", refusal.status, String::from_utf8_lossy(&refusal.body)),
        }
    }

    #[track_caller]
    fn check(projects: &Projects, cases: &[(&str, &str)]) {
        for (host, expected) in cases {
            assert_eq!(asked(projects, "/party/x", &[("host", host)]), *expected, "{host}");
        }
    }

    #[test]
    fn a_project_that_is_alone_has_everything() {
        let alone = projects(&[("chat", &["chat.example"])]);
        check(&alone, &[("chat.example", "chat"), ("other.example", "chat"), ("a b", "chat")]);
        assert_eq!(asked(&alone, "/party/x", &[]), "chat");
        assert_eq!(asked(&alone, "/party/x", &[("host", "a"), ("host", "b")]), "chat");
    }

    #[test]
    fn a_name_that_is_listed_counts_before_the_first_label() {
        let both = projects(&[
            ("chat", &[]),
            ("shop", &["buy.example", "chat.example", "192.0.2.7", "[::1]", "2001:db8:0::7"]),
        ]);
        check(
            &both,
            &[
                ("shop.example:8080", "shop"),
                ("SHOP.Example.", "shop"),
                ("shop", "shop"),
                ("shop.localhost:1999", "shop"),
                ("buy.example", "shop"),
                ("Buy.EXAMPLE.:80", "shop"),
                ("chat.example", "shop"),
                ("chat.localhost", "chat"),
                ("192.0.2.7", "shop"),
                ("[::ffff:192.0.2.7]", "shop"),
                ("[::1]:80", "shop"),
                ("[0:0::0:1]", "shop"),
                ("[2001:DB8::7]", "shop"),
                ("www.shop.example", "chat"),
                ("shopper.example", "chat"),
                ("192.0.2.8", "chat"),
                ("localhost:1999", "chat"),
                ("", "chat"),
            ],
        );
    }

    #[test]
    fn what_is_nobodys_is_the_firsts_unless_that_lists_what_is_its_own() {
        let listed = projects(&[("chat", &["chat.example"]), ("shop", &[]), ("10", &[])]);
        check(
            &listed,
            &[
                ("chat.example", "chat"),
                ("chat.other", "chat"),
                ("shop.example", "shop"),
                ("10.example", "10"),
                ("127.0.0.1:1999", "chat"),
                ("10.0.0.1", "chat"),
                ("[2001:db8::7]", "chat"),
                ("localhost", "chat"),
                ("gone.example", "404 no project of this host is served as gone.example"),
            ],
        );
        let long = format!("{}.example", "x".repeat(1_000));
        let refused = asked(&listed, "/", &[("host", &long)]);
        assert!(refused.starts_with("404 ") && refused.len() < 400, "{refused}");
    }

    #[test]
    fn a_host_that_cannot_be_read_is_nobodys() {
        let both = projects(&[("chat", &[]), ("shop", &[])]);
        assert_eq!(asked(&both, "/party/x", &[]), "400 the host header is missing");
        assert_eq!(
            asked(&both, "/", &[("host", "shop"), ("host", "chat")]),
            "400 there is more than one host header"
        );
        assert_eq!(asked(&both, "/", &[("host", "a b")]), "400 the host header is no host");
        assert_eq!(asked(&both, "/", &[("host", "shop.example@chat")]), "400 the host header is no host");
    }

    #[test]
    fn an_absolute_target_and_a_proxy_that_is_believed_say_more_than_the_header() {
        let both = projects(&[("chat", &[]), ("shop", &[])]);
        assert_eq!(asked(&both, "http://shop.example/party/x", &[("host", "chat.example")]), "shop");
        let forwarded = |values: &[&str]| {
            let mut headers = vec![("host", "internal")];
            headers.extend(values.iter().map(|value| ("x-forwarded-host", *value)));
            asked(&both, "/party/x", &headers)
        };
        assert_eq!(forwarded(&["shop.example"]), "shop");
        assert_eq!(forwarded(&["chat.example, shop.example:443"]), "shop");
        assert_eq!(forwarded(&["chat.example", "shop.example"]), "shop");
        for bad in ["shop.example, a b", "shop.example@chat"] {
            assert_eq!(forwarded(&[bad]), "400 the x-forwarded-host header is no host");
        }
        assert_eq!(forwarded(&[""]), "chat", "the host header says it then");
    }
}
