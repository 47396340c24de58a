//! A server in this process, on a data directory and a clock of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::Parser;
use credence::app::App;
use credence::config::ServeSettings;
use credence::crypto::local_token::{LocalGrant, LocalIssuer};
use credence::failure::Failure;
use credence::local_mode;
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::keyring;
use credence::types::clock::Clock;
use credence::types::scope::{Role, ScopeSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::database;
use super::{Answer, http_client, secret};

/// A running server. It stops when the test ends.
pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    pub metrics_address: Option<SocketAddr>,
    pub clock: Clock,
    pub client: reqwest::Client,
    database: Database,
    issuer: OnceLock<String>,
    data: PathBuf,
    directory: Option<TempDir>,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: ServeSettings,
}

/// The settings of a server on a directory, as the command line would give them. Where requests come from is told by the tests themselves, as
/// a proxy would; its metrics have an address of their own.
pub fn settings(directory: &Path, arguments: &[&str]) -> ServeSettings {
    let mut all = arguments.to_vec();
    for (option, value) in [
        ("--trusted-proxy", "127.0.0.1"),
        ("--metrics-listen", "127.0.0.1:0"),
    ] {
        if !arguments.contains(&option) {
            all.extend([option, value]);
        }
    }
    plain_settings(directory, &all)
}

/// The settings of a server on a directory, with what these arguments say and nothing else.
fn plain_settings(directory: &Path, arguments: &[&str]) -> ServeSettings {
    let path = directory.to_str().unwrap();
    let mut all = vec!["credence", "--listen", "127.0.0.1:0", "--data-dir", path];
    let url = if arguments.contains(&"--database-url") {
        None
    } else {
        database::url(directory)
    };
    all.extend(url.iter().flat_map(|url| ["--database-url", url]));
    all.extend(arguments);
    Line::parse_from(all).settings
}

impl Server {
    /// A server in local mode.
    pub async fn start() -> Self {
        Self::start_with(&[]).await.unwrap()
    }

    /// A server with these arguments on the command line.
    pub async fn start_with(arguments: &[&str]) -> Result<Self, Failure> {
        Self::start_on(TempDir::new().unwrap(), Clock::system(), arguments).await
    }

    async fn start_on(
        directory: TempDir,
        clock: Clock,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let data = directory.path().join("data");
        let server = Self::instance(&data, clock, arguments).await?;
        Ok(Self {
            directory: Some(directory),
            ..server
        })
    }

    /// A server with what these arguments say and nothing else: without any, it knows of no proxy, and its metrics are beside the API.
    pub async fn plain(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        let settings = plain_settings(&data, arguments);
        let server = Self::of(settings, &data, Clock::system()).await.unwrap();
        Self {
            directory: Some(directory),
            ..server
        }
    }

    /// An instance on a data directory that outlives it: with PostgreSQL there may be several.
    pub async fn instance(data: &Path, clock: Clock, arguments: &[&str]) -> Result<Self, Failure> {
        Self::of(settings(data, arguments), data, clock).await
    }

    async fn of(settings: ServeSettings, data: &Path, clock: Clock) -> Result<Self, Failure> {
        let app = App::start(&settings, clock.clone()).await?;
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            address: app.address,
            scheme: app.scheme,
            metrics_address: app.metrics_address,
            clock,
            client: http_client(),
            database: app.database.clone(),
            issuer: OnceLock::new(),
            data: data.to_owned(),
            directory: None,
            stop,
            serving: Some(tokio::spawn(app.serve(stopped))),
        })
    }

    /// Stops the server, and waits until everything is on disk.
    pub async fn stop(mut self) -> TempDir {
        self.stop.send(true).unwrap();
        self.serving.take().unwrap().await.unwrap();
        self.directory.unwrap()
    }

    /// Stops a server on a directory that outlives it, and waits until everything is on disk.
    pub async fn end(mut self) {
        self.stop.send(true).unwrap();
        self.serving.take().unwrap().await.unwrap();
    }

    /// Stops the server and starts another one on the same data.
    pub async fn restart(self) -> Self {
        let clock = self.clock.clone();
        let directory = self.stop().await;
        Self::start_on(directory, clock, &[]).await.unwrap()
    }

    /// A server on what another one left.
    pub async fn start_in(directory: TempDir) -> Self {
        Self::start_on(directory, Clock::system(), &[])
            .await
            .unwrap()
    }

    /// The issuer of its own tokens.
    pub fn issuer(&self) -> &str {
        self.issuer.get_or_init(|| {
            let mut connection = self.database.connect_read_only().unwrap().unwrap();
            let keyring = keyring::find_keyring(&mut connection).unwrap().unwrap();
            local_mode::issuer(&keyring.deployment_id)
        })
    }

    /// The data directory.
    pub fn data_directory(&self) -> PathBuf {
        self.data.clone()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The address of its metrics.
    pub fn metrics_url(&self) -> String {
        match self.metrics_address {
            Some(address) => format!("http://{address}/metrics"),
            None => self.url("/metrics"),
        }
    }

    /// A person with a role, by the name of their subject.
    pub fn person(&self, subject: &str, role: Role) -> Person<'_> {
        self.scoped(subject, role.scopes())
    }

    pub fn viewer(&self, subject: &str) -> Person<'_> {
        self.person(subject, Role::Viewer)
    }

    pub fn editor(&self, subject: &str) -> Person<'_> {
        self.person(subject, Role::Editor)
    }

    pub fn admin(&self, subject: &str) -> Person<'_> {
        self.person(subject, Role::Admin)
    }

    /// A token with any claims, which the command does not write, beside those that there must be.
    pub fn token_with(&self, claims: Value) -> String {
        let now = self.clock.now().seconds();
        let mut all = json!({
            "iss": self.issuer(), "aud": "credence", "sub": "somebody", "iat": now, "exp": now + 3_600,
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let key = std::fs::read(self.data.join("signing.key")).unwrap();
        let key = EncodingKey::from_secret(&key);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &all, &key).unwrap()
    }

    /// A runtime's token with the claim `credential_ids`.
    pub fn limited_token(&self, ids: &Value) -> String {
        self.token_with(
            json!({ "sub": "runtime", "scope": "credentials:resolve", "credential_ids": ids }),
        )
    }

    /// A connection to its database.
    pub fn connect(&self) -> DatabaseConnection {
        self.database.connect().unwrap()
    }

    pub fn runtime(&self) -> Person<'_> {
        self.person("runtime", Role::Runtime)
    }

    /// A person with these scopes.
    pub fn scoped(&self, subject: &str, scopes: ScopeSet) -> Person<'_> {
        let grant = LocalGrant {
            subject,
            scopes,
            lifetime_seconds: 3_600,
        };
        let issuer = LocalIssuer {
            secret: &std::fs::read(self.data.join("signing.key")).unwrap(),
            issuer: self.issuer(),
            audience: "credence",
        };
        Person {
            server: self,
            token: issuer.issue(&grant, self.clock.now()).unwrap(),
            origin: Origin::Here,
        }
    }

    /// Somebody without a token.
    pub fn stranger(&self) -> Person<'_> {
        self.bearer("")
    }

    /// Somebody with this token, which may be bad: there is no limit to how often it is refused.
    pub fn bearer(&self, token: &str) -> Person<'_> {
        Person {
            server: self,
            token: token.to_owned(),
            origin: Origin::Anywhere,
        }
    }
}

/// Somebody who talks to the server.
#[derive(Clone)]
pub struct Person<'a> {
    pub server: &'a Server,
    pub token: String,
    origin: Origin,
}

/// Where somebody asks from.
#[derive(Clone)]
enum Origin {
    /// From this machine.
    Here,
    /// Through a proxy, from this address.
    At(String),
    /// Through a proxy, each time from another address.
    Anywhere,
}

impl Origin {
    fn address(&self) -> Option<String> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        match self {
            Self::Here => None,
            Self::At(address) => Some(address.clone()),
            Self::Anywhere => {
                let place = COUNT.fetch_add(1, Ordering::Relaxed);
                let network = u32::from(Ipv4Addr::new(10, 0, 0, 0));
                Some(Ipv4Addr::from(network + place).to_string())
            }
        }
    }
}

impl Person<'_> {
    /// The same, who asks from this address.
    pub fn at(&self, address: &str) -> Self {
        let origin = Origin::At(address.to_owned());
        Self {
            origin,
            ..self.clone()
        }
    }

    /// A request that has all but its body.
    pub fn request(&self) -> reqwest::RequestBuilder {
        let url = self.server.url("/graphql");
        let request = self
            .server
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json");
        let request = match self.origin.address() {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        };
        match self.token.as_str() {
            "" => request,
            token => request.header(AUTHORIZATION, format!("Bearer {token}")),
        }
    }

    /// Sends a body as it is.
    pub async fn send(&self, body: impl Into<reqwest::Body>) -> Answer {
        Answer::from(self.request().body(body).send().await.unwrap()).await
    }

    /// Asks without variables.
    pub async fn ask(&self, query: &str) -> Answer {
        self.send(json!({ "query": query }).to_string()).await
    }

    /// Asks with variables.
    pub async fn ask_with(&self, query: &str, variables: Value) -> Answer {
        self.send(json!({ "query": query, "variables": variables }).to_string())
            .await
    }

    /// Calls a mutation with its input; of the credential everything comes back that does not need an argument.
    pub async fn mutate(&self, mutation: &str, input: Value) -> Answer {
        let mut type_name = mutation.to_owned();
        type_name[..1].make_ascii_uppercase();
        let selection = match mutation {
            "deleteCredential" => "deletedCredentialId",
            "declareReferences" => "references { id }",
            "deleteUser" => "deletedUserId deletedCredentialIds",
            "resolveCredential" => "credential { id name } value valueVersion notModified",
            _ => {
                "credential { id name valueVersion createdAt updatedAt valueUpdatedAt owner { id subject } }"
            }
        };
        let query = format!(
            "mutation($input: {type_name}Input!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code field message }} }} }}"
        );
        self.ask_with(&query, json!({ "input": input })).await
    }

    /// Creates a credential whose value is `secret(name)`, and returns its ID.
    pub async fn create(&self, name: &str) -> String {
        let answer = self
            .mutate(
                "createCredential",
                json!({ "name": name, "value": secret(name) }),
            )
            .await;
        let id = answer.field()["credential"]["id"].as_str();
        id.unwrap_or_else(|| panic!("{name} was not created: {}", answer.body))
            .to_owned()
    }

    /// Resolves a credential for the usual consumer.
    pub async fn resolve(&self, id: &str) -> Answer {
        self.mutate(
            "resolveCredential",
            json!({ "credentialId": id, "consumer": consumer() }),
        )
        .await
    }

    /// The caller's own ID.
    pub async fn id(&self) -> String {
        let answer = self.ask("{ viewer { id } }").await;
        answer.field()["id"].as_str().unwrap().to_owned()
    }
}

/// A consumer as runtimes name it.
pub fn consumer() -> Value {
    json!({ "kind": "AI_MODEL_BINDING", "externalId": "support.yaml#primary_model", "name": "Support model" })
}
