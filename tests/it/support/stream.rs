//! Streams of answers: WebSockets with graphql-transport-ws, and server-sent events.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async};

use super::{Person, Server};

/// What takes longer than this does not come any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// A WebSocket.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn connect(
        server: &Server,
        protocol: Option<&str>,
        authorization: Option<&str>,
    ) -> Self {
        let protocol = protocol.map(|protocol| ("sec-websocket-protocol", protocol));
        let authorization = authorization.map(|value| ("authorization", value));
        let headers: Vec<_> = protocol.into_iter().chain(authorization).collect();
        Self::handshake(server, &headers).await
    }

    /// A connection that knows the protocol, and whose handshake has these headers.
    pub async fn with_headers(server: &Server, headers: &[(&'static str, &str)]) -> Self {
        let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
        Self::handshake(server, &[headers, &[protocol]].concat()).await
    }

    async fn handshake(server: &Server, headers: &[(&'static str, &str)]) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        Self::handshake_over(stream, server, headers).await
    }

    async fn handshake_over(stream: TcpStream, server: &Server, headers: &[(&str, &str)]) -> Self {
        let url = format!("ws://{}/graphql", server.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(name, value);
        }
        Self(
            client_async(request, MaybeTlsStream::Plain(stream))
                .await
                .unwrap()
                .0,
        )
    }

    /// A connection whose introduction was accepted.
    pub async fn open(person: &Person<'_>) -> Self {
        let socket = Self::connect(person.server, Some("graphql-transport-ws"), None).await;
        socket.introduce(person).await
    }

    /// As [`Socket::open`], on a connection that holds little of what was not read.
    pub async fn open_narrow(person: &Person<'_>) -> Self {
        let narrow = TcpSocket::new_v4().unwrap();
        narrow.set_recv_buffer_size(4_096).unwrap();
        let stream = narrow.connect(person.server.address).await.unwrap();
        let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
        let socket = Self::handshake_over(stream, person.server, &[protocol]).await;
        socket.introduce(person).await
    }

    async fn introduce(mut self, person: &Person<'_>) -> Self {
        let payload = json!({ "Authorization": format!("Bearer {}", person.token) });
        self.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(
            self.receive().await,
            Ok(json!({ "type": "connection_ack" }))
        );
        self
    }

    pub async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// The next message, or the code that the connection was closed with.
    pub async fn receive(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.unwrap();
            match message.unwrap().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.unwrap().code.into()),
                _ => {}
            }
        }
    }

    /// Returns once the server has taken in all that was sent before.
    pub async fn settle(&mut self) {
        self.send(json!({ "type": "ping" })).await;
        assert_eq!(self.receive().await, Ok(json!({ "type": "pong" })));
    }
}

/// Server-sent events, as they come.
pub struct EventStream {
    response: reqwest::Response,
    text: String,
    events: VecDeque<(String, Value)>,
}

impl EventStream {
    pub async fn open(person: &Person<'_>, query: &str, variables: Value) -> Self {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = person
            .request()
            .header("accept", "text/event-stream")
            .body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        Self {
            response,
            text: String::new(),
            events: VecDeque::new(),
        }
    }

    /// The next event and its data; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.unwrap().ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                };
                let data = serde_json::from_str(field("data:")).unwrap_or(Value::Null);
                if !event.starts_with(':') {
                    self.events.push_back((field("event:").to_owned(), data));
                }
                self.text = String::from(rest);
            }
        }
    }
}
