//! Bodies that nobody should send: made while they are sent, so that large ones cost nothing to keep.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

/// A body in place of the right one, under status 200.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OddBody {
    /// Headers: one that is not given is as the server makes it, `Content-Length` too.
    pub headers: Vec<(&'static str, String)>,
    /// What it begins with.
    pub start: Bytes,
    /// What comes then, over and over.
    pub repeated: Bytes,
    /// How often.
    pub times: usize,
    /// What it ends with.
    pub end: Bytes,
    /// Whether the connection stays open after that, with nothing more to come.
    pub hangs: bool,
}

impl OddBody {
    /// These bytes.
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
