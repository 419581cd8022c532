//! The Lambda binary `aal2-challenge`: everything is in the library, so that the sandbox can run the same function.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aal2_challenge::serve(shared::config::Env::of_process()).await
}
