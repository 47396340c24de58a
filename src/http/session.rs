//! `/session`: who is signed in, signing in, signing out. For the server's own pages only.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::authorization::{failure_of, refusal, verify_session};
use super::body::{check_content, read_body};
use super::browser::Browsers;
use super::door::request_id;
use super::failure::Failure;
use super::oidc_provider::Provider;
use super::peer::peer;
use crate::domain;
use crate::domain::Domain;
use crate::domain::authentication::AuthenticationError;
use crate::domain::caller::Caller;
use crate::domain::proof::Shown;
use crate::domain::session::SignedIn;
use crate::types::id::Id;
use crate::types::peer::Peer;

/// The largest body, in bytes: a token of 8 KiB has room in it.
const BODY_LIMIT_BYTES: usize = 16 * 1024;
/// How long a request may take until its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const METHODS: &str = "GET, HEAD, POST, DELETE";

/// Answers requests about the session.
pub struct SessionEndpoint {
    domain: Arc<Domain>,
    browsers: Arc<Browsers>,
    provider: Option<Arc<Provider>>,
}

/// What somebody signs in with: one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    code: Option<String>,
    token: Option<String>,
}

/// Who is signed in, and how one can.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    signed_in: bool,
    #[serde(flatten)]
    person: Option<Person<'a>>,
    ways: Ways<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Person<'a> {
    name: &'a str,
    subject: &'a str,
    scopes: Vec<&'static str>,
    ends_at: String,
}

#[derive(Serialize)]
struct Ways<'a> {
    oidc: Option<ProviderWay<'a>>,
}

#[derive(Serialize)]
struct ProviderWay<'a> {
    label: &'a str,
}

impl SessionEndpoint {
    /// An endpoint for browsers.
    pub const fn new(
        domain: Arc<Domain>,
        browsers: Arc<Browsers>,
        provider: Option<Arc<Provider>>,
    ) -> Self {
        Self {
            domain,
            browsers,
            provider,
        }
    }

    async fn answer(&self, mut request: Request) -> Result<Response, Failure> {
        let id = request_id(&request).ok_or(Failure::Internal)?;
        match *request.method() {
            Method::GET | Method::HEAD => self.tell(request.headers(), peer(&request), id).await,
            Method::POST => {
                self.browsers.public.check_same_origin(request.headers())?;
                self.browsers.public.check_direct(request.headers())?;
                check_content(request.headers())?;
                let body = read_body(request.take_body(), BODY_LIMIT_BYTES).await?;
                let sign_in: SignIn = serde_json::from_slice(&body)
                    .map_err(|_library_text| Failure::BadRequest(ONE_OF_THEM))?;
                let peer = peer(&request);
                self.sign_in(request.headers(), sign_in, peer, id).await
            }
            Method::DELETE => {
                self.browsers.public.check_same_origin(request.headers())?;
                self.sign_out(request.headers(), peer(&request)).await?;
                Ok(self.with_cookie(
                    Response::builder().status(StatusCode::NO_CONTENT).finish(),
                    None,
                ))
            }
            _ => Err(Failure::MethodNotAllowed(METHODS)),
        }
    }

    async fn tell(
        &self,
        headers: &HeaderMap,
        peer: Option<Peer>,
        id: Id<domain::Request>,
    ) -> Result<Response, Failure> {
        let Some(session_id) = self.browsers.own_session(headers)? else {
            return Ok(self.state(None));
        };
        match verify_session(&self.domain, session_id, peer, id).await {
            Ok(caller) => Ok(self.state(Some(&caller))),
            Err(Failure::Unauthenticated(_)) => Ok(self.state(None)),
            Err(failure) => Err(failure),
        }
    }

    async fn sign_in(
        &self,
        headers: &HeaderMap,
        sign_in: SignIn,
        peer: Option<Peer>,
        id: Id<domain::Request>,
    ) -> Result<Response, Failure> {
        let domain = &self.domain;
        let signed_in = match (sign_in.code, sign_in.token) {
            (Some(code), None) => {
                let look = domain.sign_in_with_code(&code, id);
                domain.let_show(peer, Shown::Code, look).await
            }
            (None, Some(token)) => {
                let token = token.trim();
                let look = domain.sign_in_with_token(token, id);
                domain.let_show(peer, Shown::Token(token), look).await
            }
            _ => return Err(Failure::BadRequest(ONE_OF_THEM)),
        };
        let signed_in = signed_in.map_err(|error| refusal(domain, error, id))?;
        // Who signs in anew has left the session of before. When it cannot be ended now, it ends by itself.
        let _ended = self.sign_out(headers, peer).await;
        let response = self.state(Some(&signed_in.caller));
        Ok(self.with_cookie(response, Some(&signed_in)))
    }

    /// Ends the session that the cookie names, if any.
    async fn sign_out(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<(), Failure> {
        let Some(session_id) = self.browsers.own_session(headers)? else {
            return Ok(());
        };
        let (domain, shown) = (&self.domain, Shown::Session(session_id));
        let look = domain.sign_out(session_id);
        match domain.let_show(peer, shown, look).await {
            Err(AuthenticationError::TooOften(wait)) => Err(Failure::RateLimited(wait)),
            Err(AuthenticationError::Failed(error)) => Err(failure_of(error)),
            // One that there is not has ended.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Sets the cookie of somebody who signed in, or takes it away.
    fn with_cookie(&self, mut response: Response, signed_in: Option<&SignedIn>) -> Response {
        let cookie = match signed_in {
            Some(signed_in) => self.browsers.session_cookie(&self.domain, signed_in),
            None => self.browsers.session.clear(),
        };
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    fn state(&self, caller: Option<&Caller>) -> Response {
        let person = caller.map(|caller| Person {
            name: caller.user().display_name(),
            subject: &caller.user().key.subject,
            scopes: caller.scopes().words(),
            ends_at: caller.ends_at().to_rfc3339(),
        });
        let state = State {
            signed_in: person.is_some(),
            person,
            ways: Ways {
                oidc: self.provider.as_ref().map(|provider| ProviderWay {
                    label: provider.label(),
                }),
            },
        };
        // It is made of texts: it can always be written.
        let body = serde_json::to_vec(&state).unwrap_or_default();
        Response::builder()
            .content_type("application/json; charset=utf-8")
            .body(body)
    }
}

const ONE_OF_THEM: &str =
    "Sign in with a JSON object of one member: `code`, of a one-time link, or `token`.";

impl Endpoint for SessionEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let answered = timeout(REQUEST_TIMEOUT, self.answer(request)).await;
        let answered = answered.unwrap_or(Err(Failure::TookTooLong));
        Ok(answered.unwrap_or_else(Failure::response))
    }
}
