//! Where browsers reach the server, and whether a request comes from its own pages. What a cookie authenticates must: a page of another
//! origin can make a browser send the cookie along, but not the headers that are looked at here (Fetch Standard, section 3.2; W3C Fetch
//! Metadata Request Headers, section 2.3).

use std::net::SocketAddr;
use std::str::FromStr;

use poem::http::{HeaderMap, HeaderName, header};
use url::{Host, Url};

use super::failure::Failure;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The headers that proxies add to what they hand on.
const OF_PROXIES: [HeaderName; 13] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("x-envoy-external-address"),
];

/// An origin at which browsers reach the server: https, or http on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    is_https: bool,
}

impl PublicUrl {
    /// The origin, without a `/` at its end.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it leads over https.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    /// Reads an origin; one `/` behind it is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let origin = text.strip_suffix('/').unwrap_or(text);
        protected(origin)
            .filter(|_| is_bare(origin))
            .map(|url| Self {
                origin: url.origin().ascii_serialization(),
                is_https: url.scheme() == "https",
            })
            .ok_or_else(|| {
                "write https and a host, perhaps a port, no path, such as https://credence.example.com; http only for this machine".to_owned()
            })
    }
}

/// Whether a URL leads over https, or to this machine.
#[must_use]
pub fn is_protected(url: &str) -> bool {
    protected(url).is_some()
}

/// Whether a URL leads over https.
#[must_use]
pub fn is_https(url: &str) -> bool {
    protected(url).is_some_and(|url| url.scheme() == "https")
}

/// A URL, when it leads over https or to this machine. What a browser would mend is none, and neither is one with a user.
fn protected(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let is_written_well = text.chars().all(|c| c.is_ascii_graphic() && c != '\\')
        && !authority.is_empty()
        && !authority.contains('@');
    let url = Url::parse(text).ok().filter(|_| is_written_well)?;
    let is_named = match url.host()? {
        Host::Domain(name) => name.split('.').all(|label| !label.is_empty()),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    let is_allowed = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    (is_named && is_allowed && scheme.eq_ignore_ascii_case(url.scheme())).then_some(url)
}

/// Whether there is nothing behind the host and the port.
fn is_bare(origin: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| !authority.contains(['/', '?', '#']))
}

/// Whether the host of a URL is this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a reference is a path of whatever server it stands on, as browsers understand it: `//host` and `/\host` name another one, and
/// so would `/.//host` without its dots.
#[must_use]
pub fn is_own_path(reference: &str) -> bool {
    let Ok(base) = Url::parse("https://own.invalid/") else {
        return false;
    };
    reference.starts_with('/')
        && base.join(reference).is_ok_and(|target| {
            target.origin() == base.origin() && !target.path().starts_with("//")
        })
}

/// All origins at which browsers reach the server.
#[derive(Clone, Debug)]
pub struct PublicUrls {
    urls: Vec<PublicUrl>,
    port: u16,
    is_direct: bool,
}

impl PublicUrls {
    /// The one that is configured; without it, the address that the server listens at, when that is this machine's alone. A server that is
    /// not in local mode is one for others: there may be a proxy on this machine that nobody told it of. To a server that speaks TLS that
    /// makes no difference: its cookies go over TLS only.
    #[must_use]
    pub fn new(
        configured: Option<PublicUrl>,
        address: SocketAddr,
        is_local: bool,
        is_tls: bool,
    ) -> Self {
        let port = address.port();
        let scheme = if is_tls { "https" } else { "http" };
        let is_guessed = configured.is_none() && address.ip().is_loopback();
        let urls = match configured {
            Some(url) => vec![url],
            None if is_guessed => [
                format!("{scheme}://{address}"),
                format!("{scheme}://localhost:{port}"),
            ]
            .iter()
            .filter_map(|url| url.parse().ok())
            .collect(),
            None => Vec::new(),
        };
        Self {
            urls,
            port,
            is_direct: is_guessed && !is_local && !is_tls,
        }
    }

    /// Whether a cookie is for browsers of this machine only, which come without a proxy: over plain http it goes nowhere else.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Lets pass a browser that is to get a cookie, unless it came by a proxy and must not.
    ///
    /// # Errors
    /// [`Failure::UnknownProxy`] for one that must not.
    pub(super) fn check_direct(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let is_own = |origin: &str| self.urls.iter().any(|url| url.origin == origin);
        let is_own_host = only(headers, &header::HOST)
            .is_some_and(|host| is_own(&format!("http://{}", host.to_ascii_lowercase())));
        let is_own_origin = !headers.contains_key(header::ORIGIN)
            || only(headers, &header::ORIGIN).is_some_and(is_own);
        if !self.is_direct || is_own_host && is_own_origin && !is_proxied(headers) {
            Ok(())
        } else {
            Err(Failure::UnknownProxy)
        }
    }

    /// The first of them, without a `/` at its end; `None` when nobody knows.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.urls.first().map(|url| url.origin.as_str())
    }

    /// Whether browsers come over https. Where nobody knows, there is a proxy in front that terminates TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.urls.first().is_none_or(|url| url.is_https)
    }

    /// The port that the server listens at.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Lets pass what comes from the server's own pages.
    ///
    /// # Errors
    /// [`Failure::CrossSite`] for anything else.
    pub(super) fn check_same_origin(&self, headers: &HeaderMap) -> Result<(), Failure> {
        // What the browser says of itself counts; only one that says nothing is known by the origin.
        let is_own = if headers.contains_key(SEC_FETCH_SITE) {
            only(headers, &SEC_FETCH_SITE) == Some("same-origin")
        } else {
            let origin = only(headers, &header::ORIGIN);
            origin.is_some_and(|origin| self.urls.iter().any(|url| url.origin == origin))
        };
        if is_own {
            Ok(())
        } else {
            Err(Failure::CrossSite)
        }
    }
}

/// Whether a browser says where it was led from: no page can make it say anything else, or nothing.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_SITE)
}

/// Whether a proxy says that it handed a request on.
pub(super) fn is_proxied(headers: &HeaderMap) -> bool {
    OF_PROXIES.iter().any(|name| headers.contains_key(name))
}

/// The value of a header that is there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
