//! Signing in through an OpenID Connect provider: the way there, and the way back (OpenID Connect Core 1.0, section 3.1, with PKCE).
//!
//! Between the two, the browser keeps the attempt in a cookie that lasts ten minutes. The way back ends with a page of our own that goes on
//! by script: the cookie of the session is sent only where a page of ours leads.

use std::sync::Arc;
use std::time::Duration;

use oauth2::url::form_urlencoded;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use tokio::time::timeout;

use super::authorization::refusal;
use super::browser::Browsers;
use super::door::request_id;
use super::failure::Failure;
use super::oidc_provider::{Provider, ProviderProblem};
use crate::domain;
use crate::domain::Domain;
use crate::domain::authentication::AuthenticationError;
use crate::domain::provider::Attempt;
use crate::domain::session::SignedIn;
use crate::types::id::Id;

/// The paths of the way there, of the way back, and of the script that goes on.
pub const PATHS: [&str; 3] = ["/login/oidc", CALLBACK, SCRIPT];
/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "/login/oidc/callback";
const SCRIPT: &str = "/login/oidc/continue.js";

/// How long somebody may take at the provider, in seconds.
const ATTEMPT_LIMIT_SECONDS: u64 = 10 * 60;
/// How long a request may take until its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Where one goes who was nowhere before.
const START: &str = "/credentials";
/// The longest path that is gone back to, in characters.
const RETURN_LIMIT: usize = 512;
const POLICY: &str = "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CONTINUE: &str = "location.replace(document.documentElement.dataset.return);\n";

/// Why somebody did not come in: what the page is told behind the `#`.
#[derive(Clone, Copy, Debug)]
enum Problem {
    /// The provider cannot be reached, or is not what it should be.
    ProviderUnavailable,
    /// They did not want to, or may not.
    Denied,
    /// It took too long, or began in another browser.
    Expired,
    /// What the provider said of them is not good.
    Refused,
    /// What the provider said of them allows nothing.
    NoRights,
    /// The server cannot do it now.
    Unavailable,
}

impl Problem {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderUnavailable => "provider_unavailable",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::NoRights => "no_rights",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Answers on the way to the provider, and back.
#[derive(Clone)]
pub struct OidcEndpoint {
    domain: Arc<Domain>,
    browsers: Arc<Browsers>,
    provider: Option<Arc<Provider>>,
}

impl OidcEndpoint {
    /// An endpoint for a provider, if there is one.
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

    async fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let provider = self.provider.as_ref().ok_or(Failure::NotFound)?;
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Failure::MethodNotAllowed("GET, HEAD"));
        }
        let id = request_id(request).ok_or(Failure::Internal)?;
        let query = request.uri().query().unwrap_or_default();
        let answered = match request.uri().path() {
            SCRIPT => return Ok(script()),
            CALLBACK => self.come_back(provider, request.headers(), query, id).await,
            _ => self.go_there(provider, query, id).await,
        };
        Ok(answered
            .unwrap_or_else(|problem| redirect(&format!("/login#error={}", problem.as_str()))))
    }

    async fn go_there(
        &self,
        provider: &Provider,
        query: &str,
        id: Id<domain::Request>,
    ) -> Result<Response, Problem> {
        let wanted = parameter(query, "return");
        let path = wanted
            .as_deref()
            .filter(|path| is_own_path(path))
            .unwrap_or(START);
        let attempt = Attempt::begin().map_err(|_error| Problem::Unavailable)?;
        let url = provider.authorization_url(&attempt).await;
        let url = url.map_err(|problem| told(problem, id))?;
        let mut response = redirect(&url);
        let value = format!("{}.{path}", attempt.secret());
        if let Some(cookie) = self.browsers.attempt.set(&value, ATTEMPT_LIMIT_SECONDS) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    async fn come_back(
        &self,
        provider: &Provider,
        headers: &HeaderMap,
        query: &str,
        id: Id<domain::Request>,
    ) -> Result<Response, Problem> {
        let cookie = self.browsers.attempt.find(headers);
        let (secret, path) = cookie
            .and_then(|value| value.split_once('.'))
            .ok_or(Problem::Expired)?;
        let attempt = Attempt::resume(secret);
        if !parameter(query, "state").is_some_and(|state| attempt.has_state(&state)) {
            return Err(Problem::Expired);
        }
        if parameter(query, "iss").is_some_and(|issuer| !provider.is_issuer(&issuer)) {
            return Err(Problem::Refused);
        }
        let code = parameter(query, "code").ok_or(Problem::Denied)?;
        let id_token = provider.id_token(&code, &attempt).await;
        let id_token = id_token.map_err(|problem| told(problem, id))?;
        let signed_in = self.sign_in(provider, &id_token, &attempt, id).await?;
        let path = Some(path).filter(|path| is_own_path(path)).unwrap_or(START);
        Ok(self.go_on(&signed_in, path))
    }

    async fn sign_in(
        &self,
        provider: &Provider,
        id_token: &str,
        attempt: &Attempt,
        id: Id<domain::Request>,
    ) -> Result<SignedIn, Problem> {
        let mut is_key_missing = false;
        loop {
            let keys = provider.key_set(is_key_missing).await;
            let keys = keys.map_err(|problem| told(problem, id))?;
            let error = match self
                .domain
                .sign_in_with_id_token(id_token, &keys, attempt, id)
                .await
            {
                Ok(signed_in) => return Ok(signed_in),
                Err(error) => error,
            };
            // The provider may have new keys since they were asked for.
            if error.is_unknown_key() && !is_key_missing {
                is_key_missing = true;
                continue;
            }
            let problem = match error {
                AuthenticationError::NoRights => Problem::NoRights,
                AuthenticationError::Failed(_) => Problem::Unavailable,
                _ => Problem::Refused,
            };
            let _answer = refusal(&self.domain, error, id);
            return Err(problem);
        }
    }

    /// The page that goes on. The cookie of the session comes with it, and that of the attempt goes.
    fn go_on(&self, signed_in: &SignedIn, path: &str) -> Response {
        let path = path.replace('&', "&amp;");
        let page = format!(
            "<!doctype html>\n<html lang=\"en\" data-return=\"{path}\">\n<meta charset=\"utf-8\">\n<title>Signed in</title>\n\
             <script src=\"{SCRIPT}\"></script>\n<p>You are signed in. <a href=\"{path}\">Go on</a>\n"
        );
        let remaining = self.domain.remaining(&signed_in.caller);
        let session = self
            .browsers
            .session
            .set(&signed_in.session_id, remaining.as_secs());
        let mut response = Response::builder()
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::REFERRER_POLICY, "no-referrer")
            .content_type("text/html; charset=utf-8")
            .body(page);
        for cookie in [session, self.browsers.attempt.clear()]
            .into_iter()
            .flatten()
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl Endpoint for OidcEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let answered = timeout(REQUEST_TIMEOUT, self.answer(&request)).await;
        let answered = answered.unwrap_or(Err(Failure::TookTooLong));
        Ok(answered.unwrap_or_else(Failure::response))
    }
}

/// What the page is told when the provider fails. The log is told more.
fn told(problem: ProviderProblem, id: Id<domain::Request>) -> Problem {
    tracing::warn!(request_id = %id, reason = problem.as_str(), "nobody can sign in through the provider");
    match problem {
        ProviderProblem::CodeRefused => Problem::Refused,
        _ => Problem::ProviderUnavailable,
    }
}

/// A parameter of a URL's query that is there once.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.into_owned()),
        _ => None,
    }
}

/// Whether a text is a path of this server that a cookie and a page can hold: with `//` or `/\` in front it would lead elsewhere.
fn is_own_path(path: &str) -> bool {
    let leads_elsewhere = path.starts_with("//") || path.contains('\\');
    let may_stand = |c: char| c.is_ascii_alphanumeric() || "-._~/?=&%+#!*:@".contains(c);
    path.starts_with('/')
        && !leads_elsewhere
        && path.len() <= RETURN_LIMIT
        && path.chars().all(may_stand)
}

fn redirect(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .header(header::REFERRER_POLICY, "no-referrer")
        .finish()
}

fn script() -> Response {
    Response::builder()
        .content_type("text/javascript; charset=utf-8")
        .body(CONTINUE)
}
