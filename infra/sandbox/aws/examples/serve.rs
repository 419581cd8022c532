//! Serves the embedded AWS until Ctrl-C, and prints the environment variables that an SDK needs to find it.
//!
//! `cargo run -p sandbox-aws --example serve -- [data directory]`

use sandbox_aws::{Aws, AwsOptions};
use std::io::Write;
use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data_dir = std::env::args().nth(1).map(PathBuf::from);
    let aws = Aws::start(AwsOptions {
        data_dir,
        region: "eu-central-1".to_owned(),
        observer: None,
        meter: None,
        authorizer: None,
        interceptor: None,
        time_scale: 1,
    })
    .await?;
    let mut out = std::io::stdout();
    for (name, value) in aws.env() {
        writeln!(out, "export {name}={value}")?;
    }
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    aws.shutdown().await?;
    Ok(())
}
