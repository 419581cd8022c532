//! Tests which options the client accepts and which it refuses.

use std::time::Duration;

use shared::metriport::{Client, ClientOptions, ClientOptionsError, http_client};

fn options(base: &str) -> ClientOptions {
    ClientOptions {
        base_url: base.parse().unwrap(),
        api_key: "key".to_owned().into(),
        http: http_client(Duration::from_secs(1), Duration::from_secs(2)).unwrap(),
        request_timeout: Duration::from_secs(2),
        user_agent: "test".to_owned(),
    }
}

#[test]
fn base_url_must_be_https_or_loopback() {
    let refusal = |base: &str| Client::new(options(base)).err();
    assert_eq!(refusal("https://api.metriport.com"), None);
    assert_eq!(refusal("http://127.0.0.1:4000"), None);
    assert_eq!(refusal("http://[::1]:4000"), None);
    assert_eq!(
        refusal("http://api.metriport.com"),
        Some(ClientOptionsError::NotPrivate)
    );
    assert_eq!(
        refusal("http://127.0.0.1.example.test"),
        Some(ClientOptionsError::NotPrivate)
    );
    assert_eq!(
        refusal("https://user:pass@api.metriport.com"),
        Some(ClientOptionsError::NotABase)
    );
    assert_eq!(
        refusal("https://api.metriport.com?x=1"),
        Some(ClientOptionsError::NotABase)
    );
}

#[test]
fn missing_or_unsendable_key_is_an_error() {
    for key in ["", "two\nlines"] {
        let options = ClientOptions {
            api_key: key.to_owned().into(),
            ..options("https://api.metriport.com")
        };
        assert_eq!(Client::new(options).err(), Some(ClientOptionsError::ApiKey));
    }
    let options = ClientOptions {
        user_agent: "two\nlines".to_owned(),
        ..options("https://api.metriport.com")
    };
    assert_eq!(Client::new(options).err(), Some(ClientOptionsError::UserAgent));
}
