//! An OpenID Connect provider, as its client sees it: what it says of itself, its keys, and what it gives for a code. What comes from it is
//! bounded in size and in time, and no redirect is followed.

use std::fmt;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
    BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fetch::{FetchProblem, Fetcher, UnusableAuthorities};
use super::oidc_memory::Memory;
use super::public_url::{is_https, is_protected};
use crate::domain::provider::Attempt;

/// How long what the provider says of itself is believed.
const METADATA_KEPT: Duration = Duration::from_hours(1);
/// How long its keys are used before they are asked for again.
const KEYS_KEPT: Duration = Duration::from_mins(10);
/// How soon they are asked for again when one is missing.
const KEYS_REFRESHED: Duration = Duration::from_secs(30);
const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// Where the provider is, and what the server is to it.
pub struct ProviderSettings {
    /// Its issuer: https, or http on this machine.
    pub issuer: String,
    /// The ID that it knows the server by.
    pub client_id: String,
    /// The secret that goes with that; `None` for a public client.
    pub client_secret: Option<Zeroizing<String>>,
    /// What the button says.
    pub label: String,
    /// The certificates (PEM) of the authorities that vouch for it, in place of those that the system trusts.
    pub authorities: Option<Vec<u8>>,
    /// Where browsers come back to.
    pub redirect_url: String,
}

/// Why the provider did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderProblem {
    /// It cannot be reached, or does not answer in time.
    Unreachable,
    /// It answers with what is none of the protocol, or leads elsewhere.
    Unexpected(&'static str),
    /// It does not accept what the server says that it is (RFC 6749, section 5.2: `invalid_client`).
    ClientRefused,
    /// It gives nothing for the code.
    CodeRefused,
}

impl ProviderProblem {
    /// The reason, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "it cannot be reached, is not vouched for by the authorities that are trusted, or does not answer within 5 seconds"
            }
            Self::Unexpected(what) => what,
            Self::ClientRefused => {
                "it does not accept --oidc-client-id, or the secret of --oidc-client-secret-file"
            }
            Self::CodeRefused => "it gives no ID token for the code",
        }
    }
}

impl fmt::Display for ProviderProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::error::Error for ProviderProblem {}

impl From<FetchProblem> for ProviderProblem {
    fn from(problem: FetchProblem) -> Self {
        match problem {
            FetchProblem::Unreachable => Self::Unreachable,
            FetchProblem::Status => {
                Self::Unexpected("it has no configuration, or no keys, where they should be")
            }
            FetchProblem::TooLarge => Self::Unexpected("its answer has more than 256 KiB"),
        }
    }
}

/// What the provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    // RFC 9207, section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What there is in an answer to a code beside what OAuth 2 has.
#[derive(Deserialize, Serialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl fmt::Debug for IdTokenField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdTokenField(…)")
    }
}

impl ExtraTokenFields for IdTokenField {}

type OauthClient = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<IdTokenField, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The provider.
pub struct Provider {
    settings: ProviderSettings,
    http: Fetcher,
    metadata: Memory<Metadata>,
    keys: Memory<Vec<u8>>,
}

impl Provider {
    /// A provider that is not asked for anything yet.
    ///
    /// # Errors
    /// [`UnusableAuthorities`] when the authorities are no certificates, or the system has none.
    pub fn new(settings: ProviderSettings) -> Result<Self, UnusableAuthorities> {
        // A provider on this machine needs nobody to vouch for it.
        let are_needed = is_https(&settings.issuer);
        let http = Fetcher::new(settings.authorities.as_deref(), are_needed)?;
        Ok(Self {
            settings,
            http,
            metadata: Memory::default(),
            keys: Memory::default(),
        })
    }

    /// What the button says.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.settings.label
    }

    /// Whether a browser that came back with this issuer comes from here. It may come with none, unless the provider says that there is
    /// always one (RFC 9207, section 2.4).
    ///
    /// # Errors
    /// A [`ProviderProblem`].
    pub async fn is_issuer(&self, issuer: Option<&str>) -> Result<bool, ProviderProblem> {
        let metadata = self.metadata().await?;
        Ok(match issuer {
            Some(issuer) => issuer == metadata.issuer,
            None => !metadata.authorization_response_iss_parameter_supported,
        })
    }

    /// Where a browser is sent to sign in.
    ///
    /// # Errors
    /// A [`ProviderProblem`].
    pub async fn authorization_url(&self, attempt: &Attempt) -> Result<String, ProviderProblem> {
        let client = self.client(&self.metadata().await?)?;
        let verifier = PkceCodeVerifier::new(attempt.code_verifier().to_string());
        let state = attempt.state().to_string();
        let request = client
            .authorize_url(|| CsrfToken::new(state))
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("nonce", attempt.nonce().to_string())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        Ok(request.url().0.into())
    }

    /// The ID token that the provider gives for a code.
    ///
    /// # Errors
    /// A [`ProviderProblem`].
    pub async fn id_token(
        &self,
        code: &str,
        attempt: &Attempt,
    ) -> Result<Zeroizing<String>, ProviderProblem> {
        let client = self.client(&self.metadata().await?)?;
        let verifier = PkceCodeVerifier::new(attempt.code_verifier().to_string());
        let http = self.http.clone();
        let send = move |request: HttpRequest| send(http.clone(), request);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(verifier)
            .request_async(&send)
            .await;
        let answer = answer.map_err(|error| match error {
            oauth2::RequestTokenError::Request(problem) => problem,
            oauth2::RequestTokenError::ServerResponse(response)
                if *response.error() == BasicErrorResponseType::InvalidClient =>
            {
                ProviderProblem::ClientRefused
            }
            _ => ProviderProblem::CodeRefused,
        })?;
        let token = answer.extra_fields().id_token.clone();
        token
            .map(Zeroizing::new)
            .ok_or(ProviderProblem::CodeRefused)
    }

    /// The provider's key set, a JSON Web Key Set. When a key is missing in what is kept, it is asked for again, though not often.
    ///
    /// # Errors
    /// A [`ProviderProblem`].
    pub async fn key_set(&self, is_one_missing: bool) -> Result<Vec<u8>, ProviderProblem> {
        let url = self.metadata().await?.jwks_uri;
        let kept_for = if is_one_missing {
            KEYS_REFRESHED
        } else {
            KEYS_KEPT
        };
        let asking = async { Ok(self.http.get(&url).await?) };
        self.keys.get(kept_for, asking).await
    }

    async fn metadata(&self) -> Result<Metadata, ProviderProblem> {
        self.metadata
            .get(METADATA_KEPT, self.fetch_metadata())
            .await
    }

    async fn fetch_metadata(&self) -> Result<Metadata, ProviderProblem> {
        let issuer = &self.settings.issuer;
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let bytes = self.http.get(&url).await?;
        let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|_library_text| {
            ProviderProblem::Unexpected("what it says of itself is no OpenID Connect configuration")
        })?;
        if metadata.issuer != *issuer {
            return Err(ProviderProblem::Unexpected(
                "it calls itself by another issuer than --oidc-issuer: the two must be the same, to the last character",
            ));
        }
        let endpoints = [
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
            &metadata.jwks_uri,
        ];
        if !endpoints.into_iter().all(|url| is_protected(url)) {
            return Err(ProviderProblem::Unexpected(
                "one of its endpoints is neither https nor on this machine",
            ));
        }
        Ok(metadata)
    }

    fn client(&self, metadata: &Metadata) -> Result<OauthClient, ProviderProblem> {
        let malformed =
            |_library_text| ProviderProblem::Unexpected("one of its endpoints is no URL");
        let settings = &self.settings;
        let authorization = AuthUrl::new(metadata.authorization_endpoint.clone());
        let token = TokenUrl::new(metadata.token_endpoint.clone());
        let redirect = RedirectUrl::new(settings.redirect_url.clone());
        // Where it does not say how it wants the secret, that is by Basic (OpenID Connect Discovery 1.0, section 3).
        let takes_basic = metadata
            .token_endpoint_auth_methods_supported
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|name| name == "client_secret_basic"));
        let auth_type = if takes_basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let mut client = oauth2::Client::new(ClientId::new(settings.client_id.clone()))
            .set_auth_type(auth_type)
            .set_auth_uri(authorization.map_err(malformed)?)
            .set_token_uri(token.map_err(malformed)?)
            .set_redirect_uri(redirect.map_err(malformed)?);
        if let Some(secret) = &settings.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.to_string()));
        }
        Ok(client)
    }
}

/// Sends a request of the OAuth client.
async fn send(http: Fetcher, request: HttpRequest) -> Result<HttpResponse, ProviderProblem> {
    let request = reqwest::Request::try_from(request)
        .map_err(|_library_text| ProviderProblem::Unexpected("its token endpoint is no URL"))?;
    Ok(http.send(request).await?)
}
