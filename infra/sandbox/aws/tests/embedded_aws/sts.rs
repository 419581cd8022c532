//! STS: the identity of the caller.

use crate::harness;

#[tokio::test]
async fn caller_is_the_user_of_the_access_key() {
    let aws = harness::start().await;
    let identity = harness::sts(&aws).get_caller_identity().send().await.unwrap();
    assert_eq!(identity.arn(), Some("arn:aws:iam::000000000000:user/test-caller"));
    assert_eq!(identity.user_id(), Some("test-caller"));
    assert_eq!(identity.account(), Some("000000000000"));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn access_key_that_no_user_can_have_is_refused() {
    let aws = harness::start().await;
    let client = harness::sts_as(&aws, harness::credentials("<none>"));
    let refused = client.get_caller_identity().send().await;
    assert_eq!(harness::code(refused), "InvalidClientTokenId");
    aws.shutdown().await.unwrap();
}
