//! What the server itself asks others for, by HTTP. It is bounded in size and in time, and no redirect is followed.

use std::time::Duration;

use poem::http::{Response as Answer, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Request, Response, Url};

/// The largest answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: usize = 256 * 1024;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// There are no certificates that a server could be known by.
#[derive(Clone, Copy, Debug)]
pub struct UnusableAuthorities;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchProblem {
    /// The server cannot be reached, nobody vouches for it, or it does not answer in time.
    Unreachable,
    /// It answers with another status than 200.
    Status,
    /// Its answer is too large.
    TooLarge,
}

impl FetchProblem {
    /// What is to be said of the server, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "cannot be reached, is not vouched for by the authorities that are trusted, or does not answer within 5 seconds"
            }
            Self::Status => "answers with another status than 200; redirects are not followed",
            Self::TooLarge => "has more than 256 KiB",
        }
    }
}

/// A client of other servers. What it asks for without TLS is on this machine: no proxy of the environment is to come between.
#[derive(Clone)]
pub struct Fetcher {
    far: Client,
    near: Client,
}

impl Fetcher {
    /// A client that trusts these authorities (certificates in PEM), or those of the system. Where nothing is asked for over https, it
    /// needs none.
    ///
    /// # Errors
    /// [`UnusableAuthorities`] when they are no certificates, or the system has none and they are needed.
    pub fn new(authorities: Option<&[u8]>, are_needed: bool) -> Result<Self, UnusableAuthorities> {
        let unusable = |_library_text| UnusableAuthorities;
        // Nobody needs to vouch for what is asked for without TLS.
        let near = builder().no_proxy().tls_certs_only([]).build();
        let near = near.map_err(unusable)?;
        let far = match authorities {
            Some(pem) => {
                let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
                if certificates.is_empty() {
                    return Err(UnusableAuthorities);
                }
                builder().tls_certs_only(certificates).build()
            }
            None => builder().build(),
        };
        match far {
            Ok(far) => Ok(Self { far, near }),
            Err(library_text) if are_needed => Err(unusable(library_text)),
            Err(_not_needed) => Ok(Self {
                far: near.clone(),
                near,
            }),
        }
    }

    /// The client for a URL.
    fn client(&self, url: &Url) -> &Client {
        if url.scheme() == "http" {
            &self.near
        } else {
            &self.far
        }
    }

    /// What there is at a URL.
    ///
    /// # Errors
    /// A [`FetchProblem`].
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, FetchProblem> {
        let url = Url::parse(url).map_err(|_malformed| FetchProblem::Unreachable)?;
        let response = self.client(&url).get(url).send().await;
        let response = response.map_err(|_library_text| FetchProblem::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchProblem::Status);
        }
        read_body(response).await
    }

    /// Sends a request. Returns the head of the answer, with any status, and its body.
    ///
    /// # Errors
    /// A [`FetchProblem`].
    pub async fn send(&self, request: Request) -> Result<Answer<Vec<u8>>, FetchProblem> {
        let response = self.client(request.url()).execute(request).await;
        let response = response.map_err(|_library_text| FetchProblem::Unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Answer::new(read_body(response).await?);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .redirect(Policy::none())
}

/// Reads an answer, unless it is too large.
async fn read_body(mut response: Response) -> Result<Vec<u8>, FetchProblem> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|_library_text| FetchProblem::Unreachable)? else {
            return Ok(body);
        };
        if body.len().saturating_add(chunk.len()) > ANSWER_LIMIT_BYTES {
            return Err(FetchProblem::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
}
