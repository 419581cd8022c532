//! A log with several persons, for tests: its sealed days, and the export of one person.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::value::RawValue;

use super::export::{ExportHead, ExportPage, ExportedDay, UnsealedTail, VERSION};
use super::key::SPKI_PREFIX;
use super::proof::DayProof;
use super::seal::{DayShards, SealContext, SealHash, SealStatement, SealedShard, ShardEntries, SignedSeal};
use super::seal::{prove_shard, seal_day};
use super::{Access, Actor, LogDay, LogEntry, SHARDS, SealPublicKey, leaf, shard};
use crate::domain::{OwnerId, RecordId, Time, Timing};

pub(super) const STACK: &str = "ias";
/// The first day, 2026-11-20.
const START: Time = Time::from_millis(20_777 * DATE_MILLIS);
const DATE_MILLIS: i64 = 86_400_000;
/// Persons besides the one whose log is exported. Each has two entries a day.
const OTHERS: usize = 40;

/// A key that signs.
pub(in crate::domain) struct Signer {
    pair: EcdsaKeyPair,
    pub(in crate::domain) key: SealPublicKey,
}

impl Signer {
    pub(in crate::domain) fn new() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let spki = [&SPKI_PREFIX, pair.public_key().as_ref()].concat();
        let key = SealPublicKey::from_spki(&spki).unwrap();
        Self { pair, key }
    }

    pub(in crate::domain) fn sign(&self, statement: String) -> SignedSeal {
        let signature = self.pair.sign(&SystemRandom::new(), statement.as_bytes()).unwrap();
        let signature = STANDARD.encode(signature);
        SignedSeal { statement, signature }
    }
}

pub(super) fn owner(name: &str) -> OwnerId {
    OwnerId::parse(format!("v1.{name}")).unwrap()
}

/// A day of the sample, from 0.
pub(super) fn day(number: usize) -> LogDay {
    LogDay::of(time(number, 0), Timing::default())
}

fn time(day: usize, millis: i64) -> Time {
    Time::from_millis(START.millis() + day as i64 * DATE_MILLIS + millis)
}

/// The text of an entry. Entries of a day have the order of their numbers.
pub(super) fn text(day: usize, number: usize) -> String {
    let entry = LogEntry {
        at: time(day, number as i64 * 700),
        what: Access::LinkMinted,
        actor: Actor::Person { client: None },
        via: "record-read".into(),
        run: None,
        record: Some(RecordId::UNUSED),
        method: None,
        result: None,
    };
    entry.text()
}

/// A sealed day.
pub(super) struct SampleDay {
    day: LogDay,
    texts: Vec<String>,
    shards: Vec<SealedShard>,
    summaries: DayShards,
    pub(super) statement: SealStatement,
    pub(super) seal: SignedSeal,
}

impl SampleDay {
    /// Seals a day on which `person` has these entries.
    pub(super) fn new(
        day: LogDay,
        person: &OwnerId,
        texts: Vec<String>,
        previous: Option<SealHash>,
        signer: &Signer,
    ) -> Self {
        let mut shards: Vec<ShardEntries> = (0..SHARDS).map(|_| ShardEntries::default()).collect();
        let mut add = |of: &OwnerId, text: &str| shards[usize::from(shard(of))].add(of.clone(), leaf(text));
        texts.iter().for_each(|text| add(person, text));
        for other in (0..OTHERS).map(|n| owner(&format!("other-{n}"))) {
            ["1", "2"].iter().for_each(|text| add(&other, text));
        }
        let shards: Vec<SealedShard> = shards.iter().map(|shard| shard.seal(day)).collect();
        let summaries = std::array::from_fn(|shard| shards[shard].summary());
        let context = SealContext {
            stack: STACK,
            previous,
            key: &signer.key,
        };
        let statement = seal_day(day, &summaries, &context, START);
        let seal = signer.sign(statement.text());
        Self {
            day,
            texts,
            shards,
            summaries,
            statement,
            seal,
        }
    }

    pub(super) fn proof(&self, person: &OwnerId) -> DayProof {
        self.proof_as(person, self.day)
    }

    /// The proof that this day's tree gives for another day.
    pub(super) fn proof_as(&self, person: &OwnerId, day: LogDay) -> DayProof {
        let shard = shard(person);
        DayProof {
            seal: self.seal.clone(),
            shard: prove_shard(&self.summaries, shard).unwrap(),
            person: self.shards[usize::from(shard)].prove(person, day),
        }
    }

    fn parts(&self, person: &OwnerId, entries_max: usize) -> Vec<ExportedDay> {
        let mut chunks: Vec<&[String]> = self.texts.chunks(entries_max).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        let part = |(number, texts): (usize, &[String])| ExportedDay {
            day: self.day,
            proof: self.proof(person),
            leaves: texts.iter().map(|text| leaf(text)).collect(),
            entries: raw(texts),
            more: number < last,
        };
        chunks.into_iter().enumerate().map(part).collect()
    }
}

pub(super) fn raw(texts: &[String]) -> Vec<Box<RawValue>> {
    let texts = texts.iter().cloned();
    texts.map(|text| RawValue::from_string(text).unwrap()).collect()
}

/// The log of one person.
pub(super) struct SampleLog {
    pub(super) signer: Signer,
    pub(super) person: OwnerId,
    pub(super) days: Vec<SampleDay>,
    tail: usize,
}

impl SampleLog {
    /// Seals one day after another with these numbers of entries. `tail` entries follow on the next day.
    pub(super) fn new(counts: &[usize], tail: usize) -> Self {
        let (signer, person) = (Signer::new(), owner("nora"));
        let mut days: Vec<SampleDay> = Vec::new();
        for (number, count) in counts.iter().enumerate() {
            let texts = (0..*count).map(|entry| text(number, entry)).collect();
            let before = days.last().map(|last| SealHash::new(last.day, &last.seal.statement));
            days.push(SampleDay::new(day(number), &person, texts, before, &signer));
        }
        Self {
            signer,
            person,
            days,
            tail,
        }
    }

    pub(super) fn head(&self) -> ExportHead {
        let last = self.days.len() - 1;
        ExportHead {
            v: VERSION,
            owner: self.person.clone(),
            stack: STACK.into(),
            from: day(0),
            to: day(last + 2),
            sealed_through: Some(day(last)),
            exported_at: time(last + 2, 0),
        }
    }

    /// The pages of the whole export.
    pub(super) fn pages(&self, entries_max: usize) -> Vec<ExportPage> {
        let parts = self.days.iter().flat_map(|day| day.parts(&self.person, entries_max));
        let mut pages: Vec<ExportPage> = Vec::new();
        for part in parts {
            let size = |page: &ExportPage| page.days.iter().map(|day| day.entries.len()).sum::<usize>();
            match pages
                .last_mut()
                .filter(|page| size(page) + part.entries.len() <= entries_max)
            {
                Some(page) => page.days.push(part),
                None => pages.push(self.page(vec![part], None)),
            }
        }
        let texts: Vec<String> = (0..self.tail).map(|entry| text(self.days.len(), entry)).collect();
        let tail = UnsealedTail {
            entries: raw(&texts),
            more: false,
        };
        pages.push(self.page(Vec::new(), Some(tail)));
        pages
    }

    fn page(&self, days: Vec<ExportedDay>, unsealed: Option<UnsealedTail>) -> ExportPage {
        let (log, next) = (self.head(), Default::default());
        ExportPage {
            log,
            days,
            unsealed,
            next,
        }
    }
}
