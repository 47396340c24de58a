//! Every setting: its name, its default and its meaning. Settings name files that hold secrets, and hold none themselves.

mod key_place;
mod limits;
mod sign_in;
mod telemetry;
mod tls;
mod token;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use hyper::header::HeaderValue;
pub use key_place::key_file;
pub use limits::LimitSettings;
pub use sign_in::SignInSettings;
pub use telemetry::{OtlpEndpoint, TelemetrySettings};
pub use tls::TlsSettings;
pub use token::{
    JWKS_FILE_VARIABLE, JWKS_URL_VARIABLE, JWT_KEY_FILE_VARIABLE, RsaAlgorithmSetting,
    TokenSettings,
};

use crate::crypto::master_key::holds_master_key;
use crate::data_directory::DATABASE_FILE;
use crate::failure::{Failure, FailureKind};
use crate::store::connection::Database;
use crate::store::postgres::PostgresUrl;
use crate::store::postgres_route::Protection;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
}

/// The settings of the log.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// How the log is written, on standard error
    #[arg(
        long,
        global = true,
        env = "CREDENCE_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, also by module (`info,credence::http=debug`)
    #[arg(
        long,
        global = true,
        env = "CREDENCE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
}

/// Where the data is.
#[derive(Args, Clone, Debug)]
pub struct DataSettings {
    /// The database, when it is not the SQLite file of the data directory: `postgres://USER@HOST/DATABASE`, with any options of libpq;
    /// over a network with `sslmode=verify-full&sslrootcert=FILE`
    #[arg(
        long,
        env = "CREDENCE_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<DatabaseUrl>,
    /// The directory of the SQLite database and, in local mode, of the keys
    #[arg(
        long,
        env = "CREDENCE_DATA_DIR",
        default_value = "./credence-data",
        value_name = "DIRECTORY",
        value_hint = clap::ValueHint::DirPath
    )]
    pub data_dir: PathBuf,
}

impl DataSettings {
    /// The database.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] for a URL of another scheme, [`FailureKind::Configuration`] for one that leads over a network where
    /// nothing protects what is sent. It is not repeated, as it may hold a password.
    pub fn database(&self) -> Result<Database, Failure> {
        let Some(DatabaseUrl(text)) = &self.database_url else {
            return Ok(Database::Sqlite(self.data_dir.join(DATABASE_FILE)));
        };
        let url = PostgresUrl::parse(text).ok_or_else(|| {
            Failure::new(
                FailureKind::Usage,
                "--database-url begins with postgres:// or postgresql://; for SQLite, leave it out and name a --data-dir",
            )
        })?;
        check_protection(url.protection())?;
        Ok(Database::Postgres(url))
    }
}

/// libpq's own default is TLS when the server offers it: whoever is between then takes it away, and nobody notices.
fn check_protection(protection: Protection) -> Result<(), Failure> {
    match protection {
        Protection::Local | Protection::Verified => {}
        Protection::NameUnchecked => tracing::warn!(
            "PostgreSQL's host name is not checked: any server with a certificate of that authority is trusted; sslmode=verify-full checks it"
        ),
        Protection::ServerUnchecked => tracing::warn!(
            "PostgreSQL's certificate is not checked: whoever answers in its place is trusted; sslmode=verify-full with sslrootcert checks it"
        ),
        Protection::Disabled => tracing::warn!(
            "the connection to PostgreSQL is not encrypted, as sslmode=disable says: whoever is between can read and change what is sent"
        ),
        Protection::Chance => {
            return Err(Failure::configuration(
                "the database URL leads to another machine, and its sslmode does not insist on TLS: add \
                 `sslmode=verify-full&sslrootcert=FILE`, with the certificate of the server's authority, or, in a network that you trust, \
                 `sslmode=disable`",
            ));
        }
    }
    Ok(())
}

/// The URL of a database, or the path of a data directory, before anything has looked at it: what the command line says of a wrong
/// argument repeats it.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The path, when it is one and no URL.
    #[must_use]
    pub fn as_path(&self) -> Option<PathBuf> {
        (!self.0.contains("://")).then(|| PathBuf::from(&self.0))
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(…)")
    }
}

/// The settings of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeSettings {
    /// The address to listen at
    #[arg(
        long,
        env = "CREDENCE_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT",
        value_parser = parse_address
    )]
    pub listen: SocketAddr,
    /// The origin of pages that may read answers: a scheme, a host, perhaps a port; several are given with commas, or by several options
    #[arg(
        long,
        env = "CREDENCE_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = parse_origin
    )]
    pub cors_origin: Vec<HeaderValue>,
    /// Tell nobody what the schema is
    #[arg(long, env = "CREDENCE_NO_INTROSPECTION", value_parser = BoolishValueParser::new())]
    pub no_introspection: bool,
    /// A file to which it is added, every minute and every 1,000 events, where the audit log ends: on another disk, or one that can only be
    /// added to. Without it, the log of the server has these lines
    #[arg(long, env = "CREDENCE_AUDIT_ANCHOR", value_name = "FILE")]
    pub audit_anchor: Option<PathBuf>,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,
    /// Where the master key is.
    #[command(flatten)]
    pub master_key: MasterKeySettings,
    /// Listen at an address that other machines reach without TLS: a proxy in front terminates it. /metrics is at --metrics-listen alone then
    #[arg(
        long,
        env = "CREDENCE_BEHIND_TLS_PROXY",
        value_parser = BoolishValueParser::new(),
        help_heading = "TLS"
    )]
    pub behind_tls_proxy: bool,
    /// How connections are protected.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// How people sign in.
    #[command(flatten)]
    pub sign_in: SignInSettings,
    /// How often something may be asked for, and who asks.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub tokens: TokenSettings,
    /// How others watch the server.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// Where master keys are. `$CREDENTIALS_DIRECTORY/kek`, which systemd makes, comes before them all.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Master key")]
pub struct MasterKeySettings {
    /// The file of the master key, made by `credence keys generate FILE`, with mode 0600; local mode makes its own. Several are given with
    /// commas, by several options or as lines of one file, while one takes the place of another. A systemd credential `kek` comes first
    #[arg(
        long,
        env = "CREDENCE_MASTER_KEY_FILE",
        hide_env_values = true,
        value_name = "FILE",
        value_delimiter = ',',
        value_parser = key_file()
    )]
    pub master_key_file: Vec<PathBuf>,
    /// A command that prints the master key, as a JSON array: `["/usr/bin/age", "--decrypt", …]`. It runs without a shell, with an empty
    /// environment, for 10 seconds at most
    #[arg(
        long,
        env = "CREDENCE_MASTER_KEY_COMMAND",
        hide_env_values = true,
        value_name = "JSON",
        conflicts_with = "master_key_file"
    )]
    pub master_key_command: Option<ProgramSetting>,
    /// The name of an environment variable that holds the master key: a file or a command keeps it better
    #[arg(
        long,
        env = "CREDENCE_MASTER_KEY_VARIABLE",
        hide_env_values = true,
        value_name = "NAME",
        value_parser = key_place::key_variable,
        conflicts_with_all = ["master_key_file", "master_key_command"]
    )]
    pub master_key_variable: Option<String>,
}

/// A program with an absolute path, and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSetting {
    path: PathBuf,
    arguments: Vec<String>,
}

impl ProgramSetting {
    /// The program.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is called with.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

impl FromStr for ProgramSetting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "write a JSON array of texts, of which the first is an absolute path: [\"/usr/bin/age\", \"--decrypt\"]";
        // Its arguments are for every process to see.
        if holds_master_key(text) {
            return Err("the command is to print the master key, and not to be given it");
        }
        let words: Vec<String> = serde_json::from_str(text).map_err(|_malformed| WANTED)?;
        let (path, arguments) = words.split_first().ok_or(WANTED)?;
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(WANTED);
        }
        Ok(Self {
            path,
            arguments: arguments.to_vec(),
        })
    }
}

/// Reads the address to listen at: an IP address and a port, or `localhost` and a port.
///
/// # Errors
/// What to write instead.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_malformed| {
        "write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

/// Reads an origin (RFC 6454, section 6.2): a scheme, a host and perhaps a port, and nothing behind it.
fn parse_origin(text: &str) -> Result<HeaderValue, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_origin =
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', ' ']));
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| is_origin)
        .ok_or_else(|| "write an origin, such as https://admin.example.com: a scheme, a host, perhaps a port, no path".to_owned())
}
