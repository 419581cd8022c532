//! Headers that tell a caller how a budget stands, so that it can slow down before it is refused:
//! `RateLimit-Policy: "identity";q=13;w=63` and `RateLimit: "identity";r=12;t=5`
//! (draft-ietf-httpapi-ratelimit-headers-09). The budget is the deployment's, shared by all its persons.

use std::time::Duration;

use lambda_http::http::HeaderValue;
use lambda_http::{Body, Response};

use crate::domain::budget::Allowance;

/// A reply with the headers.
#[must_use]
pub fn limited(mut reply: Response<Body>, allowance: Option<&Allowance>) -> Response<Body> {
    let Some(allowance) = allowance else { return reply };
    let name = allowance.budget.name();
    let (quota, window) = (allowance.quota, seconds(allowance.window).max(1));
    let (left, reset) = (allowance.left, seconds(allowance.reset));
    let values = [
        ("ratelimit-policy", format!("\"{name}\";q={quota};w={window}")),
        ("ratelimit", format!("\"{name}\";r={left};t={reset}")),
    ];
    for (header, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            reply.headers_mut().insert(header, value);
        }
    }
    reply
}

fn seconds(span: Duration) -> u128 {
    span.as_millis().div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Budget;

    #[test]
    fn headers_say_policy_and_standing() {
        let allowance = Allowance {
            budget: Budget::Identity,
            quota: 13,
            window: Duration::from_millis(62_001),
            left: 0,
            reset: Duration::from_millis(4_200),
        };
        let reply = limited(Response::new(Body::Empty), Some(&allowance));
        assert_eq!(reply.headers()["ratelimit-policy"], "\"identity\";q=13;w=63");
        assert_eq!(reply.headers()["ratelimit"], "\"identity\";r=0;t=5");
        assert!(limited(Response::new(Body::Empty), None).headers().is_empty());
    }
}
