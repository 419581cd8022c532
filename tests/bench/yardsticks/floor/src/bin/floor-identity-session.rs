//! The floor of `identity-session` and `aal2-challenge`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), floor::Error> {
    floor::telemetry();
    let aws = floor::Aws::read()?;
    let dynamodb = aws.dynamodb();
    let secrets = aws.secrets();
    let upstream = floor::upstream()?;
    floor::read_secrets(&secrets).await?;
    floor::serve_requests().await?;
    drop((dynamodb, upstream));
    Ok(())
}
