//! The handle on the embedded AWS: starts the services, fills them, returns their endpoints and stops them.

use crate::data_dir::DataDir;
use crate::dynamodb::{self, DynamoDb, TableSpec};
use crate::error::Error;
use crate::gate::{Gate, Observer, Service};
use crate::interception::Interception;
use crate::interceptor::{FaultCounter, FaultCounts, SharedInterceptor};
use crate::kms::{self, Kms};
use crate::listener::{Bound, Serving};
use crate::meter::Meter;
use crate::privileges::{Authorization, Authorizer, PartitionKeys, Tables};
use crate::s3::{self, CorsRule, S3, StoredFiles};
use crate::secrets::{self, Secrets};
use crate::sqs::{self, QueueSpec, Sqs, SqsHandle};
use crate::sts;
use axum::Router;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::PoisonError;
use tokio::sync::watch;

/// The secret access key for every access key id. S3 checks signatures with it. It may be public, because the services
/// listen on loopback only.
pub const SECRET_ACCESS_KEY: &str = "individual-access-sandbox";

/// How to start the embedded AWS.
#[derive(Clone)]
pub struct AwsOptions {
    /// The directory that keeps all state across restarts. With `None`, S3's objects are in a temporary directory and
    /// all other state is in memory.
    pub data_dir: Option<PathBuf>,
    /// The region in ARNs and in [`Aws::env`].
    pub region: String,
    /// Receives every request to every service, except a browser's CORS preflight.
    pub observer: Option<Observer>,
    /// Receives the size of every answered request, and the units that AWS would bill for it.
    pub meter: Option<Meter>,
    /// Decides whether a caller may make a request. Without an authorizer every caller may make every request.
    pub authorizer: Option<Authorizer>,
    /// Decides about every request that the authorizer allows, and about every message sent to a queue.
    pub interceptor: Option<SharedInterceptor>,
    /// Divides SQS's message delays and visibility timeouts. The division never makes a visibility timeout shorter than
    /// ten seconds. Clocks are not scaled. 1 keeps AWS's own durations.
    pub time_scale: u32,
}

/// The embedded AWS. Call [`Aws::shutdown`] to stop it. Dropping it stops the services too, but does not wait for
/// requests in progress and does not save the queue messages of the last second.
pub struct Aws {
    region: String,
    endpoints: BTreeMap<Service, String>,
    dynamodb: DynamoDb,
    tables: Tables,
    sqs: Sqs,
    s3: S3,
    secrets: Secrets,
    kms: Kms,
    serving: Vec<Serving>,
    faults: FaultCounter,
    stop: watch::Sender<bool>,
    // Dropped last: the services above have files in this directory.
    _data: DataDir,
}

impl Aws {
    /// Starts all services on free loopback ports. Fails if no port is free, or if the data directory is in use,
    /// unreadable or damaged.
    pub async fn start(options: AwsOptions) -> Result<Aws, Error> {
        let data = DataDir::open(options.data_dir.as_deref())?;
        let (stop, stopping) = watch::channel(false);
        let faults = FaultCounter::default();
        let interceptor = options.interceptor;
        let interception = interceptor.map(|interceptor| Interception::new(interceptor, faults.clone()));
        let (secrets, secrets_router) = secrets::start(data.persistent_path("secrets.json"), &options.region)?;
        let (kms, kms_router) = kms::start(data.persistent_path("kms.json"), &options.region)?;
        let tables = Tables::default();
        let authorization = options.authorizer.map(|authorizer| Authorization {
            authorizer,
            region: options.region.clone(),
            tables: tables.clone(),
            secrets: secrets.clone(),
            kms: kms.clone(),
        });
        let mut running = Running {
            observer: options.observer,
            meter: options.meter,
            authorization,
            interception: interception.clone(),
            stop: stopping.clone(),
            endpoints: BTreeMap::new(),
            serving: Vec::new(),
        };

        let (dynamodb, router) =
            dynamodb::start(data.persistent_path("dynamodb.sqlite").as_deref(), stopping.clone()).await?;
        running.serve(Service::DynamoDb, Bound::bind().await?, router);

        let bound = Bound::bind().await?;
        let (sqs, router) = sqs::start(
            data.persistent_path("queues.json"),
            &options.region,
            options.time_scale,
            bound.url(),
            stopping,
            interception,
        )?;
        running.serve(Service::Sqs, bound, router);

        let (s3, router) = s3::start(&data.folder("s3")?)?;
        running.serve(Service::S3, Bound::bind().await?, router);

        running.serve(Service::SecretsManager, Bound::bind().await?, secrets_router);
        running.serve(Service::Kms, Bound::bind().await?, kms_router);
        running.serve(Service::Sts, Bound::bind().await?, sts::router());

        let Running { endpoints, serving, .. } = running;
        Ok(Aws {
            region: options.region,
            endpoints,
            dynamodb,
            tables,
            sqs,
            s3,
            secrets,
            kms,
            serving,
            faults,
            stop,
            _data: data,
        })
    }

    /// The environment in which an unmodified AWS SDK finds these services. It has no access key id: the caller chooses
    /// one per function.
    pub fn env(&self) -> Vec<(String, String)> {
        let endpoints = Service::ALL.map(|service| (service.endpoint_variable().to_owned(), self.endpoint(service)));
        let mut env = endpoints.to_vec();
        env.push(("AWS_REGION".to_owned(), self.region.clone()));
        env.push(("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET_ACCESS_KEY.to_owned()));
        env
    }

    /// For example `http://127.0.0.1:40123`.
    pub fn endpoint(&self, service: Service) -> String {
        self.endpoints.get(&service).cloned().unwrap_or_default()
    }

    /// Creates the table. An existing table of that name stays unchanged.
    pub async fn create_table(&self, spec: TableSpec) -> Result<(), Error> {
        self.dynamodb.create_table(&spec)?;
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.insert(spec.name.clone(), PartitionKeys::of(&spec));
        Ok(())
    }

    /// Puts items, written in DynamoDB's own JSON, into a table, and returns their number. The import bypasses the
    /// service's requests, which take far longer for very many items.
    pub async fn import(&self, table: &str, items: Vec<serde_json::Value>) -> Result<usize, Error> {
        self.dynamodb.import(table, items).await
    }

    /// Creates the queue, or gives an existing queue these settings, and returns its URL. The dead-letter queue must
    /// already exist.
    pub async fn create_queue(&self, spec: QueueSpec) -> Result<String, Error> {
        self.sqs.handle().create_queue(&spec)
    }

    /// Creates the bucket unless it exists.
    pub async fn create_bucket(&self, name: &str) -> Result<(), Error> {
        self.s3.create_bucket(name)
    }

    /// Replaces the CORS configuration of a bucket.
    pub fn put_bucket_cors(&self, bucket: &str, rules: Vec<CorsRule>) {
        self.s3.put_cors(bucket, rules);
    }

    /// Creates the secret with this value and returns its ARN. An existing secret of that name keeps its value.
    pub async fn create_secret(&self, name: &str, value: &str) -> Result<String, Error> {
        self.secrets.create(name, value)
    }

    /// Sets a tag of a secret, by the secret's name or ARN.
    pub fn tag_secret(&self, id: &str, key: &str, value: &str) -> Result<(), Error> {
        self.secrets.tag(id, key, value)
    }

    /// Creates the key with this id, of `KeySpec` `ECC_NIST_P256`, and returns its ARN. An existing key of that id
    /// stays.
    pub fn create_signing_key(&self, id: &str) -> Result<String, Error> {
        self.kms.create(id)
    }

    /// Gives the key an alias, such as `alias/seal`. An existing alias of that name moves to this key.
    pub fn put_key_alias(&self, alias: &str, key_id: &str) -> Result<(), Error> {
        self.kms.put_alias(alias, key_id)
    }

    /// Access to the queues without AWS requests.
    pub fn queues(&self) -> &SqsHandle {
        self.sqs.handle()
    }

    /// Access to everything that S3 stores, without AWS requests.
    pub fn stored_files(&self) -> StoredFiles {
        self.s3.stored_files()
    }

    /// How often each kind of fault was injected.
    pub fn fault_counts(&self) -> FaultCounts {
        self.faults.read()
    }

    /// The queue's URL, or `None` if the queue does not exist.
    pub fn queue_url(&self, name: &str) -> Option<String> {
        self.queues().queue_url(name)
    }

    /// The queue's ARN, or `None` if the queue does not exist.
    pub fn queue_arn(&self, name: &str) -> Option<String> {
        self.queues().queue_arn(name)
    }

    /// Ends waiting receives, gives other requests in progress two seconds per service to finish, and saves the queues.
    pub async fn shutdown(self) -> Result<(), Error> {
        self.stop.send_replace(true);
        for serving in self.serving {
            serving.drained().await;
        }
        self.dynamodb.closed().await;
        // Saved last, when no request can change the queues.
        self.sqs.save().await
    }
}

/// State that the services share while they start.
struct Running {
    observer: Option<Observer>,
    meter: Option<Meter>,
    authorization: Option<Authorization>,
    interception: Option<Interception>,
    stop: watch::Receiver<bool>,
    endpoints: BTreeMap<Service, String>,
    serving: Vec<Serving>,
}

impl Running {
    fn serve(&mut self, service: Service, bound: Bound, router: Router) {
        self.endpoints.insert(service, bound.url());
        let gate = Gate {
            service,
            observer: self.observer.clone(),
            meter: self.meter.clone(),
            authorization: self.authorization.clone(),
            interception: self.interception.clone(),
        };
        self.serving.push(bound.serve(router, gate, self.stop.clone()));
    }
}
