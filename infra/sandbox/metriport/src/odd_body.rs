//! Faulty response bodies, generated while they are sent, so that a large body needs little memory.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

/// A body that replaces the right one, under status 200.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OddBody {
    /// Headers. Without `Content-Length`, the server sends the body in chunks.
    pub headers: Vec<(&'static str, String)>,
    /// Beginning of the body.
    pub start: Bytes,
    /// Bytes that follow `start`, repeated `times` times.
    pub repeated: Bytes,
    /// Number of repetitions.
    pub times: usize,
    /// End of the body.
    pub end: Bytes,
    /// Whether the connection stays open after `end`, without sending more.
    pub hangs: bool,
}

impl OddBody {
    /// A body of these bytes.
    #[must_use]
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        Self {
            start: bytes.into(),
            ..Self::default()
        }
    }

    pub(crate) fn response(self) -> Response {
        let Self {
            start,
            repeated,
            times,
            end,
            ..
        } = self;
        let middle = stream::repeat(repeated).take(times);
        let bytes = stream::iter([start]).chain(middle).chain(stream::iter([end]));
        let bytes = bytes.map(Ok::<_, std::convert::Infallible>);
        let body = match self.hangs {
            true => Body::from_stream(bytes.chain(stream::pending())),
            false => Body::from_stream(bytes),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::OK;
        let headers = self.headers.into_iter();
        let headers = headers
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?)));
        response.headers_mut().extend(headers);
        response
    }
}
