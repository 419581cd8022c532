//! A host with one warm function. It prints the function's process id and then waits to be killed. A test uses it to
//! check that no process outlives its host. Arguments: the folder of binaries and the binary.

use std::error::Error;

use sandbox_host::template::{Bindings, Stack};
use sandbox_host::{Host, HostOptions, Issuer, Runner};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [dir, binary] = <[String; 2]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|given| format!("two arguments are needed, not {}", given.len()))?;
    let template =
        format!("Resources: {{ F: {{ Type: AWS::Serverless::Function, Metadata: {{ Binary: {binary} }} }} }}");
    let bindings = Bindings::new("us-east-1", "000000000000", "idle");
    let stack = Stack::read(&template, &bindings)?;
    let issuer = Issuer::new("https://issuer.example", "app")?;
    let mut options = HostOptions::new(stack, bindings, Runner::BinDir(dir.into()), String::new(), issuer);
    options.prewarm = true;
    let host = Host::start(options).await?;
    let pids: Vec<u32> = host.process_table().iter().map(|span| span.pid).collect();
    print_line(&format!("{pids:?}"));
    std::future::pending::<()>().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the test reads the process id from standard output")]
fn print_line(text: &str) {
    println!("{text}");
}
