//! Cookies (RFC 6265, and its successor draft for `SameSite` and prefixes): one for the session, and one for a
//! sign-in under way. No script reads them, and no other site makes a browser send that of the session.

use poem::http::{HeaderMap, HeaderValue, header};

use super::public_url::PublicUrls;

/// A cookie of the server's, under the name that it has at its public URL.
#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    attributes: String,
}

impl Cookie {
    /// The cookie of the session. Cookies of one host are shared by all its ports: over plain http, which is one machine, the name has the
    /// port in it, so that two servers there keep theirs apart.
    pub fn of_session(public: &PublicUrls) -> Self {
        let attributes = "HttpOnly; SameSite=Strict; Path=/".to_owned();
        if public.is_https() {
            Self {
                name: "__Host-credence-session".to_owned(),
                attributes: attributes + "; Secure",
            }
        } else {
            Self {
                name: format!("credence-session-{}", public.port()),
                attributes,
            }
        }
    }

    /// The cookie of a sign-in through a provider. It has to come along when the provider sends the browser back, which is another site.
    pub fn of_attempt(public: &PublicUrls) -> Self {
        let attributes = "HttpOnly; SameSite=Lax; Path=/login/oidc".to_owned();
        if public.is_https() {
            Self {
                name: "__Secure-credence-attempt".to_owned(),
                attributes: attributes + "; Secure",
            }
        } else {
            Self {
                name: format!("credence-attempt-{}", public.port()),
                attributes,
            }
        }
    }

    /// Its value in a request; `None` when there is none, or there are several.
    pub fn find<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
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
