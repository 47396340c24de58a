//! How the commands that are clients reach a server, and with which token.

use std::env;
use std::future::Future;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use credence::client::{
    Authorities, Client, ClientError, ClientSettings, ServerUrl, SettingsProblem, Token,
    TokenSource,
};
use credence::config::DataSettings;
use credence::crypto::local_token::LocalGrant;
use credence::data_directory::{DataDirectory, read_certificate_file, read_secret_file};
use credence::failure::{Failure, FailureKind};
use credence::local_mode::issue_token;
use credence::types::clock::Clock;
use credence::types::scope::Scope;
use zeroize::Zeroizing;

use super::grant::operator;

/// The token, when it is not in a file. It is no option: who lists the processes of a machine sees their arguments.
const TOKEN_VARIABLE: &str = "CREDENCE_TOKEN";
/// How long the command's own token is good, in seconds.
const LOCAL_TOKEN_LIFETIME_SECONDS: i64 = 60;

/// How to reach a server.
#[derive(Args)]
#[command(next_help_heading = "Server")]
pub struct RemoteArguments {
    /// The server: https, or plain http on this machine
    #[arg(
        long,
        env = "CREDENCE_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    url: String,
    /// The file of the token, which nobody else can read. Without it, the token is in the environment variable `CREDENCE_TOKEN`; and
    /// without that, in local mode, the command signs one for a minute with the key of --data-dir
    #[arg(long, env = "CREDENCE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificates (PEM, at most 1 MiB) of the authorities that vouch for the server, in place of those that the system trusts
    #[arg(long, env = "CREDENCE_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The `aud` claim of the command's own token, as the server is configured
    #[arg(
        long,
        env = "CREDENCE_JWT_AUDIENCE",
        default_value = "credence",
        value_name = "AUDIENCE"
    )]
    jwt_audience: String,
    #[command(flatten)]
    data: DataSettings,
}

/// A server, as a command sees it.
pub struct Remote {
    /// The client.
    pub client: Client,
    url: ServerUrl,
}

impl RemoteArguments {
    /// A client of the server. Its token allows `scope`, when it is the command's own.
    ///
    /// # Errors
    /// A [`Failure`] when an argument is wrong, a file cannot be used, or there is no token.
    pub fn connect(&self, scope: Scope) -> Result<Remote, Failure> {
        let url = ServerUrl::parse(&self.url).map_err(|problem| {
            // A URL may have a password in it, and is not repeated.
            Failure::new(FailureKind::Usage, format!("--url is not right: {problem}"))
        })?;
        let token = TokenSource::fixed(self.token(&url, scope)?);
        let mut settings = ClientSettings::new(url.clone(), token);
        if let Some(path) = &self.ca_file {
            let certificates = read_certificate_file(path);
            let certificates = certificates.map_err(|failure| of_option("--ca-file", &failure))?;
            settings.authorities = Authorities::Pem(certificates);
        }
        let client = Client::new(settings).map_err(|problem| match &self.ca_file {
            Some(path) => wrong_file(path, problem),
            None => {
                Failure::configuration(format!("{url} cannot be trusted: {problem} with --ca-file"))
            }
        })?;
        Ok(Remote { client, url })
    }

    fn token(&self, url: &ServerUrl, scope: Scope) -> Result<Token, Failure> {
        if let Some(path) = &self.token_file {
            let bytes = read_secret_file(path);
            let bytes = bytes.map_err(|failure| of_option("--token-file", &failure))?;
            let token = std::str::from_utf8(&bytes).map_err(|_malformed| SettingsProblem::NoToken);
            return token
                .and_then(Token::parse)
                .map_err(|problem| wrong_file(path, problem));
        }
        if let Some(text) = env::var_os(TOKEN_VARIABLE).filter(|text| !text.is_empty()) {
            let text = Zeroizing::new(text.into_string().unwrap_or_default());
            return Token::parse(&text).map_err(|problem| {
                Failure::configuration(format!(
                    "the environment variable {TOKEN_VARIABLE} cannot be used: {problem}"
                ))
            });
        }
        self.local_token(url, scope)
    }

    /// A token that is signed with the key of the data directory, and sent to no other machine.
    fn local_token(&self, url: &ServerUrl, scope: Scope) -> Result<Token, Failure> {
        if !url.is_loopback() {
            return Err(no_token(url, ""));
        }
        let directory = self.data_directory();
        let directory = directory.map_err(|why| {
            let path = self.data.data_dir.display();
            let elsewhere = format!(
                "; or, if the server runs in local mode, name its data directory with --data-dir ({path} {why})"
            );
            no_token(url, &elsewhere)
        })?;
        let grant = LocalGrant {
            subject: &operator(),
            scopes: [scope].into_iter().collect(),
            lifetime_seconds: LOCAL_TOKEN_LIFETIME_SECONDS,
        };
        let database = self.data.database()?;
        let now = Clock::system().now();
        let text = issue_token(&directory, &database, &self.jwt_audience, &grant, now)?;
        Token::parse(&text).map_err(|_problem| {
            Failure::new(FailureKind::Software, "the token could not be signed")
        })
    }

    /// The data directory of a server in local mode, or why it is none.
    fn data_directory(&self) -> Result<DataDirectory, &'static str> {
        const MISSING: &str = "does not exist";
        let why = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => "cannot be read by this user",
            _ => MISSING,
        };
        let path = &self.data.data_dir;
        if !path.try_exists().map_err(why)? {
            return Err(MISSING);
        }
        let directory = DataDirectory::open(path).map_err(|_failure| "is no directory")?;
        if directory.signing_key().try_exists().map_err(why)? {
            return Ok(directory);
        }
        Err(
            "has no key that signs tokens: its server was never started in local mode, and takes those of its issuer",
        )
    }
}

fn no_token(url: &ServerUrl, elsewhere: &str) -> Failure {
    Failure::configuration(format!(
        "there is no token for {url}: name its file with --token-file, or put it into the environment variable \
         {TOKEN_VARIABLE}{elsewhere}"
    ))
}

fn of_option(option: &str, failure: &Failure) -> Failure {
    Failure::new(failure.kind, format!("{option}: {failure}"))
}

impl Remote {
    /// What a failure of the client means to the operator.
    pub fn failure(&self, error: &ClientError) -> Failure {
        let kind = match error {
            ClientError::Unavailable(_) => FailureKind::ServerUnreachable,
            _ => FailureKind::Configuration,
        };
        Failure::new(kind, format!("{}: {error}", self.url))
    }
}

fn wrong_file(path: &Path, problem: SettingsProblem) -> Failure {
    Failure::configuration(format!("{} cannot be used: {problem}", path.display()))
}

/// Runs what a client asks, on this thread.
///
/// # Errors
/// [`FailureKind::Software`] when the system has no means for it.
pub fn block_on<T>(asking: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        let message = format!("connections cannot be made: {}", error.kind());
        Failure::new(FailureKind::Software, message)
    })?;
    Ok(runtime.block_on(asking))
}
