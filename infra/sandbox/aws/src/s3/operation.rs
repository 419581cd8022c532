//! The name of an S3 operation. An S3 request has no target header: method, path, one header and a few query keys
//! identify the operation (docs.aws.amazon.com, Amazon S3 API reference).

use axum::http::{HeaderMap, Method, Uri};

/// The operation of a path-style request; `None` if this module does not list it.
pub(crate) fn operation_name(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let path = uri.path().trim_start_matches('/');
    match path.split_once('/') {
        Some((_, key)) if !key.is_empty() => on_object(method, uri, headers),
        _ if path.is_empty() => (method == Method::GET).then_some("ListBuckets"),
        _ => on_bucket(method, uri),
    }
}

fn on_object(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let has = |key| has_query_key(uri, key);
    let copies = headers.contains_key("x-amz-copy-source");
    match *method {
        Method::GET if has("uploadId") => Some("ListParts"),
        Method::GET => Some("GetObject"),
        Method::HEAD => Some("HeadObject"),
        Method::PUT if has("partNumber") && copies => Some("UploadPartCopy"),
        Method::PUT if has("partNumber") => Some("UploadPart"),
        Method::PUT if copies => Some("CopyObject"),
        Method::PUT => Some("PutObject"),
        Method::POST if has("uploads") => Some("CreateMultipartUpload"),
        Method::POST if has("uploadId") => Some("CompleteMultipartUpload"),
        Method::DELETE if has("uploadId") => Some("AbortMultipartUpload"),
        Method::DELETE => Some("DeleteObject"),
        _ => None,
    }
}

fn on_bucket(method: &Method, uri: &Uri) -> Option<&'static str> {
    let has = |key| has_query_key(uri, key);
    match *method {
        Method::GET if has("location") => Some("GetBucketLocation"),
        Method::GET if has("list-type") => Some("ListObjectsV2"),
        Method::GET if has("uploads") => Some("ListMultipartUploads"),
        Method::GET => Some("ListObjects"),
        Method::HEAD => Some("HeadBucket"),
        Method::PUT => Some("CreateBucket"),
        Method::POST if has("delete") => Some("DeleteObjects"),
        Method::DELETE => Some("DeleteBucket"),
        _ => None,
    }
}

fn has_query_key(uri: &Uri, key: &str) -> bool {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .any(|name| name == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: Method, uri: &str) -> Option<&'static str> {
        operation_name(&method, &uri.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn operation_follows_from_method_path_and_query() {
        assert_eq!(name(Method::GET, "/"), Some("ListBuckets"));
        assert_eq!(name(Method::PUT, "/records"), Some("CreateBucket"));
        assert_eq!(
            name(Method::GET, "/records/?list-type=2&prefix=a"),
            Some("ListObjectsV2")
        );
        assert_eq!(
            name(Method::GET, "/records/?uploads&prefix=a"),
            Some("ListMultipartUploads")
        );
        assert_eq!(name(Method::PUT, "/records/a/b?x-id=PutObject"), Some("PutObject"));
        assert_eq!(
            name(Method::PUT, "/records/a?partNumber=1&uploadId=u"),
            Some("UploadPart")
        );
        assert_eq!(name(Method::POST, "/records/a?uploads"), Some("CreateMultipartUpload"));
        assert_eq!(
            name(Method::POST, "/records/a?uploadId=u"),
            Some("CompleteMultipartUpload")
        );
        assert_eq!(
            name(Method::DELETE, "/records/a?uploadId=u"),
            Some("AbortMultipartUpload")
        );
        assert_eq!(name(Method::GET, "/records/a?X-Amz-Expires=60"), Some("GetObject"));
        assert_eq!(name(Method::PATCH, "/records/a"), None);
    }
}
