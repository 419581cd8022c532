//! The account's API key, and the retry of a call whose key Metriport refuses.
//!
//! An account has up to two keys at once (docs.metriport.com, page `getting-started/api-keys`), so that a key can be
//! replaced without an interruption. A process uses its first key until Metriport refuses it. Then it reads the stored
//! key once more and, if that is another key, sends the call again. The gateway checks the key before it forwards a
//! request, so the refused call had no effect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::clock;
use crate::domain::Time;
use crate::ports::ReadApiKey;

/// The key in use, shared by all clones of a client.
#[derive(Clone)]
pub(super) struct ApiKey(Arc<Shared>);

struct Shared {
    used: Mutex<Used>,
    source: Option<(Arc<dyn ReadApiKey>, Duration)>,
}

struct Used {
    key: SecretString,
    /// When the source was last read.
    read_at: Option<Time>,
}

impl ApiKey {
    pub(super) fn new(key: SecretString) -> Self {
        Self::of(key, None)
    }

    /// The same key, with a source of newer keys. The source is read at most once within `gap`.
    pub(super) fn with_source(&self, source: Arc<dyn ReadApiKey>, gap: Duration) -> Self {
        Self::of(self.used(), Some((source, gap)))
    }

    fn of(key: SecretString, source: Option<(Arc<dyn ReadApiKey>, Duration)>) -> Self {
        let used = Mutex::new(Used { key, read_at: None });
        Self(Arc::new(Shared { used, source }))
    }

    pub(super) fn used(&self) -> SecretString {
        self.lock().key.clone()
    }

    /// A key other than the refused one, if another key is in use or stored by now.
    pub(super) async fn instead_of(&self, refused: &SecretString) -> Option<SecretString> {
        let differs = |key: &SecretString| key.expose_secret() != refused.expose_secret();
        // Another call may have been refused first, and may have read the new key.
        let used = self.used();
        if differs(&used) {
            return Some(used);
        }
        let (source, gap) = self.0.source.as_ref()?;
        if !self.may_ask(clock::now(), *gap) {
            return None;
        }
        let stored = source.read_api_key().await;
        let newer = stored.filter(|key| differs(key) && header(key).is_ok())?;
        self.lock().key = newer.clone();
        Some(newer)
    }

    fn may_ask(&self, now: Time, gap: Duration) -> bool {
        let mut used = self.lock();
        let may = used.read_at.is_none_or(|read_at| read_at.until(now) >= gap);
        // The time is stored before the read, so that calls refused at the same moment read the source once.
        if may {
            used.read_at = Some(now);
        }
        may
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key as a header value that is never printed.
pub(super) fn header(key: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut header = HeaderValue::from_str(key.expose_secret())?;
    header.set_sensitive(true);
    Ok(header)
}
