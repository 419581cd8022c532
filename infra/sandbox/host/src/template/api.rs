//! `AWS::Serverless::HttpApi`: its JWT authorizers, its CORS settings and its throttles.

use std::collections::BTreeMap;

use super::error::TemplateError;
use super::intrinsic::intrinsic;
use super::node::Node;
use super::stack::Resource;

/// The HTTP API of the stack. Its routes are events of the functions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpApi {
    pub logical_id: String,
    pub authorizers: Vec<JwtAuthorizer>,
    /// The authorizer of routes that do not name one.
    pub default_authorizer: Option<String>,
    /// `None` if API Gateway does not answer preflights.
    pub cors: Option<Cors>,
    /// The throttle of routes without their own settings; `None` does not throttle them.
    pub default_throttle: Option<Throttle>,
    /// The throttles of routes with their own settings, by route key, for example `GET /v1/records/{id}`.
    pub throttles: BTreeMap<String, Throttle>,
}

/// A token bucket: the tokens that it gains per second, and the maximum number of tokens that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    pub rate_per_sec: u64,
    pub burst: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtAuthorizer {
    pub name: String,
    pub issuer: String,
    pub audiences: Vec<String>,
}

/// `CorsConfiguration`, as in API Gateway's `Cors` type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_secs: Option<u64>,
    pub allow_credentials: bool,
}

impl HttpApi {
    /// The same API with rates that are `time_scale` times higher. Bursts stay the same.
    #[must_use]
    pub fn in_scaled_time(mut self, time_scale: u32) -> Self {
        for throttle in self.default_throttle.iter_mut().chain(self.throttles.values_mut()) {
            throttle.rate_per_sec = throttle.rate_per_sec.saturating_mul(u64::from(time_scale.max(1)));
        }
        self
    }

    pub fn authorizer(&self, name: &str) -> Option<&JwtAuthorizer> {
        self.authorizers.iter().find(|authorizer| authorizer.name == name)
    }
}

pub(super) fn read<'r, 'a: 'r>(
    mut resources: impl Iterator<Item = &'r Resource<'a>>,
    globals: Option<&Node<'a>>,
) -> Result<Option<HttpApi>, TemplateError> {
    let Some(resource) = resources.next() else {
        return Ok(None);
    };
    if let Some(second) = resources.next() {
        return Err(second.node.error("is a second HTTP API; one is supported"));
    }
    let setting = |name: &str| match resource.property(&[name])? {
        Some(own) => Ok(Some(own)),
        None => globals
            .map(|globals| globals.at(&["HttpApi", name]))
            .transpose()
            .map(Option::flatten),
    };
    let (authorizers, default_authorizer) = setting("Auth")?
        .map(|auth| self::auth(&auth))
        .transpose()?
        .unwrap_or_default();
    refuse_origins_by_function(&resource.node, "/Properties/CorsConfiguration/AllowOrigins")?;
    if let Some(globals) = globals {
        refuse_origins_by_function(globals, "/HttpApi/CorsConfiguration/AllowOrigins")?;
    }
    let cors = setting("CorsConfiguration")?
        .map(|node| self::cors(&node))
        .transpose()?
        .flatten();
    Ok(Some(HttpApi {
        logical_id: resource.logical_id.to_owned(),
        authorizers,
        default_authorizer,
        cors,
        default_throttle: setting("DefaultRouteSettings")?
            .map(|node| throttle(&node))
            .transpose()?,
        throttles: setting("RouteSettings")?
            .map(|node| throttles(&node))
            .transpose()?
            .unwrap_or_default(),
    }))
}

fn throttles(node: &Node<'_>) -> Result<BTreeMap<String, Throttle>, TemplateError> {
    let routes = node.entries()?.into_iter();
    routes
        .map(|(key, settings)| Ok((key.to_owned(), throttle(&settings)?)))
        .collect()
}

fn throttle(settings: &Node<'_>) -> Result<Throttle, TemplateError> {
    Ok(Throttle {
        rate_per_sec: settings.required("ThrottlingRateLimit")?.number()?,
        burst: settings.required("ThrottlingBurstLimit")?.number()?,
    })
}

fn auth(auth: &Node<'_>) -> Result<(Vec<JwtAuthorizer>, Option<String>), TemplateError> {
    let entries = auth
        .get("Authorizers")?
        .map(|node| node.entries())
        .transpose()?
        .unwrap_or_default();
    let authorizers = entries
        .into_iter()
        .map(|(name, node)| authorizer(name, &node))
        .collect::<Result<Vec<_>, _>>()?;
    let default = auth.text_at("DefaultAuthorizer")?;
    match default {
        Some(name) if !authorizers.iter().any(|authorizer| authorizer.name == name) => {
            Err(auth.error(format!("the default authorizer `{name}` is not among the Authorizers")))
        }
        default => Ok((authorizers, default)),
    }
}

fn authorizer(name: &str, node: &Node<'_>) -> Result<JwtAuthorizer, TemplateError> {
    let source = node.text_at("IdentitySource")?;
    if source.is_some_and(|source| source != "$request.header.Authorization") {
        return Err(node.error("IdentitySource must be $request.header.Authorization"));
    }
    if node.get("AuthorizationScopes")?.is_some() {
        return Err(node.error("AuthorizationScopes are not supported"));
    }
    let jwt = node.required("JwtConfiguration")?;
    let audiences = jwt.required("audience")?.texts()?;
    Ok(JwtAuthorizer {
        name: name.to_owned(),
        issuer: jwt.required("issuer")?.text()?,
        audiences,
    })
}

/// Refuses an intrinsic function as `AllowOrigins`, because SAM mistakes it for the whole configuration. Methods and
/// headers would be lost, and no origin would be allowed. SAM reads a function around the whole configuration
/// correctly.
fn refuse_origins_by_function(node: &Node<'_>, pointer: &str) -> Result<(), TemplateError> {
    let origins = node.raw().pointer(pointer).and_then(serde_json::Value::as_object);
    match origins.and_then(intrinsic) {
        None => Ok(()),
        Some(_) => Err(node.error("AllowOrigins must not be a function; CorsConfiguration as a whole may be one")),
    }
}

fn cors(node: &Node<'_>) -> Result<Option<Cors>, TemplateError> {
    if node.raw().is_boolean() {
        let any = || vec!["*".to_owned()];
        let open = Cors {
            allow_origins: any(),
            allow_methods: any(),
            allow_headers: any(),
            ..Cors::default()
        };
        return Ok(node.flag()?.then_some(open));
    }
    let allow_origins = node.texts_at("AllowOrigins")?;
    // Without an allowed origin the other settings have no effect.
    if allow_origins.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cors {
        allow_origins,
        allow_methods: node.texts_at("AllowMethods")?,
        allow_headers: node.texts_at("AllowHeaders")?,
        expose_headers: node.texts_at("ExposeHeaders")?,
        max_age_secs: node.number_at("MaxAge")?,
        allow_credentials: node.flag_at("AllowCredentials")?,
    }))
}
