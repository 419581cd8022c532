//! The bucket behind the links of consolidated records: objects by key, and links with a signed expiry.
//!
//! Each format of a patient's record has one key, as in Metriport's public code. A link therefore gives the object that
//! is stored at the time of the download. The signatures are not AWS's, but a wrong or expired one fails like AWS's,
//! with status 403 and an XML body.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::moment::Moment;
use crate::records::View;
use crate::world::World;

/// The bucket's name in links.
pub(crate) const BUCKET: &str = "metriport-stand-in-medical-documents";

const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

#[derive(Clone)]
pub(crate) enum Object {
    /// A FHIR Bundle as JSON.
    Record(View),
    /// The same Bundle compressed with gzip, followed by this many zeros.
    PackedRecord(View, usize),
    Document {
        content_type: &'static str,
        body: Bytes,
    },
}

/// The reason why a link fails, in S3's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileRefusal {
    /// The link has expired.
    Expired,
    /// The link was changed or invented.
    BadSignature,
    /// The bucket has no object under this key.
    NoSuchKey,
}

impl FileRefusal {
    /// HTTP status, S3's code and S3's message.
    pub(crate) const fn status_code_and_message(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Expired => (403, "AccessDenied", "Request has expired"),
            Self::BadSignature => (
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            ),
            Self::NoSuchKey => (404, "NoSuchKey", "The specified key does not exist."),
        }
    }
}

/// The XML body of S3's refusals.
pub(crate) fn refusal_body(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
}

pub(crate) struct Files {
    objects: BTreeMap<String, Object>,
    signing_key: [u8; 32],
}

impl Files {
    pub(crate) fn new(signing_key: [u8; 32]) -> Self {
        Self {
            objects: BTreeMap::new(),
            signing_key,
        }
    }

    pub(crate) fn put(&mut self, key: String, object: Object) {
        self.objects.insert(key, object);
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.objects.remove(key);
    }

    pub(crate) fn remove_containing(&mut self, part: &str) {
        self.objects.retain(|key, _| !key.contains(part));
    }

    /// Query string of a link to `key`.
    fn sign(&self, now: Moment, key: &str, ttl: Duration) -> String {
        let date = date_text(now);
        let expires = ttl.as_millis().div_ceil(1000).to_string();
        let signature = hex::encode(self.mac(key, &date, &expires).finalize().into_bytes());
        format!("X-Amz-Date={date}&X-Amz-Expires={expires}&X-Amz-Signature={signature}")
    }

    /// The object behind a link.
    pub(crate) fn open(
        &self,
        now: Moment,
        bucket: &str,
        key: &str,
        query: &HashMap<String, String>,
    ) -> Result<Object, FileRefusal> {
        let part = |name: &str| query.get(name).map(String::as_str).ok_or(FileRefusal::BadSignature);
        let (date, expires) = (part("X-Amz-Date")?, part("X-Amz-Expires")?);
        let Ok(signature) = hex::decode(part("X-Amz-Signature")?) else {
            return Err(FileRefusal::BadSignature);
        };
        let genuine = self.mac(key, date, expires).verify_slice(&signature).is_ok() && bucket == BUCKET;
        let until = expiry(date, expires)
            .filter(|_| genuine)
            .ok_or(FileRefusal::BadSignature)?;
        if now >= until {
            return Err(FileRefusal::Expired);
        }
        self.objects.get(key).cloned().ok_or(FileRefusal::NoSuchKey)
    }

    fn mac(&self, key: &str, date: &str, expires: &str) -> Hmac<Sha256> {
        crate::signature::mac(
            &self.signing_key,
            format!("{BUCKET}/{key}\n{date}\n{expires}").as_bytes(),
        )
    }
}

fn date_text(now: Moment) -> String {
    jiff::Timestamp::from_millisecond(now.millis())
        .unwrap_or_default()
        .strftime(DATE_FORMAT)
        .to_string()
}

fn expiry(date: &str, expires: &str) -> Option<Moment> {
    let start = jiff::civil::DateTime::strptime(DATE_FORMAT, date).ok()?;
    let start = start
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?
        .timestamp()
        .as_millisecond();
    Some(Moment::from_millis(start).plus(Duration::from_secs(expires.parse().ok()?)))
}

impl World {
    /// Creates a link to `key` that lives `link_ttl_secs`.
    pub(crate) fn presign(&self, now: Moment, key: &str) -> String {
        let query = self.files.sign(now, key, self.options.link_ttl());
        format!("{}/files/{BUCKET}/{key}?{query}", self.base_url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(1_795_345_402_000);
    const TTL: Duration = Duration::from_secs(180);

    fn files() -> Files {
        let mut files = Files::new([9; 32]);
        let body = Bytes::from_static(b"x");
        files.put(
            "a/b.pdf".to_owned(),
            Object::Document {
                content_type: "application/pdf",
                body,
            },
        );
        files
    }

    fn link(files: &Files, key: &str) -> HashMap<String, String> {
        url::form_urlencoded::parse(files.sign(NOW, key, TTL).as_bytes())
            .into_owned()
            .collect()
    }

    fn refusal(files: &Files, at: Moment, key: &str, query: &HashMap<String, String>) -> Option<FileRefusal> {
        files.open(at, BUCKET, key, query).err()
    }

    #[test]
    fn link_opens_until_it_expires() {
        let files = files();
        let query = link(&files, "a/b.pdf");
        let almost = NOW.plus(Duration::from_millis(179_999));
        assert_eq!(refusal(&files, almost, "a/b.pdf", &query), None);
        assert_eq!(
            refusal(&files, NOW.plus(TTL), "a/b.pdf", &query),
            Some(FileRefusal::Expired)
        );
    }

    #[test]
    fn changed_links_do_not_open() {
        let files = files();
        let mut longer = link(&files, "a/b.pdf");
        longer.insert("X-Amz-Expires".to_owned(), "9999".to_owned());
        assert_eq!(
            refusal(&files, NOW, "a/b.pdf", &longer),
            Some(FileRefusal::BadSignature)
        );
        assert_eq!(
            refusal(&files, NOW, "a/other.pdf", &link(&files, "a/b.pdf")),
            Some(FileRefusal::BadSignature)
        );
        assert_eq!(
            refusal(&files, NOW, "a/b.pdf", &HashMap::new()),
            Some(FileRefusal::BadSignature)
        );
    }

    #[test]
    fn valid_link_to_a_missing_object_is_not_found() {
        let files = files();
        assert_eq!(
            refusal(&files, NOW, "a/c.pdf", &link(&files, "a/c.pdf")),
            Some(FileRefusal::NoSuchKey)
        );
    }
}
