//! `ias smoke`: a look at a deployment's routes, and one pull, step by step, as its app would make it. With the
//! stand-in's hosted pages it runs by itself; with Metriport's, a person opens them in a browser.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sandbox_machine::app::App;
use sandbox_machine::browser::Browser;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::account::{TOKEN, TokenInput, routes};
use crate::pull::{Fetched, Pages, Puller, Returns, summarize};
use crate::report::{bytes, say, say_line, table};

/// Options of `smoke`.
#[derive(Debug, Clone, Args)]
pub struct SmokeArgs {
    /// Base URL of the API.
    #[arg(long, env = "API", value_name = "URL")]
    api: Url,
    #[command(flatten)]
    token: TokenInput,
    /// A person of Metriport's sandbox, for whom it has sample data.
    #[arg(long, value_enum, default_value_t = Sample::Jane, conflicts_with = "person")]
    sample: Sample,
    /// A file with somebody else's demographics, as `PUT /v1/patient` takes them.
    #[arg(long, value_name = "FILE.json")]
    person: Option<PathBuf>,
    /// Where the identity page returns to; on the stack's RedirectAllowlist.
    #[arg(long, value_name = "URL")]
    identity_return: Option<String>,
    /// Where the challenge page returns to; on the stack's RedirectAllowlist.
    #[arg(long, value_name = "URL")]
    aal2_return: Option<String>,
    /// Pass the hosted pages, which must be those of the stand-in.
    #[arg(long)]
    play_pages: bool,
    /// Where the record is written; it is only looked at if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A person of Metriport's sandbox (docs.metriport.com, page `medical-api/more-info/sandbox`): the first name makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sample {
    Jane,
    Chris,
    Ollie,
    Andreas,
    Kyla,
}

impl Sample {
    fn demographics(self) -> Value {
        let (first_name, last_name, dob, gender) = match self {
            Self::Jane => ("Jane", "Smith", "1996-02-10", "F"),
            Self::Chris => ("Chris", "Smith", "1995-01-01", "M"),
            Self::Ollie => ("Ollie", "Brown", "1946-03-18", "M"),
            Self::Andreas => ("Andreas", "Brown", "1952-01-01", "M"),
            Self::Kyla => ("Kyla", "Fields", "1927-05-23", "F"),
        };
        json!({
            "firstName": first_name, "lastName": last_name, "dob": dob, "genderAtBirth": gender,
            "address": [{ "addressLine1": "10 Harbor St", "city": "Columbus", "state": "OH", "zip": "43215" }],
            "contact": [{ "phone": "6145550142", "email": "smoke@example.com" }],
        })
    }
}

/// Runs the command.
pub(crate) async fn smoke(args: &SmokeArgs) -> Result<(), String> {
    if !args.play_pages && args.token.token_file.as_deref() == Some(Path::new("-")) {
        return Err(format!(
            "the address that the challenge page sends you to is read from standard input, so the token cannot be: give \
             it in the variable {TOKEN} or in a file"
        ));
    }
    let base = args.api.as_str().trim_end_matches('/');
    say(&format!("{}\n", routes::check(base, None).await?));
    let app = App::new(base, args.token.required()?.expose_secret()).map_err(|error| error.to_string())?;
    let person = match &args.person {
        Some(path) => read_person(path)?,
        None => args.sample.demographics(),
    };
    let pages = match args.play_pages {
        true => Pages::Played(Browser::new().map_err(|error| error.to_string())?),
        false => Pages::Shown,
    };
    let returns = Returns::default();
    let returns = Returns {
        identity: args.identity_return.clone().unwrap_or(returns.identity),
        aal2: args.aal2_return.clone().unwrap_or(returns.aal2),
    };
    let mut puller = Puller::new(app, pages, returns, false);
    puller.head(&format!("A pull over {base}"));
    puller.identity_unless_verified(&person).await?;
    let fetched = puller.pull(args.out.as_deref()).await?;
    show(base, &fetched)
}

fn read_person(path: &Path) -> Result<Value, String> {
    let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|_holds_a_person| format!("{}: not JSON", path.display()))
}

/// The record as a table. Its link is not shown: whoever has it has the record.
fn show(base: &str, fetched: &Fetched) -> Result<(), String> {
    say("");
    say_line(&format!(
        "Pull    {base}/v1/network-queries/{}  {}",
        fetched.query, fetched.status
    ));
    say_line(&format!(
        "Record  {base}/v1/records/{}  (each look mints a link that lives 60 s)",
        fetched.record
    ));
    let Some(file) = &fetched.file else {
        say("\nThe networks hold nothing about this person: there is no record.");
        return Ok(());
    };
    let content = std::fs::read(file.path()).map_err(|error| error.to_string())?;
    if hex::encode(Sha256::digest(&content)) != fetched.sha256 {
        return Err("the record's bytes are not those that the API promises".to_owned());
    }
    say(&format!(
        "        {}, sha256 {}\n",
        bytes(fetched.bytes),
        fetched.sha256
    ));
    say(&table(&summarize(file.path())?));
    if let Some(out) = file.kept() {
        say(&format!("  written to {}", out.display()));
    }
    Ok(())
}
