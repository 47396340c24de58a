//! The GraphQL endpoint (GraphQL over HTTP, draft of the GraphQL Foundation): one URL for queries, mutations and subscriptions.
//!
//! POST takes JSON. GET takes queries only, so that no link of another page can change anything. A GET that asks for it becomes a
//! WebSocket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::web::websocket::{WebSocket, WebSocketConfig};
use poem::{Endpoint, FromRequest, IntoResponse, Request, RequestBody, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use super::accept::{Accepted, AnswerType};
use super::authorization::{bearer_token, end_of_token, verify, verify_session};
use super::body::{check_content, read_body};
use super::browser::Browsers;
use super::connection::Place;
use super::cross_origin::CrossOrigin;
use super::door::request_id;
use super::event_stream;
use super::failure::{Failure, json_response};
use super::parameters;
use super::peer::peer;
use super::public_url::only;
use super::socket::{self, Connection};
use crate::domain::Domain;
use crate::domain::caller::Caller;
use crate::graphql::execution::{Api, GraphqlRequest};
use crate::graphql::response::GraphqlResponse;
use crate::traces::TraceParent;

/// The largest body, in bytes: a value of 64 KiB, each byte of which JSON may write as six, and room for the document.
const BODY_LIMIT_BYTES: usize = 512 * 1024;
/// How long a request may take until its answer, or its stream, begins.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How many of the connections may be sockets or streams of events: the others are left for requests.
const STREAM_LIMIT: usize = 768;
/// How many sockets there may be of which nobody knows yet who asks. Each may send a message as large as a body.
const STRANGER_LIMIT: usize = 64;
/// How long a socket waits for its place among these.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);
const METHODS: &str = "GET, POST, OPTIONS";
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Answers GraphQL requests.
pub struct GraphqlEndpoint {
    api: Arc<Api>,
    domain: Arc<Domain>,
    browsers: Arc<Browsers>,
    streams: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl GraphqlEndpoint {
    /// An endpoint for an API.
    pub fn new(
        api: Api,
        domain: Arc<Domain>,
        browsers: Arc<Browsers>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            api: Arc::new(api),
            domain,
            browsers,
            streams: Arc::new(Semaphore::new(STREAM_LIMIT)),
            strangers: Arc::new(Semaphore::new(STRANGER_LIMIT)),
            stop,
        }
    }

    async fn answer(&self, mut request: Request) -> Result<Response, Failure> {
        match *request.method() {
            Method::OPTIONS => Ok(CrossOrigin::preflight(METHODS)),
            Method::GET if asks_for_socket(request.headers()) => self.upgrade(request).await,
            Method::GET => {
                let accepted =
                    Accepted::negotiate(request.headers()).ok_or(Failure::NotAcceptable)?;
                let caller = self.authenticate(&request).await?;
                let mut parameters =
                    parameters::from_url_query(request.uri().query().unwrap_or_default())?;
                parameters.trace_parent = self.trace_parent(request.headers());
                self.execute(accepted, caller, parameters, Method::GET)
                    .await
            }
            Method::POST => {
                let accepted =
                    Accepted::negotiate(request.headers()).ok_or(Failure::NotAcceptable)?;
                check_content(request.headers())?;
                let caller = self.authenticate(&request).await?;
                let body = read_body(request.take_body(), BODY_LIMIT_BYTES).await?;
                let mut parameters = parameters::from_body(&body)?;
                parameters.trace_parent = self.trace_parent(request.headers());
                self.execute(accepted, caller, parameters, Method::POST)
                    .await
            }
            _ => Err(Failure::MethodNotAllowed(METHODS)),
        }
    }

    async fn execute(
        &self,
        accepted: Accepted,
        caller: Caller,
        parameters: GraphqlRequest,
        method: Method,
    ) -> Result<Response, Failure> {
        let expires_in = self.domain.remaining(&caller);
        let prepared = match self.api.prepare(parameters) {
            Ok(prepared) => prepared,
            Err(refused) => return Ok(self.respond(accepted.best, refused, expires_in)),
        };
        if !prepared.is_query() && method != Method::POST {
            return Err(Failure::NotByGet);
        }
        if !prepared.is_subscription() {
            let answer = self.api.answer(caller, prepared).await;
            return Ok(self.respond(accepted.best, answer, expires_in));
        }
        if !accepted.event_stream {
            return Err(Failure::SubscriptionNeedsStream);
        }
        let place = self.stream_place()?;
        let answers = self.api.follow(caller, prepared).map(move |answer| {
            let _place = &place;
            answer
        });
        Ok(event_stream::response(
            answers,
            expires_in,
            self.stop.clone(),
        ))
    }

    /// What the operation belongs to, when operations are traced and the client says it.
    fn trace_parent(&self, headers: &HeaderMap) -> Option<TraceParent> {
        let value = self.api.is_traced().then(|| only(headers, &TRACE_PARENT));
        value.flatten().and_then(TraceParent::parse)
    }

    fn stream_place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_none_left| Failure::Overloaded)
    }

    /// Sends one answer, in the type that was negotiated.
    fn respond(
        &self,
        answer_type: AnswerType,
        answer: GraphqlResponse,
        expires_in: Duration,
    ) -> Response {
        match answer_type {
            AnswerType::EventStream => {
                let only = stream::once(async move { answer });
                event_stream::response(only, expires_in, self.stop.clone())
            }
            AnswerType::Json => json_response(StatusCode::OK, answer_type.content_type(), &answer),
            // A request of which nothing was executed is the client's fault under this type; under the other, whose older
            // clients know no better, it is an answer like any other.
            AnswerType::GraphqlResponse => {
                let status = if answer.data.is_none() {
                    StatusCode::BAD_REQUEST
                } else {
                    StatusCode::OK
                };
                json_response(status, answer_type.content_type(), &answer)
            }
        }
    }

    async fn authenticate(&self, request: &Request) -> Result<Caller, Failure> {
        let id = request_id(request).ok_or(Failure::Internal)?;
        let headers = request.headers();
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(session_id) = self.browsers.own_session(headers)?
        {
            return verify_session(&self.domain, session_id, peer(request), id).await;
        }
        verify(&self.domain, bearer_token(headers)?, peer(request), id).await
    }

    /// Who asks for a socket, as far as the handshake tells. A page of another origin may have a token that it introduces itself with later:
    /// the cookie that the browser sent along does not count, and is no reason to refuse it. Who signed out is told so later, too: browsers
    /// do not tell pages why a handshake was refused.
    async fn introduced(&self, request: &Request) -> Result<Option<Caller>, Failure> {
        let headers = request.headers();
        if headers.contains_key(header::AUTHORIZATION) {
            return self.authenticate(request).await.map(Some);
        }
        let Ok(Some(session_id)) = self.browsers.own_session(headers) else {
            return Ok(None);
        };
        let id = request_id(request).ok_or(Failure::Internal)?;
        match verify_session(&self.domain, session_id, peer(request), id).await {
            Ok(caller) => Ok(Some(caller)),
            Err(Failure::Unauthenticated(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a WebSocket of the request.
    async fn upgrade(&self, request: Request) -> Result<Response, Failure> {
        let id = request_id(&request).ok_or(Failure::Internal)?;
        let mut caller = None;
        let mut stranger = None;
        if let Some(known) = self.introduced(&request).await? {
            let expires_at = end_of_token(&self.domain, &known);
            caller = Some((known, expires_at));
        } else {
            let place = Arc::clone(&self.strangers).acquire_owned();
            let place = timeout(STRANGER_TIMEOUT, place).await;
            stranger = Some(place.ok().and_then(Result::ok).ok_or(Failure::Overloaded)?);
        }
        let place = self.stream_place()?;
        let connection_place = request.extensions().get::<Place>().cloned();
        let knows_protocol = names(request.headers(), &header::SEC_WEBSOCKET_PROTOCOL)
            .any(|name| name == socket::PROTOCOL);
        let websocket = WebSocket::from_request(&request, &mut RequestBody::default())
            .await
            .map_err(|_library_text| {
                Failure::BadRequest("This is no WebSocket handshake of version 13.")
            })?;
        let connection = Connection {
            api: Arc::clone(&self.api),
            domain: Arc::clone(&self.domain),
            id,
            peer: peer(&request),
            stranger,
            caller,
            knows_protocol,
            stop: self.stop.clone(),
        };
        let span = Span::current();
        let config = WebSocketConfig::default()
            .max_message_size(Some(BODY_LIMIT_BYTES))
            .max_frame_size(Some(BODY_LIMIT_BYTES));
        let upgraded = websocket
            .config(config)
            .protocols([socket::PROTOCOL])
            .on_upgrade(move |stream| {
                let talk = async move {
                    let _places = (place, connection_place);
                    connection.run(stream).await;
                };
                talk.instrument(span)
            });
        Ok(upgraded.into_response())
    }
}

impl Endpoint for GraphqlEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let accepted = Accepted::negotiate(request.headers());
        let answer_type = accepted.map_or(AnswerType::Json, |accepted| accepted.best);
        let answered = timeout(REQUEST_TIMEOUT, self.answer(request)).await;
        let answered = answered.unwrap_or_else(|_elapsed| {
            // What was under way is counted as what it is.
            Ok(Failure::TookTooLong.response_as(answer_type))
        });
        let mut response = answered.unwrap_or_else(|failure| {
            let operations = &self.domain.metrics().operations;
            operations.count_refusal(failure.code());
            failure.response_as(answer_type)
        });
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Accept"));
        Ok(response)
    }
}

/// Whether a WebSocket is asked for. Any other protocol may be left alone (RFC 9110, section 7.8), and clients offer HTTP/2 so.
fn asks_for_socket(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE).any(|name| name.eq_ignore_ascii_case("websocket"))
}

/// The names in a header that is a list (RFC 9110, section 5.6.1).
fn names<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
