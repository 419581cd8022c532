use super::*;
use crate::edge::http::json;

fn with(values: &[&[u8]]) -> Request {
    let mut request = lambda_http::http::Request::builder();
    for value in values {
        request = request.header(KEY, HeaderValue::from_bytes(value).unwrap());
    }
    request.body(Body::Empty).unwrap()
}

#[test]
fn repeated_or_malformed_key_header_is_refused() {
    assert!(key(&with(&[])).unwrap().is_none());
    assert_eq!(key(&with(&[b"\"k\""])).unwrap(), key(&with(&[b"k"])).unwrap());
    let malformed: [&[&[u8]]; 5] = [&[b""], &[b"k", b"k"], &[b"k,k"], &[b"a b"], &[b"\xff"]];
    for values in malformed {
        assert_eq!(key(&with(values)).unwrap_err().code, Code::IdempotencyKeyMalformed);
    }
}

#[test]
fn answer_decides_how_the_lease_ends() {
    let link_dies = Time::from_millis(5);
    let reply = || json(201, &serde_json::json!({ "a": 1 }));
    let keep = |useful_until| LeaseEnd::Keep(stored(&reply()).unwrap(), useful_until);
    assert_eq!(decide_lease_end(&Ok(PostAnswer::lasting(reply()))), keep(None));
    assert_eq!(
        decide_lease_end(&Ok(PostAnswer::until(reply(), link_dies))),
        keep(Some(link_dies))
    );
    for code in Code::ALL {
        let problem = Problem::new(*code);
        let rendered = stored(&refusal(&problem)).unwrap();
        let lease_end = decide_lease_end(&Err(problem.into()));
        let expected = match code {
            Code::Aal2SessionUsed | Code::ChallengeExpired | Code::ChallengeNotPending => {
                LeaseEnd::Keep(rendered, None)
            }
            code if code.status() >= 500 || code.status() == 429 => LeaseEnd::GiveUp,
            _ => LeaseEnd::Forget,
        };
        assert_eq!(lease_end, expected, "{code:?}");
    }
    for failure in [
        Error::Store(StoreError::Unavailable("timeout".to_owned())),
        Error::Store(StoreError::Conflict(Vec::new())),
        Error::Internal("a defect"),
    ] {
        assert_eq!(decide_lease_end(&Err(failure)), LeaseEnd::GiveUp);
    }
}

#[test]
fn replayed_reply_equals_the_first_reply() {
    let first = refusal(&Problem::new(Code::ChallengeExpired).retry_after(3));
    let again = replayed(stored(&first).unwrap()).unwrap();
    assert_eq!(
        (again.status(), again.body().as_ref()),
        (first.status(), first.body().as_ref())
    );
    for (name, value) in first.headers() {
        assert_eq!(again.headers().get(name), Some(value));
    }
    assert_eq!(again.headers().get(REPLAYED).unwrap(), "true");
    assert_eq!(again.headers().len(), first.headers().len() + 1);
    assert!(first.headers().get(REPLAYED).is_none());
}
