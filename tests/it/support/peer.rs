//! What a client may meet in a server's place: one that answers anything, and a way to the server that breaks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer with this status, type and body.
pub fn answer(status: u16, content_type: &str, body: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Full::new(Bytes::from(body.to_owned())).boxed_unsync())
        .unwrap()
}

/// A stream of events that begins with these, and does not end.
pub fn endless_events(events: &str) -> Response<Body> {
    let first = Ok(Frame::data(Bytes::from(events.to_owned())));
    let stream = futures_util::StreamExt::chain(
        futures_util::stream::iter([first]),
        futures_util::stream::pending(),
    );
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(StreamBody::new(stream).boxed_unsync())
        .unwrap()
}

/// Starts a server that answers each request with what `respond` makes of its body and its header `Accept`. Returns its URL.
pub async fn serve<F>(respond: F) -> String
where
    F: Fn(String, String) -> BoxFuture<'static, Response<Body>> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let respond = Arc::new(respond);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let respond = Arc::clone(&respond);
            let service = service_fn(move |request: Request<Incoming>| {
                let respond = Arc::clone(&respond);
                async move {
                    let accept = request.headers()["accept"].to_str().unwrap().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let body = String::from_utf8(body.to_vec()).unwrap();
                    Ok::<_, Infallible>(respond(body, accept).await)
                }
            });
            tokio::spawn(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .map(drop),
            );
        }
    });
    url
}

/// A way to a server that can be closed: what is under way on it then breaks, and nothing new gets through.
pub struct Way {
    pub address: SocketAddr,
    open: watch::Sender<bool>,
}

impl Way {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self {
            address: listener.local_addr().unwrap(),
            open: watch::Sender::new(true),
        };
        let open = way.open.subscribe();
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut open = open.clone();
                tokio::spawn(async move {
                    let passing = async {
                        let mut far = TcpStream::connect(server).await.unwrap();
                        // Either end may break it off.
                        let _passed = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    };
                    tokio::select! {
                        biased;
                        _ = open.wait_for(|open| !open) => {}
                        () = passing => {}
                    }
                });
            }
        });
        way
    }

    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}
