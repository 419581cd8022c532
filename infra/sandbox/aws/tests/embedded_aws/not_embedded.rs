//! Operations that are not embedded: the reply names them.

use crate::harness;
use aws_sdk_s3::types::VersioningConfiguration;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

macro_rules! refusal {
    ($call:expr) => {{
        let error = $call.send().await.unwrap_err();
        let status = error.raw_response().unwrap().status().as_u16();
        let (code, message) = (error.code().unwrap().to_owned(), error.message().unwrap().to_owned());
        (status, code, message)
    }};
}

#[tokio::test]
async fn operation_that_is_not_embedded_gets_501_with_its_name() {
    let aws = harness::start().await;
    aws.create_bucket("records").await.unwrap();
    let queue = harness::sqs(&aws).get_queue_url().queue_name("work");
    let secret = harness::secrets(&aws).describe_secret().secret_id("key");
    let versioning = VersioningConfiguration::builder().build();
    let bucket = harness::s3(&aws).put_bucket_versioning().bucket("records");
    let token = harness::sts(&aws).get_session_token();
    for (refused, operation) in [
        (refusal!(queue), "GetQueueUrl"),
        (refusal!(secret), "DescribeSecret"),
        (refusal!(harness::kms(&aws).list_keys()), "ListKeys"),
        (refusal!(token), "GetSessionToken"),
        (
            refusal!(bucket.versioning_configuration(versioning)),
            "PutBucketVersioning",
        ),
    ] {
        let (status, code, message) = refused;
        assert_eq!((status, code.as_str()), (501, "NotImplemented"), "{message}");
        assert!(message.contains(operation), "{message}");
    }
    aws.shutdown().await.unwrap();
}
