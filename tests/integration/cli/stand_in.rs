//! `ias stand-in`: what a deployment that runs elsewhere needs to work against it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::ias;
use crate::harness::BOUND;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_in_alone_tells_all_that_a_deployment_needs() {
    let args = ["stand-in", "--json", "--redirect", "https://mine.example.test/back"];
    let mut child = ias(&args).stderr(Stdio::inherit()).spawn().expect("the command runs");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
    let reading = tokio::time::timeout(BOUND, stdout.read_line(&mut line)).await;
    reading.expect("it comes up").expect("text");
    let about: Value = serde_json::from_str(&line).expect("one JSON object");
    let text = |pointer: &str| {
        about
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect(pointer)
            .to_owned()
    };

    let http = shared::metriport::http_client(BOUND, BOUND).expect("a client");
    let get = async |url: String| {
        let answer = http.get(url).header("x-api-key", text("/apiKey")).send().await;
        answer.expect("an answer").json::<Value>().await.expect("JSON")
    };
    let facilities = get(format!("{}/medical/v1/facility", text("/metriport"))).await;
    assert_eq!(facilities["facilities"][0]["id"], text("/parameters/FacilityId"));
    let discovery = get(format!("{}/.well-known/openid-configuration", text("/issuer"))).await;
    assert_eq!(discovery["issuer"], text("/parameters/JwtIssuer"));
    let keys = get(discovery["jwks_uri"].as_str().expect("a URL").to_owned()).await;
    assert_eq!(keys["keys"][0]["alg"], "RS256");
    let token = get(format!("{}nora&email=n%40example.test", text("/tokenUrl"))).await;
    let token = token["access_token"]
        .as_str()
        .expect("a token")
        .split('.')
        .nth(1)
        .expect("claims")
        .to_owned();
    let claims: Value = serde_json::from_slice(&decoded(&token)).expect("claims");
    assert_eq!(
        (&claims["sub"], &claims["email"], &claims["aud"]),
        (&"nora".into(), &"n@example.test".into(), &text("/audience").into())
    );
    assert!(text("/parameters/RedirectAllowlist").ends_with(",https://mine.example.test/back"));
    assert_eq!(
        format!("http://{}", text("/parameters/RecordLinkHosts")),
        text("/metriport")
    );

    let pid = child.id().expect("it runs").to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .expect("kill")
            .success()
    );
    let ended = tokio::time::timeout(BOUND, child.wait()).await.expect("it ends");
    assert_eq!(ended.expect("a status").code(), Some(0));
}

/// base64url without padding (RFC 4648, section 5).
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}
