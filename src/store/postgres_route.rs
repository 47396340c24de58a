//! The way to a server, as libpq takes it from a URL and the environment (PostgreSQL documentation, sections 34.1.1.2 and 34.15): whether
//! it stays on this machine, and what protects it.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

/// What protects what is sent to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// It does not leave this machine.
    Local,
    /// TLS, with a server whose certificate and name are checked.
    Verified,
    /// TLS, with a server whose certificate is checked, and its name is not.
    NameUnchecked,
    /// TLS, with whoever answers.
    ServerUnchecked,
    /// Nothing, as it was asked for.
    Disabled,
    /// TLS when the server offers it, and nothing otherwise: whoever is between can read and change everything.
    Chance,
}

/// Where the options of a connection come from.
struct Options {
    hosts: Vec<String>,
    addresses: Vec<String>,
    tls_mode: Option<String>,
    /// A file of the system names what the URL does not.
    uses_service: bool,
}

/// What protects the way to the server of a URL. `environment` looks up a variable of the process.
pub fn protection(url: &str, environment: impl Fn(&str) -> Option<String>) -> Protection {
    let options = Options::read(url, environment);
    if options.stays_here() {
        return Protection::Local;
    }
    match options.tls_mode.as_deref() {
        Some("verify-full") => Protection::Verified,
        Some("verify-ca") => Protection::NameUnchecked,
        Some("require") => Protection::ServerUnchecked,
        Some("disable") => Protection::Disabled,
        _ => Protection::Chance,
    }
}

impl Options {
    fn read(url: &str, environment: impl Fn(&str) -> Option<String>) -> Self {
        let (server, query) = split_query(url);
        let given = |name: &str| parameter(query.unwrap_or(""), name);
        // An empty variable is as good as none.
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let uses_service = given("service").is_some() || set("PGSERVICE").is_some();
        // What the file has wins over the environment, and this does not read it.
        let variable = |name: &str| set(name).filter(|_| !uses_service);
        let hosts = given("host")
            .or_else(|| authority_hosts(server))
            .or_else(|| variable("PGHOST"));
        let addresses = given("hostaddr").or_else(|| variable("PGHOSTADDR"));
        let is_required = || variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'));
        let root = || given("sslrootcert").or_else(|| variable("PGSSLROOTCERT"));
        let trusts_system = || !uses_service && root().as_deref() == Some("system");
        let tls_mode = given("sslmode")
            .or_else(|| variable("PGSSLMODE"))
            .or_else(|| is_required().then(|| "require".to_owned()))
            .or_else(|| trusts_system().then(|| "verify-full".to_owned()));
        Self {
            hosts: list(hosts),
            addresses: list(addresses),
            tls_mode,
            uses_service,
        }
    }

    /// Whether every host is this machine. An address that is given beside a name is what is connected to.
    fn stays_here(&self) -> bool {
        if self.uses_service {
            return false;
        }
        let count = self.hosts.len().max(self.addresses.len());
        (0..count).all(|place| {
            let address = self.addresses.get(place).filter(|text| !text.is_empty());
            address
                .or_else(|| self.hosts.get(place))
                .is_none_or(|host| is_here(host))
        })
    }
}

/// Whether a host is this machine: none, the directory of a socket, an abstract socket, or a loopback address.
fn is_here(host: &str) -> bool {
    if host.is_empty() || host.starts_with(['/', '@']) || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    host.parse()
        .is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

fn list(text: Option<String>) -> Vec<String> {
    text.map(|text| text.split(',').map(str::to_owned).collect())
        .unwrap_or_default()
}

/// A URL in two: what stands before its query, and that. A question mark in a password begins none.
#[must_use]
pub fn split_query(url: &str) -> (&str, Option<&str>) {
    let behind_user = url.len().saturating_sub(behind_user(url).len());
    match url.get(behind_user..).and_then(|rest| rest.find('?')) {
        Some(place) => {
            let (server, query) = url.split_at(behind_user.saturating_add(place));
            (server, query.strip_prefix('?'))
        }
        None => (url, None),
    }
}

/// What stands behind the user and the password, from the hosts on.
fn behind_user(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    match rest.find(['@', '/']) {
        Some(place) if rest.get(place..).is_some_and(|end| end.starts_with('@')) => {
            rest.get(place.saturating_add(1)..).unwrap_or("")
        }
        _ => rest,
    }
}

/// The hosts of a URL without its query, with commas; `None` when it names none.
fn authority_hosts(server: &str) -> Option<String> {
    let hosts = behind_user(server);
    let hosts = hosts
        .split_once('/')
        .map_or(hosts, |(hosts, _database)| hosts);
    let names: Vec<Cow<'_, str>> = hosts.split(',').map(host_name).collect();
    let joined = names.join(",");
    (!joined.is_empty()).then_some(joined)
}

/// A host without its port. An IPv6 address stands in brackets.
fn host_name(host: &str) -> Cow<'_, str> {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let name = match bracketed {
        Some((address, _port)) => address,
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    decoded(name)
}

/// The value of a parameter; of several with one name, libpq takes the last one.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut found = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key), decoded(value));
        if key == name {
            found = Some(value.into_owned());
        } else if name == "sslmode" && key == "ssl" && value == "true" {
            // As JDBC writes it.
            found = Some("require".to_owned());
        }
    }
    found
}

/// What is not UTF-8 is no name of this machine, whatever stands in its place.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text.trim_matches(' ')).decode_utf8_lossy()
}
