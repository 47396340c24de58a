//! Pages of other origins (Fetch Standard, CORS protocol): only those that are configured may read answers. No credentials of the
//! browser go along: a page of another origin brings its token itself.

use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{Request, Response};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, accept");
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
/// How long a browser may remember what is allowed, in seconds.
const REMEMBERED_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may read answers.
#[derive(Clone, Debug, Default)]
pub struct CrossOrigin {
    origins: Vec<HeaderValue>,
}

impl CrossOrigin {
    /// Allows these origins.
    #[must_use]
    pub const fn new(origins: Vec<HeaderValue>) -> Self {
        Self { origins }
    }

    /// The answer to `OPTIONS`, which is what browsers ask before they send a request of another origin.
    pub fn preflight(allow: &'static str) -> Response {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ALLOW, allow)
            .finish()
    }

    /// The request's origin, when its pages may read answers.
    pub fn allowed_origin(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        self.origins
            .iter()
            .find(|allowed| *allowed == origin)
            .cloned()
    }

    /// Adds to an answer what lets an allowed origin's pages read it.
    pub fn admit(&self, headers: &mut HeaderMap, origin: Option<HeaderValue>, is_preflight: bool) {
        if !self.origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
