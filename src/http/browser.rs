//! Browsers: where they reach the server, and the cookie that they keep a session by.

use poem::http::{HeaderMap, HeaderValue};

use super::cookie::Cookie;
use super::failure::Failure;
use super::public_url::PublicUrls;
use crate::domain::Domain;
use crate::domain::session::SignedIn;

/// What the server knows of browsers.
#[derive(Clone, Debug)]
pub struct Browsers {
    /// Where they reach it.
    pub(super) public: PublicUrls,
    /// The cookie of the session.
    pub(super) session: Cookie,
    /// The cookie of a sign-in through a provider, while it is under way.
    pub(super) attempt: Cookie,
}

impl Browsers {
    /// Those that reach the server at these URLs.
    #[must_use]
    pub fn new(public: PublicUrls) -> Self {
        Self {
            session: Cookie::of_session(&public),
            attempt: Cookie::of_attempt(&public),
            public,
        }
    }

    /// The session ID that came with a request of the server's own pages; `None` when there is none.
    ///
    /// # Errors
    /// [`Failure::CrossSite`] when there is one, and the request does not come from there.
    pub(super) fn own_session<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a str>, Failure> {
        let Some(session_id) = self.session.find(headers) else {
            return Ok(None);
        };
        self.public.check_same_origin(headers)?;
        Ok(Some(session_id))
    }

    /// The header that sets the cookie of somebody who signed in, until the session ends.
    pub(super) fn session_cookie(
        &self,
        domain: &Domain,
        signed_in: &SignedIn,
    ) -> Option<HeaderValue> {
        let remaining = domain.remaining(&signed_in.caller);
        self.session.set(&signed_in.session_id, remaining.as_secs())
    }
}
