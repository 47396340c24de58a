//! Where the server listens, and what must be true of it: what other machines reach is protected by TLS.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::config::ServeSettings;
use crate::failure::{Failure, FailureKind};
use crate::http::peer::Front;
use crate::http::public_url::{PublicUrl, PublicUrls};

/// How many connections the kernel keeps until they are accepted, if its own limit is not lower. With the usual 128 a burst leaves
/// clients behind that believe to be connected, and are answered by nobody.
const WAITING_LIMIT_CONNECTIONS: u32 = 4_096;

/// Looks whether the server may listen where it is told to.
///
/// # Errors
/// [`FailureKind::Configuration`] for an address that other machines reach, when nothing protects what is sent or the server is in local
/// mode; and for a public URL with http when the server speaks TLS.
pub fn check_address(settings: &ServeSettings, is_local: bool) -> Result<(), Failure> {
    let listen = settings.listen;
    let is_tls = settings.tls.files().is_some();
    let public_url = settings.sign_in.public_url.as_ref();
    if is_tls && !public_url.is_none_or(PublicUrl::is_https) {
        return Err(Failure::configuration(
            "--public-url begins with http://, and with --tls-cert the server speaks TLS: write https://",
        ));
    }
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if is_local {
        return Err(Failure::configuration(format!(
            "without --jwks-url, --jwks-file or --jwt-key-file the server is in local mode and listens on loopback only, not at {listen}"
        )));
    }
    if is_tls || settings.behind_tls_proxy {
        return Ok(());
    }
    Err(Failure::configuration(format!(
        "{listen} is reached by other machines, and tokens and values must not travel in plain: give the server a certificate with \
         --tls-cert and --tls-key, or put a proxy that terminates TLS in front and say so with --behind-tls-proxy"
    )))
}

/// What is in front of the server, as far as its settings tell: who reaches it over https though it speaks plain HTTP comes by a proxy.
#[must_use]
pub fn front(settings: &ServeSettings) -> Front {
    let public_url = settings.sign_in.public_url.as_ref();
    let is_https = public_url.is_some_and(PublicUrl::is_https);
    let is_terminated = is_https && settings.tls.files().is_none();
    if settings.behind_tls_proxy {
        Front::ProxyOnly
    } else if is_terminated || !settings.limits.trusted_proxy.is_empty() {
        Front::Proxy
    } else {
        Front::Nothing
    }
}

/// Says what cannot be known without `--public-url`.
pub fn warn_of_public_urls(public: &PublicUrls) {
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

/// Listens at an address.
///
/// # Errors
/// [`FailureKind::InputOutput`] when that is not possible.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
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
