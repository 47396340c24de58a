//! Signing in through an OpenID Connect provider: the way there, and the way back (OpenID Connect Core 1.0, section 3.1, with PKCE).
//!
//! Between the two, the browser keeps the attempt in a cookie, which counts for ten minutes. The way back ends with a page of our own that goes on
//! by script: the cookie of the session is sent only where a page of ours leads.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use tokio::time::timeout;
use url::form_urlencoded;

use super::authorization::{failure_of, note_refusal, refusal};
use super::browser::Browsers;
use super::door::request_id;
use super::failure::Failure;
use super::oidc_provider::{Provider, ProviderProblem};
use super::peer::peer;
use super::public_url;
use crate::domain;
use crate::domain::Domain;
use crate::domain::authentication::AuthenticationError;
use crate::domain::provider::{ATTEMPT_LIMIT_SECONDS, Attempt};
use crate::domain::session::SignedIn;
use crate::types::id::Id;
use crate::types::peer::Peer;

/// The paths of the way there, of the way back, and of the script that goes on.
pub const PATHS: [&str; 3] = ["/login/oidc", CALLBACK, SCRIPT];
/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "/login/oidc/callback";
const SCRIPT: &str = "/login/oidc/continue.js";

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
        if request.uri().path() == SCRIPT {
            return match *request.method() {
                Method::GET | Method::HEAD => Ok(script()),
                _ => Err(Failure::MethodNotAllowed("GET, HEAD")),
            };
        }
        // Each of the others does something.
        if request.method() != Method::GET {
            return Err(Failure::MethodNotAllowed("GET"));
        }
        let headers = request.headers();
        self.browsers.public.check_direct(headers)?;
        let id = request_id(request).ok_or(Failure::Internal)?;
        let query = request.uri().query().unwrap_or_default();
        if request.uri().path() == CALLBACK {
            let peer = peer(request);
            let admitted = self.domain.admit_peer(peer);
            admitted.map_err(|error| refusal(&self.domain, error, id))?;
            return Ok(self.come_back(provider, headers, query, peer, id).await);
        }
        let wanted = parameter(query, "return").ok().flatten();
        let path = wanted.filter(|path| is_own_path(path));
        let path = path.as_deref().unwrap_or(START);
        let gone = within(REQUEST_TIMEOUT, self.go_there(provider, headers, path, id)).await;
        Ok(gone.unwrap_or_else(|problem| refused(problem, path)))
    }

    async fn go_there(
        &self,
        provider: &Provider,
        headers: &HeaderMap,
        path: &str,
        id: Id<domain::Request>,
    ) -> Result<Response, Problem> {
        // The session is known here only: where the provider's redirect leads, its cookie is not sent.
        let session_id = self.browsers.own_session(headers).ok().flatten();
        let attempt = self.domain.begin_attempt(path, session_id);
        let attempt = attempt.map_err(|_error| Problem::Unavailable)?;
        let url = provider.authorization_url(&attempt).await;
        let url = url.map_err(|problem| told(problem, id))?;
        let mut response = redirect(&url);
        let kept = self.domain.keep_attempt(&attempt);
        let cookie = self
            .browsers
            .attempt
            .set(&kept, ATTEMPT_LIMIT_SECONDS.unsigned_abs());
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    async fn come_back(
        &self,
        provider: &Provider,
        headers: &HeaderMap,
        query: &str,
        peer: Option<Peer>,
        id: Id<domain::Request>,
    ) -> Response {
        let kept = self.browsers.attempt.find(headers);
        let resumed = kept.and_then(|kept| self.domain.resume_attempt(kept));
        let Some(attempt) = resumed.filter(|attempt| self.is_its_own(attempt, query)) else {
            // Any page can lead a browser here: whoever does so is not to use up what others of its network may do.
            if !public_url::is_browser(headers) {
                self.domain.count_refused(peer);
            }
            return refused(Problem::Expired, START);
        };
        match within(REQUEST_TIMEOUT, self.end(provider, &attempt, query, id)).await {
            Ok(signed_in) => self.go_on(&signed_in, attempt.path()),
            Err(problem) => {
                if matches!(problem, Problem::Expired | Problem::Refused) {
                    self.domain.count_refused(peer);
                }
                refused(problem, attempt.path())
            }
        }
    }

    /// Whether an answer is for an attempt that is under way.
    fn is_its_own(&self, attempt: &Attempt, query: &str) -> bool {
        let state = parameter(query, "state").ok().flatten();
        state.is_some_and(|state| attempt.has_state(&state)) && self.domain.is_under_way(attempt)
    }

    async fn end(
        &self,
        provider: &Provider,
        attempt: &Attempt,
        query: &str,
        id: Id<domain::Request>,
    ) -> Result<SignedIn, Problem> {
        let issuer = parameter(query, "iss")?;
        let is_issuer = provider.is_issuer(issuer.as_deref()).await;
        if !is_issuer.map_err(|problem| told(problem, id))? {
            return Err(Problem::Refused);
        }
        let code = match (parameter(query, "code")?, parameter(query, "error")?) {
            (Some(code), None) => code,
            (None, Some(error)) => return Err(problem_of(&error)),
            _ => return Err(Problem::Refused),
        };
        let id_token = provider.id_token(&code, attempt).await;
        let id_token = id_token.map_err(|problem| told(problem, id))?;
        self.sign_in(provider, &id_token, attempt, id).await
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
            note_refusal(&self.domain, &error, id);
            return Err(match error {
                AuthenticationError::NoRights => Problem::NoRights,
                AuthenticationError::Failed(error) => {
                    // The page says no more than that; the log is told the rest.
                    let _answer = failure_of(error);
                    Problem::Unavailable
                }
                _ => Problem::Refused,
            });
        }
    }

    /// The page that goes on. The cookie of the session comes with it, and that of the attempt goes.
    fn go_on(&self, signed_in: &SignedIn, path: &str) -> Response {
        let path = path.replace('&', "&amp;");
        let page = format!(
            "<!doctype html>\n<html lang=\"en\" data-return=\"{path}\">\n<meta charset=\"utf-8\">\n<title>Signed in</title>\n\
             <script src=\"{SCRIPT}\"></script>\n<p>You are signed in. <a href=\"{path}\">Go on</a>\n"
        );
        let session = self.browsers.session_cookie(&self.domain, signed_in);
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
        let answered = self.answer(&request).await;
        Ok(answered.unwrap_or_else(Failure::response))
    }
}

/// Waits for what asks the provider, so long at most: a person who waits is to see a page in the end.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let done = timeout(limit, work).await;
    done.unwrap_or(Err(Problem::ProviderUnavailable))
}

/// What the page is told when the provider fails. The log is told more.
fn told(problem: ProviderProblem, id: Id<domain::Request>) -> Problem {
    let reason = problem.as_str();
    if problem == ProviderProblem::CodeRefused {
        tracing::info!(request_id = %id, reason, "somebody did not come in through the provider");
        return Problem::Refused;
    }
    tracing::warn!(request_id = %id, reason, "nobody can sign in through the provider");
    Problem::ProviderUnavailable
}

/// What an error of the provider is to the page (RFC 6749, section 4.1.2.1).
fn problem_of(error: &str) -> Problem {
    match error {
        "server_error" | "temporarily_unavailable" => Problem::ProviderUnavailable,
        _ => Problem::Denied,
    }
}

/// A parameter of a URL's query, if there is one. None may be there twice (RFC 6749, section 3.1).
fn parameter(query: &str, name: &str) -> Result<Option<String>, Problem> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|(_, value)| value.into_owned())),
        _ => Err(Problem::Refused),
    }
}

/// Whether a text is a path of this server that a cookie and a page can hold.
fn is_own_path(path: &str) -> bool {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || "-._~/?=&%+#!*:@".contains(c);
    path.len() <= RETURN_LIMIT && path.chars().all(may_stand) && public_url::is_own_path(path)
}

/// Leads back to where one signs in, which is told why, and where one wanted to go.
fn refused(problem: Problem, path: &str) -> Response {
    let problem = problem.as_str();
    if path == START {
        return redirect(&format!("/login#error={problem}"));
    }
    let path: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    redirect(&format!("/login?return={path}#error={problem}"))
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn who_waited_too_long_is_led_to_the_page_of_sign_in() {
        let waited = within(Duration::ZERO, pending::<Result<Response, Problem>>()).await;
        let response = waited.unwrap_or_else(|problem| refused(problem, START));
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let location = response.header(header::LOCATION);
        assert_eq!(location, Some("/login#error=provider_unavailable"));
    }
}
