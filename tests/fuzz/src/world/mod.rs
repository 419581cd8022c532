//! The world: the surroundings of a handler. Servers on loopback play AWS and Metriport, and the table has three
//! persons at different steps. The functions themselves wrote every item of the table.

pub mod cloud;
pub mod events;
pub mod loopback;
pub mod people;
mod steps;
pub mod upstream;
pub mod webhooks;

use std::error::Error;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::config::Env;
use shared::edge::init::Init;
use shared::metrics::Metrics;

use cloud::{Cloud, Message};
use events::Call;
use people::{FIRST, LEAVER, OFFERED, STARTED, STRANGER};
use steps::{Steps, last};

use crate::log;

/// The URL to which hosted pages may return.
pub const RETURN: &str = "https://app.example.test/return";
/// The key that signs webhooks.
pub const WEBHOOK_KEY: &str = "whk_fuzz_key_0123456789";

/// Version and SHA-256 of the notice to which persons consent.
pub const NOTICE: (&str, &str) = (
    "fuzz-1",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
);

/// The reason for which a world does not start.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The surroundings of a handler.
pub struct World {
    /// The server that plays AWS.
    pub cloud: Arc<Cloud>,
    /// `advance` messages: about a pull and a record that wait for their start, and about a pull and records that have
    /// started.
    pub advances: Vec<Value>,
    /// Fetch messages whose links lead to a record, to a truncated record, to a resource that is not a Bundle, and to a
    /// 404.
    pub fetches: Vec<Value>,
    /// The `account-work` messages about the check of the first person's records, which is not due, about the leaver's
    /// export, and about their erasure, which waits for its second sweep.
    pub account_work: Vec<Value>,
    /// The first person's pull.
    pub pull: String,
    /// The first person's record.
    pub record: String,
    /// The leaver's export.
    pub export: String,
    /// The receipt id of the leaver's erasure.
    pub receipt: String,
    env: Env,
}

impl World {
    /// Starts the servers, and brings each person to their step.
    ///
    /// # Errors
    /// Fails if a step does not succeed.
    pub async fn start() -> Result<Self, Failed> {
        let cloud = Arc::new(Cloud::with_secrets([
            ("owner-key", "k".repeat(64)),
            ("api-key", "fuzz-api-key".to_owned()),
            ("webhook-keys", json!({ "current": WEBHOOK_KEY }).to_string()),
        ]));
        let served = Arc::clone(&cloud);
        let aws = loopback::listen(Arc::new(move |request| served.answer(request))).await?;
        let metriport = loopback::listen(Arc::new(upstream::answer)).await?;
        let mut world = Self {
            cloud: Arc::clone(&cloud),
            advances: Vec::new(),
            fetches: Vec::new(),
            account_work: Vec::new(),
            pull: String::new(),
            record: String::new(),
            export: String::new(),
            receipt: String::new(),
            env: env(&aws.to_string(), &metriport.to_string()),
        };
        let steps = Steps::new(&world.init()?, &cloud).await?;
        let link = format!("http://{metriport}/record");
        world.first(&steps, &link).await?;
        world.others(&steps, &link).await?;
        let consent = Call {
            subject: Some(STRANGER),
            ..Call::consent()
        };
        steps.call(&consent).await?;
        world.leave(&steps).await?;
        cloud.close();
        Ok(world)
    }

    /// The initialization of a function in this world, with metrics that go to the captured log.
    ///
    /// # Errors
    /// Fails if a variable is missing.
    pub fn init(&self) -> Result<Init, Failed> {
        let mut init = Init::read(self.env.clone(), "fuzz")?;
        init.metrics = Metrics::to(&init.deployment.stage, log::metric);
        Ok(init)
    }

    /// Gives the first person a stored record, a requested record, an accepted pull and a pending challenge.
    async fn first(&mut self, steps: &Steps<'_>, link: &str) -> Result<(), Failed> {
        steps.verify(&FIRST).await?;
        let offered = steps.offer(&FIRST, link).await?;
        steps.go_on(&offered, "record-fetch").await?;
        self.record = text(last(&offered, "record-fetch")?, "record")?;
        let owner = text(last(&offered, "record-fetch")?, "owner")?;
        self.account_work.push(json!({ "version": 1, "retention": owner }));
        let pull = steps.pull(&FIRST).await?;
        self.pull = text(last(&pull, "run-advance")?, "run")?;
        let request = steps.call(&Call::part_of_a_record().by(&FIRST).under_a_key()).await?;
        self.due(&pull)?;
        self.due(&request)?;
        let pending = Call::challenge().by(&FIRST).under_a_key();
        steps.call(&pending).await.map(drop)
    }

    /// Starts the queries of the second person, and offers the third person's record behind a link.
    async fn others(&mut self, steps: &Steps<'_>, link: &str) -> Result<(), Failed> {
        steps.verify(&STARTED).await?;
        let pull = steps.pull(&STARTED).await?;
        self.due(&steps.go_on(&pull, "run-advance").await?)?;
        let request = steps.call(&Call::whole_record().by(&STARTED)).await?;
        self.due(&steps.go_on(&request, "run-advance").await?)?;
        steps.verify(&OFFERED).await?;
        let offered = steps.offer(&OFFERED, link).await?;
        self.due(&offered)?;
        steps.call(&Call::challenge().by(&OFFERED)).await?;
        let fetch = last(&offered, "record-fetch")?.value()?;
        for place in ["", "/cut", "/none", "/dead"] {
            let mut fetch = fetch.clone();
            events::put(&mut fetch, "", "link", json!(format!("{link}{place}")));
            self.fetches.push(fetch);
        }
        Ok(())
    }

    /// Takes the leaver's requests for an export and for erasure.
    async fn leave(&mut self, steps: &Steps<'_>) -> Result<(), Failed> {
        self.export = self.ask_of_leaver(steps, Call::export(), "id").await?;
        self.receipt = self.ask_of_leaver(steps, Call::erase(), "receiptId").await?;
        Ok(())
    }

    /// Makes a call of the leaver that sends an `account-work` message. Returns this member of the reply.
    async fn ask_of_leaver(&mut self, steps: &Steps<'_>, call: Call, member: &str) -> Result<String, Failed> {
        let call = Call {
            subject: Some(LEAVER),
            ..call
        };
        let (reply, sent) = steps.ask(&call).await?;
        self.account_work.push(last(&sent, "account-work")?.value()?);
        let value = reply.get(member).and_then(Value::as_str);
        Ok(value.ok_or_else(|| format!("no {member}"))?.to_owned())
    }

    fn due(&mut self, sent: &[Message]) -> Result<(), Failed> {
        self.advances.push(last(sent, "run-advance")?.value()?);
        Ok(())
    }
}

fn text(message: &Message, name: &str) -> Result<String, Failed> {
    let value = message.value()?;
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("no {name}").into())
}

fn env(aws: &str, metriport: &str) -> Env {
    let aws = format!("http://{aws}");
    let queue = |name: &str| format!("{aws}/000000000000/{name}");
    Env::from_pairs([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "FUZZ"),
        ("AWS_SECRET_ACCESS_KEY", "fuzz"),
        ("AWS_SESSION_TOKEN", "fuzz"),
        ("AWS_ENDPOINT_URL", &aws),
        ("STAGE", "fuzz"),
        ("METRIPORT_BASE_URL", &format!("http://{metriport}")),
        ("METRIPORT_DAILY_QUOTA", "1000000000"),
        ("PERSON_BURST", "100"),
        ("PERSON_SHARE_PERCENT", "100"),
        (
            "METRIPORT_LIMITS",
            "patient=1000000,identity=1000000,query=1000000,consolidated=1000000",
        ),
        ("METRIPORT_API_KEY_SECRET", "api-key"),
        ("OWNER_KEY_SECRET", "owner-key"),
        ("WEBHOOK_KEYS_SECRET", "webhook-keys"),
        ("TABLE_NAME", "ias-Table"),
        ("ACCESS_LOG_RETENTION_DAYS", "1"),
        ("LOG_RETENTION_DAYS", "1"),
        ("FACILITY_ID", "01989f00-1111-7222-8333-444455556666"),
        ("EXTERNAL_ID_CLAIM", "sub"),
        ("REQUIRED_SCOPE", "records"),
        ("REQUIRED_AMR", "mfa"),
        ("MAX_AUTH_AGE_SECS", "86400"),
        ("REDIRECT_ALLOWLIST", RETURN),
        ("CONSENT_NOTICE_VERSION", NOTICE.0),
        ("CONSENT_NOTICE_SHA256", NOTICE.1),
        ("CONSENT_NOTICE_URL", "https://app.example.test/notice"),
        ("RECORD_RETENTION_DAYS", "90"),
        ("RECORDS_BUCKET", "records"),
        ("SEALS_BUCKET", "seals"),
        ("SEAL_KEY_ID", "seal-key"),
        ("STACK_NAME", "fuzz"),
        // The server that plays Metriport also serves the records. So the functions never look up a name.
        ("RECORD_LINK_HOSTS", metriport),
        ("RUN_ADVANCE_QUEUE_URL", &queue("run-advance")),
        ("RECORD_FETCH_QUEUE_URL", &queue("record-fetch")),
        ("ACCOUNT_WORK_QUEUE_URL", &queue("account-work")),
        ("WEBHOOK_EVENTS_QUEUE_URL", &queue("webhook-events")),
        ("RUN_ADVANCE_DEAD_LETTERS_URL", &queue("run-advance-dead-letters")),
        ("RECORD_FETCH_DEAD_LETTERS_URL", &queue("record-fetch-dead-letters")),
        ("ACCOUNT_WORK_DEAD_LETTERS_URL", &queue("account-work-dead-letters")),
        ("WEBHOOK_EVENTS_DEAD_LETTERS_URL", &queue("webhook-events-dead-letters")),
    ])
}
