//! Secrets Manager: versions, labels and refusals.

use crate::harness;

#[tokio::test]
async fn new_value_becomes_current_and_the_former_previous() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    let arn = aws.create_secret("webhook-key", "one").await.unwrap();
    client
        .put_secret_value()
        .secret_id(&arn)
        .secret_string("two")
        .send()
        .await
        .unwrap();
    let current = client.get_secret_value().secret_id("webhook-key").send().await.unwrap();
    assert_eq!(current.secret_string(), Some("two"));
    assert_eq!(current.version_stages(), ["AWSCURRENT"]);
    let previous = client
        .get_secret_value()
        .secret_id(&arn)
        .version_stage("AWSPREVIOUS")
        .send()
        .await
        .unwrap();
    assert_eq!(previous.secret_string(), Some("one"));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn secret_is_listed_with_or_without_a_value() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    let empty = client.create_secret().name("empty").send().await.unwrap();
    assert_eq!(
        harness::code(client.get_secret_value().secret_id("empty").send().await),
        "ResourceNotFoundException"
    );
    let full = aws.create_secret("full", "one").await.unwrap();
    let listed = client.list_secrets().send().await.unwrap();
    let arns: Vec<_> = listed.secret_list().iter().map(|secret| secret.arn()).collect();
    assert_eq!(arns, [empty.arn(), Some(full.as_str())]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn tag_of_a_secret_is_listed_and_replaced() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    let arn = aws.create_secret("key", "one").await.unwrap();
    for value in ["first", "second"] {
        aws.tag_secret(&arn, "stage", value).unwrap();
        let listed = client.list_secrets().send().await.unwrap();
        let tags = listed.secret_list()[0].tags();
        let pairs: Vec<_> = tags.iter().map(|tag| (tag.key(), tag.value())).collect();
        assert_eq!(pairs, [(Some("stage"), Some(value))]);
    }
    assert!(aws.tag_secret("other", "stage", "first").is_err());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn binary_value_is_returned_unchanged() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    let bytes = aws_smithy_types::Blob::new(vec![0u8, 255, 7]);
    client
        .create_secret()
        .name("key")
        .secret_binary(bytes.clone())
        .send()
        .await
        .unwrap();
    let read = client.get_secret_value().secret_id("key").send().await.unwrap();
    assert_eq!(read.secret_binary(), Some(&bytes));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn unknown_and_taken_secret_names_are_refused() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    assert_eq!(
        harness::code(client.get_secret_value().secret_id("none").send().await),
        "ResourceNotFoundException"
    );
    aws.create_secret("key", "one").await.unwrap();
    let again = client.create_secret().name("key").secret_string("two").send().await;
    assert_eq!(harness::code(again), "ResourceExistsException");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn secrets_survive_a_restart_in_a_private_file() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    let arn = aws.create_secret("key", "one").await.unwrap();
    harness::secrets(&aws)
        .put_secret_value()
        .secret_id("key")
        .secret_string("two")
        .send()
        .await
        .unwrap();
    aws.shutdown().await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("secrets.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);
    }
    let aws = harness::start_in(folder.path()).await;
    assert_eq!(aws.create_secret("key", "other").await.unwrap(), arn);
    let read = harness::secrets(&aws)
        .get_secret_value()
        .secret_id("key")
        .send()
        .await
        .unwrap();
    assert_eq!(read.secret_string(), Some("two"));
    aws.shutdown().await.unwrap();
}
