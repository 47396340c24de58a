//! An issuer's server of keys, which says what a test wants it to say, and counts how often it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::pending;
use hyper::Response;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Server;
use super::peer::{Body, answer, serve};
use super::token::{assert_refused, pem, sign, sign_hs256};

/// What it says.
#[derive(Clone)]
pub enum Says {
    /// This, with the status 200.
    Text(String),
    /// Nothing but this status.
    Status(u16),
    /// That it is somewhere else.
    Elsewhere(String),
    /// Nothing at all.
    Nothing,
}

/// The server.
pub struct KeyServer {
    pub url: String,
    says: Arc<Mutex<Says>>,
    asked: watch::Receiver<usize>,
}

impl KeyServer {
    /// A server that has the keys of these names.
    pub async fn start(names: &[&str]) -> Self {
        let says = Arc::new(Mutex::new(Says::Text(key_set(names))));
        let (count, asked) = watch::channel(0);
        let said = Arc::clone(&says);
        let url = serve(move |_body, _accept| {
            let says = said.lock().unwrap().clone();
            count.send_modify(|count| *count += 1);
            respond(says).boxed()
        });
        Self {
            url: url.await,
            says,
            asked,
        }
    }

    /// Says this from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Has the keys of these names from now on.
    pub fn publish(&self, names: &[&str]) {
        self.say(Says::Text(key_set(names)));
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked so often.
    pub async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.clone();
        asked.wait_for(|count| *count >= times).await.unwrap();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }
}

async fn respond(says: Says) -> Response<Body> {
    match says {
        Says::Text(text) => answer(200, "application/jwk-set+json", &text),
        Says::Status(status) => answer(status, "text/plain", ""),
        Says::Elsewhere(url) => {
            let mut moved = answer(302, "text/plain", "");
            moved.headers_mut().insert("location", url.parse().unwrap());
            moved
        }
        Says::Nothing => pending().await,
    }
}

/// A JSON Web Key Set of those keys of the tests that have these names.
pub fn key_set(names: &[&str]) -> String {
    let keys: Vec<Value> = names.iter().map(|name| key(name)).collect();
    json!({ "keys": keys }).to_string()
}

/// The public key of a name.
pub fn key(name: &str) -> Value {
    let all: Value = serde_json::from_slice(&pem("jwks.json")).unwrap();
    let mut all = all["keys"].as_array().unwrap().iter();
    all.find(|key| key["kid"] == name).unwrap().clone()
}

/// A token that is signed with the key of this name, `ed25519` or `p256`.
pub fn signed_with(name: &str, claims: &str) -> String {
    let (key, algorithm, alg) = match name {
        "ed25519" => (
            EncodingKey::from_ed_pem(&pem("ed25519.pem")).unwrap(),
            Algorithm::EdDSA,
            "EdDSA",
        ),
        "p256" => (
            EncodingKey::from_ec_pem(&pem("p256.pem")).unwrap(),
            Algorithm::ES256,
            "ES256",
        ),
        _ => panic!("no token is signed with {name}"),
    };
    let header = json!({ "alg": alg, "kid": name }).to_string();
    sign(&header, claims, &key, algorithm)
}

/// Returns once a server has taken over what its issuer publishes: ten minutes later, and after a token of no key, which it asks anew for.
pub async fn take_over(server: &Server) {
    server.clock.shift_seconds(601);
    let stranger = sign_hs256(r#"{"alg":"EdDSA","kid":"none"}"#, "{}");
    assert_refused(server, &stranger, "a token of no key").await;
}
