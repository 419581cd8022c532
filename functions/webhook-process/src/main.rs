//! The Lambda binary `webhook-process`: everything is in the library, so that the sandbox can run the same function.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    webhook_process::serve(shared::config::Env::of_process()).await
}
