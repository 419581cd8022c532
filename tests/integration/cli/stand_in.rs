//! `ias stand-in` prints everything that a deployment elsewhere needs to use it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::ias;
use crate::harness::BOUND;

/// A running `ias stand-in`, and its output.
struct StandAlone {
    child: Child,
    about: Value,
    http: reqwest::Client,
    /// Kept open, because the command may print more.
    _stdout: BufReader<ChildStdout>,
}

impl StandAlone {
    async fn start(args: &[&str]) -> Self {
        let mut child = ias(&[&["stand-in", "--json"], args].concat())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the command runs");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let reading = tokio::time::timeout(BOUND, stdout.read_line(&mut line)).await;
        reading.expect("it comes up").expect("text");
        Self {
            child,
            about: serde_json::from_str(&line).expect("one JSON object"),
            http: shared::metriport::http_client(BOUND, BOUND).expect("a client"),
            _stdout: stdout,
        }
    }

    fn text(&self, pointer: &str) -> &str {
        let found = self.about.pointer(pointer).and_then(Value::as_str);
        found.expect(pointer)
    }

    async fn get(&self, url: &str) -> Value {
        let answer = self
            .http
            .get(url)
            .header("x-api-key", self.text("/apiKey"))
            .send()
            .await;
        answer.expect("an answer").json::<Value>().await.expect("JSON")
    }

    async fn stop(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(kill.expect("kill").success());
        let ended = tokio::time::timeout(BOUND, self.child.wait()).await.expect("it ends");
        assert_eq!(ended.expect("a status").code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stand_in_command_prints_everything_a_deployment_needs() {
    let stand_in = StandAlone::start(&["--redirect", "https://mine.example.test/back"]).await;
    let facilities = stand_in
        .get(&format!("{}/medical/v1/facility", stand_in.text("/metriport")))
        .await;
    assert_eq!(
        facilities["facilities"][0]["id"],
        stand_in.text("/parameters/FacilityId")
    );
    assert_issuer_can_be_read(&stand_in).await;
    assert_tokens_name_the_person(&stand_in).await;
    let allowed = stand_in.text("/parameters/RedirectAllowlist");
    assert!(allowed.ends_with(",https://mine.example.test/back"));
    assert_eq!(
        format!("http://{}", stand_in.text("/parameters/RecordLinkHosts")),
        stand_in.text("/metriport")
    );
    stand_in.stop().await;
}

async fn assert_issuer_can_be_read(stand_in: &StandAlone) {
    let issuer = stand_in.text("/issuer");
    let discovery = stand_in
        .get(&format!("{issuer}/.well-known/openid-configuration"))
        .await;
    assert_eq!(discovery["issuer"], stand_in.text("/parameters/JwtIssuer"));
    let keys = stand_in.get(discovery["jwks_uri"].as_str().expect("a URL")).await;
    assert_eq!(keys["keys"][0]["alg"], "RS256");
}

async fn assert_tokens_name_the_person(stand_in: &StandAlone) {
    let url = format!("{}nora&email=n%40example.test", stand_in.text("/tokenUrl"));
    let answer = stand_in.get(&url).await;
    let token = answer["access_token"].as_str().expect("a token");
    let claims = decoded(token.split('.').nth(1).expect("claims"));
    let claims: Value = serde_json::from_slice(&claims).expect("claims");
    assert_eq!(
        (&claims["sub"], &claims["email"], &claims["aud"]),
        (
            &"nora".into(),
            &"n@example.test".into(),
            &stand_in.text("/audience").into()
        )
    );
}

/// Decodes base64url without padding (RFC 4648, section 5).
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
