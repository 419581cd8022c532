//! Resources that store data: `AWS::DynamoDB::Table`, `AWS::S3::Bucket`, `AWS::SecretsManager::Secret`.

use std::fmt;

use super::error::TemplateError;
use super::intrinsic::Evaluator;
use super::node::Node;
use super::stack::Resource;

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub logical_id: String,
    pub name: String,
    pub key: Vec<KeyAttribute>,
    pub indexes: Vec<GlobalSecondaryIndex>,
    /// The attribute that holds an item's expiry in epoch seconds.
    pub ttl_attribute: Option<String>,
    /// `BillingMode: PAY_PER_REQUEST`.
    pub on_demand: bool,
}

/// One attribute of a key, with its type letter (`S`, `N` or `B`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    pub name: String,
    pub role: KeyRole,
    pub attribute_type: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    Hash,
    Range,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalSecondaryIndex {
    pub name: String,
    pub key: Vec<KeyAttribute>,
    pub projection: Projection,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    All,
    KeysOnly,
    Include(Vec<String>),
}

/// An S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub logical_id: String,
    pub name: String,
    /// The rules of its CORS configuration. Without a rule, pages of other origins cannot read the bucket.
    pub cors: Vec<BucketCors>,
}

/// One rule of a bucket's `CorsRules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketCors {
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub max_age_secs: Option<u64>,
}

/// A Secrets Manager secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub logical_id: String,
    pub name: String,
    pub source: SecretSource,
    /// `Tags`, by key.
    pub tags: Vec<(String, String)>,
}

/// The source of a secret's first value.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `GenerateSecretString`: a random text, alone or as one field of a JSON object.
    Generated {
        length: u64,
        exclude_characters: String,
        exclude_punctuation: bool,
        /// `SecretStringTemplate` and `GenerateStringKey`.
        template: Option<(String, String)>,
    },
    /// `SecretString`.
    Text(String),
    /// The template sets neither of these properties, so the secret is created without a value.
    Empty,
}

/// Never prints a literal secret.
impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generated { .. } => "Generated",
            Self::Text(_) => "Text(…)",
            Self::Empty => "Empty",
        })
    }
}

pub(super) fn table(resource: &Resource<'_>, evaluator: &Evaluator<'_>) -> Result<Table, TemplateError> {
    let properties = resource.node.required("Properties")?;
    let types = attribute_types(&properties)?;
    let indexes = properties
        .get("GlobalSecondaryIndexes")?
        .map(|list| list.items())
        .unwrap_or_default();
    Ok(Table {
        logical_id: resource.logical_id.to_owned(),
        name: resource.name("TableName", evaluator)?,
        key: key(&properties, &types)?,
        indexes: indexes
            .iter()
            .map(|index| self::index(index, &types))
            .collect::<Result<_, _>>()?,
        ttl_attribute: ttl_attribute(&properties)?,
        on_demand: properties.text_at("BillingMode")?.as_deref() == Some("PAY_PER_REQUEST"),
    })
}

pub(super) fn bucket(resource: &Resource<'_>, evaluator: &Evaluator<'_>) -> Result<Bucket, TemplateError> {
    let name = match resource.property(&["BucketName"])? {
        Some(name) => name.text()?,
        // The generated name contains the logical id's capital letters, which bucket names must not have.
        None => resource.name("BucketName", evaluator)?.to_lowercase(),
    };
    let rules = resource.property(&["CorsConfiguration", "CorsRules"])?;
    let rules = rules.map(|rules| rules.items()).unwrap_or_default();
    Ok(Bucket {
        logical_id: resource.logical_id.to_owned(),
        name,
        cors: rules.iter().map(bucket_cors).collect::<Result<_, _>>()?,
    })
}

fn bucket_cors(rule: &Node<'_>) -> Result<BucketCors, TemplateError> {
    Ok(BucketCors {
        allowed_origins: rule.texts_at("AllowedOrigins")?,
        allowed_methods: rule.texts_at("AllowedMethods")?,
        allowed_headers: rule.texts_at("AllowedHeaders")?,
        exposed_headers: rule.texts_at("ExposedHeaders")?,
        max_age_secs: rule.number_at("MaxAge")?,
    })
}

pub(super) fn secret(resource: &Resource<'_>, evaluator: &Evaluator<'_>) -> Result<Secret, TemplateError> {
    let source = match (
        resource.property(&["SecretString"])?,
        resource.property(&["GenerateSecretString"])?,
    ) {
        (Some(_), Some(_)) => return Err(resource.node.error("has both SecretString and GenerateSecretString")),
        (Some(text), None) => SecretSource::Text(text.text()?),
        (None, Some(settings)) => generated(&settings)?,
        (None, None) => SecretSource::Empty,
    };
    Ok(Secret {
        logical_id: resource.logical_id.to_owned(),
        name: resource.name("Name", evaluator)?,
        source,
        tags: tags(resource)?,
    })
}

fn tags(resource: &Resource<'_>) -> Result<Vec<(String, String)>, TemplateError> {
    let tags = resource.property(&["Tags"])?.map(|tags| tags.items());
    let tag = |tag: &Node<'_>| Ok((tag.required("Key")?.text()?, tag.required("Value")?.text()?));
    tags.unwrap_or_default().iter().map(tag).collect()
}

fn attribute_types(properties: &Node<'_>) -> Result<Vec<(String, String)>, TemplateError> {
    let definitions = properties.required("AttributeDefinitions")?.items();
    definitions
        .iter()
        .map(|node| {
            Ok((
                node.required("AttributeName")?.text()?,
                node.required("AttributeType")?.text()?,
            ))
        })
        .collect()
}

fn key(owner: &Node<'_>, types: &[(String, String)]) -> Result<Vec<KeyAttribute>, TemplateError> {
    owner
        .required("KeySchema")?
        .items()
        .iter()
        .map(|node| key_attribute(node, types))
        .collect()
}

fn key_attribute(node: &Node<'_>, types: &[(String, String)]) -> Result<KeyAttribute, TemplateError> {
    let name = node.required("AttributeName")?.text()?;
    let role = match node.required("KeyType")?.text()?.as_str() {
        "HASH" => KeyRole::Hash,
        "RANGE" => KeyRole::Range,
        other => return Err(node.error(format!("has the unknown KeyType `{other}`"))),
    };
    let attribute_type = types
        .iter()
        .find(|(defined, _)| *defined == name)
        .map(|(_, kind)| kind.clone());
    let attribute_type =
        attribute_type.ok_or_else(|| node.error(format!("`{name}` is not among the AttributeDefinitions")))?;
    Ok(KeyAttribute {
        name,
        role,
        attribute_type,
    })
}

fn index(node: &Node<'_>, types: &[(String, String)]) -> Result<GlobalSecondaryIndex, TemplateError> {
    let projection = node.required("Projection")?;
    let projection = match projection.required("ProjectionType")?.text()?.as_str() {
        "ALL" => Projection::All,
        "KEYS_ONLY" => Projection::KeysOnly,
        "INCLUDE" => Projection::Include(projection.required("NonKeyAttributes")?.texts()?),
        other => return Err(projection.error(format!("has the unknown ProjectionType `{other}`"))),
    };
    Ok(GlobalSecondaryIndex {
        name: node.required("IndexName")?.text()?,
        key: key(node, types)?,
        projection,
    })
}

fn ttl_attribute(properties: &Node<'_>) -> Result<Option<String>, TemplateError> {
    match properties.get("TimeToLiveSpecification")? {
        Some(ttl) if ttl.flag_at("Enabled")? => Ok(Some(ttl.required("AttributeName")?.text()?)),
        _ => Ok(None),
    }
}

fn generated(settings: &Node<'_>) -> Result<SecretSource, TemplateError> {
    let template = match (
        settings.text_at("SecretStringTemplate")?,
        settings.text_at("GenerateStringKey")?,
    ) {
        (Some(template), Some(key)) => Some((template, key)),
        (None, None) => None,
        _ => return Err(settings.error("needs both SecretStringTemplate and GenerateStringKey, or neither")),
    };
    Ok(SecretSource::Generated {
        // Secrets Manager's default length.
        length: settings.number_at("PasswordLength")?.unwrap_or(32),
        exclude_characters: settings.text_at("ExcludeCharacters")?.unwrap_or_default(),
        exclude_punctuation: settings.flag_at("ExcludePunctuation")?,
        template,
    })
}
