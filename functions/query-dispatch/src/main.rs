//! The Lambda binary `query-dispatch`: everything is in the library, so that the sandbox can run the same function.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    query_dispatch::serve(shared::config::Env::of_process()).await
}
