//! `proofs erase`: before and after each call of a pull, the person is erased while the call waits. With `--kills`, a
//! process is killed at each point of an erasure instead.
//!
//! Afterwards
//! - no store holds a value of the person, except our own ids in the access log and in dead letters
//! - Metriport has deleted the patient, unless the patient existed before
//! - the receipt's signature holds, and it counts what was deleted
//! - the person can come back, as a new person

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ias::report::say;
use sandbox_machine::Sandbox;
use serde_json::{Value, json};
use shared::domain::ExternalId;
use shared::domain::erasure::{
    ErasureId, ErasureStage, PatientOutcome, ReceiptStatement, SignedReceipt, verify_receipt,
};
use shared::metriport::{FindPatient as _, http_client};
use shared::seals::{SealKey, SignSeal as _};
use shared::store::{ReadErasure as _, Table};
use tokio::time::{Instant, sleep, timeout};

use super::deletions::{Deletions, ERASER};
use super::inject::{Act, Point};
use super::order::Occurrence;
use super::person::{Person, Stop, demographics};
use super::points::{
    CONSENT_KEEPER, Occasions, PointOutcome, PointSandbox, find_dead_letters, is_call_of_pull, pull_whole,
    report_points, visit_all,
};
use super::pulled::{Erased, Pull};
use super::values::{OUR_IDS, Planted, SHARED, SearchResult, read_all, search};
use super::{LOOK_EVERY, busy, facts};
use crate::caller::FETCHER;
use crate::cli::EraseArgs;
use crate::table::{aws, text};

/// The function that links persons to patients.
const LINKER: &str = "identity-session";
/// How long a call waits at most: less than the SDK's limit for a call to the table, after which it repeats the call.
const HOLD_MAX: Duration = Duration::from_millis(1_500);
/// The key that signs receipts.
const SEAL_KEY: &str = "alias/ias-seals";
const BUCKET: &str = "ias-recordsbucket";
/// The queue of `account-work`.
const ERASER_QUEUE: &str = "ias-AccountWorkQueue";
/// Limit of a call of the proof itself.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);

pub(crate) async fn erase(args: &EraseArgs) -> Result<(), String> {
    let (points, sums) = (&args.points, Sums::default());
    // With one process per function, the order of its calls shows what each invocation does.
    let (acts, outcomes) = if args.kills {
        let uses = |point: &Point| [CONSENT_KEEPER, ERASER].contains(&point.function.as_str());
        let outcomes = visit_all(points, (1, erase_whole), uses, async |place, point, subject| {
            kill_at(place, point, subject, &sums).await
        });
        ("kills", outcomes.await?)
    } else {
        let outcomes = visit_all(
            points,
            (1, pull_whole),
            is_call_of_pull,
            async |place, point, subject| erase_at(place, point, subject, &sums).await,
        );
        ("erasures", outcomes.await?)
    };
    sums.lines().iter().for_each(|line| say(line));
    report_points(points, acts, &outcomes)
}

/// Erases a person at a point of their pull.
async fn erase_at(place: &PointSandbox<'_>, point: Point, subject: &str, sums: &Sums) -> Result<PointOutcome, String> {
    let person = place.person(subject).await?;
    let case = ErasureCase::start(place, &person, sums).await?;
    let [is_linking, is_transfer] = [LINKER, FETCHER].map(|function| point.function == function);
    let erasure = async {
        case.plant_queries();
        if let Ok(receipt) = person.erase().await {
            place.injector.order().note(CONSENT_KEEPER, Occurrence::EraseRequested);
            // Half of a transfer's calls go on only when the first sweep has ended.
            if is_transfer && case.number / 2 % 2 == 1 {
                let swept = |stage| !matches!(stage, ErasureStage::Ending | ErasureStage::First);
                drop(timeout(HOLD_MAX, case.until_stage(&receipt, swept)).await);
            }
        }
    };
    let mut outcome = place.interrupt(&person, point, erasure).await?;
    // A person whose pull did not reach the point is erased after it.
    let receipt = match person.receipt.get() {
        Some(receipt) => receipt.clone(),
        None => person.erase().await.map_err(|stop| describe(&stop))?,
    };
    outcome
        .facts
        .late
        .extend(case.judge_erasure(&receipt, is_linking).await?);
    Ok(outcome)
}

/// Kills a process at a point of an erasure.
async fn kill_at(place: &PointSandbox<'_>, point: Point, subject: &str, sums: &Sums) -> Result<PointOutcome, String> {
    let person = place.person(subject).await?;
    let case = ErasureCase::start(place, &person, sums).await?;
    let pulled = [person.pull(true).await];
    let facts = facts::of(&place.sandbox, &pulled, &BTreeMap::new(), (&[], &[]));
    let mut facts = facts.into_iter().next().ok_or("the pull has no facts")?;
    case.plant_queries();
    case.leave_upload().await?;
    person.plant_items().await;
    let planted = person.values.lock().clone();
    let before = search(&planted, &read_all(&place.sandbox).await?);
    sums.add("values seen before an erasure", before.present);
    place.injector.plan(point.clone(), Act::Kill);
    match person.erase().await {
        Ok(receipt) => facts.late.extend(case.judge_erasure(&receipt, false).await?),
        Err(stop) => facts.late.push(describe(&stop)),
    }
    // Read before `set_enabled`, which drops planned acts.
    let reached = place.injector.waiting() == 0;
    place.injector.set_enabled(false);
    Ok(PointOutcome {
        point,
        reached,
        facts,
        strays: 0,
        has_link: false,
    })
}

/// An erasure without faults after a pull. Returns the occasions before the erasure.
async fn erase_whole(place: &PointSandbox<'_>) -> Result<Occasions, String> {
    let (person, sums) = (place.person("reference").await?, Sums::default());
    let case = ErasureCase::start(place, &person, &sums).await?;
    person
        .pull(true)
        .await
        .id()
        .ok_or("the pull without faults did not end")?;
    let before = place.injector.occasions();
    let receipt = person.erase().await.map_err(|stop| describe(&stop))?;
    case.await_end(&receipt).await?;
    Ok(before)
}

fn describe(stop: &Stop) -> String {
    match stop {
        Stop::Hung(place) => format!("{place} did not end"),
        Stop::Refused(code) => format!("the erasure was refused: {code}"),
    }
}

/// The erasure of one person.
struct ErasureCase<'a> {
    place: &'a PointSandbox<'a>,
    person: &'a Person,
    /// Decides about the variants of the case.
    number: u32,
    deletions: Arc<Deletions>,
    table: Table,
    sums: &'a Sums,
}

impl<'a> ErasureCase<'a> {
    async fn start(place: &'a PointSandbox<'a>, person: &'a Person, sums: &'a Sums) -> Result<Self, String> {
        let (aws, env) = aws(&place.sandbox)?;
        let deletions = Arc::new(Deletions::new(&place.sandbox, person.items.clone()));
        place.injector.count_deletions(Arc::clone(&deletions));
        let case = Self {
            place,
            person,
            number: person.subject.bytes().map(u32::from).sum(),
            deletions,
            table: Table::read(&aws.dynamodb(), &env).map_err(|error| error.to_string())?,
            sums,
        };
        if case.is_adopted() {
            case.create_patient().await?;
        }
        Ok(case)
    }

    /// Half of the patients exist at Metriport before this stack links the person to them.
    const fn is_adopted(&self) -> bool {
        self.number % 2 == 1
    }

    async fn create_patient(&self) -> Result<(), String> {
        let stand_in = self.place.sandbox.stand_in();
        let mut body = demographics(&self.person.subject, self.person.persona);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("externalId".to_owned(), json!(self.person.subject));
        }
        let (url, facility) = (stand_in.base_url(), stand_in.facility_id());
        let client = http_client(CALL_TIMEOUT, CALL_TIMEOUT).map_err(|error| error.to_string())?;
        let call = client.post(format!("{url}/medical/v1/patient?facilityId={facility}"));
        let answer = call.header("x-api-key", stand_in.api_key()).json(&body).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        answer.map(drop).map_err(|error| error.to_string())
    }

    /// Leaves an unfinished upload, as a transfer whose process dies.
    async fn leave_upload(&self) -> Result<(), String> {
        let items = self.person.items.read().await?;
        let folder = items.iter().find_map(|item| text(item, "folder"));
        let (s3, key) = (
            aws(&self.place.sandbox)?.0.s3(),
            format!("records/{}/upload", folder.unwrap_or_default()),
        );
        let begun = s3.create_multipart_upload().bucket(BUCKET).key(&key).send().await;
        let upload = begun.map_err(|error| error.to_string())?.upload_id;
        let part = s3.upload_part().bucket(BUCKET).key(&key).set_upload_id(upload);
        let body = self.person.subject.clone().into_bytes();
        let sent = part.part_number(1).body(body.into()).send().await;
        sent.map(drop).map_err(|error| error.to_string())
    }

    /// Plants Metriport's ids of the person's queries, which this stack may not know.
    fn plant_queries(&self) {
        let queries = self.place.sandbox.stand_in().network_queries();
        let own = queries
            .iter()
            .filter(|query| query.external_id.as_ref() == Some(&self.person.subject));
        own.for_each(|query| self.person.values.plant("queries at Metriport", &query.id));
    }

    /// Waits until the erasure is in such a stage, and returns whether it is. Reads the table, because requests to the
    /// API would be occasions, too.
    async fn until_stage(&self, receipt: &str, is_such: impl Fn(ErasureStage) -> bool) -> bool {
        let (begun, id) = (Instant::now(), ErasureId::of_text(receipt));
        while begun.elapsed() < self.person.bound {
            let job = self.table.erasure(id).await.ok().flatten();
            if job.is_some_and(|job| is_such(job.stage)) {
                return true;
            }
            sleep(LOOK_EVERY).await;
        }
        false
    }

    /// Waits until the erasure has ended, and returns its receipt.
    ///
    /// # Errors
    /// A breach, if it does not end.
    async fn await_end(&self, receipt: &str) -> Result<Value, String> {
        match self.until_stage(receipt, |stage| stage == ErasureStage::Finished).await {
            true => self.person.until_erased(receipt).await.map_err(|stop| describe(&stop)),
            false => Err("the erasure did not end".to_owned()),
        }
    }

    /// Waits until the erasure has ended, and returns its breaches. If it began during the creation of the patient
    /// (`is_linking`), the outcome at Metriport may be uncertain.
    async fn judge_erasure(&self, receipt: &str, is_linking: bool) -> Result<Vec<String>, String> {
        let sandbox = &self.place.sandbox;
        let signed = match self.await_end(receipt).await {
            Ok(signed) => signed,
            Err(breach) => return Ok(vec![breach]),
        };
        self.until_idle().await;
        let planted = self.person.values.lock().clone();
        let found = search(&planted, &read_all(sandbox).await?);
        let mut breaches = find_dead_letters(sandbox);
        breaches.extend(found.found.clone());
        match verify_signed(sandbox, receipt, &signed).await {
            Ok(statement) => {
                let counted = self.deletions.counts().await;
                if counted != statement.deleted {
                    breaches.push(format!("the receipt counts {:?}, not {counted:?}", statement.deleted));
                }
                breaches.extend(self.judge_patient(statement.patient, is_linking).await?);
                self.sums.add_erasure(&statement, &found, &planted);
            }
            Err(fault) => breaches.push(fault),
        }
        breaches.extend(self.come_back(&planted).await);
        Ok(breaches)
    }

    /// Waits until only the message of a killed `account-work` can be left, which stays hidden for long.
    async fn until_idle(&self) {
        let begun = Instant::now();
        let is_idle = || {
            busy(&self.place.sandbox)
                .iter()
                .all(|queue| queue.starts_with(ERASER_QUEUE))
        };
        while !is_idle() && begun.elapsed() < self.person.bound {
            sleep(LOOK_EVERY).await;
        }
    }

    async fn judge_patient(&self, outcome: PatientOutcome, is_linking: bool) -> Result<Option<String>, String> {
        let id = ExternalId::parse(self.person.subject.as_str()).map_err(|error| error.to_string())?;
        let client = self.place.sandbox.metriport_client()?;
        let found = client.find_patient(&id).await.map_err(|error| error.to_string())?;
        let (exists, adopted) = (found.is_some(), self.is_adopted());
        let is_right = match outcome {
            PatientOutcome::Deleted | PatientOutcome::Absent => !exists && !adopted,
            PatientOutcome::NotCreatedHere => exists && adopted,
            PatientOutcome::NotLinked => exists == adopted,
            PatientOutcome::Uncertain => is_linking,
        };
        let breach = || format!("{outcome:?} in the receipt, at Metriport exists: {exists}, before: {adopted}");
        Ok((!is_right).then(breach))
    }

    /// Lets the person come back. Returns what is left of the earlier person.
    async fn come_back(&self, planted: &Planted) -> Vec<String> {
        let person = self.person;
        for step in [person.consent().await, person.link().await] {
            if let Err(stop) = step {
                return vec![format!("coming back: {}", describe(&stop))];
            }
        }
        let ids = planted.iter().filter(|(_, source)| **source == OUR_IDS);
        let paths = ids.flat_map(|(id, _)| ["network-queries", "records"].map(|list| format!("/v1/{list}/{id}")));
        let lists = ["network-queries", "records"].map(|list| format!("/v1/{list}"));
        let mut left = Vec::new();
        for path in paths.chain(lists).chain(["/v1/identity".to_owned()]) {
            let reply = person.app.get(&path).await;
            let is_new = reply.is_ok_and(|reply| {
                let lists = [reply.list("/networkQueries"), reply.list("/records")].concat();
                lists.is_empty() && reply.text("/id").is_empty() && reply.text("/status") != "verified"
            });
            if !is_new {
                left.push(format!("{path} shows the earlier person, or does not answer"));
            }
        }
        left
    }
}

/// Verifies a receipt as `ias verify-receipt` does.
async fn verify_signed(sandbox: &Sandbox, receipt: &str, signed: &Value) -> Result<ReceiptStatement, String> {
    let key = SealKey::new(aws(sandbox)?.0.kms(), SEAL_KEY).seal_public_key().await;
    let signed: SignedReceipt = serde_json::from_value(signed.clone()).map_err(|error| error.to_string())?;
    let text = serde_json::to_string(&signed).map_err(|error| error.to_string())?;
    let statement = verify_receipt(&text, &key.map_err(|error| error.to_string())?);
    let statement = statement.map_err(|fault| fault.to_string())?;
    match statement.erasure == ErasureId::of_text(receipt) {
        true => Ok(statement),
        false => Err("the receipt is of another erasure".to_owned()),
    }
}

/// Counts over all erasures.
#[derive(Default)]
struct Sums(Mutex<BTreeMap<String, u64>>);

impl Sums {
    fn add(&self, name: impl Into<String>, count: u64) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sums.entry(name.into()).or_default() += count;
    }

    fn add_erasure(&self, statement: &ReceiptStatement, found: &SearchResult, planted: &Planted) {
        let deleted = &statement.deleted;
        for (kind, count) in &deleted.items {
            self.add(format!("deleted {kind}"), *count);
        }
        self.add("deleted objects", deleted.objects);
        self.add("deleted bytes of objects", deleted.bytes);
        self.add("deleted uploads", deleted.uploads);
        self.add(format!("patient {:?}", statement.patient), 1);
        for source in planted.values() {
            self.add(format!("searched for: {source}"), 1);
        }
        self.add("our ids in the access log and in dead letters", found.excepted);
    }

    fn lines(&self) -> Vec<String> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = sums.iter().map(|(name, count)| format!("  {name:<48}{count:>9}"));
        lines.collect()
    }
}

/// Searches for the values of all erased persons, and verifies their receipts. Returns a line for the report, and the
/// breaches.
pub(super) async fn check_erased(sandbox: &Sandbox, pulls: &[Pull]) -> Result<(String, Vec<String>), String> {
    let erased: Vec<_> = pulls.iter().filter_map(|pull| pull.erased.as_ref()).collect();
    let mut planted: Planted = erased.iter().flat_map(|erased| erased.values.clone()).collect();
    planted.retain(|_, source| *source != SHARED);
    let mut found = search(&planted, &read_all(sandbox).await?);
    let reader = sandbox.app("reader").map_err(|error| error.to_string())?;
    for Erased { receipt, .. } in &erased {
        let read = reader.read_erasure(receipt).await;
        let read = read.map_err(|error| error.to_string())?;
        let signed = read.body.get("receipt").cloned().unwrap_or_default();
        found.found.extend(verify_signed(sandbox, receipt, &signed).await.err());
    }
    let (persons, values, excepted) = (erased.len(), planted.len(), found.excepted);
    let line = format!("{persons}; {values} of their values searched for, {excepted} in the access log");
    Ok((line, found.found))
}
