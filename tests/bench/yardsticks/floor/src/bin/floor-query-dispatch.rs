//! The floor of `query-dispatch` and `reconcile`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), floor::Error> {
    floor::telemetry();
    let aws = floor::Aws::read()?;
    let dynamodb = aws.dynamodb();
    let sqs = aws.sqs();
    let secrets = aws.secrets();
    let upstream = floor::upstream()?;
    floor::read_secrets(&secrets).await?;
    floor::serve_events().await?;
    drop((dynamodb, sqs, upstream));
    Ok(())
}
