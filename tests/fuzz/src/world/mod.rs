//! The surroundings of a handler: embedded AWS and Metriport on loopback, and one person who has come as far as a pull
//! that is accepted. Everything in the table was written by the functions themselves.

pub mod cloud;
pub mod events;
pub mod loopback;
pub mod upstream;

use std::error::Error;
use std::sync::Arc;

use lambda_http::Response;
use serde_json::{Value, json};
use shared::config::Env;
use shared::init::Init;
use shared::queue::{Advance, parse};

use cloud::Cloud;
use events::Call;

/// Where hosted pages may return to.
pub const RETURN: &str = "https://app.example.test/return";
/// The key webhooks are signed with.
pub const WEBHOOK_KEY: &str = "whk_fuzz_key_0123456789";

/// Whatever keeps a world from starting.
pub type Failed = Box<dyn Error + Send + Sync>;

/// A world.
pub struct World {
    /// AWS.
    pub cloud: Arc<Cloud>,
    /// The message that announced the person's pull.
    pub advance: Value,
    env: Env,
}

impl World {
    /// Starts the servers and takes the one person as far as an accepted pull.
    ///
    /// # Errors
    /// When a step does not succeed.
    pub async fn start() -> Result<Self, Failed> {
        let cloud = Arc::new(Cloud::with_secrets([
            ("owner-key", "k".repeat(64)),
            ("api-key", "fuzz-api-key".to_owned()),
            ("webhook-keys", json!({ "current": WEBHOOK_KEY }).to_string()),
        ]));
        let served = Arc::clone(&cloud);
        let aws = loopback::listen(Arc::new(move |asked| served.answer(asked))).await?;
        let metriport = loopback::listen(Arc::new(upstream::answer)).await?;
        let mut world = Self {
            cloud,
            advance: Value::Null,
            env: env(&aws.to_string(), &metriport.to_string()),
        };
        world.advance = world.pull().await?;
        world.cloud.close();
        Ok(world)
    }

    /// A function that starts here.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn init(&self) -> Result<Init, Failed> {
        Ok(Init::read(self.env.clone(), "fuzz")?)
    }

    /// Patient, identity, challenge, pull; and the challenge once more, to be pending for every input.
    async fn pull(&self) -> Result<Value, Failed> {
        let init = self.init()?;
        let identity = identity_session::Deps::read(&init).await?;
        for call in Call::of_identity_session() {
            let Ok(reply) = identity_session::handler::handle(&identity, call.request()?).await;
            expect(&call, &reply)?;
        }
        let process = webhook_process::Deps::read(&init)?;
        let event = serde_json::from_value(events::batch(&[verified(&self.intake(&init).await?)?]))?;
        let Ok(failed) = webhook_process::handler::handle(&process, event).await;
        if !failed.batch_item_failures.is_empty() {
            return Err("the identity is not verified".into());
        }
        let (aal2, queries) = (
            aal2_challenge::Deps::read(&init).await?,
            network_query::Deps::read(&init).await?,
        );
        for call in Call::of_aal2_challenge().into_iter().take(1) {
            let Ok(reply) = aal2_challenge::handler::handle(&aal2, call.request()?).await;
            expect(&call, &reply)?;
        }
        for call in Call::of_network_query("").into_iter().take(1) {
            let Ok(reply) = network_query::handler::handle(&queries, call.request()?).await;
            expect(&call, &reply)?;
        }
        let advance = self.cloud.take_sent().ok_or("the pull was not announced")?;
        parse::<Advance>(&advance)?;
        for call in Call::of_aal2_challenge().into_iter().take(1) {
            let Ok(reply) = aal2_challenge::handler::handle(&aal2, call.request()?).await;
            expect(&call, &reply)?;
        }
        Ok(serde_json::from_str(&advance)?)
    }

    /// The message that the identity event becomes.
    async fn intake(&self, init: &Init) -> Result<String, Failed> {
        let intake = webhook_intake::Deps::read(init).await?;
        let call = Call::of_webhook(events::identity_verified().to_string().as_bytes());
        let Ok(reply) = webhook_intake::handler::handle(&intake, call.request()?).await;
        expect(&call, &reply)?;
        self.cloud
            .take_sent()
            .ok_or_else(|| "the webhook was not queued".into())
    }
}

fn verified(message: &str) -> Result<Value, Failed> {
    Ok(serde_json::from_str(message)?)
}

fn expect(call: &Call, reply: &Response<lambda_http::Body>) -> Result<(), Failed> {
    if reply.status().is_success() {
        Ok(())
    } else {
        Err(format!("{}: {} {:?}", call.route, reply.status(), reply.body()).into())
    }
}

fn env(aws: &str, metriport: &str) -> Env {
    let aws = format!("http://{aws}");
    let queue = format!("{aws}/000000000000/queue");
    Env::from_pairs([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "FUZZ"),
        ("AWS_SECRET_ACCESS_KEY", "fuzz"),
        ("AWS_SESSION_TOKEN", "fuzz"),
        ("AWS_ENDPOINT_URL", &aws),
        ("STAGE", "fuzz"),
        ("METRIPORT_BASE_URL", &format!("http://{metriport}")),
        ("METRIPORT_DAILY_QUOTA", "1000000000"),
        (
            "METRIPORT_LIMITS",
            "patient=1000000,identity=1000000,query=1000000,consolidated=1000000",
        ),
        ("METRIPORT_API_KEY_SECRET", "api-key"),
        ("OWNER_KEY_SECRET", "owner-key"),
        ("WEBHOOK_KEYS_SECRET", "webhook-keys"),
        ("TABLE_NAME", "ias-Table"),
        ("FACILITY_ID", "01989f00-1111-7222-8333-444455556666"),
        ("EXTERNAL_ID_CLAIM", "sub"),
        ("REDIRECT_ALLOWLIST", RETURN),
        ("RECORDS_BUCKET", "records"),
        ("RECORD_LINK_HOSTS", "records.example.test,*.store.example.test"),
        ("RUN_ADVANCE_QUEUE_URL", &queue),
        ("RECORD_FETCH_QUEUE_URL", &queue),
        ("WEBHOOK_EVENTS_QUEUE_URL", &queue),
        ("RUN_ADVANCE_DEAD_LETTERS_URL", &queue),
        ("RECORD_FETCH_DEAD_LETTERS_URL", &queue),
        ("WEBHOOK_EVENTS_DEAD_LETTERS_URL", &queue),
    ])
}
