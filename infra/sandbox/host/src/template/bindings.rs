//! A deployment's values for a template: the region, the account, parameter values, and the identities of the
//! template's resources.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Resolver = Arc<dyn Fn(&str, &str) -> Option<String> + Send + Sync>;

/// The values for reading a template.
#[derive(Clone)]
pub struct Bindings {
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`, twelve digits.
    pub account_id: String,
    /// `AWS::StackName`.
    pub stack_name: String,
    parameters: BTreeMap<String, String>,
    resolver: Resolver,
}

impl Bindings {
    /// Bindings without parameter values and without resources.
    pub fn new(region: impl Into<String>, account_id: impl Into<String>, stack_name: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            account_id: account_id.into(),
            stack_name: stack_name.into(),
            parameters: BTreeMap::new(),
            resolver: Arc::new(|_, _| None),
        }
    }

    /// Sets one parameter; lists are comma-delimited, as on CloudFormation's command line.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Sets the function that maps a resource's logical id and attribute to text. The attribute is an argument of
    /// `Fn::GetAtt`, for example `Arn`, or `Ref` for a plain reference.
    #[must_use]
    pub fn with_resolver(mut self, resolver: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// The value of a resource's attribute (or `Ref`), if the deployment knows it.
    pub fn resolve(&self, logical_id: &str, attribute: &str) -> Option<String> {
        (self.resolver)(logical_id, attribute)
    }

    pub(super) fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// CloudFormation's pseudo parameters, except `AWS::NoValue` and `AWS::NotificationARNs`.
    pub(super) fn pseudo(&self, name: &str) -> Option<String> {
        let value = match name {
            "AWS::Region" => self.region.clone(),
            "AWS::AccountId" => self.account_id.clone(),
            "AWS::StackName" => self.stack_name.clone(),
            "AWS::StackId" => {
                format!(
                    "arn:aws:cloudformation:{}:{}:stack/{}",
                    self.region, self.account_id, self.stack_name
                )
            }
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => return None,
        };
        Some(value)
    }
}

/// Parameter values can be secrets (`NoEcho`), so only their names are shown.
impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bindings")
            .field("region", &self.region)
            .field("stack_name", &self.stack_name)
            .field("parameters", &self.parameters.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
