//! The Lambda binary `reconcile`. Its code is a library, so that the sandbox runs it too.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    reconcile::serve(shared::config::Env::of_process()).await
}
