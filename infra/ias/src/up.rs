//! `ias up`: starts everything and leaves it running for a developer's own app.

use sandbox_machine::functions::runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Persona, StandInOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::UpArgs;
use crate::pull::{SUBJECT, demographics, read_record};
use crate::report::{say, say_error};

mod lines;

/// Runs until Ctrl-C or a termination signal.
pub(crate) async fn up(args: &UpArgs) -> Result<(), String> {
    let sandbox = Sandbox::start(options(args)?)
        .await
        .map_err(|error| error.to_string())?;
    let claims = lines::claims(&demographics(Persona::Ordinary), args.bind_demographics);
    let token = sandbox.token(SUBJECT, &claims).map_err(|error| error.to_string())?;
    let stop = Stop::listen()?;
    say(&lines::welcome(&sandbox, &token, args));
    stop.heard().await;
    say("Stopping.");
    sandbox.shutdown().await.map_err(|error| error.to_string())
}

fn options(args: &UpArgs) -> Result<SandboxOptions, String> {
    let mut options = SandboxOptions::new(runner(args.bin_dir.clone())?);
    // A new seed for each start. Otherwise a kept table could hold patient ids that a new stand-in gives to other
    // patients.
    let seed = u64::try_from(shared::clock::now().millis()).unwrap_or(1);
    options.stand_in = StandInOptions {
        seed,
        record: args.record.as_deref().map(read_record).transpose()?,
        replace_patient: !args.keep_patients,
        auto_approve: !args.pages,
        ..StandInOptions::default()
    };
    options.port = args.port;
    options.data_dir = args.data.clone();
    options.redirects = args.redirects.clone();
    options.origins = args.origins.clone();
    options.throttled = !args.no_throttle;
    options.person_shares = !args.no_shares;
    options.bind_demographics = args.bind_demographics;
    if args.logs {
        options.log = std::sync::Arc::new(|line| say_error(&format!("[{}] {}", line.function, line.text)));
    }
    Ok(options)
}

/// Waits for Ctrl-C or a termination signal. It listens from its creation on, because the signal may arrive right after
/// the command's output.
pub(crate) struct Stop {
    interrupted: Signal,
    terminated: Signal,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, String> {
        let heard = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self {
            interrupted: heard(SignalKind::interrupt())?,
            terminated: heard(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn heard(mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}
