//! The HTTP edge of Secrets Manager, and the file that stores its secrets.
//!
//! A change is answered only after it is in the file. The file holds the values unencrypted, and only this Unix user
//! may read it. Encryption would not help, because its key would be on the same disk.

use super::operations::{self, Context};
use super::refusal::Refusal;
use super::store::{NewSecret, Store};
use super::version::SecretValue;
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
pub(crate) struct Secrets {
    inner: Arc<Inner>,
}

struct Inner {
    store: Mutex<Store>,
    path: Option<PathBuf>,
    region: String,
}

/// Loads the secrets from `path`, if given.
pub(crate) fn start(path: Option<PathBuf>, region: &str) -> Result<(Secrets, Router), Error> {
    let store: Option<Store> = path.as_deref().map(data_dir::load).transpose()?.flatten();
    let inner = Inner {
        store: Mutex::new(store.unwrap_or_default()),
        path,
        region: region.to_owned(),
    };
    let secrets = Secrets { inner: Arc::new(inner) };
    Ok((secrets.clone(), Router::new().fallback(serve).with_state(secrets)))
}

impl Secrets {
    /// Creates the secret unless it exists, and returns its ARN.
    pub(crate) fn create(&self, name: &str, value: &str) -> Result<String, Error> {
        let mut store = self.lock();
        if let Ok(existing) = store.find(name) {
            return Ok(existing.arn.clone());
        }
        let new = NewSecret {
            name: name.to_owned(),
            value: Some(SecretValue::Text(value.to_owned())),
            token: ambient::new_id().to_string(),
        };
        let created = store.create(new, &self.inner.region, ambient::new_id(), ambient::now_ms());
        let arn = created
            .map_err(|refusal| Error::Secrets(refusal.to_string()))?
            .arn
            .clone();
        self.save(&store)?;
        Ok(arn)
    }

    pub(crate) fn tag(&self, id: &str, key: &str, value: &str) -> Result<(), Error> {
        let mut store = self.lock();
        let secret = store.find_mut(id);
        let secret = secret.map_err(|refusal| Error::Secrets(refusal.to_string()))?;
        secret.tags.insert(key.to_owned(), value.to_owned());
        self.save(&store)
    }

    pub(crate) fn arn(&self, id: &str) -> Option<String> {
        self.lock().find(id).map(|secret| secret.arn.clone()).ok()
    }

    fn run(&self, operation: &str, body: &[u8]) -> Result<Result<Value, Refusal>, Error> {
        let mut store = self.lock();
        let now_ms = ambient::now_ms();
        let mut context = Context {
            store: &mut store,
            region: &self.inner.region,
            now_ms,
        };
        let output = operations::run(&mut context, operation, body);
        if output.is_ok() && operations::writes(operation) {
            self.save(&store)?;
        }
        Ok(output)
    }

    fn save(&self, store: &Store) -> Result<(), Error> {
        self.inner
            .path
            .as_deref()
            .map_or(Ok(()), |path| data_dir::save(path, store))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.inner.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(secrets): State<Secrets>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = json_protocol::target(&headers).unwrap_or(UNKNOWN_OPERATION);
    match secrets.run(operation, &body) {
        Ok(Ok(output)) => json_protocol::reply(StatusCode::OK, Version::V1_1, &output),
        Ok(Err(refusal)) => {
            let body = json!({ "__type": refusal.code(), "Message": refusal.to_string() });
            json_protocol::reply(refusal.status(), Version::V1_1, &body)
        }
        Err(error) => {
            tracing::error!(%error, "the secrets could not be saved");
            let body = json!({ "__type": "InternalServiceError", "Message": "An error occurred on the server side." });
            json_protocol::reply(StatusCode::INTERNAL_SERVER_ERROR, Version::V1_1, &body)
        }
    }
}
