//! The keys that open the account: up to two at once, so that one can be replaced without a gap (docs.metriport.com,
//! page `getting-started/api-keys`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::world::World;

/// Most keys of an account.
const KEYS_MAX: usize = 2;

/// Keys, oldest first.
#[derive(Default)]
pub(crate) struct ApiKeys(Vec<String>);

impl ApiKeys {
    /// Whether a caller who shows this may come in.
    pub(crate) fn admit(&self, shown: &[u8]) -> bool {
        self.0.iter().any(|key| bool::from(key.as_bytes().ct_eq(shown)))
    }
}

impl World {
    /// One key more: base64 of a secret and the account's id. `None` if there are two.
    pub(crate) fn make_api_key(&mut self) -> Option<String> {
        let key = STANDARD.encode(format!("{}:{}", self.ids.token(), self.account_id));
        let ApiKeys(keys) = &mut self.api_keys;
        (keys.len() < KEYS_MAX).then(|| {
            keys.push(key.clone());
            key
        })
    }

    /// `false` if there is no such key.
    pub(crate) fn revoke_api_key(&mut self, key: &str) -> bool {
        let ApiKeys(keys) = &mut self.api_keys;
        let before = keys.len();
        keys.retain(|known| known != key);
        keys.len() < before
    }
}
