//! The Lambda binary `record-read`: everything is in the library, so that the sandbox can run the same function.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    record_read::serve(shared::config::Env::of_process()).await
}
