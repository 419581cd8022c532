//! `ias stand-in`: runs only the stand-in for Metriport and an issuer of tokens, for a deployment that runs elsewhere
//! on this machine. The operator registers the deployment's webhook URL at the stand-in, as at Metriport.

use std::path::PathBuf;

use clap::Args;
use sandbox_host::IssuerServer;
use sandbox_machine::sandbox::{AAL2_RETURN, AUDIENCE, IDENTITY_RETURN, NOTICE, TOKEN_SECS};
use sandbox_machine::stack::limits;
use sandbox_metriport::{StandIn, StandInOptions, Variant, Variants};
use serde_json::{Map, Value, json};

use crate::pull::{SUBJECT, read_record};
use crate::report::say;
use crate::up::Stop;

/// Options of `stand-in`.
#[derive(Debug, Clone, Args)]
pub struct StandInArgs {
    /// Port of the stand-in on 127.0.0.1; a free one if not given.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the issuer on 127.0.0.1; a free one if not given.
    #[arg(long, default_value_t = 0)]
    issuer_port: u16,
    /// Audience of the tokens.
    #[arg(long, default_value = AUDIENCE)]
    audience: String,
    /// A URL that hosted pages may return to, besides the two of the sandbox; may be given more than once.
    #[arg(long = "redirect", value_name = "URL")]
    redirects: Vec<String>,
    /// A FHIR R4 Bundle that the networks hold, instead of a sample record.
    #[arg(long, value_name = "BUNDLE.json")]
    record: Option<PathBuf>,
    /// Keep the Patients of that Bundle. By default the person's own Patient replaces them, as at Metriport.
    #[arg(long, requires = "record")]
    keep_patients: bool,
    /// Show the hosted pages, for a person with an authenticator app, instead of passing them at once.
    #[arg(long)]
    pages: bool,
    /// Let an empty webhook URL clear the URL together with the key, as Metriport's documentation describes.
    #[arg(long)]
    clearing_makes_key: bool,
    /// Send `network-query.hie.first-data-ready` halfway through HIE queries.
    #[arg(long)]
    data_ready_events: bool,
    /// Also send a webhook for a source that fails, as Metriport's documentation describes.
    #[arg(long)]
    failure_events: bool,
    /// End this many of the first consolidated queries as failed.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    failed_consolidated: u32,
    /// Send webhooks and files in this shape whenever possible; may be given more than once.
    #[arg(long = "variant", value_name = "NAME", value_parser = variant)]
    variants: Vec<Variant>,
    /// Seed of ids, keys and sample records.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

fn variant(name: &str) -> Result<Variant, String> {
    let mut all = Variant::ALL.into_iter();
    all.find(|variant| variant.name() == name)
        .ok_or_else(|| format!("expected one of {}", Variant::ALL.map(Variant::name).join(", ")))
}

/// Runs until Ctrl-C or a termination signal.
pub(crate) async fn stand_in(args: &StandInArgs) -> Result<(), String> {
    let mut redirects = vec![IDENTITY_RETURN.to_owned(), AAL2_RETURN.to_owned()];
    redirects.extend(args.redirects.clone());
    let options = StandInOptions {
        port: args.port,
        seed: args.seed,
        record: args.record.as_deref().map(read_record).transpose()?,
        replace_patient: !args.keep_patients,
        redirect_allowlist: redirects.clone(),
        auto_approve: !args.pages,
        clearing_makes_key: args.clearing_makes_key,
        data_ready_events: args.data_ready_events,
        failure_events: args.failure_events,
        variants: Variants::Always(args.variants.clone()),
        ..StandInOptions::default()
    };
    let limits = limits(&options);
    let issuer = IssuerServer::start(args.issuer_port, &args.audience)
        .await
        .map_err(|error| error.to_string())?;
    let stand_in = StandIn::start(options).await.map_err(|error| error.to_string())?;
    stand_in.fail_consolidated(args.failed_consolidated);
    let about = about(&stand_in, &issuer, &redirects, &limits)?;
    let stop = Stop::listen()?;
    say(&if args.json {
        about.to_string()
    } else {
        render_about(&about)
    });
    stop.heard().await;
    stand_in.shutdown().await;
    Ok(())
}

/// The addresses, secrets and parameters that a deployment needs.
fn about(stand_in: &StandIn, issuer: &IssuerServer, redirects: &[String], limits: &str) -> Result<Value, String> {
    let now = u64::try_from(shared::clock::now().millis() / 1000).unwrap_or_default();
    let issuer = issuer.issuer();
    let token = issuer
        .token(SUBJECT, &Map::new(), TOKEN_SECS, now)
        .map_err(|error| error.to_string())?;
    let [notice_version, notice_sha256, notice_url] = NOTICE;
    Ok(json!({
        "metriport": stand_in.base_url(),
        "apiKey": stand_in.api_key(),
        "issuer": issuer.url(),
        "audience": issuer.audience(),
        "tokenUrl": format!("{}/token?subject=", issuer.url()),
        "token": token,
        "parameters": {
            "MetriportBaseUrl": stand_in.base_url(),
            "FacilityId": stand_in.facility_id(),
            "JwtIssuer": issuer.url(),
            "JwtAudience": issuer.audience(),
            "RequiredAmr": "mfa",
            "RedirectAllowlist": redirects.join(","),
            // The issuer adds claims about a person only on request, so the stack cannot bind demographics to its
            // tokens.
            "AcceptUnboundDemographics": "true",
            "ConsentNoticeVersion": notice_version,
            "ConsentNoticeSha256": notice_sha256,
            "ConsentNoticeUrl": notice_url,
            "RecordLinkHosts": stand_in.base_url().trim_start_matches("http://"),
            "MetriportLimits": limits,
        },
    }))
}

fn render_about(about: &Value) -> String {
    let text = |name: &str| about.get(name).and_then(Value::as_str).unwrap_or_default();
    let parameters = about.get("parameters").and_then(Value::as_object).into_iter().flatten();
    let parameters = parameters.map(|(name, value)| format!("  {name}={}", value.as_str().unwrap_or_default()));
    format!(
        "The stand-in for Metriport and an issuer of tokens.\n\n  \
         Metriport  {metriport}\n  API key    {key}\n  Issuer     {issuer}\n  \
         Tokens     curl -s '{tokens}NAME'   (access_token; further parameters become claims)\n\n\
         Parameters of a stack that uses them:\n\n{parameters}\n\nCtrl-C stops both.",
        metriport = text("metriport"),
        key = text("apiKey"),
        issuer = text("issuer"),
        tokens = text("tokenUrl"),
        parameters = parameters.collect::<Vec<_>>().join("\n"),
    )
}
