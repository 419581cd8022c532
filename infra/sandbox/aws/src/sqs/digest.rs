//! The MD5 digests that SQS returns; SDKs compare them with their own. The digests protect only against accidental
//! damage (docs.aws.amazon.com, Amazon SQS developer guide, "Calculating the MD5 message digest for message
//! attributes").

use super::message::{Attributes, Value};
use md5::{Digest, Md5};

pub(crate) fn of_body(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

/// `None` without attributes: SQS then omits the digest.
pub(crate) fn of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut md5 = Md5::new();
    for (name, attribute) in attributes {
        update_sized(&mut md5, name.as_bytes());
        update_sized(&mut md5, attribute.data_type.as_bytes());
        md5.update(match attribute.value {
            Value::Text(_) => [1u8],
            Value::Binary(_) => [2u8],
        });
        update_sized(&mut md5, attribute.value.bytes());
    }
    Some(hex::encode(md5.finalize()))
}

/// Hashes the length as four bytes, big endian, then the bytes. A message is always far smaller than four gigabytes.
fn update_sized(md5: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    md5.update(length.to_be_bytes());
    md5.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqs::message::Attribute;

    #[test]
    fn body_digest_is_plain_md5() {
        // RFC 1321, appendix A.5.
        assert_eq!(of_body("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn attribute_digest_equals_the_published_test_vector() {
        // Test vector from the test suites of moto and ElasticMQ.
        let timestamp = Attribute {
            data_type: "Number".to_owned(),
            value: Value::Text("1493147359900".to_owned()),
        };
        let attributes = Attributes::from([("timestamp".to_owned(), timestamp)]);
        assert_eq!(
            of_attributes(&attributes).as_deref(),
            Some("235c5c510d26fb653d073faed50ae77c")
        );
        assert_eq!(of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn digests_of_text_and_binary_values_differ() {
        let text = Attribute {
            data_type: "String".to_owned(),
            value: Value::Text("v".to_owned()),
        };
        let binary = Attribute {
            data_type: "String".to_owned(),
            value: Value::Binary(b"v".to_vec()),
        };
        let of = |attribute| of_attributes(&Attributes::from([("k".to_owned(), attribute)]));
        assert_ne!(of(text), of(binary));
    }
}
