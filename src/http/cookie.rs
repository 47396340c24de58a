//! Cookies (RFC 6265, and its successor draft for `SameSite` and prefixes): one for the session, and one for a
//! sign-in under way. No script reads them, and no other site makes a browser send that of the session. Over https no other host plants
//! them. Cookies do not know ports: over plain http, which is one machine, every server at its loopback address is sent them, and can set
//! them.

use poem::http::{HeaderMap, HeaderValue, header};

use super::public_url::PublicUrls;

/// A cookie of the server's, under the name that it has at its public URL.
#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    attributes: String,
}

impl Cookie {
    /// The cookie of the session.
    pub fn of_session(public: &PublicUrls) -> Self {
        Self::new(public, "credence-session", "Strict", "/")
    }

    /// The cookie of a sign-in through a provider. It has to come along when the provider sends the browser back, which is another site.
    pub fn of_attempt(public: &PublicUrls) -> Self {
        Self::new(public, "credence-attempt", "Lax", "/login/oidc")
    }

    /// Over https the prefix has browsers refuse one that another host set, and wants the path of all. Over plain http the name has the port
    /// in it, so that two servers of one machine keep theirs apart.
    fn new(public: &PublicUrls, name: &str, same_site: &str, path: &str) -> Self {
        if public.is_https() {
            Self {
                name: format!("__Host-{name}"),
                attributes: format!("HttpOnly; SameSite={same_site}; Path=/; Secure"),
            }
        } else {
            Self {
                name: format!("{name}-{}", public.port()),
                attributes: format!("HttpOnly; SameSite={same_site}; Path={path}"),
            }
        }
    }

    /// Its value in a request; `None` when there is none, or there are several. The cookies of other servers may have any bytes.
    pub fn find<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| pair.trim_ascii().strip_prefix(self.name.as_bytes()))
            .filter_map(|rest| rest.strip_prefix(b"="));
        match (values.next(), values.next()) {
            (Some(value), None) => str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// The header that sets it, for so many seconds. It must not be logged.
    pub fn set(&self, value: &str, age_limit_seconds: u64) -> Option<HeaderValue> {
        let (name, attributes) = (&self.name, &self.attributes);
        let text = format!("{name}={value}; {attributes}; Max-Age={age_limit_seconds}");
        let mut header = HeaderValue::try_from(text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The header that takes it away.
    pub fn clear(&self) -> Option<HeaderValue> {
        self.set("", 0)
    }
}
