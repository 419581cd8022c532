//! S3: the `s3s` protocol library over `s3s-fs`, which keeps objects as files. `s3s` checks signatures and expires
//! presigned links. This module adds:
//! - the secret that signatures are checked against
//! - refusals of unknown buckets and of keys too long to store
//! - the CORS configuration of buckets
//! - the list of unfinished uploads, which any caller with the permission can continue or abort
//!
//! The service accepts encryption headers but does not return them; objects are unencrypted in the data directory. It
//! verifies the checksum of a single upload only after the object is stored. Unfinished uploads stay on disk until they
//! are aborted.

mod access;
mod cors;
mod operation;
mod stored;
mod uploads;

pub use cors::CorsRule;
pub(crate) use operation::operation_name;
pub use stored::{StoredFile, StoredFiles};

use crate::aws::SECRET_ACCESS_KEY;
use crate::data_dir::failed;
use crate::error::Error;
use access::{Addressable, OneSecret};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cors::CorsRules;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use uploads::BucketFiles;

pub(crate) struct S3 {
    root: PathBuf,
    cors: SharedRules,
}

type SharedRules = Arc<RwLock<CorsRules>>;

#[derive(Clone)]
struct Served {
    service: S3Service,
    cors: SharedRules,
}

/// Serves the folders under `root` as buckets; `root` must exist.
pub(crate) fn start(root: &Path) -> Result<(S3, Router), Error> {
    let files = FileSystem::new(root).map_err(|error| Error::S3(format!("{error:?}")))?;
    let mut service = S3ServiceBuilder::new(BucketFiles::new(files, root));
    service.set_auth(OneSecret::new(SECRET_ACCESS_KEY));
    service.set_access(Addressable::new(root));
    let cors = SharedRules::default();
    let served = Served {
        service: service.build(),
        cors: Arc::clone(&cors),
    };
    let router = Router::new().fallback(serve).with_state(served);
    let root = root.to_owned();
    Ok((S3 { root, cors }, router))
}

impl S3 {
    pub(crate) fn create_bucket(&self, name: &str) -> Result<(), Error> {
        if !s3s::path::check_bucket_name(name) {
            return Err(Error::S3(format!("{name:?} is not a bucket name")));
        }
        let folder = self.root.join(name);
        std::fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))
    }

    pub(crate) fn stored_files(&self) -> StoredFiles {
        StoredFiles::new(&self.root)
    }

    pub(crate) fn put_cors(&self, bucket: &str, rules: Vec<CorsRule>) {
        let mut all = self.cors.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(bucket.to_owned(), rules);
    }
}

async fn serve(State(served): State<Served>, request: Request) -> Response {
    let rules = || served.cors.read().unwrap_or_else(PoisonError::into_inner).clone();
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS {
        return cors::preflight(&rules(), &parts);
    }
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let origin = parts
        .headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    let origin = origin.map(str::to_owned);
    let request = Request::from_parts(parts, body);
    let mut response = match served.service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    if let Some(origin) = origin {
        cors::decorate(&rules(), (&method, &uri), &origin, response.headers_mut());
    }
    response
}
