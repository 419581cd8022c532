//! The Lambda binary `webhook-intake`: everything is in the library, so that the sandbox can run the same function.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    webhook_intake::serve(shared::config::Env::of_process()).await
}
