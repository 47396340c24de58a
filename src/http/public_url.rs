//! Where browsers reach the server, and whether a request comes from its own pages. What a cookie authenticates must: a page of another
//! origin can make a browser send the cookie along, but not the headers that are looked at here (Fetch Standard, section 3.2; W3C Fetch
//! Metadata Request Headers, section 2.3).

use std::net::SocketAddr;
use std::str::FromStr;

use poem::http::{HeaderMap, HeaderName, header};

use super::failure::Failure;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
}

impl FromStr for PublicUrl {
    type Err = String;

    /// Reads an origin; one `/` behind it is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let wrong = || {
            "write https and a host, perhaps a port, no path, such as https://credence.example.com; http only for this machine".to_owned()
        };
        let (scheme, authority) = origin.split_once("://").ok_or_else(wrong)?;
        let is_https = scheme == "https";
        let allowed = is_https || scheme == "http" && is_loopback(authority);
        if is_authority(authority) && allowed {
            let default_port = if is_https { ":443" } else { ":80" };
            let origin = origin.strip_suffix(default_port).unwrap_or(&origin);
            Ok(Self {
                origin: origin.to_owned(),
                is_https,
            })
        } else {
            Err(wrong())
        }
    }
}

/// Whether a URL leads over https, or to this machine.
#[must_use]
pub fn is_protected(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_authority(authority) && (scheme == "https" || scheme == "http" && is_loopback(authority))
}

/// Whether a text can be a host, perhaps with a port: no user, no password.
fn is_authority(text: &str) -> bool {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !text.is_empty() && text.chars().all(may_stand)
}

/// Whether a host, perhaps with a port, is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// All origins at which browsers reach the server.
#[derive(Clone, Debug)]
pub struct PublicUrls {
    urls: Vec<PublicUrl>,
    port: u16,
}

impl PublicUrls {
    /// The one that is configured; without it, the address that the server listens at, when that is this machine's alone.
    #[must_use]
    pub fn new(configured: Option<PublicUrl>, address: SocketAddr) -> Self {
        let port = address.port();
        let urls = match configured {
            Some(url) => vec![url],
            None if address.ip().is_loopback() => {
                let hosts = [address.ip().to_string(), "localhost".to_owned()];
                let url = |host: String| {
                    let host = if host.contains(':') {
                        format!("[{host}]")
                    } else {
                        host
                    };
                    PublicUrl {
                        origin: format!("http://{host}:{port}"),
                        is_https: false,
                    }
                };
                hosts.map(url).into()
            }
            None => Vec::new(),
        };
        Self { urls, port }
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
        let is_marked = only(headers, &SEC_FETCH_SITE) == Some("same-origin");
        let origin = only(headers, &header::ORIGIN);
        let is_own = origin.is_some_and(|origin| self.urls.iter().any(|url| url.origin == origin));
        if is_marked || is_own {
            Ok(())
        } else {
            Err(Failure::CrossSite)
        }
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_https_or_this_machine_and_nothing_behind_it() {
        for (text, origin) in [
            ("https://c.example.com", Some("https://c.example.com")),
            ("https://C.example.com:443/", Some("https://c.example.com")),
            (
                "https://c.example.com:8443",
                Some("https://c.example.com:8443"),
            ),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("http://localhost", Some("http://localhost")),
            ("http://c.example.com", None),
            ("http://127.0.0.1.example.com", None),
            ("https://c.example.com/path", None),
            ("https://user@c.example.com", None),
            ("https://", None),
            ("c.example.com", None),
            ("null", None),
        ] {
            let parsed = text.parse::<PublicUrl>().ok();
            assert_eq!(
                parsed.as_ref().map(|url| url.origin.as_str()),
                origin,
                "{text}"
            );
        }
    }
}
