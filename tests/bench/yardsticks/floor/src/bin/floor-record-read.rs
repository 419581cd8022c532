//! The floor of `record-read`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), floor::Error> {
    floor::telemetry();
    let aws = floor::Aws::read()?;
    let dynamodb = aws.dynamodb();
    let sqs = aws.sqs();
    let s3 = aws.s3();
    let secrets = aws.secrets();
    floor::read_secrets(&secrets).await?;
    floor::serve_requests().await?;
    drop((dynamodb, sqs, s3));
    Ok(())
}
