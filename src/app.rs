//! The one assembly of the server, used by `main` and by the tests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::anchor_file::AnchorPlace;
use crate::config::{ServeSettings, TokenSettings};
use crate::crypto::audit_key::audit_signer;
use crate::crypto::keyring::Keyring;
use crate::crypto::token::TokenVerifier;
use crate::crypto::token_key::TokenKeys;
use crate::data_directory::{DataDirectory, DataDirectoryLock, read_key_file, read_secret_file};
use crate::domain::Domain;
use crate::domain::keyring::LiveKeyring;
use crate::domain::reference_use::UseCounter;
use crate::domain::session::{CodeIssuer, SignIn};
use crate::failure::{Failure, FailureKind};
use crate::graphql::execution::Api;
use crate::http::browser::Browsers;
use crate::http::cross_origin::CrossOrigin;
use crate::http::public_url::PublicUrls;
use crate::http::{self, Endpoint, connection};
use crate::keyring_start::{open_keyring, store_failure};
use crate::local_mode::{self, SigningKey};
use crate::master_key_source::MasterKeySource;
use crate::provider;
use crate::store::connection::Database;
use crate::store::error::StoreError;
use crate::store::postgres_route::Protection;
use crate::store::{Store, StoreEnd};
use crate::types::clock::Clock;

/// How many connections the kernel keeps until they are accepted, if its own limit is not lower. With the usual 128 a burst leaves
/// clients behind that believe to be connected, and are answered by nobody.
const WAITING_LIMIT_CONNECTIONS: u32 = 4_096;

/// How often what was resolved is counted.
const USE_COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked whether the keyring was changed.
const KEYRING_INTERVAL: Duration = Duration::from_secs(5);
/// How long a server that stops waits for its database. Nobody else waits by then: every request is answered.
const FINISH_LIMIT: Duration = Duration::from_secs(5);

/// A server that is ready to serve.
pub struct App {
    listener: TcpListener,
    endpoint: Endpoint,
    domain: Arc<Domain>,
    store_end: StoreEnd,
    lock: Option<DataDirectoryLock>,
    anchors: AnchorPlace,
    // What streams hears of the end by this.
    stop: watch::Sender<bool>,
    /// The address that it listens at.
    pub address: SocketAddr,
    /// Where browsers reach it, without a `/` at its end; `None` when nobody knows.
    pub public_url: Option<String>,
    /// Whether it signs its own tokens.
    pub is_local: bool,
    /// Where its data is.
    pub database: Database,
}

impl App {
    /// Opens the database and the keys, and listens. Nothing is changed in a database whose master key is another one.
    ///
    /// # Errors
    /// A [`Failure`] that says what to do.
    #[expect(
        clippy::unused_async,
        reason = "listening works within the runtime only, and an asynchronous function runs nowhere else"
    )]
    pub async fn start(settings: &ServeSettings, clock: Clock) -> Result<Self, Failure> {
        let is_local = settings.tokens.is_local();
        check_address(settings, is_local)?;
        let database = settings.data.database()?;
        check_local_database(&database, is_local)?;
        let lock = lock_data_directory(settings, &database, is_local)?;
        // What can be wrong with the settings is found before a key or a database is made.
        let issuer_keys = issuer_keys(&settings.tokens)?;
        let listener = listen(settings.listen)?;
        let address = listener.local_addr().unwrap_or(settings.listen);
        let public = PublicUrls::new(settings.sign_in.public_url.clone(), address, is_local);
        warn_of_public_urls(&public);
        let oidc_provider = provider::connect(settings, &public)?;
        let anchors = AnchorPlace::open(settings.audit_anchor.as_deref())?;
        let source = master_key_source(settings, &database, is_local)?;
        let master_keys = source.read()?;
        if let Database::Sqlite(_) = &database {
            DataDirectory::open(&settings.data.data_dir)?.touch_database()?;
        }
        let keyring = open_keyring(&database, &master_keys, clock.now())?;
        let (tokens, codes, removal_leeway_seconds) = token_verifier(
            &settings.tokens,
            issuer_keys,
            &settings.data.data_dir,
            &keyring,
        )?;
        let session_lifetime_seconds = settings.sign_in.session_ttl.as_secs();
        let sign_in = SignIn {
            session_lifetime_seconds: i64::try_from(session_lifetime_seconds).unwrap_or(i64::MAX),
            codes,
            provider: provider::id_token_rules(settings),
        };
        let (store, store_end) = Store::open(&database, &audit_signer(&keyring))
            .map_err(|error| store_failure(&database, error))?;
        let keyring = LiveKeyring::new(keyring, master_keys, read_again(source));
        let domain = Arc::new(Domain::new(
            store,
            Arc::new(keyring),
            tokens,
            sign_in,
            clock,
            removal_leeway_seconds,
        ));
        let unreadable = |error| store_failure(&database, error);
        let mut connection = database.connect().map_err(unreadable)?;
        domain
            .follow_events(&mut connection)
            .map_err(|_error| unreadable(StoreError::Unavailable))?;
        drop(connection);
        let api = Api::new(Arc::clone(&domain), !settings.no_introspection)
            .ok_or_else(|| Failure::new(FailureKind::Software, "the schema is not valid"))?;
        let (stop, stopped) = watch::channel(false);
        let public_url = public.origin().map(str::to_owned);
        Ok(Self {
            listener,
            endpoint: http::endpoint(
                api,
                &domain,
                Browsers::new(public),
                oidc_provider,
                CrossOrigin::new(settings.cors_origin.clone()),
                stopped,
            ),
            domain,
            stop,
            store_end,
            lock,
            anchors,
            address,
            public_url,
            is_local,
            database,
        })
    }

    /// Serves until `stop` turns true. Returns when the requests under way are answered and everything is on disk, or the database has
    /// not answered for 5 seconds after that.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let stopped = self.stop.subscribe();
        let serving = connection::serve(self.listener, self.endpoint, stopped);
        let stopping = async {
            connection::stopped(&mut stop).await;
            self.stop.send_replace(true);
        };
        let keyring = follow_keyring(Arc::clone(&self.domain), self.stop.subscribe());
        let counting = count_uses(Arc::clone(&self.domain), self.stop.subscribe());
        let (served, is_served) = watch::channel(false);
        let anchoring = self.anchors.write(self.domain, is_served);
        let all_but_anchors = async {
            tokio::join!(serving, stopping, keyring, counting);
            served.send_replace(true);
        };
        tokio::join!(all_but_anchors, anchoring);
        let store_end = self.store_end;
        // Waiting for the writers blocks a thread; if that thread cannot be had, there is nothing left to wait with.
        let finishing = tokio::task::spawn_blocking(move || store_end.finish());
        if timeout(FINISH_LIMIT, finishing).await.is_err() {
            tracing::warn!("the database does not answer: the end does not wait for it");
        }
        drop(self.lock);
    }
}

/// Counts what was resolved into the references, until the server stops. What is not counted by then is counted after the next start.
async fn count_uses(domain: Arc<Domain>, mut stop: watch::Receiver<bool>) {
    let mut counter = UseCounter::default();
    let mut fails = false;
    let counting = async {
        loop {
            // What cannot be counted now is counted the next time.
            let counted = domain.count_uses(&mut counter).await;
            let fails_now = counted.is_err();
            if fails_now && !fails {
                tracing::warn!(
                    "what was resolved cannot be counted: it is tried again, and nothing is lost"
                );
            } else if fails && !fails_now {
                tracing::info!("what was resolved is counted again");
            }
            fails = fails_now;
            if !counted.unwrap_or(false) {
                sleep(USE_COUNT_INTERVAL).await;
            }
        }
    };
    tokio::select! {
        () = counting => {}
        () = connection::stopped(&mut stop) => {}
    }
}

/// Takes over what commands change in the keyring, until the server stops. What cannot be found out now is found out the next time, or when
/// it is needed.
async fn follow_keyring(domain: Arc<Domain>, mut stop: watch::Receiver<bool>) {
    let following = async {
        loop {
            sleep(KEYRING_INTERVAL).await;
            let _next_time = domain.refresh_keyring().await;
        }
    };
    tokio::select! {
        () = following => {}
        () = connection::stopped(&mut stop) => {}
    }
}

/// Reads the master keys again, from where they came from at the start.
fn read_again(source: MasterKeySource) -> crate::domain::keyring::MasterKeySource {
    Box::new(move || {
        source.read().unwrap_or_else(|failure| {
            tracing::error!("the master keys cannot be read again: {failure}");
            Vec::new()
        })
    })
}

impl TokenSettings {
    /// Whether no issuer is configured.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.jwt_key_file.is_none() && self.jwks_file.is_none()
    }
}

/// Makes the data directory, when something is to be kept there. SQLite is one server's alone.
fn lock_data_directory(
    settings: &ServeSettings,
    database: &Database,
    is_local: bool,
) -> Result<Option<DataDirectoryLock>, Failure> {
    let path = &settings.data.data_dir;
    match database {
        Database::Sqlite(_) => {
            let directory = DataDirectory::create(path)?;
            directory.lock().map(Some)
        }
        Database::Postgres(_) if is_local => DataDirectory::create(path).map(|_directory| None),
        Database::Postgres(_) => Ok(None),
    }
}

fn check_address(settings: &ServeSettings, is_local: bool) -> Result<(), Failure> {
    let listen = settings.listen;
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if is_local {
        return Err(Failure::configuration(format!(
            "without --jwt-key-file or --jwks-file the server is in local mode and listens on loopback only, not at {listen}"
        )));
    }
    if settings.behind_tls_proxy {
        return Ok(());
    }
    Err(Failure::configuration(format!(
        "{listen} is reached by other machines, and tokens and values must not travel in plain: put a proxy that terminates \
         TLS in front and say so with --behind-tls-proxy"
    )))
}

/// Says what cannot be known without `--public-url`.
fn warn_of_public_urls(public: &PublicUrls) {
    if public.origin().is_none() {
        tracing::warn!(
            "where browsers reach the server is not known: name it with --public-url, such as https://credence.example.com"
        );
    } else if public.is_direct() {
        tracing::warn!(
            "without --public-url nobody signs in to the pages by way of a proxy, only from this machine: name where browsers reach the server, such as https://credence.example.com"
        );
    }
}

/// In local mode each data directory signs its own tokens, and the master key lies beside them: it is no mode for a shared database.
fn check_local_database(database: &Database, is_local: bool) -> Result<(), Failure> {
    match database {
        Database::Postgres(url) if is_local && url.protection() != Protection::Local => {
            Err(Failure::configuration(
                "without --jwt-key-file or --jwks-file the server is in local mode, and the database URL leads to another machine: \
                 configure the issuer of your tokens, or use a database of this machine",
            ))
        }
        _ => Ok(()),
    }
}

/// Where the master keys of a server come from. Local mode makes one, when there is none and nothing that it could belong to.
fn master_key_source(
    settings: &ServeSettings,
    database: &Database,
    is_local: bool,
) -> Result<MasterKeySource, Failure> {
    if let Some(source) = MasterKeySource::find(&settings.master_key) {
        return Ok(source);
    }
    if is_local {
        let directory = DataDirectory::open(&settings.data.data_dir)?;
        local_mode::create_master_key(&directory, database)?;
        return Ok(MasterKeySource::file(directory.master_key()));
    }
    Err(Failure::configuration(
        "no master key: make one with `credence keys generate FILE` and name it with --master-key-file",
    ))
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listening = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Connections of a server that ran here before may not have ended yet.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING_LIMIT_CONNECTIONS)
    };
    listening().map_err(|error: std::io::Error| {
        let message = format!("cannot listen at {address}: {}", error.kind());
        Failure::new(FailureKind::InputOutput, message)
    })
}

/// The verifier of tokens; in local mode, who makes one-time codes; and how long after a user's removal tokens that were issued to them are
/// still refused, in seconds: in local mode the issuer's clock is ours.
fn token_verifier(
    settings: &TokenSettings,
    issuer_keys: Option<(TokenKeys, String)>,
    data_directory: &Path,
    keyring: &Keyring,
) -> Result<(TokenVerifier, Option<CodeIssuer>, i64), Failure> {
    let audience = settings.jwt_audience.clone();
    let leeway_seconds = settings.jwt_leeway_seconds;
    if let Some((keys, issuer)) = issuer_keys {
        let verifier = TokenVerifier::new(keys, issuer, audience, leeway_seconds);
        return Ok((verifier, None, leeway_seconds));
    }
    let key = SigningKey::create(&DataDirectory::open(data_directory)?)?;
    let codes = local_mode::code_issuer(&key, keyring.deployment_id())?;
    let issuer = codes.issuer.clone();
    let verifier = TokenVerifier::new(key.token_keys()?, issuer, audience, leeway_seconds);
    Ok((verifier, Some(codes), 0))
}

/// The keys and the name of the issuer, when one is configured.
fn issuer_keys(settings: &TokenSettings) -> Result<Option<(TokenKeys, String)>, Failure> {
    let rsa = settings.jwt_rsa_algorithm.into();
    let (path, keys) = if let Some(path) = &settings.jwt_key_file {
        let content = read_key_file(path)?;
        let keys = if TokenKeys::is_pem(&content) {
            TokenKeys::from_pem(str::from_utf8(&content).unwrap_or_default(), rsa)
        } else {
            // Whoever reads the shared secret can sign tokens.
            TokenKeys::from_secret_file(&read_secret_file(path)?)
        };
        (path, keys)
    } else if let Some(path) = &settings.jwks_file {
        (path, TokenKeys::from_key_set(&read_key_file(path)?, rsa))
    } else if settings.jwt_issuer.is_some() {
        return Err(Failure::configuration(
            "--jwt-issuer is given, but no key of that issuer: name one with --jwt-key-file or --jwks-file",
        ));
    } else {
        return Ok(None);
    };
    let keys =
        keys.map_err(|problem| Failure::configuration(format!("{} {problem}", path.display())))?;
    let issuer = settings.jwt_issuer.clone().ok_or_else(|| {
        Failure::configuration(
            "--jwt-issuer is missing: the `iss` claim of the tokens that are to be accepted",
        )
    })?;
    Ok(Some((keys, issuer)))
}
