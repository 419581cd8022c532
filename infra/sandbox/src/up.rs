//! `ias up`: everything, left running for an app of one's own.

use sandbox_metriport::{Persona, StandInOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::UpArgs;
use crate::pull::{SUBJECT, demographics, read_record, runner};
use crate::report::{say, say_error};
use crate::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use crate::{Sandbox, SandboxOptions};

/// Runs until the person at the keyboard, or the system, ends it.
pub(crate) async fn up(args: &UpArgs) -> Result<(), String> {
    let record = args.record.as_deref().map(read_record).transpose()?;
    let mut options = SandboxOptions::new(runner(args.bin_dir.clone())?);
    // A seed of its own each time: patients kept in the data folder must not meet new ones under their ids.
    let seed = u64::try_from(shared::clock::now().millis()).unwrap_or(1);
    options.stand_in = StandInOptions {
        seed,
        record,
        replace_patient: args.replace_patient,
        auto_approve: !args.pages,
        ..StandInOptions::default()
    };
    options.port = args.port;
    options.data_dir = args.data.clone();
    options.redirects = args.redirects.clone();
    if args.logs {
        options.log = std::sync::Arc::new(|line| say_error(&format!("[{}] {}", line.function, line.text)));
    }
    let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
    let token = sandbox
        .token(SUBJECT, &serde_json::Map::new())
        .map_err(|error| error.to_string())?;
    let stop = Stop::listen()?;
    say(&welcome(&sandbox, &token, args.pages));
    stop.heard().await;
    say("Stopping.");
    sandbox.shutdown().await.map_err(|error| error.to_string())
}

/// Ctrl-C, or the system's word to end this. Heard from the moment it is made: who is told that all is up may send it
/// at once.
pub(crate) struct Stop {
    interrupted: Signal,
    terminated: Signal,
}

impl Stop {
    /// Listens.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(crate) fn listen() -> Result<Self, String> {
        let heard = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self {
            interrupted: heard(SignalKind::interrupt())?,
            terminated: heard(SignalKind::terminate())?,
        })
    }

    /// Waits for either.
    pub(crate) async fn heard(mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

/// A command of an operator's, with all it needs to find this sandbox and no real account.
fn operated(sandbox: &Sandbox, endpoint: &str, command: &str) -> String {
    let needed = [endpoint, "AWS_REGION", "AWS_SECRET_ACCESS_KEY"];
    let variables = sandbox
        .aws()
        .env()
        .into_iter()
        .filter(|(name, _)| needed.contains(&name.as_str()));
    let variables: String = variables.map(|(name, value)| format!("{name}={value} ")).collect();
    format!("{variables}AWS_ACCESS_KEY_ID=OPERATOR cargo run -- {command}")
}

/// The line that asks the networks. It is pasted into a shell as a whole, so it cannot be broken where it is printed.
const QUERY: &str = concat!(
    r#"QUERY=$(call -X POST $API/v1/network-queries -H "x-aal2-session: $AAL2" -d "{"#,
    r#"\"challengeId\":\"$(echo "$CHALLENGE" | field challengeId)\",\"aal2Status\":\"verified\",\"sources\":{"#,
    r#"\"hie\":{\"enabled\":true},\"pharmacy\":{\"enabled\":true},\"lab\":{\"enabled\":true}}}"); echo "$QUERY""#,
);

fn welcome(sandbox: &Sandbox, token: &str, pages: bool) -> String {
    let base = sandbox.host().base_url();
    let person = demographics(Persona::Ordinary);
    let names = Persona::ALL
        .iter()
        .map(|persona| format!("{} ({})", persona.first_name(), persona.name()));
    let names = names.collect::<Vec<_>>().join(", ");
    let visit = if pages {
        "# Open the link in a browser, add the key it shows to an authenticator app, and type the code. Then put the\n\
         # address it sends you to into BACK."
    } else {
        "# The stand-in passes hosted pages at once (start with --pages to see them)."
    };
    format!(
        r#"Individual Access is up.

  API        {base}
  Metriport  {metriport}   (the stand-in; hosted pages are here too)
  Persons    the first name chooses how the networks behave:
             {names}
  Given up   {given_up}
  Look over  {look_over}

Paste these lines one by one.

export API={base}
export TOKEN={token}
field() {{ sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }}
call() {{ curl -sS -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@"; }}

# 1 Identity: link the person to a patient, prove who they are (IAL2), see it confirmed
call -X PUT $API/v1/patient -d '{person}'
SESSION=$(call -X POST $API/v1/identity-sessions -d '{{"redirectUrl":"{IDENTITY_RETURN}"}}'); echo "$SESSION"
{visit}
curl -sS -o /dev/null -w 'sent back to %{{redirect_url}}\n' "$(echo "$SESSION" | field sessionUrl)"
until call $API/v1/identity | grep '"status":"verified"'; do sleep 1; done

# 2 Challenge: a fresh second factor (AAL2)
CHALLENGE=$(call -X POST $API/v1/aal2-challenges -d '{{"redirectUrl":"{AAL2_RETURN}"}}'); echo "$CHALLENGE"
BACK=$(curl -sS -o /dev/null -w '%{{redirect_url}}' "$(echo "$CHALLENGE" | field challengeUrl)"); echo "$BACK"
AAL2=$(echo "$BACK" | sed -n 's/.*aal2SessionId=\([^&]*\).*/\1/p')

# 3 Query: ask the networks
{QUERY}
ID=$(echo "$QUERY" | sed -n 's/^{{"id":"\([^"]*\)".*/\1/p')
until call $API/v1/network-queries/$ID | grep '"action":"read_record"'; do sleep 1; done
call $API/v1/network-queries/$ID/timeline; echo     # the same in words: cargo run -- explain $ID

# 4 Record: a link that lives a minute
RECORD=$(call $API/v1/network-queries/$ID | sed -n 's/.*"url":"\([^"]*\)".*/\1/p')
curl -sS "$(call $API$RECORD | sed -n 's/.*"link":{{"url":"\([^"]*\)".*/\1/p')" -o record.json && ls -l record.json

Ctrl-C stops everything."#,
        metriport = sandbox.stand_in().base_url(),
        given_up = operated(sandbox, "AWS_ENDPOINT_URL_SQS", "dead-letters list"),
        look_over = operated(
            sandbox,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            &format!("account status --metriport {}", sandbox.stand_in().base_url())
        ),
    )
}
