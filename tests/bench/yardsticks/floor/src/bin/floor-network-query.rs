//! The floor of `network-query`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), floor::Error> {
    floor::telemetry();
    let aws = floor::Aws::read()?;
    let dynamodb = aws.dynamodb();
    let sqs = aws.sqs();
    let secrets = aws.secrets();
    floor::read_secrets(&secrets).await?;
    floor::serve_requests().await?;
    drop((dynamodb, sqs));
    Ok(())
}
