//! Which server a client asks, with which token, and what it trusts.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use reqwest::Url;
use zeroize::Zeroizing;

use super::cache::CacheLimits;
use crate::types::clock::Clock;

/// The longest token that a server takes, in bytes.
const TOKEN_LIMIT_BYTES: usize = 8 * 1024;
const ENDPOINT: &str = "graphql";

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The server.
    pub server: ServerUrl,
    /// Where tokens come from.
    pub token: TokenSource,
    /// Who may vouch for the server, over https.
    pub authorities: Authorities,
    /// What is kept.
    pub cache: CacheLimits,
    /// How long to wait for a connection: 5 seconds unless said otherwise.
    pub connect_timeout: Duration,
    /// How long to wait for an answer: 20 seconds unless said otherwise. The server gives up after 15.
    pub answer_timeout: Duration,
    /// The clock by which kept values grow old.
    pub clock: Clock,
}

impl ClientSettings {
    /// The usual settings.
    #[must_use]
    pub fn new(server: ServerUrl, token: TokenSource) -> Self {
        Self {
            server,
            token,
            authorities: Authorities::default(),
            cache: CacheLimits::default(),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(20),
            clock: Clock::system(),
        }
    }
}

/// Who may vouch for the server.
#[derive(Clone, Debug, Default)]
pub enum Authorities {
    /// Those that the system trusts.
    #[default]
    System,
    /// These alone: one or more certificates in PEM form.
    Pem(Vec<u8>),
}

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsProblem {
    /// It is no URL of http or https.
    NoUrl,
    /// There is a user, a query or a fragment in the URL.
    UrlHasMore,
    /// The URL is one of plain http, and not of this machine.
    PlainHttp,
    /// There is no certificate in PEM form in what was to name the authorities.
    NoAuthority,
    /// The system trusts no authority.
    NoSystemAuthority,
    /// The token is empty, longer than 8 KiB, or has characters in it that no token has.
    NoToken,
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoUrl => "it is no URL: write one such as https://credence.example.com or http://127.0.0.1:8080",
            Self::UrlHasMore => "it has a user, a query or a fragment: write a scheme, a host, perhaps a port and a path",
            Self::PlainHttp => {
                "plain http would show tokens and values to the network: it goes to this machine only \
                 (127.0.0.1, [::1], localhost); write https://"
            }
            Self::NoAuthority => "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
            Self::NoSystemAuthority => {
                "this system trusts no authority: install its certificates (ca-certificates), or name an authority"
            }
            Self::NoToken => "it is no token: a token has 1 byte to 8 KiB of ASCII, and no spaces",
        })
    }
}

impl Error for SettingsProblem {}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    endpoint: Url,
}

impl ServerUrl {
    /// Reads a URL: that of the server, or of its endpoint. Plain http is for loopback only.
    ///
    /// # Errors
    /// [`SettingsProblem::NoUrl`], [`SettingsProblem::UrlHasMore`] and [`SettingsProblem::PlainHttp`].
    pub fn parse(text: &str) -> Result<Self, SettingsProblem> {
        let mut endpoint = Url::parse(text).map_err(|_malformed| SettingsProblem::NoUrl)?;
        let is_plain = match endpoint.scheme() {
            "http" => true,
            "https" => false,
            _ => return Err(SettingsProblem::NoUrl),
        };
        let has_user = !endpoint.username().is_empty() || endpoint.password().is_some();
        if has_user || endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err(SettingsProblem::UrlHasMore);
        }
        if is_plain && !is_this_machine(&endpoint) {
            return Err(SettingsProblem::PlainHttp);
        }
        let path = endpoint.path().trim_end_matches('/');
        let path = if path.rsplit('/').next() == Some(ENDPOINT) {
            path.to_owned()
        } else {
            format!("{path}/{ENDPOINT}")
        };
        endpoint.set_path(&path);
        Ok(Self { endpoint })
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_this_machine(&self.endpoint)
    }

    /// Where GraphQL is.
    pub(super) const fn endpoint(&self) -> &Url {
        &self.endpoint
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(formatter)
    }
}

/// Whether a URL is of this machine. The name `localhost` is (RFC 6761, section 6.3): the client asks nobody what it stands for.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// A token, ready to be sent. Its `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Token(HeaderValue);

impl Token {
    /// Takes a token. White space around it, such as the line end of a file, is none of it.
    ///
    /// # Errors
    /// [`SettingsProblem::NoToken`] when it is none.
    pub fn parse(text: &str) -> Result<Self, SettingsProblem> {
        let text = text.trim();
        let is_token = (1..=TOKEN_LIMIT_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        let value = Zeroizing::new(format!("Bearer {text}"));
        let header = HeaderValue::from_str(&value).ok().filter(|_| is_token);
        let mut header = header.ok_or(SettingsProblem::NoToken)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of the header `Authorization`.
    pub(super) fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// The source of tokens has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUnavailable;

impl fmt::Display for TokenUnavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("there is no token for the server: its issuer or its file gave none")
    }
}

impl Error for TokenUnavailable {}

type AskForToken = dyn Fn() -> BoxFuture<'static, Result<Token, TokenUnavailable>> + Send + Sync;

/// Where tokens come from. It is asked before each request, and each time changes are followed anew: it keeps a token as long as
/// that is good.
#[derive(Clone)]
pub struct TokenSource(Arc<AskForToken>);

impl TokenSource {
    /// Always this token.
    #[must_use]
    pub fn fixed(token: Token) -> Self {
        Self::new(move || std::future::ready(Ok(token.clone())))
    }

    /// What this function gives.
    pub fn new<F, O>(ask: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<Token, TokenUnavailable>> + Send + 'static,
    {
        Self(Arc::new(move || ask().boxed()))
    }

    /// A token for a request.
    pub(super) async fn token(&self) -> Result<Token, TokenUnavailable> {
        (self.0)().await
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSource(…)")
    }
}
