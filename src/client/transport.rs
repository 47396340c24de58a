//! HTTP, as far as the client speaks it.

use std::convert::Infallible;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::answer;
use super::error::{ClientError, Unavailable};
use super::settings::{Authorities, ClientSettings, ServerUrl, SettingsProblem, TokenSource};

/// The largest answer that is read, in bytes: a value of 64 KiB, each byte escaped, has room in it.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";
/// How long a stream may be silent: the server sends a comment every 5 seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(12);

/// The bytes of a stream, in parts.
pub type Chunks = BoxStream<'static, Result<Vec<u8>, Infallible>>;

/// The connections to the server.
pub struct Transport {
    http: reqwest::Client,
    server: ServerUrl,
    token: TokenSource,
    answer_timeout: Duration,
}

#[derive(Serialize)]
struct Body<'a, V> {
    query: &'a str,
    variables: &'a V,
}

impl Transport {
    /// Connections that are made when they are needed.
    ///
    /// # Errors
    /// [`SettingsProblem::NoAuthority`] and [`SettingsProblem::NoSystemAuthority`].
    pub fn new(settings: ClientSettings) -> Result<Self, SettingsProblem> {
        let loopback = [
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
        ];
        let builder = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .redirect(Policy::none())
            .no_proxy()
            .resolve_to_addrs("localhost", &loopback);
        let builder = trusting(builder, &settings.server, &settings.authorities)?;
        let http = builder
            .build()
            .map_err(|_no_certificates| match settings.authorities {
                Authorities::System => SettingsProblem::NoSystemAuthority,
                Authorities::Pem(_) => SettingsProblem::NoAuthority,
            })?;
        Ok(Self {
            http,
            server: settings.server,
            token: settings.token,
            answer_timeout: settings.answer_timeout,
        })
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// A [`ClientError`] when there is none, or it holds one.
    pub async fn ask<V: Serialize, T: DeserializeOwned>(
        &self,
        document: &str,
        variables: &V,
    ) -> Result<Option<T>, ClientError> {
        let request = self.request(document, variables, JSON).await?;
        let response = request.timeout(self.answer_timeout).send().await;
        let response = response.map_err(|error| failure(&error))?;
        let status = response.status();
        let bytes = read_body(response).await?;
        answer_of(status, &bytes)
    }

    /// Opens a stream of answers: it has begun when this returns.
    ///
    /// # Errors
    /// A [`ClientError`] when the server refuses it or cannot be reached.
    pub async fn open_stream<V: Serialize>(
        &self,
        document: &str,
        variables: &V,
    ) -> Result<Chunks, ClientError> {
        let request = self.request(document, variables, EVENT_STREAM).await?;
        let response = tokio::time::timeout(self.answer_timeout, request.send())
            .await
            .map_err(|_elapsed| ClientError::Unavailable(Unavailable::TooSlow))?
            .map_err(|error| failure(&error))?;
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_stream = content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with(EVENT_STREAM));
        if response.status() == StatusCode::OK && is_stream {
            return Ok(heard(response));
        }
        let status = response.status();
        let bytes = read_body(response).await?;
        let refused = answer_of::<serde::de::IgnoredAny>(status, &bytes);
        Err(refused.err().unwrap_or(ClientError::Unexpected {
            what: "it answers a subscription with no stream",
        }))
    }

    async fn request<V: Serialize>(
        &self,
        query: &str,
        variables: &V,
        accept: &'static str,
    ) -> Result<RequestBuilder, ClientError> {
        let token = self.token.token().await.map_err(ClientError::NoToken)?;
        // It is made of IDs and names: it can always be written.
        let body = serde_json::to_vec(&Body { query, variables }).unwrap_or_default();
        Ok(self
            .http
            .post(self.server.endpoint().clone())
            .header(AUTHORIZATION, token.into_header())
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, accept)
            .body(body))
    }
}

/// The bytes of a stream, as they come. It ends when the connection does, and when it was silent for too long: nobody may be at the other
/// end any more.
fn heard(response: Response) -> Chunks {
    let heard = stream::unfold(response, |mut response| async {
        let chunk = tokio::time::timeout(SILENCE_LIMIT, response.chunk()).await;
        let chunk = chunk.ok()?.ok()??;
        Some((Ok(chunk.to_vec()), response))
    });
    heard.boxed()
}

/// Over plain http nobody vouches for the server: what the system trusts is then not read.
fn trusting(
    builder: ClientBuilder,
    server: &ServerUrl,
    authorities: &Authorities,
) -> Result<ClientBuilder, SettingsProblem> {
    match authorities {
        Authorities::Pem(pem) => {
            let certificates = Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or(SettingsProblem::NoAuthority)?;
            Ok(builder.tls_certs_only(certificates))
        }
        Authorities::System if server.endpoint().scheme() == "http" => {
            Ok(builder.tls_certs_only([]))
        }
        Authorities::System => Ok(builder),
    }
}

/// Reads a body into memory that is wiped.
async fn read_body(mut response: Response) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let length = response.content_length().unwrap_or_default();
    let capacity = usize::try_from(length).unwrap_or(ANSWER_LIMIT_BYTES);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity.min(ANSWER_LIMIT_BYTES)));
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if bytes.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Err(ClientError::Unexpected {
                what: "the answer has more than 1 MiB",
            });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What a status and a body say. A proxy may have answered in the server's place, without its words.
fn answer_of<T: DeserializeOwned>(
    status: StatusCode,
    bytes: &[u8],
) -> Result<Option<T>, ClientError> {
    let outcome = answer::read(bytes);
    match (&outcome, status) {
        (Err(ClientError::Unexpected { .. }), StatusCode::UNAUTHORIZED) => {
            Err(ClientError::Unauthenticated)
        }
        (
            Err(ClientError::Unexpected { .. }),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT,
        ) => Err(ClientError::Unavailable(Unavailable::Busy)),
        (Ok(_), status) if !status.is_success() => Err(ClientError::Unexpected {
            what: "the status and the answer do not agree",
        }),
        _ => outcome,
    }
}

/// What went wrong, without the words of the library.
fn failure(error: &reqwest::Error) -> ClientError {
    ClientError::Unavailable(if is_refused_certificate(error) {
        Unavailable::Untrusted
    } else if error.is_connect() {
        Unavailable::Unreachable
    } else if error.is_timeout() {
        Unavailable::TooSlow
    } else {
        Unavailable::Broken
    })
}

/// Whether a request failed because the handshake of TLS did: that is told as data that are invalid, in one error of the system within another.
#[must_use]
pub fn is_refused_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.is_connect().then_some(error);
    while let Some(error) = cause {
        cause = match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == ErrorKind::InvalidData => return true,
            // Its `source` is that of what is within, which is thereby passed over.
            Some(io) => io
                .get_ref()
                .map(|within| -> &(dyn Error + 'static) { within }),
            None => error.source(),
        };
    }
    false
}
