//! The floor of `record-fetch`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), floor::Error> {
    floor::telemetry();
    let aws = floor::Aws::read()?;
    let dynamodb = aws.dynamodb();
    let sqs = aws.sqs();
    let s3 = aws.s3();
    let upstream = floor::upstream()?;
    floor::serve_events().await?;
    drop((dynamodb, sqs, s3, upstream));
    Ok(())
}
