//! Finds the route of a request. The most specific path wins, then the request's own method before `ANY`. `$default`
//! gets all other requests (docs.aws.amazon.com, "Create routes for HTTP APIs").

use axum::http::Method;

use crate::template::Function;

#[derive(Debug, Clone)]
pub(crate) struct BoundRoute {
    pub(crate) binary: String,
    /// The route key in events, for example `GET /v1/records/{id}`.
    pub(crate) key: String,
    pub(crate) authorizer: Option<String>,
    pub(crate) timeout_ms: u64,
    method: Option<Method>,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    // Least specific first: the derived order decides which of two routes is more specific.
    Greedy(String),
    Variable(String),
    Literal(String),
}

/// A path or method that an HTTP API does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the route `{key}` of {binary} is not one of an HTTP API")]
pub struct RouteError {
    pub binary: String,
    pub key: String,
}

#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    routes: Vec<BoundRoute>,
    default: Option<BoundRoute>,
}

/// The route of a request, with its percent-decoded path parameters.
#[derive(Debug)]
pub(crate) struct Matched<'t> {
    pub(crate) route: &'t BoundRoute,
    pub(crate) path_parameters: Vec<(String, String)>,
}

impl RouteTable {
    pub(crate) fn new(functions: &[Function]) -> Result<Self, RouteError> {
        let mut table = Self::default();
        for function in functions {
            for route in &function.routes {
                let is_default = route.path == "$default";
                let key = if is_default {
                    route.path.clone()
                } else {
                    format!("{} {}", route.method, route.path)
                };
                let error = || RouteError {
                    binary: function.binary.clone(),
                    key: key.clone(),
                };
                let method = match route.method.as_str() {
                    "ANY" => None,
                    method => Some(Method::from_bytes(method.as_bytes()).or(Err(error()))?),
                };
                let segments = if is_default {
                    Some(Vec::new())
                } else {
                    segments(&route.path)
                };
                let bound = BoundRoute {
                    binary: function.binary.clone(),
                    authorizer: route.authorizer.clone(),
                    timeout_ms: route.timeout_ms,
                    method,
                    segments: segments.ok_or_else(error)?,
                    key,
                };
                match is_default {
                    true => table.default = Some(bound),
                    false => table.routes.push(bound),
                }
            }
        }
        // Most specific first, so that the first match is the best.
        table.routes.sort_by(|left, right| {
            (&right.segments, right.method.is_some()).cmp(&(&left.segments, left.method.is_some()))
        });
        Ok(table)
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<Matched<'_>> {
        let of_method = |route: &&BoundRoute| route.method.as_ref().is_none_or(|own| own == method);
        let matched = self.routes.iter().filter(of_method).find_map(|route| {
            let path_parameters = captures(&route.segments, path)?;
            Some(Matched { route, path_parameters })
        });
        matched.or_else(|| {
            self.default.as_ref().map(|route| Matched {
                route,
                path_parameters: Vec::new(),
            })
        })
    }
}

fn segments(path: &str) -> Option<Vec<Segment>> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let segments: Vec<Segment> = parts.iter().map(|part| segment(part)).collect();
    let greedy = segments
        .iter()
        .position(|segment| matches!(segment, Segment::Greedy(_)));
    // A greedy variable takes the rest of the path, so it must be last.
    greedy
        .is_none_or(|index| index + 1 == segments.len())
        .then_some(segments)
}

fn segment(part: &str) -> Segment {
    match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
        None => Segment::Literal(part.to_owned()),
    }
}

fn captures(segments: &[Segment], path: &str) -> Option<Vec<(String, String)>> {
    let mut captures = Vec::new();
    let mut rest = Some(path.strip_prefix('/')?);
    for segment in segments {
        let remaining = rest?;
        let (part, after) = match (segment, remaining.split_once('/')) {
            (Segment::Greedy(_), _) | (_, None) => (remaining, None),
            (_, Some((part, after))) => (part, Some(after)),
        };
        match segment {
            Segment::Literal(literal) if literal == part => {}
            Segment::Variable(name) | Segment::Greedy(name) if !part.is_empty() => {
                captures.push((name.clone(), percent_decoded(part)));
            }
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(captures)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.split_first_chunk::<2>()).flatten();
        let decoded = escaped.and_then(|(digits, after)| Some((hex_byte(digits)?, after)));
        let (byte, after) = decoded.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8; 2]) -> Option<u8> {
    // `from_str_radix` alone would also accept a sign.
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Route;

    fn table(routes: &[(&str, &str)]) -> RouteTable {
        let routes = routes.iter().map(|(method, path)| Route {
            event: String::new(),
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            authorizer: None,
            timeout_ms: 30_000,
        });
        let function = Function {
            logical_id: "F".to_owned(),
            binary: "f".to_owned(),
            timeout_secs: 3,
            memory_mb: 128,
            reserved_concurrency: None,
            environment: Default::default(),
            routes: routes.collect(),
            queue_sources: Vec::new(),
            schedules: Vec::new(),
            policies: Vec::new(),
            traced: false,
            loop_allowed: false,
        };
        RouteTable::new(&[function]).unwrap()
    }

    fn taken(table: &RouteTable, method: Method, path: &str) -> Option<(String, Vec<(String, String)>)> {
        table
            .find(&method, path)
            .map(|matched| (matched.route.key.clone(), matched.path_parameters))
    }

    /// The example on the page "Create routes for HTTP APIs", section "Routing API requests".
    #[test]
    fn most_specific_route_wins_as_documented() {
        let table = table(&[
            ("ANY", "/{proxy+}"),
            ("GET", "/pets/{proxy+}"),
            ("GET", "/pets/{id}"),
            ("GET", "/pets/dog/1"),
            ("GET", "/pets/dog/{id}"),
        ]);
        let key = |path| taken(&table, Method::GET, path).unwrap().0;
        assert_eq!(key("/pets/dog/1"), "GET /pets/dog/1");
        assert_eq!(key("/pets/dog/2"), "GET /pets/dog/{id}");
        assert_eq!(key("/pets/cat"), "GET /pets/{id}");
        assert_eq!(key("/pets/cat/1"), "GET /pets/{proxy+}");
        assert_eq!(key("/test/5"), "ANY /{proxy+}");
        assert_eq!(taken(&table, Method::POST, "/pets/dog/1").unwrap().0, "ANY /{proxy+}");
    }

    #[test]
    fn own_method_precedes_any_and_default_is_last() {
        let table = table(&[("ANY", "/a"), ("GET", "/a"), ("ANY", "$default")]);
        assert_eq!(taken(&table, Method::GET, "/a").unwrap().0, "GET /a");
        assert_eq!(taken(&table, Method::PUT, "/a").unwrap().0, "ANY /a");
        assert_eq!(taken(&table, Method::GET, "/b").unwrap().0, "$default");
    }

    #[test]
    fn path_variables_are_decoded_and_never_empty() {
        let table = table(&[("GET", "/r/{id}/timeline"), ("GET", "/f/{rest+}")]);
        let (_, parameters) = taken(&table, Method::GET, "/r/a%2Fb%zz/timeline").unwrap();
        assert_eq!(parameters, [("id".to_owned(), "a/b%zz".to_owned())]);
        let (_, parameters) = taken(&table, Method::GET, "/f/a/b").unwrap();
        assert_eq!(parameters, [("rest".to_owned(), "a/b".to_owned())]);
        for path in ["/r//timeline", "/r/1/timeline/", "/r/1", "/f/", "/f", "/R/1/timeline"] {
            assert_eq!(taken(&table, Method::GET, path), None, "{path}");
        }
    }

    #[test]
    fn greedy_variable_must_be_last() {
        assert_eq!(segments("/a/{rest+}/b"), None);
        assert_eq!(segments("a"), None);
    }
}
