//! The description of a table, and its creation. Billing is always on demand: the sandbox does not model provisioned
//! capacity.

use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use dynoxide::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use dynoxide::{Database, DynoxideError};

/// A table and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// The table's name.
    pub name: String,
    /// The partition key.
    pub hash_key: KeyAttribute,
    /// The sort key, if the table has one.
    pub range_key: Option<KeyAttribute>,
    /// The global secondary indexes.
    pub gsis: Vec<IndexSpec>,
    /// The attribute holding an item's expiry, in seconds since the Unix epoch.
    pub ttl_attribute: Option<String>,
}

/// A global secondary index and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    /// The index's name.
    pub name: String,
    /// The partition key.
    pub hash_key: KeyAttribute,
    /// The sort key, if the index has one.
    pub range_key: Option<KeyAttribute>,
    /// The attributes that the index holds.
    pub projection: IndexProjection,
}

/// The attributes that a secondary index holds besides its own keys and the table's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexProjection {
    /// No further attributes (`KEYS_ONLY`).
    KeysOnly,
    /// These attributes (`INCLUDE`).
    Include(Vec<String>),
    /// All attributes (`ALL`).
    All,
}

/// A key attribute and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    /// The attribute's name.
    pub name: String,
    /// The attribute's type.
    pub kind: KeyKind,
}

impl KeyAttribute {
    /// A key of type string.
    pub fn string(name: &str) -> KeyAttribute {
        KeyAttribute {
            name: name.to_owned(),
            kind: KeyKind::String,
        }
    }

    /// A key of type number.
    pub fn number(name: &str) -> KeyAttribute {
        KeyAttribute {
            name: name.to_owned(),
            kind: KeyKind::Number,
        }
    }
}

/// The types a key attribute can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `S`
    String,
    /// `N`
    Number,
    /// `B`
    Binary,
}

/// Creates the table and sets its expiry attribute. An existing table of that name stays unchanged.
pub(super) fn create(database: &Database, spec: &TableSpec) -> Result<(), DynoxideError> {
    match database.create_table(request(spec)) {
        Ok(_) => set_ttl(database, spec),
        Err(DynoxideError::ResourceInUseException(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn set_ttl(database: &Database, spec: &TableSpec) -> Result<(), DynoxideError> {
    let Some(attribute) = &spec.ttl_attribute else {
        return Ok(());
    };
    database.update_time_to_live(UpdateTimeToLiveRequest {
        table_name: spec.name.clone(),
        time_to_live_specification: TimeToLiveSpecification {
            attribute_name: attribute.clone(),
            enabled: true,
        },
    })?;
    Ok(())
}

fn request(spec: &TableSpec) -> CreateTableRequest {
    let indexes: Vec<_> = spec.gsis.iter().map(index).collect();
    CreateTableRequest {
        table_name: spec.name.clone(),
        key_schema: key_schema(&spec.hash_key, spec.range_key.as_ref()),
        attribute_definitions: definitions(spec),
        global_secondary_indexes: (!indexes.is_empty()).then_some(indexes),
        billing_mode: Some("PAY_PER_REQUEST".to_owned()),
        ..CreateTableRequest::default()
    }
}

fn index(spec: &IndexSpec) -> GlobalSecondaryIndex {
    let (projection_type, non_key_attributes) = match &spec.projection {
        IndexProjection::KeysOnly => (ProjectionType::KEYS_ONLY, None),
        IndexProjection::Include(names) => (ProjectionType::INCLUDE, Some(names.clone())),
        IndexProjection::All => (ProjectionType::ALL, None),
    };
    GlobalSecondaryIndex {
        index_name: spec.name.clone(),
        key_schema: key_schema(&spec.hash_key, spec.range_key.as_ref()),
        projection: Projection {
            projection_type: Some(projection_type),
            non_key_attributes,
        },
        provisioned_throughput: None,
    }
}

fn key_schema(hash: &KeyAttribute, range: Option<&KeyAttribute>) -> Vec<KeySchemaElement> {
    let element = |key: &KeyAttribute, key_type| KeySchemaElement {
        attribute_name: key.name.clone(),
        key_type,
    };
    let range = range.map(|key| element(key, KeyType::RANGE));
    std::iter::once(element(hash, KeyType::HASH)).chain(range).collect()
}

/// Lists every key attribute once: an index and the table may use the same attribute.
fn definitions(spec: &TableSpec) -> Vec<AttributeDefinition> {
    let of_indexes = spec
        .gsis
        .iter()
        .flat_map(|gsi| std::iter::once(&gsi.hash_key).chain(&gsi.range_key));
    let keys = std::iter::once(&spec.hash_key).chain(&spec.range_key).chain(of_indexes);
    let mut definitions: Vec<AttributeDefinition> = Vec::new();
    for key in keys {
        if definitions.iter().all(|known| known.attribute_name != key.name) {
            definitions.push(AttributeDefinition {
                attribute_name: key.name.clone(),
                attribute_type: kind(key.kind),
            });
        }
    }
    definitions
}

fn kind(kind: KeyKind) -> ScalarAttributeType {
    match kind {
        KeyKind::String => ScalarAttributeType::S,
        KeyKind::Number => ScalarAttributeType::N,
        KeyKind::Binary => ScalarAttributeType::B,
    }
}
