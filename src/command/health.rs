//! `credence health`: whether a server can serve, for those who watch it where nothing else speaks HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use credence::client::is_refused_certificate;
use credence::config::parse_address;
use credence::data_directory::read_certificate_file;
use credence::failure::{Failure, FailureKind};
use http::StatusCode;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use super::remote::block_on;

/// What the help shows at its end.
pub const EXAMPLES: &str = "\
After a start, or an upgrade, until it can serve, for half a minute at most:

    credence health --wait 30s

It needs no token, and sends none. A server can serve when its database can be read and written; --alive asks only whether it answers, \
which is what a supervisor wants to know that would start it anew: no start mends a database.

Exit codes: 0 it can; 64 usage; 69 it cannot, or does not answer; 78 the file of --ca-file is not right.";

/// How long a server may take to answer. It gives a database 2 seconds itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);
/// How long to wait before it is asked again.
const INTERVAL: Duration = Duration::from_millis(100);

/// The arguments of `credence health`.
#[derive(Args)]
pub struct HealthArguments {
    /// Where the server listens, on this machine. Of one that listens at all addresses, the loopback address is asked
    #[arg(
        long,
        env = "CREDENCE_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT",
        value_parser = parse_address
    )]
    listen: SocketAddr,
    /// The certificate that the server shows, when it terminates TLS itself. It is asked by its address: the certificate, which is for a
    /// name, is then not looked at
    #[arg(long, env = "CREDENCE_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Another server, by its URL, in place of the one that listens on this machine
    #[arg(
        long,
        env = "CREDENCE_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = parse_url
    )]
    url: Option<Url>,
    /// The certificates (PEM, at most 1 MiB) of the authorities that vouch for the server of --url, in place of those that the system trusts
    #[arg(
        long,
        env = "CREDENCE_CA_FILE",
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath
    )]
    ca_file: Option<PathBuf>,
    /// Ask only whether it answers, and not whether its database does
    #[arg(long)]
    alive: bool,
    /// How long to ask again while the answer is no, such as 30s; without it, it is asked once
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "0s",
        hide_default_value = true
    )]
    wait: Duration,
}

/// A server, and what it is asked.
struct Question {
    client: Client,
    url: Url,
}

/// Asks, and says on standard output that all is well.
pub fn run(arguments: &HealthArguments) -> Result<(), Failure> {
    let question = Question::new(arguments)?;
    block_on(question.ask_until(arguments.wait))??;
    super::print("ok\n")
}

impl Question {
    fn new(arguments: &HealthArguments) -> Result<Self, Failure> {
        let path = if arguments.alive { "healthz" } else { "readyz" };
        let mut url = arguments
            .url
            .clone()
            .map_or_else(|| own_url(arguments), Ok)?;
        // The URL of the server, or of its endpoint, as other commands take it.
        let base = url.path().trim_end_matches('/');
        let base = base.strip_suffix("/graphql").unwrap_or(base).to_owned();
        url.set_path(&format!("{base}/{path}"));
        Ok(Self {
            client: client(arguments, &url)?,
            url,
        })
    }

    async fn ask_until(&self, wait: Duration) -> Result<(), Failure> {
        let began_at = Instant::now();
        loop {
            match self.ask().await {
                Err(_failure) if began_at.elapsed() < wait => tokio::time::sleep(INTERVAL).await,
                outcome => return outcome,
            }
        }
    }

    async fn ask(&self) -> Result<(), Failure> {
        let told = |what: &str| {
            let message = format!("{} {what}", self.url);
            Failure::new(FailureKind::ServerUnreachable, message)
        };
        let sent = self.client.get(self.url.clone()).send().await;
        let mut response = sent.map_err(|error| {
            told(if is_refused_certificate(&error) {
                "shows a certificate that is not trusted: name its authority with --ca-file"
            } else if error.is_timeout() {
                "has not answered in time: the server is there, and is stopped or has no processor"
            } else {
                "does not answer: is the server started, and does it listen there?"
            })
        })?;
        // Another program may listen there, and answer anything with 200.
        let body = response.chunk().await.ok().flatten().unwrap_or_default();
        match response.status() {
            StatusCode::OK if body == "ok\n" => Ok(()),
            StatusCode::SERVICE_UNAVAILABLE => Err(told(
                "answers, and cannot serve now: its database cannot be read or written. Its log says why",
            )),
            _ => Err(told("answers as Credence does not: is it another server?")),
        }
    }
}

/// The URL of the server that listens on this machine.
fn own_url(arguments: &HealthArguments) -> Result<Url, Failure> {
    let mut address = arguments.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    let scheme = if arguments.tls_cert.is_some() {
        "https"
    } else {
        "http"
    };
    Url::parse(&format!("{scheme}://{address}")).map_err(|_malformed| {
        Failure::new(
            FailureKind::Usage,
            "--listen is no address that can be asked",
        )
    })
}

fn client(arguments: &HealthArguments, url: &Url) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(ANSWER_LIMIT);
    if let Some(path) = &arguments.ca_file {
        builder = builder.tls_certs_only(authorities(path)?);
    } else if arguments.url.is_none() || url.scheme() == "http" {
        // What the system trusts is then not read: nobody has to vouch for this machine, nothing that is sent is secret, and the answer is
        // believed by who could as well look at the process.
        builder = builder.tls_certs_only([]);
    }
    if arguments.url.is_none() {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|_no_authority| {
        Failure::configuration(
            "this system trusts no authority: install its certificates (ca-certificates), or name an authority with --ca-file",
        )
    })
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let pem = read_certificate_file(path)?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| {
            Failure::configuration(format!(
                "{} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
                path.display()
            ))
        })
}

/// Reads the URL of a server. No token goes there, so that plain http will do anywhere.
fn parse_url(text: &str) -> Result<Url, &'static str> {
    const WANTED: &str = "write a URL such as https://credence.example.com or http://10.0.0.7:8080, without a user, a query or a fragment";
    let url = Url::parse(text).map_err(|_malformed| WANTED)?;
    let has_more = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    if ["http", "https"].contains(&url.scheme()) && !has_more {
        Ok(url)
    } else {
        Err(WANTED)
    }
}
