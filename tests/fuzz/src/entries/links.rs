//! Fuzzes the policy of record links. The policy decides to which hosts a webhook can make the system connect.

use shared::config::Env;
use shared::message::Link;
use shared::records::LinkPolicy;
use url::{Host, Url};

use crate::canary;
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::Failed;

/// The policy of record links.
pub struct Links(LinkPolicy);

/// The entry's name.
pub const NAME: &str = "record-link";

const HOSTS: &str = "records.example.test,*.store.example.test";

impl Links {
    /// Starts a policy that allows one host and one wildcard, as a deployment does. It does not allow loopback.
    ///
    /// # Errors
    /// Fails if the policy refuses the hosts.
    pub fn start() -> Result<Self, Failed> {
        let env = Env::from_pairs([("RECORD_LINK_HOSTS", HOSTS)]);
        let metriport = Url::parse("https://api.metriport.com")?;
        Ok(Self(LinkPolicy::read(&env, &metriport)?))
    }
}

impl Entry for Links {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        let scheme = chance.pick([
            "https",
            "https",
            "https",
            "http",
            "HTTPS",
            "ftp",
            "file",
            "https:",
            "javascript",
            "",
        ]);
        let user = chance.pick(["", "", "", "", "a@", "a:b@", ":@", "records.example.test@", "%40"]);
        let host = chance.pick([
            "records.example.test",
            "RECORDS.example.test.",
            "x.store.example.test",
            "store.example.test",
            "a.b.store.example.test",
            ".store.example.test",
            "evilstore.example.test",
            "records.example.test.evil.test",
            "127.0.0.1",
            "[::1]",
            "0x7f.1",
            "169.254.169.254",
            "localhost",
            "records.example.test%00",
            "r\u{435}cords.example.test",
        ]);
        let port = chance.pick(["", "", "", ":443", ":80", ":0", ":65536", ":"]);
        let tail = chance.pick([
            "/x?X-Amz-Signature=1",
            "",
            "\\@evil.test",
            "/../..",
            "#@evil.test",
            "?@evil.test",
        ]);
        let mut link = format!("{scheme}://{user}{host}{port}{tail}").into_bytes();
        if chance.one_in(3) {
            mutate::bytes::mutate(&mut link, chance);
        }
        if chance.one_in(30) {
            link = mutate::text::odd(chance).into_bytes();
        }
        link
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        let text = String::from_utf8_lossy(input).into_owned();
        let url = match self.0.check(&Link::new(text.clone())) {
            Ok(url) => url,
            Err(refusal) if canary::is_in(&format!("{refusal} {refusal:?}")) => {
                return Err("the refusal quotes the link".to_owned());
            }
            Err(_) => return Ok("refused"),
        };
        let read = Url::parse(&text).map_err(|_malformed| "followed a text that is not a URL".to_owned())?;
        if read != url {
            return Err(format!("followed {url} instead of {read}"));
        }
        let Some(Host::Domain(name)) = url.host() else {
            return Err(format!("followed an IP address: {url}"));
        };
        let labels: Vec<_> = name.split('.').collect();
        let listed =
            name == "records.example.test" || (labels.len() > 3 && labels.ends_with(&["store", "example", "test"]));
        let plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        match url.scheme() == "https" && plain && listed {
            true => Ok("followed"),
            false => Err(format!("followed {url}")),
        }
    }
}
