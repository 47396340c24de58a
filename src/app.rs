//! The one assembly of the server, used by `main` and by the tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::anchor_file::AnchorPlace;
use crate::config::ServeSettings;
use crate::crypto::audit_key::audit_signer;
use crate::data_directory::{DataDirectory, DataDirectoryLock};
use crate::domain::Domain;
use crate::domain::keyring::LiveKeyring;
use crate::domain::session::SignIn;
use crate::failure::{Failure, FailureKind};
use crate::graphql::execution::Api;
use crate::http::browser::Browsers;
use crate::http::cross_origin::CrossOrigin;
use crate::http::peer::Peers;
use crate::http::public_url::PublicUrls;
use crate::http::{self, Endpoint, Visitors, connection};
use crate::issuer;
use crate::keyring_start::{forget_old_copies, open_keyring, store_failure};
use crate::listening::{check_address, front, listen, warn_of_public_urls};
use crate::local_mode;
use crate::master_key_source::MasterKeySource;
use crate::provider;
use crate::store::connection::Database;
use crate::store::error::StoreError;
use crate::store::postgres_route::Protection;
use crate::store::{Store, StoreEnd};
use crate::telemetry::Telemetry;
use crate::tls_files::TlsFiles;
use crate::types::clock::Clock;
use crate::upkeep::{count_uses, follow_issuer_keys, follow_keyring, sweep_limits};

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
    tls: Option<TlsFiles>,
    telemetry: Telemetry,
    // What streams hears of the end by this.
    stop: watch::Sender<bool>,
    /// The address that it listens at.
    pub address: SocketAddr,
    /// What clients reach it by: `http` or `https`.
    pub scheme: &'static str,
    /// The address that metrics are at, when they have one of their own.
    pub metrics_address: Option<SocketAddr>,
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
        let tls = TlsFiles::open(&settings.tls)?;
        let issuer_keys = issuer::keys(&settings.tokens)?;
        Telemetry::check(&settings.telemetry, settings.listen)?;
        let listener = listen(settings.listen)?;
        let address = listener.local_addr().unwrap_or(settings.listen);
        let mut telemetry = Telemetry::listen(&settings.telemetry)?;
        let configured = settings.sign_in.public_url.clone();
        let public = PublicUrls::new(configured, address, is_local, tls.is_some());
        warn_of_public_urls(&public);
        let oidc_provider = provider::connect(settings, &public)?;
        let anchors = AnchorPlace::open(settings.audit_anchor.as_deref())?;
        let source = master_key_source(settings, &database, is_local)?;
        let master_keys = source.read()?;
        if let Database::Sqlite(_) = &database {
            DataDirectory::open(&settings.data.data_dir)?.touch_database()?;
        }
        let keyring = open_keyring(&database, &master_keys, clock.now())?;
        let accepted = issuer::accepted(
            &settings.tokens,
            issuer_keys,
            &settings.data.data_dir,
            &keyring,
        )?;
        let session_lifetime_seconds = settings.sign_in.session_ttl.as_secs();
        let sign_in = SignIn {
            session_lifetime_seconds: i64::try_from(session_lifetime_seconds).unwrap_or(i64::MAX),
            codes: accepted.codes,
            provider: provider::id_token_rules(settings),
        };
        let (store, store_end) = Store::open(&database, &audit_signer(&keyring))
            .map_err(|error| store_failure(&database, error))?;
        let keyring = LiveKeyring::new(keyring, master_keys, read_again(source));
        let domain = Domain::new(
            store,
            Arc::new(keyring),
            accepted.tokens,
            sign_in,
            clock,
            accepted.removal_leeway_seconds,
        );
        let domain = Arc::new(domain.with_resolve_rate(settings.limits.resolve_rate));
        let unreadable = |error| store_failure(&database, error);
        let mut connection = database.connect().map_err(unreadable)?;
        forget_old_copies(&database, &mut connection);
        domain
            .follow_events(&mut connection)
            .map_err(|_error| unreadable(StoreError::Unavailable))?;
        drop(connection);
        let api = Api::new(Arc::clone(&domain), !settings.no_introspection)
            .ok_or_else(|| Failure::new(FailureKind::Software, "the schema is not valid"))?
            .traced(telemetry.traces(domain.metrics())?);
        let public_url = public.origin().map(str::to_owned);
        let visitors = Visitors {
            cross_origin: CrossOrigin::new(settings.cors_origin.clone()),
            has_metrics: telemetry.is_beside_api(address, front(settings)),
            peers: known_peers(settings),
            provider: oidc_provider,
            browsers: Browsers::new(public),
        };
        let (stop, stopped) = watch::channel(false);
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok(Self {
            listener,
            endpoint: http::endpoint(api, &domain, visitors, stopped),
            metrics_address: telemetry.address(),
            telemetry,
            domain,
            stop,
            store_end,
            lock,
            anchors,
            tls,
            address,
            scheme,
            public_url,
            is_local,
            database,
        })
    }

    /// Serves until `stop` turns true. Returns when the requests under way are answered and everything is on disk, or the database has
    /// not answered for 5 seconds after that.
    pub async fn serve(mut self, mut stop: watch::Receiver<bool>) {
        let stopped = self.stop.subscribe();
        let certificate = self.tls.as_ref().map(TlsFiles::certificate);
        let serving = connection::serve(self.listener, self.endpoint, certificate, stopped);
        let certificates =
            OptionFuture::from(self.tls.map(|files| files.follow(self.stop.subscribe())));
        let stopping = async {
            connection::stopped(&mut stop).await;
            self.stop.send_replace(true);
        };
        let keyring = follow_keyring(Arc::clone(&self.domain), self.stop.subscribe());
        let counting = count_uses(Arc::clone(&self.domain), self.stop.subscribe());
        let domain = Arc::clone(&self.domain);
        let watching = self.telemetry.serve(&domain, self.stop.subscribe());
        let sweeping = sweep_limits(Arc::clone(&self.domain), self.stop.subscribe());
        let issuer_keys = follow_issuer_keys(Arc::clone(&self.domain), self.stop.subscribe());
        let (served, is_served) = watch::channel(false);
        let anchoring = self.anchors.write(self.domain, is_served);
        let all_but_anchors = async {
            tokio::join!(
                serving,
                watching,
                stopping,
                keyring,
                counting,
                sweeping,
                certificates,
                issuer_keys
            );
            served.send_replace(true);
        };
        tokio::join!(all_but_anchors, anchoring);
        let store_end = self.store_end;
        // Waiting for the writers blocks a thread; if that thread cannot be had, there is nothing left to wait with.
        let finishing = tokio::task::spawn_blocking(move || store_end.finish());
        let finishing = timeout(FINISH_LIMIT, finishing);
        let (finished, ()) = tokio::join!(finishing, self.telemetry.finish());
        if finished.is_err() {
            tracing::warn!("the database does not answer: the end does not wait for it");
        }
        drop(self.lock);
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

/// Where requests come from. Behind a proxy that nobody named, all of them come from one address, and one client would use up what all
/// may do: there, nobody is limited.
fn known_peers(settings: &ServeSettings) -> Peers {
    let peers = Peers::new(settings.limits.trusted_proxy.clone(), front(settings));
    if peers.are_hidden() {
        tracing::warn!(
            "from where tokens come is not known, so that those which are not valid are not limited: name the proxies with --trusted-proxy, such as 10.0.0.0/8"
        );
    }
    peers
}

/// In local mode each data directory signs its own tokens, and the master key lies beside them: it is no mode for a shared database.
fn check_local_database(database: &Database, is_local: bool) -> Result<(), Failure> {
    match database {
        Database::Postgres(url) if is_local && url.protection() != Protection::Local => {
            Err(Failure::configuration(
                "without --jwks-url, --jwks-file or --jwt-key-file the server is in local mode, and the database URL leads to another machine: \
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
