//! Presigned links, followed as a browser follows them.

use super::{BUCKET, put, start};
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use axum::body::Body;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use std::time::{Duration, SystemTime};

/// Sends a plain GET, as a browser with a link does. Returns status and body.
async fn get(uri: &str) -> (u16, Vec<u8>) {
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build_http();
    let response = client.get(uri.parse().unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1024 * 1024)
        .await
        .unwrap();
    (status, body.to_vec())
}

async fn presigned(client: &Client, key: &str, config: PresigningConfig) -> String {
    let request = client
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .presigned(config)
        .await
        .unwrap();
    request.uri().to_owned()
}

#[tokio::test]
async fn presigned_link_is_valid_only_for_its_object() {
    let (aws, client) = start().await;
    put(&client, "mine", b"mine").await;
    put(&client, "other", b"other").await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let link = presigned(&client, "mine", config).await;
    assert_eq!(get(&link).await, (200, b"mine".to_vec()));
    let tampered = [
        link.replace("/mine?", "/other?"),
        link.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        link.replace("test-caller", "another-caller"),
    ];
    for uri in tampered {
        assert_ne!(uri, link);
        assert_eq!(get(&uri).await.0, 403, "accepted a tampered link");
    }
    let (unsigned, _) = link.split_once('?').unwrap();
    assert_eq!(get(unsigned).await.0, 403);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn expired_presigned_link_is_refused() {
    let (aws, client) = start().await;
    put(&client, "mine", b"mine").await;
    let signed_ago = |secs| {
        let config = PresigningConfig::builder().start_time(SystemTime::now() - Duration::from_secs(secs));
        config.expires_in(Duration::from_secs(60)).build().unwrap()
    };
    let (status, body) = get(&presigned(&client, "mine", signed_ago(90)).await).await;
    assert_eq!(status, 403);
    assert!(String::from_utf8(body).unwrap().contains("<Code>AccessDenied</Code>"));
    assert_eq!(get(&presigned(&client, "mine", signed_ago(20)).await).await.0, 200);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn presigned_link_can_set_the_file_name() {
    let (aws, client) = start().await;
    put(&client, "mine", b"mine").await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let request = client.get_object().bucket(BUCKET).key("mine");
    let request = request
        .response_content_disposition("attachment; filename=\"record.json\"")
        .presigned(config);
    let uri = request.await.unwrap().uri().parse().unwrap();
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build_http();
    let response = http.get(uri).await.unwrap();
    assert_eq!(
        response.headers()["content-disposition"],
        "attachment; filename=\"record.json\""
    );
    aws.shutdown().await.unwrap();
}
