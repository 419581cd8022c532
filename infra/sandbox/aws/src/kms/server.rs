//! The HTTP edge of KMS, and the file that stores its keys.
//!
//! The file holds the private keys unencrypted, and only this Unix user may read it.

use super::operations::{self, Context};
use super::refusal::Refusal;
use super::store::{self, Store};
use crate::ambient;
use crate::data_dir;
use crate::error::Error;
use crate::gate::UNKNOWN_OPERATION;
use crate::json_protocol::{self, Version};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone)]
pub(crate) struct Kms {
    inner: Arc<Inner>,
}

struct Inner {
    store: Mutex<Store>,
    path: Option<PathBuf>,
    region: String,
}

/// Loads the keys from `path`, if given.
pub(crate) fn start(path: Option<PathBuf>, region: &str) -> Result<(Kms, Router), Error> {
    let store: Option<Store> = path.as_deref().map(data_dir::load).transpose()?.flatten();
    let inner = Inner {
        store: Mutex::new(store.unwrap_or_default()),
        path,
        region: region.to_owned(),
    };
    let kms = Kms { inner: Arc::new(inner) };
    Ok((kms.clone(), Router::new().fallback(serve).with_state(kms)))
}

impl Kms {
    /// Creates the key unless it exists, and returns its ARN.
    pub(crate) fn create(&self, id: &str) -> Result<String, Error> {
        self.change(|store| store.create(id, &ambient::random()))?;
        Ok(store::arn(id, &self.inner.region))
    }

    pub(crate) fn put_alias(&self, alias: &str, id: &str) -> Result<(), Error> {
        self.change(|store| store.put_alias(alias, id))
    }

    /// The ARN of the key with this id, alias or ARN.
    pub(crate) fn arn(&self, name: &str) -> Option<String> {
        let store = self.lock();
        let (id, _) = store.find(name, &self.inner.region).ok()?;
        Some(store::arn(id, &self.inner.region))
    }

    fn change(&self, change: impl FnOnce(&mut Store) -> Result<(), Refusal>) -> Result<(), Error> {
        let mut store = self.lock();
        change(&mut store).map_err(|refusal| Error::Kms(refusal.to_string()))?;
        let path = self.inner.path.as_deref();
        path.map_or(Ok(()), |path| data_dir::save(path, &*store))
    }

    fn run(&self, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
        let context = Context {
            store: &self.lock(),
            region: &self.inner.region,
            random: &ambient::random(),
        };
        operations::run(&context, operation, body)
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.inner.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(kms): State<Kms>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = json_protocol::target(&headers).unwrap_or(UNKNOWN_OPERATION);
    match kms.run(operation, &body) {
        Ok(output) => json_protocol::reply(StatusCode::OK, Version::V1_1, &output),
        Err(refusal) => {
            let body = json!({ "__type": refusal.code(), "message": refusal.to_string() });
            json_protocol::reply(refusal.status(), Version::V1_1, &body)
        }
    }
}
