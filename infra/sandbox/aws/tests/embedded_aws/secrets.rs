//! Secrets Manager: versions, labels, and what is refused.

use crate::harness;

#[tokio::test]
async fn a_new_value_becomes_current_and_the_old_one_previous() {
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
async fn an_update_describes_and_replaces() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    client
        .create_secret()
        .name("key")
        .secret_string("one")
        .send()
        .await
        .unwrap();
    client
        .update_secret()
        .secret_id("key")
        .description("signs webhooks")
        .secret_string("two")
        .send()
        .await
        .unwrap();
    let described = client.describe_secret().secret_id("key").send().await.unwrap();
    assert_eq!(described.description(), Some("signs webhooks"));
    assert_eq!(described.version_ids_to_stages().unwrap().len(), 2);
    let listed = client.list_secrets().send().await.unwrap();
    assert_eq!(listed.secret_list()[0].name(), Some("key"));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_batch_answers_what_is_there_and_names_what_is_not() {
    let aws = harness::start().await;
    aws.create_secret("a", "1").await.unwrap();
    let client = harness::secrets(&aws);
    let batch = client
        .batch_get_secret_value()
        .secret_id_list("a")
        .secret_id_list("none")
        .send()
        .await
        .unwrap();
    assert_eq!(batch.secret_values()[0].secret_string(), Some("1"));
    assert_eq!(batch.errors()[0].error_code(), Some("ResourceNotFoundException"));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn bytes_come_back_as_they_went_in() {
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
async fn unknown_taken_and_deleted_secrets_are_refused_by_name() {
    let aws = harness::start().await;
    let client = harness::secrets(&aws);
    assert_eq!(
        harness::code(client.get_secret_value().secret_id("none").send().await),
        "ResourceNotFoundException"
    );
    aws.create_secret("key", "one").await.unwrap();
    let again = client.create_secret().name("key").secret_string("two").send().await;
    assert_eq!(harness::code(again), "ResourceExistsException");
    client.delete_secret().secret_id("key").send().await.unwrap();
    assert_eq!(
        harness::code(client.get_secret_value().secret_id("key").send().await),
        "InvalidRequestException"
    );
    client.restore_secret().secret_id("key").send().await.unwrap();
    client.get_secret_value().secret_id("key").send().await.unwrap();
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn secrets_survive_a_restart_in_a_file_that_only_its_owner_reads() {
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
