//! An OpenID Connect provider that says what a test wants it to say. What a real one says is in `conformance/test/oidc.test.js`; here are
//! those that come late, say too much, or nothing.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::Client;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::Server;
use super::peer::{Body, answer};
use super::token::sign;

const KEY_SET: &str = include_str!("../keys/jwks.json");
const HEADER: &str = r#"{"alg":"EdDSA","kid":"ed25519"}"#;

/// A provider.
pub struct Provider {
    pub issuer: String,
    metadata: Arc<Mutex<Value>>,
    claims: Arc<Mutex<Value>>,
    refusal: Arc<Mutex<Option<&'static str>>>,
}

/// A sign-in under way.
pub struct Attempt {
    /// The answer of the server that led to the provider.
    pub headers: HeaderMap,
    /// The pair that the browser keeps.
    pub cookie: String,
    pub state: String,
    pub nonce: String,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let metadata = Arc::new(Mutex::new(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
        })));
        let claims = Arc::new(Mutex::new(json!({})));
        let provider = Self {
            issuer,
            metadata: Arc::clone(&metadata),
            claims: Arc::clone(&claims),
            refusal: Arc::default(),
        };
        let refusal = Arc::clone(&provider.refusal);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (metadata, claims) = (Arc::clone(&metadata), Arc::clone(&claims));
                let refusal = Arc::clone(&refusal);
                let service = service_fn(move |request: Request<Incoming>| {
                    let (status, said) = match (request.uri().path(), *refusal.lock().unwrap()) {
                        ("/token", Some(error)) => (400, json!({ "error": error }).to_string()),
                        ("/token", None) => (200, token(&claims.lock().unwrap())),
                        ("/keys", _) => (200, KEY_SET.to_owned()),
                        _ => (200, metadata.lock().unwrap().to_string()),
                    };
                    async move {
                        request.into_body().collect().await.unwrap();
                        Ok::<Response<Body>, Infallible>(answer(status, "application/json", &said))
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.map(drop));
            }
        });
        provider
    }

    /// What a server needs on its command line to let people sign in here.
    pub fn arguments(&self) -> Vec<&str> {
        let issuer = self.issuer.as_str();
        vec![
            "--oidc-issuer",
            issuer,
            "--oidc-client-id",
            "credence",
            "--oidc-role-claim",
            "roles",
        ]
    }

    /// Says one thing more of itself.
    pub fn announce(&self, name: &str, value: Value) {
        self.metadata.lock().unwrap()[name] = value;
    }

    /// Gives nothing for a code from now on, with this error (RFC 6749, section 5.2).
    pub fn refuse(&self, error: &'static str) {
        *self.refusal.lock().unwrap() = Some(error);
    }

    /// Says this of who signs in next, beside what there must be.
    pub fn say(&self, server: &Server, attempt: &Attempt, claims: Value) {
        let now = server.clock.now().seconds();
        let mut all = json!({
            "iss": self.issuer, "aud": "credence", "sub": "alice", "iat": now, "exp": now + 300,
            "nonce": attempt.nonce, "scope": "credentials:read",
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        *self.claims.lock().unwrap() = all;
    }
}

fn token(claims: &Value) -> String {
    let key = EncodingKey::from_ed_pem(include_bytes!("../keys/ed25519.pem")).unwrap();
    let token = sign(HEADER, &claims.to_string(), &key, Algorithm::EdDSA);
    json!({ "access_token": "none", "token_type": "Bearer", "id_token": token }).to_string()
}

/// A client that goes nowhere by itself.
pub fn client() -> Client {
    let builder = Client::builder().tls_certs_only([]);
    builder.redirect(Policy::none()).build().unwrap()
}

impl Attempt {
    /// Begins to sign in, and goes back to this path afterwards. `cookie` is what the browser has of before.
    pub async fn begin(server: &Server, path: &str, cookie: &str) -> Self {
        let request = client()
            .get(server.url("/login/oidc"))
            .query(&[("return", path)]);
        let request = request
            .header("sec-fetch-site", "same-origin")
            .header(COOKIE, cookie);
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        let there = Url::parse(headers[LOCATION].to_str().unwrap()).unwrap();
        let parameter = |name: &str| {
            let mut all = there.query_pairs();
            all.find(|(key, _)| key == name).unwrap().1.into_owned()
        };
        let set = headers[SET_COOKIE].to_str().unwrap();
        Self {
            cookie: set.split(';').next().unwrap().to_owned(),
            state: parameter("state"),
            nonce: parameter("nonce"),
            headers,
        }
    }

    /// The path that the provider sends the browser back to, with these parameters beside the state.
    pub fn way_back(&self, parameters: &str) -> String {
        format!("/login/oidc/callback?state={}&{parameters}", self.state)
    }

    /// Comes back.
    pub async fn end(&self, server: &Server, parameters: &str) -> reqwest::Response {
        come_back(server, &self.way_back(parameters), &self.cookie).await
    }
}

/// Comes back as a browser does that another site sends.
pub async fn come_back(server: &Server, path: &str, cookie: &str) -> reqwest::Response {
    let request = client().get(server.url(path));
    let request = request
        .header("sec-fetch-site", "cross-site")
        .header(COOKIE, cookie);
    request.send().await.unwrap()
}

/// Where an answer leads.
pub fn location(response: &reqwest::Response) -> &str {
    assert_eq!(response.status(), 303);
    response.headers()[LOCATION].to_str().unwrap()
}
