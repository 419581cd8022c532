//! The account's API keys: up to two at once, so that one can be replaced without a gap (docs.metriport.com, page
//! `getting-started/api-keys`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::world::World;

const KEYS_MAX: usize = 2;

/// Oldest first.
#[derive(Default)]
pub(crate) struct ApiKeys(Vec<String>);

impl ApiKeys {
    /// Whether the key is one of the account's.
    pub(crate) fn admit(&self, shown: &[u8]) -> bool {
        self.0.iter().any(|key| bool::from(key.as_bytes().ct_eq(shown)))
    }
}

impl World {
    /// Makes another key: base64 of a secret and the account's id. `None` if the account already has two keys.
    pub(crate) fn make_api_key(&mut self) -> Option<String> {
        let key = STANDARD.encode(format!("{}:{}", self.ids.token(), self.account_id));
        let ApiKeys(keys) = &mut self.api_keys;
        (keys.len() < KEYS_MAX).then(|| {
            keys.push(key.clone());
            key
        })
    }

    /// Revokes a key; `false` if the account does not have it.
    pub(crate) fn revoke_api_key(&mut self, key: &str) -> bool {
        let ApiKeys(keys) = &mut self.api_keys;
        let before = keys.len();
        keys.retain(|known| known != key);
        keys.len() < before
    }
}
