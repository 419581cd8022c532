//! Creates the template's resources in the embedded AWS, and resolves the template's references to them.

use std::collections::BTreeMap;

use sandbox_aws::{ACCOUNT_ID, Aws, CorsRule, IndexProjection, IndexSpec, KeyAttribute, QueueSpec, TableSpec};
use sandbox_host::template::{Bindings, BucketCors, KeyRole, Projection, Queue, Stack, Table};
use sandbox_metriport::{PerMinute, StandInOptions};
use shared::config::Env;

use crate::sandbox::{DEMOGRAPHICS_CLAIMS, SandboxError};

/// The only source of the functions, resources and settings.
pub const TEMPLATE: &str = include_str!("../../../../template.yaml");
/// Region of the sandbox.
pub const REGION: &str = "us-east-1";
/// Access key id of the set-up, which acts as the deployment.
pub(crate) const SETUP_KEY_ID: &str = "SANDBOX";
/// Logical id of the secret that must keep its value, because every person's partition key is hashed with it.
const OWNER_KEY: &str = "OwnerKeySecret";

pub(crate) struct Parameters<'a> {
    pub(crate) metriport: &'a str,
    pub(crate) facility: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) redirects: &'a [String],
    pub(crate) origins: &'a [String],
    pub(crate) limits: String,
    pub(crate) daily_quota: Option<u32>,
    pub(crate) bind_demographics: bool,
    pub(crate) person_shares: bool,
    pub(crate) notice: Option<&'a [String; 3]>,
    pub(crate) link_host: String,
}

/// Stands for no limit: more calls than the functions can make.
const UNLIMITED: u32 = 1_000_000;

/// The value of the parameter `MetriportLimits`: the limits of the stand-in.
#[must_use]
pub fn limits(stand_in: &StandInOptions) -> String {
    let effective_limit = |limit: u32| if stand_in.rate_limits { limit } else { UNLIMITED };
    let PerMinute {
        patient,
        identity,
        query,
        consolidated,
    } = stand_in.limits;
    let named = [
        ("patient", patient),
        ("identity", identity),
        ("query", query),
        ("consolidated", consolidated),
    ];
    named
        .map(|(name, limit)| format!("{name}={}", effective_limit(limit)))
        .join(",")
}

pub(crate) struct Secrets {
    /// `None` leaves the secret without a value, as the template does.
    pub(crate) api_key: Option<String>,
    pub(crate) webhook_keys: String,
    pub(crate) owner_key: String,
}

pub(crate) fn bindings(parameters: &Parameters<'_>) -> Bindings {
    let bindings = Bindings::new(REGION, ACCOUNT_ID, "ias");
    // The template cannot switch shares off. The highest values come closest: a hundred requests at once, and 100
    // percent of the common rate and quota.
    let bindings = match parameters.person_shares {
        true => bindings,
        false => bindings
            .with_parameter("PersonBurst", "100")
            .with_parameter("PersonSharePercent", "100"),
    };
    let bindings = match parameters.notice {
        Some([version, sha256, url]) => bindings
            .with_parameter("ConsentNoticeVersion", version)
            .with_parameter("ConsentNoticeSha256", sha256)
            .with_parameter("ConsentNoticeUrl", url),
        None => bindings.with_parameter("ConsentKeptElsewhere", "true"),
    };
    // By default, the sandbox's tokens have no claims about the person, so demographics cannot be bound to them.
    let claims = match parameters.bind_demographics {
        true => DEMOGRAPHICS_CLAIMS
            .map(|(field, claim)| format!("{field}={claim}"))
            .join(","),
        false => String::new(),
    };
    bindings
        .with_parameter("Stage", "sandbox")
        .with_parameter("MetriportBaseUrl", parameters.metriport)
        .with_parameter("FacilityId", parameters.facility)
        .with_parameter("JwtIssuer", parameters.issuer)
        .with_parameter("JwtAudience", parameters.audience)
        .with_parameter("RequiredAmr", "mfa")
        .with_parameter("DemographicsClaims", claims)
        .with_parameter("AcceptUnboundDemographics", (!parameters.bind_demographics).to_string())
        .with_parameter("RedirectAllowlist", parameters.redirects.join(","))
        .with_parameter("CorsOrigins", parameters.origins.join(","))
        .with_parameter("RecordLinkHosts", &parameters.link_host)
        .with_parameter("MetriportLimits", &parameters.limits)
        // As in samconfig.toml for production. The template's defaults are lower, for accounts that allow only ten
        // concurrent executions.
        .with_parameter("WebhookProcessConcurrency", "10")
        .with_parameter("QueryDispatchConcurrency", "5")
        .with_parameter("RecordFetchConcurrency", "10")
        .with_parameter(
            "MetriportDailyQuota",
            parameters.daily_quota.unwrap_or(UNLIMITED).to_string(),
        )
}

/// Creates the template's resources; the returned bindings resolve references to them.
pub(crate) async fn make(
    aws: &Aws,
    stack: &Stack,
    bindings: Bindings,
    secrets: &Secrets,
) -> Result<Bindings, SandboxError> {
    let mut known = BTreeMap::new();
    for table in &stack.tables {
        aws.create_table(table_spec(table)?).await?;
        let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{}", table.name);
        remember(&mut known, &table.logical_id, &table.name, &arn);
    }
    // First the dead-letter queues, to which the other queues refer.
    let (dead_letters, sources): (Vec<_>, Vec<_>) = stack.queues.iter().partition(|queue| queue.redrive.is_none());
    for queue in dead_letters.into_iter().chain(sources) {
        let url = aws.create_queue(queue_spec(stack, queue)?).await?;
        let arn = aws.queue_arn(&queue.name).unwrap_or_default();
        remember(&mut known, &queue.logical_id, &url, &arn);
    }
    for bucket in &stack.buckets {
        aws.create_bucket(&bucket.name).await?;
        aws.put_bucket_cors(&bucket.name, bucket.cors.iter().map(cors_rule).collect());
        remember(
            &mut known,
            &bucket.logical_id,
            &bucket.name,
            &format!("arn:aws:s3:::{}", bucket.name),
        );
    }
    for secret in &stack.secrets {
        let arn = match secret_value(&secret.logical_id, secrets)? {
            Some(value) => {
                let arn = aws.create_secret(&secret.name, value).await?;
                if secret.logical_id != OWNER_KEY {
                    store(aws, &arn, value).await?;
                }
                arn
            }
            None => create_empty(aws, &secret.name).await?,
        };
        for (key, value) in &secret.tags {
            aws.tag_secret(&arn, key, value)?;
        }
        remember(&mut known, &secret.logical_id, &arn, &arn);
    }
    make_keys(aws, stack, &mut known)?;
    let resolve = move |id: &str, attribute: &str| known.get(&(id.to_owned(), attribute.to_owned())).cloned();
    Ok(bindings.with_resolver(resolve))
}

fn make_keys(aws: &Aws, stack: &Stack, known: &mut BTreeMap<(String, String), String>) -> Result<(), SandboxError> {
    for key in &stack.keys {
        let arn = match key.spec.as_str() {
            "ECC_NIST_P256" => aws.create_signing_key(&key.logical_id)?,
            // The key encrypts nothing here, but policies refer to its ARN.
            _ => format!("arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{}", key.logical_id),
        };
        remember(known, &key.logical_id, &key.logical_id, &arn);
    }
    for alias in &stack.key_aliases {
        aws.put_key_alias(&alias.name, &alias.key)?;
    }
    Ok(())
}

fn cors_rule(rule: &BucketCors) -> CorsRule {
    CorsRule {
        allowed_origins: rule.allowed_origins.clone(),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_headers: rule.allowed_headers.clone(),
        exposed_headers: rule.exposed_headers.clone(),
        max_age_secs: rule.max_age_secs,
    }
}

fn remember(known: &mut BTreeMap<(String, String), String>, id: &str, reference: &str, arn: &str) {
    known.insert((id.to_owned(), "Ref".to_owned()), reference.to_owned());
    known.insert((id.to_owned(), "Arn".to_owned()), arn.to_owned());
}

/// Stores a secret as an operator would, because a reused data directory may hold the stale value of an earlier
/// stand-in.
async fn store(aws: &Aws, arn: &str, value: &str) -> Result<(), SandboxError> {
    let call = secrets_client(aws)?.put_secret_value().secret_id(arn);
    let stored = call.secret_string(value).send().await;
    stored
        .map(drop)
        .map_err(|error| SandboxError::Secret(error.to_string()))
}

async fn create_empty(aws: &Aws, name: &str) -> Result<String, SandboxError> {
    let made = secrets_client(aws)?.create_secret().name(name).send().await;
    let made = made.map_err(|error| SandboxError::Secret(error.to_string()))?;
    Ok(made.arn.unwrap_or_default())
}

fn secrets_client(aws: &Aws) -> Result<aws_sdk_secretsmanager::Client, SandboxError> {
    let key = ("AWS_ACCESS_KEY_ID".to_owned(), SETUP_KEY_ID.to_owned());
    let clients = shared::aws::Aws::read(&Env::from_vars(aws.env().into_iter().chain([key])));
    let clients = clients.map_err(|error| SandboxError::Secret(error.to_string()))?;
    Ok(clients.secrets())
}

fn secret_value<'a>(logical_id: &str, secrets: &'a Secrets) -> Result<Option<&'a str>, SandboxError> {
    match logical_id {
        "MetriportApiKeySecret" => Ok(secrets.api_key.as_deref()),
        "WebhookKeysSecret" => Ok(Some(&secrets.webhook_keys)),
        OWNER_KEY => Ok(Some(&secrets.owner_key)),
        other => Err(SandboxError::Template(format!(
            "the sandbox has no value for the secret {other}"
        ))),
    }
}

fn queue_spec(stack: &Stack, queue: &Queue) -> Result<QueueSpec, SandboxError> {
    let seconds = |value: u64| u32::try_from(value).map_err(|_large| SandboxError::Template(queue.name.clone()));
    let redrive = match &queue.redrive {
        None => None,
        Some(redrive) => {
            let target = stack.queue(&redrive.dead_letter_queue).map(|queue| queue.name.clone());
            let missing = || SandboxError::Template(format!("{} has no dead-letter queue", queue.name));
            Some((target.ok_or_else(missing)?, seconds(redrive.receive_count_max)?))
        }
    };
    Ok(QueueSpec {
        name: queue.name.clone(),
        visibility_timeout_secs: seconds(queue.visibility_timeout_secs)?,
        delay_secs: seconds(queue.delay_secs)?,
        retention_secs: seconds(queue.retention_secs)?,
        redrive,
    })
}

fn table_spec(table: &Table) -> Result<TableSpec, SandboxError> {
    let (hash_key, range_key) = keys(&table.key, &table.name)?;
    let gsis = table.indexes.iter().map(|index| {
        let (hash_key, range_key) = keys(&index.key, &index.name)?;
        let projection = match &index.projection {
            Projection::All => IndexProjection::All,
            Projection::KeysOnly => IndexProjection::KeysOnly,
            Projection::Include(names) => IndexProjection::Include(names.clone()),
        };
        Ok(IndexSpec {
            name: index.name.clone(),
            hash_key,
            range_key,
            projection,
        })
    });
    Ok(TableSpec {
        name: table.name.clone(),
        hash_key,
        range_key,
        gsis: gsis.collect::<Result<_, SandboxError>>()?,
        ttl_attribute: table.ttl_attribute.clone(),
    })
}

fn keys(
    key: &[sandbox_host::template::KeyAttribute],
    name: &str,
) -> Result<(KeyAttribute, Option<KeyAttribute>), SandboxError> {
    let find = |role: KeyRole| {
        key.iter()
            .find(|attribute| attribute.role == role)
            .map(|attribute| match attribute.attribute_type.as_str() {
                "N" => KeyAttribute::number(&attribute.name),
                _ => KeyAttribute::string(&attribute.name),
            })
    };
    let hash = find(KeyRole::Hash).ok_or_else(|| SandboxError::Template(format!("{name} has no hash key")))?;
    Ok((hash, find(KeyRole::Range)))
}
