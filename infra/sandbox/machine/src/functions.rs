//! Runs one function of this binary per process, by the function's name. A binary that starts a sandbox has a hidden
//! command `function NAME`, which calls [`run`].

use std::path::PathBuf;
use std::process::ExitCode;

use lambda_runtime::Error;
use sandbox_host::Runner;
use shared::config::Env;

/// Every function, by the name of its binary.
pub const FUNCTION_NAMES: [&str; 12] = [
    "identity-session",
    "webhook-intake",
    "webhook-process",
    "aal2-challenge",
    "network-query",
    "query-dispatch",
    "record-fetch",
    "record-read",
    "account",
    "account-work",
    "reconcile",
    "log-seal",
];

/// The runner that starts functions from a folder of binaries or, without a folder, from this binary.
///
/// # Errors
/// Fails if the path of this binary cannot be found.
pub fn runner(bin_dir: Option<PathBuf>) -> Result<Runner, String> {
    match bin_dir {
        Some(folder) => Ok(Runner::BinDir(folder)),
        None => {
            let exe = std::env::current_exe().map_err(|error| format!("this binary cannot be found: {error}"))?;
            Ok(Runner::SelfExec {
                exe,
                args: vec!["function".to_owned()],
            })
        }
    }
}

/// Runs one function until its host ends the process.
#[must_use]
pub fn run(name: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(name, Env::of_process())),
        Err(error) => Err(error.into()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint(&format!("{name} did not start: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(name: &str, env: Env) -> Result<(), Error> {
    match name {
        "identity-session" => identity_session::serve(env).await,
        "webhook-intake" => webhook_intake::serve(env).await,
        "webhook-process" => webhook_process::serve(env).await,
        "aal2-challenge" => aal2_challenge::serve(env).await,
        "network-query" => network_query::serve(env).await,
        "query-dispatch" => query_dispatch::serve(env).await,
        "record-fetch" => record_fetch::serve(env).await,
        "record-read" => record_read::serve(env).await,
        "account" => account::serve(env).await,
        "account-work" => account_work::serve(env).await,
        "reconcile" => reconcile::serve(env).await,
        "log-seal" => log_seal::serve(env).await,
        _ => Err(format!("there is no function {name}").into()),
    }
}

#[expect(clippy::print_stderr, reason = "an init error goes to the function's log")]
fn eprint(line: &str) {
    eprintln!("{line}");
}
