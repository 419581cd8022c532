//! The Lambda binary `account-work`. Its code is a library, so that the sandbox runs it too.

shared::allocator!();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    account_work::serve(shared::config::Env::of_process()).await
}
