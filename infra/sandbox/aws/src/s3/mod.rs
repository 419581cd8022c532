//! S3: the `s3s` protocol library over `s3s-fs`, which keeps objects as files. Signatures are checked and presigned
//! links expire, by `s3s`; what is added here is the answer to "whose secret" and a refusal of unknown buckets and of
//! keys too long to store.

mod access;
mod operation;

pub(crate) use operation::operation_name;

use crate::aws::SECRET_ACCESS_KEY;
use crate::data_dir::failed;
use crate::error::Error;
use access::{Addressable, OneSecret};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::path::{Path, PathBuf};

pub(crate) struct S3 {
    root: PathBuf,
}

/// Serves the buckets that are folders under `root`, which must exist.
pub(crate) fn start(root: &Path) -> Result<(S3, Router), Error> {
    let files = FileSystem::new(root).map_err(|error| Error::S3(format!("{error:?}")))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(OneSecret::new(SECRET_ACCESS_KEY));
    service.set_access(Addressable::new(root));
    let router = Router::new().fallback(serve).with_state(service.build());
    Ok((S3 { root: root.to_owned() }, router))
}

impl S3 {
    /// Creates the bucket unless it is there.
    pub(crate) fn create_bucket(&self, name: &str) -> Result<(), Error> {
        if !s3s::path::check_bucket_name(name) {
            return Err(Error::S3(format!("{name:?} is not a bucket name")));
        }
        let folder = self.root.join(name);
        std::fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))
    }
}

async fn serve(State(service): State<S3Service>, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
