//! The pages: what the build of `web` made, embedded in the binary, with the headers that keep a browser to it.
//!
//! Each file is there as it is and, where that is worth it, compressed by Brotli and gzip. A server that was built without them says how
//! to get them.

use std::borrow::Cow;

use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::failure::Failure;

/// The paths of all pages and of what they are made of.
pub const PATHS: [&str; 8] = [
    "/",
    "/credentials",
    "/login",
    "/graphiql",
    "/third-party-licenses",
    PICKER,
    "/ui/picker-example",
    "/ui/assets/*file",
];

/// The script of the picker, which pages of other origins load.
pub const PICKER: &str = "/ui/credential-picker.js";
/// Where the files are that pages are made of.
pub const ASSETS: &str = "/ui/assets/";

/// What a page may do: run and show what comes from this server, and talk to nobody else. Texts become markup by way of lit alone.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                           trusted-types lit-html";
/// The same for GraphiQL, which is made of libraries that set markup themselves and show pictures that are data.
const EXPLORER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                               connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Asked for again each time: the answer is most often that nothing changed.
const REVALIDATED: &str = "no-cache";
/// The name changes with the content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// One name for all versions: hosts see a new one within minutes.
const SHORT: &str = "public, max-age=300";

const MISSING: &str = "The pages were not built into this server. Install Node.js 20.19 or later with npm, and build the server \
                       again, with `WEB_BUILD=required cargo build`: without it, cargo sees nothing that has changed. The API is at /graphql all the same.\n";

#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
struct Built;

/// Answers for the pages.
pub struct Pages;

/// A file and how it is served.
struct Page<'a> {
    file: Cow<'a, str>,
    caching: &'static str,
    policy: Option<&'static str>,
    is_for_other_origins: bool,
}

impl<'a> Page<'a> {
    /// What is at a path.
    fn at(path: &'a str) -> Option<Self> {
        let html = |file: &'static str, policy| Self {
            file: file.into(),
            caching: REVALIDATED,
            policy: Some(policy),
            is_for_other_origins: false,
        };
        let plain = |file: Cow<'a, str>, caching| Self {
            file,
            caching,
            policy: None,
            is_for_other_origins: false,
        };
        Some(match path {
            "/credentials" => html("credentials.html", PAGE_POLICY),
            "/login" => html("login.html", PAGE_POLICY),
            "/graphiql" => html("graphiql.html", EXPLORER_POLICY),
            "/ui/picker-example" => html("ui/picker-example.html", PAGE_POLICY),
            "/third-party-licenses" => plain("third-party-licenses.txt".into(), REVALIDATED),
            PICKER => Self {
                is_for_other_origins: true,
                ..plain("ui/credential-picker.js".into(), SHORT)
            },
            _ => {
                let name = path.strip_prefix(ASSETS)?;
                let is_compressed = Encoding::ALL
                    .iter()
                    .any(|encoding| name.ends_with(encoding.suffix()));
                if is_compressed {
                    return None;
                }
                plain(format!("ui/assets/{name}").into(), IMMUTABLE)
            }
        })
    }

    fn respond(
        &self,
        headers: &HeaderMap,
        find: impl Fn(&str) -> Option<EmbeddedFile>,
    ) -> Option<Response> {
        let encoded = Encoding::accepted(headers).find_map(|encoding| {
            let found = find(&format!("{}{}", self.file, encoding.suffix()))?;
            Some((found, Some(encoding)))
        });
        let (found, encoding) = match encoded {
            Some(encoded) => encoded,
            None => (find(&self.file)?, None),
        };
        let tag = entity_tag(&found);
        let is_known = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|value| knows(value, &tag));
        let mut response = Response::builder()
            .header(header::CACHE_CONTROL, self.caching)
            .header(header::ETAG, &tag)
            .header(header::VARY, "Accept-Encoding")
            .header(header::REFERRER_POLICY, "no-referrer")
            .header(CROSS_ORIGIN_OPENER_POLICY, "same-origin")
            .header(
                CROSS_ORIGIN_RESOURCE_POLICY,
                if self.is_for_other_origins {
                    "cross-origin"
                } else {
                    "same-origin"
                },
            );
        if let Some(policy) = self.policy {
            response = response.header(header::CONTENT_SECURITY_POLICY, policy);
        }
        if is_known {
            return Some(response.status(StatusCode::NOT_MODIFIED).finish());
        }
        if let Some(encoding) = encoding {
            response = response.header(header::CONTENT_ENCODING, encoding.name());
        }
        let response = response.content_type(content_type(&self.file));
        Some(match found.data {
            Cow::Borrowed(embedded) => response.body(embedded),
            Cow::Owned(read) => response.body(read),
        })
    }
}

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// How a file can be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// All of them, the smaller one first.
    const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    /// Those that a client accepts (RFC 9110, section 12.5.3).
    fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Self> {
        let accepts = move |encoding: &Self| {
            headers
                .get_all(header::ACCEPT_ENCODING)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|range| names(range, encoding.name()))
        };
        Self::ALL.into_iter().filter(accepts)
    }
}

/// Whether a range of `Accept-Encoding` names an encoding, and not with a weight of nothing.
fn names(range: &str, encoding: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_named = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
    let is_refused = parts.any(|parameter| {
        let weight = parameter
            .strip_prefix("q=")
            .or_else(|| parameter.strip_prefix("Q="));
        weight.is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty())
    });
    is_named && !is_refused
}

/// Each representation has a tag of its own (RFC 9110, section 8.8.3.3): its hash.
fn entity_tag(found: &EmbeddedFile) -> String {
    let hash = found.metadata.sha256_hash();
    let (half, _rest) = hash.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    format!("\"{:032x}\"", u128::from_be_bytes(*half))
}

/// Whether a client has the representation with a tag already (RFC 9110, section 13.1.2).
fn knows(value: &HeaderValue, tag: &str) -> bool {
    value.to_str().is_ok_and(|value| {
        value
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    })
}

fn content_type(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Answers for a path, out of the files that `find` knows.
fn answer(
    path: &str,
    headers: &HeaderMap,
    find: impl Fn(&str) -> Option<EmbeddedFile>,
) -> Result<Response, Failure> {
    if path == "/" {
        return Ok(Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header(header::LOCATION, "/credentials")
            .finish());
    }
    let page = Page::at(path).ok_or(Failure::NotFound)?;
    if find("credentials.html").is_none() {
        return Ok(Response::builder()
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .content_type("text/plain; charset=utf-8")
            .body(MISSING));
    }
    page.respond(headers, find).ok_or(Failure::NotFound)
}

impl Endpoint for Pages {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        let answered = if is_read {
            answer(request.uri().path(), request.headers(), Built::get)
        } else {
            Err(Failure::MethodNotAllowed("GET, HEAD"))
        };
        Ok(answered.unwrap_or_else(Failure::response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_pages_says_how_to_get_them() {
        let headers = HeaderMap::new();
        for path in [
            "/credentials",
            "/login",
            "/graphiql",
            PICKER,
            "/ui/assets/a.js",
        ] {
            let answered = answer(path, &headers, |_file| None);
            let response = answered.unwrap_or_else(Failure::response);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(response.content_type(), Some("text/plain; charset=utf-8"));
        }
        assert!(MISSING.contains("npm") && MISSING.contains("cargo build"));
        // The root leads there as always.
        let root = answer("/", &headers, |_file| None).unwrap_or_else(Failure::response);
        assert_eq!(root.status(), StatusCode::SEE_OTHER);
    }
}
