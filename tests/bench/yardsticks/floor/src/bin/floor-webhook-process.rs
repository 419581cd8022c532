//! The floor of `webhook-process`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), floor::Error> {
    floor::telemetry();
    let aws = floor::Aws::read()?;
    let dynamodb = aws.dynamodb();
    let sqs = aws.sqs();
    floor::serve_events().await?;
    drop((dynamodb, sqs));
    Ok(())
}
