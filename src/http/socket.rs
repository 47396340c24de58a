//! Subscriptions over WebSockets: the protocol graphql-transport-ws, with its close codes. Queries and mutations are answered too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Value;
use async_graphql::indexmap::IndexMap;
use futures_util::stream::{self, AbortHandle, BoxStream, SelectAll, SplitSink, abortable};
use futures_util::{SinkExt, StreamExt};
use poem::web::websocket::{CloseCode, Message, WebSocketStream};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::connection::stopped;
use super::json;
use super::parameters;
use crate::domain::caller::Caller;
use crate::graphql::error::{ApiError, ErrorCode};
use crate::graphql::execution::Api;
use crate::graphql::response::GraphqlResponse;

/// The name of the protocol.
pub const PROTOCOL: &str = "graphql-transport-ws";
/// The largest message, in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 512 * 1024;
/// How long a client may take to introduce itself.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to receive a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a client is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How many operations a connection may have under way.
const OPERATION_LIMIT: usize = 100;

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client left, or cannot be reached.
    Gone,
    /// The server stops.
    Stopping,
    /// What was sent is none of the protocol.
    BadRequest,
    /// An operation came before the introduction was accepted.
    Unauthorized,
    /// The token is not good or has expired, or its user was removed.
    Forbidden,
    /// Another protocol was wanted.
    OtherProtocol,
    /// The introduction did not come in time.
    InitTimeout,
    /// There is an operation of the same ID.
    SubscriberExists,
    /// The client introduced itself twice.
    TooManyInits,
}

impl Close {
    const fn code(self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::Gone => return None,
            Self::Stopping => (1001, "Going away"),
            Self::BadRequest => (4400, "Bad request"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::Forbidden => (4403, "Forbidden"),
            Self::OtherProtocol => (4406, "Subprotocol not acceptable"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::SubscriberExists => (4409, "Subscriber already exists"),
            Self::TooManyInits => (4429, "Too many initialisation requests"),
        })
    }
}

/// Says who a token's caller is, and until when the token is good.
pub trait Authenticate: Send + Sync {
    /// Verifies the value of an `Authorization` header; `None` when its token is not good.
    fn authenticate<'a>(
        &'a self,
        authorization: &'a str,
    ) -> futures_util::future::BoxFuture<'a, Option<(Caller, Instant)>>;
    /// Whether a caller was removed since they were authenticated.
    fn is_removed<'a>(&'a self, caller: &'a Caller) -> futures_util::future::BoxFuture<'a, bool>;
}

/// A connection, from its handshake to its end.
pub struct Connection {
    /// Answers operations.
    pub api: Arc<Api>,
    /// Verifies the token of an introduction.
    pub authenticate: Arc<dyn Authenticate>,
    /// Who asks, when the handshake had a token.
    pub caller: Option<(Caller, Instant)>,
    /// Whether the client knows the protocol.
    pub knows_protocol: bool,
    /// Turns true when the server stops.
    pub stop: watch::Receiver<bool>,
}

type Operations = SelectAll<BoxStream<'static, Step>>;

/// What an operation has to say. It is told by its number too: its ID may by now be that of another one.
enum Step {
    Answer(OperationKey, GraphqlResponse),
    End(OperationKey),
}

#[derive(Clone)]
struct OperationKey {
    id: String,
    number: u64,
}

#[derive(Serialize)]
struct Sent<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<T>,
}

/// A message of a client.
enum Received {
    /// With the value of an `Authorization` header, which may be empty.
    Init(String),
    Ping(Option<Value>),
    Pong,
    Subscribe(String, IndexMap<async_graphql::Name, Value>),
    Complete(String),
}

impl Connection {
    /// Talks until one of both ends it.
    pub async fn run(self, socket: WebSocketStream) {
        let (mut sender, receiver) = socket.split();
        let close = Session::new(self, &mut sender).run(receiver).await;
        let frame = close
            .code()
            .map(|(code, reason)| Message::Close(Some((CloseCode::from(code), reason.to_owned()))));
        // The client may be gone by now. What it said to close is answered by closing (RFC 6455, section 5.5.1).
        let closing = async {
            if let Some(frame) = frame {
                sender.send(frame).await?;
            }
            sender.close().await
        };
        let _closed = timeout(SEND_TIMEOUT, closing).await;
    }
}

struct Session<'a> {
    connection: Connection,
    sender: &'a mut SplitSink<WebSocketStream, Message>,
    accepted: Option<Caller>,
    operations: Operations,
    handles: HashMap<String, (u64, AbortHandle)>,
    next_number: u64,
}

impl<'a> Session<'a> {
    fn new(connection: Connection, sender: &'a mut SplitSink<WebSocketStream, Message>) -> Self {
        Self {
            connection,
            sender,
            accepted: None,
            operations: SelectAll::new(),
            handles: HashMap::new(),
            next_number: 0,
        }
    }

    async fn run(
        mut self,
        mut receiver: impl StreamExt<Item = Result<Message, std::io::Error>> + Unpin,
    ) -> Close {
        if !self.connection.knows_protocol {
            return Close::OtherProtocol;
        }
        let mut stop = self.connection.stop.clone();
        let mut ping = interval(PING_INTERVAL);
        // Until the introduction this is the time for it, and then the end of the token's.
        let mut deadline = Box::pin(sleep_until(Instant::now() + INIT_TIMEOUT));
        loop {
            let step = tokio::select! {
                message = receiver.next() => self.receive(message).await,
                Some(step) = self.operations.next() => self.tell(step).await,
                () = &mut deadline => {
                    return if self.accepted.is_some() { Close::Forbidden } else { Close::InitTimeout };
                }
                _ = ping.tick() => self.send_frame(Message::Ping(Vec::new())).await,
                () = stopped(&mut stop) => return Close::Stopping,
            };
            match step {
                Ok(None) => {}
                Ok(Some(expires_at)) => deadline = Box::pin(sleep_until(expires_at)),
                Err(close) => return close,
            }
        }
    }

    /// Takes a message in. Returns until when the token is good when one was accepted.
    async fn receive(
        &mut self,
        message: Option<Result<Message, std::io::Error>>,
    ) -> Result<Option<Instant>, Close> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
            Some(Ok(Message::Close(_))) | None => return Err(Close::Gone),
            Some(Ok(Message::Binary(_)) | Err(_)) => return Err(Close::BadRequest),
        };
        match parse(&text).ok_or(Close::BadRequest)? {
            Received::Init(authorization) => return self.init(&authorization).await,
            Received::Ping(payload) => self.send("pong", None, payload).await?,
            Received::Pong => {}
            Received::Subscribe(id, members) => self.subscribe(id, members).await?,
            Received::Complete(id) => {
                if let Some((_, handle)) = self.handles.remove(&id) {
                    handle.abort();
                }
            }
        }
        Ok(None)
    }

    async fn init(&mut self, authorization: &str) -> Result<Option<Instant>, Close> {
        if self.accepted.is_some() {
            return Err(Close::TooManyInits);
        }
        let authenticated = if authorization.is_empty() {
            self.connection.caller.take()
        } else {
            self.connection
                .authenticate
                .authenticate(authorization)
                .await
        };
        // The token of the handshake may have expired since.
        let (caller, expires_at) = authenticated
            .filter(|(_, expires_at)| *expires_at > Instant::now())
            .ok_or(Close::Forbidden)?;
        self.accepted = Some(caller);
        self.send::<Value>("connection_ack", None, None).await?;
        Ok(Some(expires_at))
    }

    async fn subscribe(
        &mut self,
        id: String,
        members: IndexMap<async_graphql::Name, Value>,
    ) -> Result<(), Close> {
        let caller = self.accepted.clone().ok_or(Close::Unauthorized)?;
        if self.handles.contains_key(&id) {
            return Err(Close::SubscriberExists);
        }
        if self.connection.authenticate.is_removed(&caller).await {
            return Err(Close::Forbidden);
        }
        if self.handles.len() >= OPERATION_LIMIT {
            let refused = GraphqlResponse::refused(ApiError::new(
                ErrorCode::Overloaded,
                "This connection has 100 operations under way: complete one, or open another connection.",
            ));
            return self.send("error", Some(&id), Some(refused.errors)).await;
        }
        let request = parameters::from_members(members).map_err(|_malformed| Close::BadRequest)?;
        let api = Arc::clone(&self.connection.api);
        let prepared = match api.prepare(request) {
            Ok(prepared) => prepared,
            Err(refused) => return self.send("error", Some(&id), Some(refused.errors)).await,
        };
        let answers = if prepared.is_subscription() {
            api.follow(caller, prepared).boxed()
        } else {
            stream::once(async move { api.answer(caller, prepared).await }).boxed()
        };
        let (answers, handle) = abortable(answers);
        let key = OperationKey {
            id,
            number: self.next_number,
        };
        self.next_number += 1;
        self.handles.insert(key.id.clone(), (key.number, handle));
        let ended = key.clone();
        let steps = answers
            .map(move |answer| Step::Answer(key.clone(), answer))
            .chain(stream::once(async move { Step::End(ended) }));
        self.operations.push(steps.boxed());
        Ok(())
    }

    /// Tells the client what an operation has to say, unless the operation was ended.
    async fn tell(&mut self, step: Step) -> Result<Option<Instant>, Close> {
        match step {
            Step::Answer(_, answer) if answer.has(ErrorCode::Unauthenticated) => {
                return Err(Close::Forbidden);
            }
            Step::Answer(key, answer) if self.is_under_way(&key) => {
                let is_last = answer.data.is_none() || answer.has(ErrorCode::EventsMissed);
                if is_last {
                    if let Some((_, handle)) = self.handles.remove(&key.id) {
                        handle.abort();
                    }
                    self.send("error", Some(&key.id), Some(answer.errors))
                        .await?;
                } else {
                    self.send("next", Some(&key.id), Some(answer)).await?;
                }
            }
            Step::End(key) if self.is_under_way(&key) => {
                self.handles.remove(&key.id);
                self.send::<Value>("complete", Some(&key.id), None).await?;
            }
            Step::Answer(..) | Step::End(_) => {}
        }
        Ok(None)
    }

    fn is_under_way(&self, key: &OperationKey) -> bool {
        self.handles
            .get(&key.id)
            .is_some_and(|(number, _)| *number == key.number)
    }

    async fn send<T: Serialize>(
        &mut self,
        kind: &'static str,
        id: Option<&str>,
        payload: Option<T>,
    ) -> Result<(), Close> {
        // What is sent is made of strings, numbers and lists only: it can always be written.
        let text = serde_json::to_string(&Sent { id, kind, payload }).unwrap_or_default();
        self.send_frame(Message::Text(text)).await.map(|_sent| ())
    }

    async fn send_frame(&mut self, frame: Message) -> Result<Option<Instant>, Close> {
        match timeout(SEND_TIMEOUT, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(_)) | Err(_) => Err(Close::Gone),
        }
    }
}

fn parse(text: &str) -> Option<Received> {
    let Ok(Value::Object(mut members)) = json::parse(text.as_bytes()) else {
        return None;
    };
    let Some(Value::String(kind)) = members.swap_remove("type") else {
        return None;
    };
    let mut id = || match members.swap_remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id),
        _ => None,
    };
    match kind.as_str() {
        "connection_init" => authorization(members.swap_remove("payload")).map(Received::Init),
        "ping" => Some(Received::Ping(members.swap_remove("payload"))),
        "pong" => Some(Received::Pong),
        "complete" => id().map(Received::Complete),
        "subscribe" => {
            let id = id()?;
            match members.swap_remove("payload") {
                Some(Value::Object(payload)) => Some(Received::Subscribe(id, payload)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The member `Authorization` of an introduction, in any case, or an empty text; `None` for what is no introduction.
fn authorization(payload: Option<Value>) -> Option<String> {
    let members = match payload {
        None | Some(Value::Null) => return Some(String::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return None,
    };
    let found = members
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match found {
        None => Some(String::new()),
        Some((_, Value::String(value))) => Some(value),
        Some(_) => None,
    }
}
