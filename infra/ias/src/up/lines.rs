//! The output of `ias up`: the addresses, and shell lines that pull a record.
//!
//! The lines paste into bash and zsh. They have no comments, which an interactive zsh does not know, and no `!` outside
//! single quotes, which both shells look up in their history. With `--pages`, the lines ask for the address to which
//! the hosted page sent the browser.

use sandbox_machine::Sandbox;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN, demographics_claims};
use sandbox_metriport::Persona;
use serde_json::{Map, Value};

use crate::cli::UpArgs;
use crate::pull::demographics;

pub(super) fn welcome(sandbox: &Sandbox, token: &str, args: &UpArgs) -> String {
    let base = sandbox.host().base_url();
    let metriport = sandbox.stand_in().base_url();
    let names = Persona::ALL
        .iter()
        .map(|persona| format!("{} ({})", persona.first_name(), persona.name()));
    let names = names.collect::<Vec<_>>().join(", ");
    let given_up = operated(sandbox, "AWS_ENDPOINT_URL_SQS", "dead-letters list");
    let look_over = operated(
        sandbox,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        &format!("account status --metriport {metriport}"),
    );
    format!(
        "Individual Access is up.\n\n  \
         API           {base}\n  \
         Metriport     {metriport}   (the stand-in, with the hosted pages)\n  \
         Tokens        {base}/token?subject=NAME   (access_token, for an hour; further parameters become claims)\n  \
         Persons       the first name decides how the networks behave:\n                {names}\n  \
         Dead letters  {given_up}\n  \
         Status        {look_over}\n\n\
         Paste these lines one by one, into bash or zsh.\n\n{setup}\n\n{identity}\n\n{challenge}\n\n{query}\n\n\
         {RECORD}\n\n{another}\n\nCtrl-C stops everything.",
        setup = setup(base, token),
        identity = identity(args.pages),
        challenge = challenge(args.pages),
        query = QUERY,
        another = another(args.bind_demographics),
    )
}

/// A command for the operator, with the variables that direct it to this sandbox instead of a real account.
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

fn setup(base: &str, token: &str) -> String {
    format!(
        r#"export API={base}
export TOKEN={token}
field() {{ sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }}
call() {{ curl -sS -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@"; }}
notice() {{ call "$API/v1/me/consent" | field "$1"; }}
consent() {{ call -X PUT "$API/v1/me/consent" -d "{{\"noticeVersion\":\"$(notice version)\",\"noticeSha256\":\"$(notice sha256)\",\"scopes\":[\"pull\",\"keep\"],\"locale\":\"en\"}}"; }}"#
    )
}

fn identity(pages: bool) -> String {
    let person = demographics(Persona::Ordinary);
    let visit = match pages {
        true => concat!(
            r#"printf 'Open this page, add its key to an authenticator app, and type the code:\n%s\n' "#,
            r#""$(printf '%s' "$SESSION" | field sessionUrl)""#,
        ),
        false => concat!(
            r#"curl -sS -o /dev/null -w 'sent back to %{redirect_url}\n' "#,
            r#""$(printf '%s' "$SESSION" | field sessionUrl)""#,
        ),
    };
    format!(
        r#"echo '0 Consent: to the notice in force'
consent; echo
echo '1 Identity: link the person to a patient, prove who they are (IAL2), wait for the confirmation'
call -X PUT "$API/v1/patient" -d '{person}'; echo
SESSION=$(call -X POST "$API/v1/identity-sessions" -d '{{"redirectUrl":"{IDENTITY_RETURN}"}}'); printf '%s\n' "$SESSION"
{visit}
until call "$API/v1/identity" | grep '"status":"verified"'; do sleep 1; done"#
    )
}

fn challenge(pages: bool) -> String {
    let visit = match pages {
        true => concat!(
            r#"printf 'Open this page and type a code of the app:\n%s\n' "#,
            r#""$(printf '%s' "$CHALLENGE" | field challengeUrl)""#,
            "\nprintf 'Paste the address that it sends you to: '; read -r BACK",
        ),
        false => concat!(
            r#"BACK=$(curl -sS -o /dev/null -w '%{redirect_url}' "#,
            r#""$(printf '%s' "$CHALLENGE" | field challengeUrl)"); printf '%s\n' "$BACK""#,
        ),
    };
    format!(
        r#"echo '2 Challenge: a fresh second factor (AAL2)'
CHALLENGE=$(call -X POST "$API/v1/aal2-challenges" -d '{{"redirectUrl":"{AAL2_RETURN}"}}'); printf '%s\n' "$CHALLENGE"
{visit}
AAL2=$(printf '%s' "$BACK" | sed -n 's/.*aal2SessionId=\([^&]*\).*/\1/p')
CHALLENGE_ID=$(printf '%s' "$CHALLENGE" | field challengeId)"#
    )
}

/// The user pastes whole lines, so the long line must stay one line.
const QUERY: &str = concat!(
    "echo '3 Query: ask the networks'\n",
    r#"SOURCES='"hie":{"enabled":true},"pharmacy":{"enabled":true},"lab":{"enabled":true}'"#,
    "\n",
    r#"QUERY=$(call -X POST "$API/v1/network-queries" -H "x-aal2-session: $AAL2" -d "{\"challengeId\":\"$CHALLENGE_ID\","#,
    r#"\"aal2Status\":\"verified\",\"sources\":{$SOURCES}}"); printf '%s\n' "$QUERY""#,
    "\n",
    r#"ID=$(printf '%s' "$QUERY" | sed -n 's/^{"id":"\([^"]*\)".*/\1/p')"#,
    "\n",
    r#"until call "$API/v1/network-queries/$ID" | grep '"action":"read_record"'; do sleep 1; done"#,
    "\n",
    r#"call "$API/v1/network-queries/$ID/timeline"; printf '\nThe same in words: cargo run -- explain %s\n' "$ID""#,
);

const RECORD: &str = r#"echo '4 Record: a link that lives a minute'
RECORD=$(call "$API/v1/network-queries/$ID" | sed -n 's/.*"url":"\([^"]*\)".*/\1/p')
curl -sS "$(call "$API$RECORD" | sed -n 's/.*"link":{"url":"\([^"]*\)".*/\1/p')" -o record.json && ls -l record.json"#;

/// The claims about this person for their token; empty unless `bound`.
pub(super) fn claims(person: &Value, bound: bool) -> Map<String, Value> {
    match bound {
        true => demographics_claims(person),
        false => Map::new(),
    }
}

fn another(bound: bool) -> String {
    let mut person = demographics(Persona::Ordinary);
    // Metriport takes persons with equal demographics for one patient.
    if let Some(birth) = person.get_mut("dob") {
        *birth = "1961-05-04".into();
    }
    let claims: String = claims(&person, bound)
        .iter()
        .map(|(name, value)| format!("&{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    format!(
        r#"echo 'Another person: their own token and patient; then continue as above'
TOKEN=$(curl -sS "$API/token?subject=somebody-else{claims}" | field access_token)
consent; echo
call -X PUT "$API/v1/patient" -d '{person}'; echo"#
    )
}
