//! `credence serve`.

use std::io::IsTerminal;
use std::path::Path;
use std::process;

use credence::app::App;
use credence::config::ServeSettings;
use credence::failure::{Failure, FailureKind};
use credence::store::connection::Database;
use credence::types::clock::Clock;
use sd_notify::NotifyState;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::{login_link, quoted};

/// Serves until the process is told to stop.
pub fn run(settings: &ServeSettings) -> Result<(), Failure> {
    let runtime = Runtime::new().map_err(|error| {
        let message = format!(
            "the threads of the server cannot be started: {}",
            error.kind()
        );
        Failure::new(FailureKind::Software, message)
    })?;
    let outcome = runtime.block_on(serve(settings));
    // A thread that hangs in a call of the database is not waited for: who asked was answered without it.
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: &ServeSettings) -> Result<(), Failure> {
    let mut stop = stop_on_signal()?;
    let Some(app) = start(settings, &mut stop).await? else {
        tracing::info!("stopped while starting");
        return Ok(());
    };
    let link = one_time_link(&app, settings).await;
    super::print(&greeting(&app, settings, link.as_deref()))?;
    tracing::info!(address = %app.address, local_mode = app.is_local, "serving");
    tell_service_manager(NotifyState::Ready);
    if let Some(address) = app.metrics_address {
        tracing::info!(%address, "metrics are at an address of their own");
    }
    app.serve(stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts on a thread of its own, since that blocks; `None` when the process is told to stop meanwhile. Wherever a start is broken off,
/// the next one finds what it needs: it makes files whole or not at all, and changes a database in transactions.
async fn start(
    settings: &ServeSettings,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<App>, Failure> {
    let runtime = Handle::current();
    let settings = settings.clone();
    let starting = tokio::task::spawn_blocking(move || {
        runtime.block_on(App::start(&settings, Clock::system()))
    });
    tokio::select! {
        started = starting => match started {
            Ok(outcome) => outcome.map(Some),
            Err(_panicked) => Err(Failure::new(
                FailureKind::Software,
                "the start ended by a fault of the program: the log says where",
            )),
        },
        _told = stop.wait_for(|told| *told) => Ok(None),
    }
}

/// In local mode, a link for whoever sees the terminal. What goes into a file or another program holds none. When none can be made now, the
/// server serves all the same, and says by what command one is made.
async fn one_time_link(app: &App, settings: &ServeSettings) -> Option<Zeroizing<String>> {
    let origin = app.public_url.clone().filter(|_| app.is_local);
    let (Some(origin), true) = (origin, std::io::stdout().is_terminal()) else {
        return None;
    };
    let data = settings.data.clone();
    let made = tokio::task::spawn_blocking(move || login_link::for_operator(&data, &origin)).await;
    match made {
        Ok(Ok(link)) => Some(link),
        Ok(Err(failure)) => {
            tracing::warn!("no link to sign in with can be made now: {failure}");
            None
        }
        Err(_panicked) => None,
    }
}

fn greeting(app: &App, settings: &ServeSettings, link: Option<&String>) -> String {
    let (scheme, address) = (app.scheme, app.address);
    let database = &app.database;
    let pages = app
        .public_url
        .as_ref()
        .map(|url| format!("The page is at {url}/credentials, and GraphiQL at {url}/graphiql.\n"));
    let serving = format!(
        "Credence serves GraphQL at {scheme}://{address}/graphql, with its data in {database}.\n{}",
        pages.unwrap_or_default()
    );
    if !app.is_local {
        return serving;
    }
    let data_dir = quoted(&settings.data.data_dir);
    // The URL itself is not repeated: it may hold a password.
    let data = match database {
        Database::Sqlite(_) => format!("--data-dir {data_dir}"),
        Database::Postgres(_) => {
            format!("--data-dir {data_dir} --database-url \"$CREDENCE_DATABASE_URL\"")
        }
    };
    let command = quoted(Path::new(&std::env::args_os().next().unwrap_or_default()));
    let sign_in = sign_in(app, link, &command, &data);
    format!(
        "{serving}\n\
         This is local mode, for one person on one machine: the keys lie beside the database, so that only copies of the\n\
         database alone are protected. With --jwks-url, --jwks-file or --jwt-key-file it takes the tokens of your own issuer.\n\n\
         {sign_in}\n\
         To use the API, in another terminal, make a token and ask who you are:\n\n    \
         TOKEN=$({command} token --sub \"$(id -un)\" --role admin {data})\n    \
         curl -s {scheme}://{address}/graphql -H \"Authorization: Bearer $TOKEN\" \\\n      \
         -H 'Content-Type: application/json' -d '{{\"query\": \"{{ viewer {{ id name }} }}\"}}'\n\n\
         Ctrl-C stops the server.\n"
    )
}

/// How to get to the page: by the link, or by the command that makes one.
fn sign_in(app: &App, link: Option<&String>, command: &str, data: &str) -> String {
    let public_url = app.public_url.as_deref().unwrap_or_default();
    let make = format!("{command} login-link --public-url {public_url} {data}");
    match link {
        Some(link) => format!(
            "To sign in to the page, follow this link. It works once, within ten minutes:\n\n    {link}\n\n\
             Another one: {make}\n"
        ),
        None => format!(
            "To sign in to the page, make a link that works once, within ten minutes:\n\n    {make}\n"
        ),
    }
}

/// Turns true at the first signal to stop. The second one ends the process at once.
fn stop_on_signal() -> Result<watch::Receiver<bool>, Failure> {
    let listen = |kind: SignalKind| {
        signal(kind).map_err(|error| {
            let message = format!("signals cannot be received: {}", error.kind());
            Failure::new(FailureKind::Software, message)
        })
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        tell_service_manager(NotifyState::Stopping);
        // Nobody listens any more when serving has ended by itself.
        let _listening = stop.send(true);
        next(&mut terminate, &mut interrupt).await;
        process::exit(1);
    });
    Ok(stopped)
}

/// Tells systemd, when it has started the server and wants to know (`sd_notify(3)`, `Type=notify`).
fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("systemd cannot be told of the server: {}", error.kind());
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
