//! A browser, as far as the server sees one: its cookies, and the headers that no page can set.

use credence::data_directory::DataDirectory;
use credence::local_mode::issue_code;
use credence::types::scope::ScopeSet;
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, Server, database};

/// Asks who one is.
pub const WHO: &str = "{ viewer { subject } }";
/// Follows all changes.
pub const FOLLOW: &str = "subscription { credentialChanged { action } }";

/// A browser that is at the server's own pages. Its clones have the same cookie.
#[derive(Clone)]
pub struct Browser<'a> {
    pub server: &'a Server,
    /// The pair that it sends back; empty when nobody is signed in.
    pub cookie: String,
}

impl<'a> Browser<'a> {
    /// A browser without a cookie.
    pub fn new(server: &'a Server) -> Self {
        Self {
            server,
            cookie: String::new(),
        }
    }

    /// A browser in which somebody signed in.
    pub async fn signed_in(server: &'a Server, token: &str) -> Self {
        let mut browser = Self::new(server);
        let answer = browser.sign_in(json!({ "token": token })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        browser
    }

    /// Signs in, and keeps the cookie.
    pub async fn sign_in(&mut self, body: Value) -> Answer {
        let request = self.request(Method::POST, "/session");
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let answer = Answer::from(request.send().await.unwrap()).await;
        if let Some(cookie) = answer.headers.get(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = String::from(pair);
        }
        answer
    }

    /// A request with the cookie, and nothing that says where it comes from.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.server.client.request(method, self.server.url(path));
        match self.cookie.as_str() {
            "" => request,
            cookie => request.header(COOKIE, cookie),
        }
    }

    /// A request of the server's own pages.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("sec-fetch-site", "same-origin")
    }

    /// Asks by POST, as the page does.
    pub async fn ask(&self, query: &str) -> Answer {
        let request = self.request(Method::POST, "/graphql");
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "query": query }).to_string());
        Answer::from(request.send().await.unwrap()).await
    }

    /// Who is signed in.
    pub async fn session(&self) -> Value {
        let answer = self.request(Method::GET, "/session").send().await.unwrap();
        Answer::from(answer).await.body
    }

    /// Signs out.
    pub async fn sign_out(&self) {
        let answer = self.request(Method::DELETE, "/session").send().await;
        assert_eq!(answer.unwrap().status(), 204);
    }
}

/// A one-time code of a server in local mode.
pub fn code(server: &Server, subject: &str, scopes: ScopeSet) -> String {
    let data = server.data_directory();
    let directory = DataDirectory::open(&data).unwrap();
    let database = database::database(&data);
    let made = issue_code(&directory, &database, subject, scopes, server.clock.now());
    String::clone(&made.unwrap())
}
