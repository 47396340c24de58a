//! Subscriptions over WebSockets: the protocol graphql-transport-ws, with its close codes. Queries and mutations are answered too.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{
    self, AbortHandle, Abortable, BoxStream, SelectAll, SplitSink, abortable,
};
use futures_util::{SinkExt, StreamExt};
use poem::web::websocket::{CloseCode, Message, WebSocketStream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Sleep, interval, sleep, timeout};

use super::authorization::{end_of_token, token_of, verify};
use super::connection::stopped;
use super::failure::Failure;
use super::json::Members;
use super::parameters;
use super::socket_message::{Received, Sent, parse};
use crate::domain;
use crate::domain::Domain;
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::graphql::error::{ApiError, ErrorCode};
use crate::graphql::execution::Api;
use crate::graphql::response::GraphqlResponse;
use crate::types::id::Id;
use crate::types::peer::Peer;

/// The name of the protocol.
pub const PROTOCOL: &str = "graphql-transport-ws";
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
    /// It cannot be found out whether the token or the session is good, or nobody looks at it now.
    TryAgainLater,
    /// What was sent is none of the protocol.
    BadRequest,
    /// An operation came before the introduction was accepted.
    Unauthorized,
    /// The token or the session is not good or has ended, or its user was removed.
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
            Self::TryAgainLater => (1013, "Try again later"),
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

/// A connection, from its handshake to its end.
pub struct Connection {
    /// Answers operations.
    pub api: Arc<Api>,
    /// Verifies the token of an introduction, and whether a session is still there.
    pub domain: Arc<Domain>,
    /// The ID of the handshake.
    pub id: Id<domain::Request>,
    /// Where the handshake came from.
    pub peer: Option<Peer>,
    /// The place among those of whom nobody knows yet who they are.
    pub stranger: Option<OwnedSemaphorePermit>,
    /// Who asks, when the handshake had a token or the cookie of a session, and when that ends.
    pub caller: Option<(Caller, Instant)>,
    /// Whether the client knows the protocol.
    pub knows_protocol: bool,
    /// Turns true when the server stops.
    pub stop: watch::Receiver<bool>,
}

/// An operation under way.
struct Operation {
    is_subscription: bool,
    handle: AbortHandle,
}

/// What the operation of an ID has to say. One that was ended says nothing more.
enum Step {
    Answer(String, GraphqlResponse),
    End(String),
}

impl Connection {
    async fn authenticate(&self, authorization: &str) -> Result<(Caller, Instant), Close> {
        let domain = &self.domain;
        let token = token_of(authorization).ok_or(Close::Forbidden)?;
        match verify(domain, token, self.peer, self.id).await {
            Ok(caller) => {
                let expires_at = end_of_token(domain, &caller);
                Ok((caller, expires_at))
            }
            Err(Failure::Unauthenticated(_)) => Err(Close::Forbidden),
            Err(_unknown) => Err(Close::TryAgainLater),
        }
    }

    /// Talks until one of both ends it.
    pub async fn run(self, socket: WebSocketStream) {
        let (mut sender, receiver) = socket.split();
        let close = Conversation::new(self, &mut sender).run(receiver).await;
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

/// What is said on a connection.
struct Conversation<'a> {
    connection: Connection,
    sender: &'a mut SplitSink<WebSocketStream, Message>,
    accepted: Option<Caller>,
    // Until the introduction this is the end of the time for it, and then that of the token or the session.
    deadline: Pin<Box<Sleep>>,
    steps: SelectAll<Abortable<BoxStream<'static, Step>>>,
    operations: HashMap<String, Operation>,
}

impl<'a> Conversation<'a> {
    fn new(connection: Connection, sender: &'a mut SplitSink<WebSocketStream, Message>) -> Self {
        Self {
            connection,
            sender,
            accepted: None,
            deadline: Box::pin(sleep(INIT_TIMEOUT)),
            steps: SelectAll::new(),
            operations: HashMap::new(),
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
        loop {
            let talked = tokio::select! {
                message = receiver.next() => self.receive(message).await,
                Some(step) = self.steps.next() => self.tell(step).await,
                () = &mut self.deadline => Err(self.late()),
                _ = ping.tick() => self.send_frame(Message::Ping(Vec::new())).await,
                () = stopped(&mut stop) => self.finish().await,
            };
            if let Err(close) = talked {
                return close;
            }
        }
    }

    const fn late(&self) -> Close {
        match self.accepted {
            Some(_) => Close::Forbidden,
            None => Close::InitTimeout,
        }
    }

    /// Answers what is under way, and nothing that comes now. Subscriptions have no end to wait for.
    async fn finish(&mut self) -> Result<(), Close> {
        for operation in self.operations.values() {
            if operation.is_subscription {
                operation.handle.abort();
            }
        }
        while let Some(step) = self.steps.next().await {
            self.tell(step).await?;
        }
        Err(Close::Stopping)
    }

    /// Takes a message in.
    async fn receive(
        &mut self,
        message: Option<Result<Message, std::io::Error>>,
    ) -> Result<(), Close> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Close(_))) | None => return Err(Close::Gone),
            Some(Ok(Message::Binary(_)) | Err(_)) => return Err(Close::BadRequest),
        };
        match parse(&text).ok_or(Close::BadRequest)? {
            Received::Init(authorization) => self.init(&authorization).await,
            Received::Ping(payload) => self.send("pong", None, payload).await,
            Received::Pong => Ok(()),
            Received::Subscribe(id, members) => self.subscribe(id, members).await,
            Received::Complete(id) => {
                self.end(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, authorization: &str) -> Result<(), Close> {
        if self.accepted.is_some() {
            return Err(Close::TooManyInits);
        }
        let introduced = if authorization.is_empty() {
            self.connection.caller.take()
        } else {
            Some(self.connection.authenticate(authorization).await?)
        };
        // What the handshake had may have ended since.
        let (caller, expires_at) = introduced
            .filter(|(_, expires_at)| *expires_at > Instant::now())
            .ok_or(Close::Forbidden)?;
        self.deadline.as_mut().reset(expires_at);
        self.accepted = Some(caller);
        self.connection.stranger = None;
        self.send::<()>("connection_ack", None, None).await
    }

    async fn subscribe(&mut self, id: String, members: Members) -> Result<(), Close> {
        let caller = self.accepted.clone().ok_or(Close::Unauthorized)?;
        if self.operations.contains_key(&id) {
            return Err(Close::SubscriberExists);
        }
        // When it cannot be found out, the operation meets the same failure, and says so.
        let checked = self.connection.domain.check_still_exists(&caller).await;
        if matches!(checked, Err(Error::Unauthenticated)) {
            return Err(Close::Forbidden);
        }
        if self.operations.len() >= OPERATION_LIMIT {
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
        let is_subscription = prepared.is_subscription();
        let answers = if is_subscription {
            api.follow(caller, prepared).boxed()
        } else {
            stream::once(async move { api.answer(caller, prepared).await }).boxed()
        };
        let (answered, ended) = (id.clone(), id.clone());
        let steps = answers
            .map(move |answer| Step::Answer(answered.clone(), answer))
            .chain(stream::once(async move { Step::End(ended) }));
        let (steps, handle) = abortable(steps.boxed());
        self.steps.push(steps);
        let operation = Operation {
            is_subscription,
            handle,
        };
        self.operations.insert(id, operation);
        Ok(())
    }

    /// Ends an operation: it says nothing more.
    fn end(&mut self, id: &str) {
        if let Some(operation) = self.operations.remove(id) {
            operation.handle.abort();
        }
    }

    /// Tells the client what an operation has to say.
    async fn tell(&mut self, step: Step) -> Result<(), Close> {
        match step {
            Step::Answer(_, answer) if answer.has(ErrorCode::Unauthenticated) => {
                Err(Close::Forbidden)
            }
            Step::Answer(id, answer)
                if answer.data.is_none() || answer.has(ErrorCode::EventsMissed) =>
            {
                self.end(&id);
                self.send("error", Some(&id), Some(answer.errors)).await
            }
            Step::Answer(id, answer) => self.send("next", Some(&id), Some(answer)).await,
            Step::End(id) => {
                self.end(&id);
                self.send::<()>("complete", Some(&id), None).await
            }
        }
    }

    async fn send<T: Serialize>(
        &mut self,
        kind: &'static str,
        id: Option<&str>,
        payload: Option<T>,
    ) -> Result<(), Close> {
        // What is sent is made of strings, numbers and lists only: it can always be written.
        let text = serde_json::to_string(&Sent { id, kind, payload }).unwrap_or_default();
        self.send_frame(Message::Text(text)).await
    }

    async fn send_frame(&mut self, frame: Message) -> Result<(), Close> {
        match timeout(SEND_TIMEOUT, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Close::Gone),
        }
    }
}
