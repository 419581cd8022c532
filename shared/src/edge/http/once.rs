//! Handles `Idempotency-Key` on a POST: turns the header into a key, the request into a fingerprint, and the answer
//! into a stored reply.
//!
//! This module decides from the answer what happens to the key. The caller passes the work under the key as a closure.
//!
//! | the work ended with | the key is |
//! |---|---|
//! | an answer (2xx) | kept with the answer; a link in it makes the key spent when the link expires |
//! | a refusal that no retry changes: something is used up or over | kept with the refusal |
//! | any other refusal of ours: it consumed nothing | forgotten: free for the same request and for a corrected one |
//! | 429 and 5xx, refusals of Metriport, a collision in the table | given up: the same request takes it over at once |

use lambda_http::http::header::{HeaderName, HeaderValue};
use lambda_http::{Body, Request, Response};
use uuid::Uuid;

use super::problem::{Code, Problem};
use super::reply::refusal;
use super::request::route;
use crate::domain::{OwnerId, Time, Timing};
use crate::edge::error::Error;
use crate::idempotency::{Begun, Fingerprint, IdempotencyKey, KeyedRequest, Lease, Refusal, StoredReply, begin};
use crate::owner::OwnerKey;
use crate::store::{PersonsKeys, StoreError, Table};

const KEY: &str = "idempotency-key";
/// The header on a repeated reply; its value is `true`.
const REPLAYED: &str = "idempotency-replayed";
/// `Retry-After` while another request works under the key. Most work takes less than a second.
const IN_FLIGHT_RETRY_SECS: u64 = 1;
/// Refusals that no retry changes: their subject is used up, superseded or over.
const FINAL: [Code; 3] = [Code::Aal2SessionUsed, Code::ChallengeExpired, Code::ChallengeNotPending];

/// One attempt at the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The id of the thing to make.
    pub id: Uuid,
    /// Whether an earlier attempt under the same key may have made the thing. The work then looks for the thing before
    /// it refuses.
    pub resumed: bool,
}

/// The answer that the work gives.
#[derive(Debug)]
pub struct PostAnswer {
    reply: Response<Body>,
    useful_until: Option<Time>,
}

impl PostAnswer {
    /// An answer that stays useful.
    #[must_use]
    pub const fn lasting(reply: Response<Body>) -> Self {
        Self {
            reply,
            useful_until: None,
        }
    }

    /// An answer with a link that expires.
    #[must_use]
    pub const fn until(reply: Response<Body>, expires_at: Time) -> Self {
        Self {
            reply,
            useful_until: Some(expires_at),
        }
    }
}

/// A POST that may carry a key.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// The request.
    pub request: &'a Request,
    /// The person who sent it.
    pub owner: &'a OwnerId,
    /// A secret that the request carries besides its body and its token, if there is one.
    pub credential: Option<&'a str>,
    /// The table that holds the keys.
    pub table: &'a Table,
    /// The secret for the hashes of the keys.
    pub owner_key: &'a OwnerKey,
    /// How long keys and leases live.
    pub timing: Timing,
}

impl Post<'_> {
    /// Does the work, or repeats the reply that is stored under the same key. Without a key, it only does the work.
    /// `id` is a new id for the thing to make.
    ///
    /// # Errors
    /// Fails with the error of the work. It also fails if the key is malformed, belongs to another request, or is in
    /// use by one. A key is refused too if the link in its reply has expired.
    pub async fn once(
        self,
        (now, id): (Time, Uuid),
        work: impl AsyncFnOnce(Attempt) -> Result<PostAnswer, Error>,
    ) -> Result<Response<Body>, Error> {
        let Some(key) = key(self.request)? else {
            return Ok(work(Attempt { id, resumed: false }).await?.reply);
        };
        let keys = self.table.keys_of(self.owner);
        match begin(&keys, self.call(&key, now, id)?).await? {
            Begun::Replay(reply) => {
                tracing::info!(
                    status = reply.status,
                    "replayed the stored reply of the Idempotency-Key"
                );
                replayed(reply)
            }
            Begun::Refused(refusal) => Err(refused(refusal).into()),
            Begun::Work(lease) => {
                let (id, resumed) = (lease.thing(), lease.resumed());
                // No `?` here, because `end` must end the lease after an error too.
                let result = work(Attempt { id, resumed }).await;
                end(&keys, lease, result).await
            }
        }
    }

    /// A secret id that depends only on the person, the key and `label`; `None` without a key. Unlike the entry of the
    /// key, it does not expire.
    ///
    /// # Errors
    /// Fails if the key is malformed.
    pub fn keyed_secret(&self, label: &str) -> Result<Option<Uuid>, Error> {
        let Some(key) = key(self.request)? else {
            return Ok(None);
        };
        let hash = key.secret(self.owner_key, label, self.owner.as_str())?;
        let id = Uuid::try_parse(hash.get(..32).unwrap_or_default());
        id.map(Some).map_err(|_not_hex| Error::Internal("keyed hash"))
    }

    fn call(&self, key: &IdempotencyKey, now: Time, id: Uuid) -> Result<KeyedRequest, Error> {
        let (body, credential) = (self.request.body().as_ref(), self.credential.map(str::as_bytes));
        Ok(KeyedRequest {
            key: key.hash(self.owner_key, self.owner.as_str())?,
            fingerprint: Fingerprint::of(self.owner_key, &route(self.request), body, credential)?,
            id,
            now,
            lease: self.timing.idempotency_lease(),
            life: self.timing.idempotency_life(),
        })
    }
}

/// The key, if the request has one. Two headers, or a header that is not text, count as a malformed key, not as a
/// missing one.
fn key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let malformed = || Problem::new(Code::IdempotencyKeyMalformed);
    let mut values = request.headers().get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str().map(IdempotencyKey::parse), values.next()) {
        (Ok(Ok(key)), None) => Ok(Some(key)),
        _ => Err(malformed()),
    }
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Reused => Problem::new(Code::IdempotencyKeyReused),
        Refusal::InFlight => Problem::new(Code::IdempotencyKeyInFlight).retry_after(IN_FLIGHT_RETRY_SECS),
        Refusal::Spent => Problem::new(Code::IdempotencyKeySpent),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum LeaseEnd {
    Keep(StoredReply, Option<Time>),
    Forget,
    GiveUp,
}

fn decide_lease_end(result: &Result<PostAnswer, Error>) -> LeaseEnd {
    match result {
        Ok(answer) => {
            stored(&answer.reply).map_or(LeaseEnd::GiveUp, |reply| LeaseEnd::Keep(reply, answer.useful_until))
        }
        Err(Error::Refused(problem)) if FINAL.contains(&problem.code) => {
            stored(&refusal(problem)).map_or(LeaseEnd::GiveUp, |reply| LeaseEnd::Keep(reply, None))
        }
        Err(Error::Refused(problem)) if problem.code.status() < 500 && problem.code.status() != 429 => LeaseEnd::Forget,
        Err(_) => LeaseEnd::GiveUp,
    }
}

/// Ends the lease, and answers.
///
/// If another request took the lease over, the answer of this attempt is dropped, and the caller must ask again for the
/// stored reply. If the reply cannot be stored, the caller gets it nevertheless: the thing exists, and the next request
/// under the key finds it.
async fn end(keys: &PersonsKeys<'_>, lease: Lease, result: Result<PostAnswer, Error>) -> Result<Response<Body>, Error> {
    let ended: Result<bool, StoreError> = match decide_lease_end(&result) {
        LeaseEnd::Keep(reply, useful_until) => lease.keep(keys, reply, useful_until).await,
        LeaseEnd::Forget => lease.forget(keys).await,
        LeaseEnd::GiveUp => lease.give_up(keys).await,
    };
    let answer = result?;
    match ended {
        Ok(false) => return Err(refused(Refusal::InFlight).into()),
        Ok(true) => {}
        Err(error) => tracing::warn!(context = %error, "the reply could not be stored under its Idempotency-Key"),
    }
    Ok(answer.reply)
}

/// A reply in stored form, or `None` if it is not all text; our own replies are. Rate limit headers are left out: they
/// would be stale when the reply is repeated.
fn stored(reply: &Response<Body>) -> Option<StoredReply> {
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let lasting = reply
        .headers()
        .iter()
        .filter(|(name, _)| !name.as_str().starts_with("ratelimit"));
    Some(StoredReply {
        status: reply.status().as_u16(),
        headers: lasting.map(header).collect::<Option<_>>()?,
        body: std::str::from_utf8(reply.body().as_ref()).ok()?.to_owned(),
    })
}

fn replayed(stored: StoredReply) -> Result<Response<Body>, Error> {
    let mut reply = Response::builder().status(stored.status).header(REPLAYED, "true");
    for (name, value) in stored.headers {
        reply = reply.header(name, value);
    }
    let reply = reply.body(Body::Text(stored.body));
    reply.map_err(|_malformed| Error::Internal("a stored reply is malformed"))
}

#[cfg(test)]
mod tests;
