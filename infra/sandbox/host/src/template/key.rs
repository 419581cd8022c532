//! `AWS::KMS::Key` and `AWS::KMS::Alias`.

use super::error::TemplateError;
use super::stack::Resource;

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub logical_id: String,
    /// `KeySpec`, such as `ECC_NIST_P256`.
    pub spec: String,
}

/// A name of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAlias {
    /// The name, such as `alias/seals`.
    pub name: String,
    /// Logical id of the key.
    pub key: String,
}

pub(super) fn key(resource: &Resource<'_>) -> Result<Key, TemplateError> {
    let spec = resource.property(&["KeySpec"])?.map(|spec| spec.text()).transpose()?;
    Ok(Key {
        logical_id: resource.logical_id.to_owned(),
        spec: spec.unwrap_or_else(|| "SYMMETRIC_DEFAULT".to_owned()),
    })
}

pub(super) fn alias(resource: &Resource<'_>) -> Result<KeyAlias, TemplateError> {
    let properties = resource.node.required("Properties")?;
    Ok(KeyAlias {
        name: properties.required("AliasName")?.text()?,
        key: properties.required("TargetKeyId")?.logical_id()?,
    })
}
