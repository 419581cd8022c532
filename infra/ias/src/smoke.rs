//! `ias smoke`: checks the routes of a deployment and makes one pull, as its app would. With `--play-pages` the command
//! passes the stand-in's hosted pages itself. Otherwise a person opens the hosted pages in a browser.

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
    /// A person for whom Metriport's sandbox has sample data.
    #[arg(long, value_enum, default_value_t = Sample::Jane, conflicts_with = "person")]
    sample: Sample,
    /// A file with another person's demographics, as `PUT /v1/patient` accepts them.
    #[arg(long, value_name = "FILE.json")]
    person: Option<PathBuf>,
    /// URL that the identity page returns to; it must be on the stack's RedirectAllowlist.
    #[arg(long, value_name = "URL")]
    identity_return: Option<String>,
    /// URL that the challenge page returns to; it must be on the stack's RedirectAllowlist.
    #[arg(long, value_name = "URL")]
    aal2_return: Option<String>,
    /// Pass the hosted pages without a browser. They must be those of the stand-in.
    #[arg(long)]
    play_pages: bool,
    /// Write the record to this file. Without it, the record is only checked and summarized.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A person of Metriport's sandbox, which picks the data by the first name (docs.metriport.com, page
/// `medical-api/more-info/sandbox`).
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

pub(crate) async fn smoke(args: &SmokeArgs) -> Result<(), String> {
    if !args.play_pages && args.token.token_file.as_deref() == Some(Path::new("-")) {
        return Err(format!(
            "standard input is needed for the address that the challenge page returns to: give the token in the \
             variable {TOKEN} or in a file"
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

/// Shows the record as a table. Leaves out its link, because the link alone gives access to the record.
fn show(base: &str, fetched: &Fetched) -> Result<(), String> {
    say("");
    say_line(&format!(
        "Pull    {base}/v1/network-queries/{}  {}",
        fetched.query, fetched.status
    ));
    say_line(&format!(
        "Record  {base}/v1/records/{}  (each request mints a link that lives 60 s)",
        fetched.record
    ));
    let Some(file) = &fetched.file else {
        say("\nThe networks hold nothing about this person: there is no record.");
        return Ok(());
    };
    let content = std::fs::read(file.path()).map_err(|error| error.to_string())?;
    if hex::encode(Sha256::digest(&content)) != fetched.sha256 {
        return Err("the record's SHA-256 differs from the API's".to_owned());
    }
    say(&format!(
        "        {}, sha256 {}\n",
        bytes(fetched.bytes),
        fetched.sha256
    ));
    say(&table(&summarize(file.path())?));
    if let Some(out) = file.named_path() {
        say(&format!("  written to {}", out.display()));
    }
    Ok(())
}
