//! Headers with the state of the caller's own share (draft-ietf-httpapi-ratelimit-headers-09), so that the app can slow
//! down before it is refused: `RateLimit-Policy: "identity";q=5;w=231` and `RateLimit: "identity";r=4;t=47`. These
//! headers do not show how busy other persons are.

use std::time::Duration;

use lambda_http::http::HeaderValue;
use lambda_http::{Body, Response};

use crate::domain::budget::Allowance;

/// Adds the headers to a reply.
#[must_use]
pub fn limited(mut reply: Response<Body>, allowance: Option<&Allowance>) -> Response<Body> {
    let Some(allowance) = allowance else { return reply };
    let name = allowance.share.as_str();
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
    use crate::domain::budget::{ShareKind, ShareName};
    #[test]
    fn headers_show_the_policy_and_state_of_the_share() {
        let allowance = Allowance {
            share: ShareName::Bucket(ShareKind::Identity),
            quota: 5,
            window: Duration::from_millis(230_770),
            left: 0,
            reset: Duration::from_millis(4_200),
        };
        let reply = limited(Response::new(Body::Empty), Some(&allowance));
        assert_eq!(reply.headers()["ratelimit-policy"], "\"identity\";q=5;w=231");
        assert_eq!(reply.headers()["ratelimit"], "\"identity\";r=0;t=5");
        assert!(limited(Response::new(Body::Empty), None).headers().is_empty());
    }
}
