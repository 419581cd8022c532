use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::stream::{self, BoxStream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::*;
use crate::domain::PatientId;
use crate::records::{Part, ScanError, Upload};

type Piece = Result<Bytes, RecordsError>;

/// A bucket whose parts arrive late and out of order.
#[derive(Default)]
struct Fake {
    state: Mutex<State>,
    /// If there is a gate, each part waits for one of its permits.
    gate: Option<Semaphore>,
    /// The call that is refused.
    refuses: Option<Call>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Put,
    Begin,
    Part(i32),
    Complete,
}

#[derive(Default)]
struct State {
    objects: Vec<Vec<u8>>,
    parts: BTreeMap<i32, Vec<u8>>,
    under_way: usize,
    under_way_most: usize,
    begun: u32,
    aborted: u32,
}

impl Fake {
    fn held_up() -> Self {
        Self {
            gate: Some(Semaphore::new(0)),
            ..Self::default()
        }
    }

    fn refusing(call: Call) -> Self {
        Self {
            refuses: Some(call),
            ..Self::default()
        }
    }

    fn answer(&self, call: Call) -> Result<(), RecordsError> {
        match self.refuses == Some(call) {
            true => Err(RecordsError::Bucket("refused".to_owned())),
            false => Ok(()),
        }
    }

    /// Whether every upload was aborted and nothing is visible.
    fn is_clean(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.begun == state.aborted && state.objects.is_empty() && state.parts.is_empty()
    }
}

/// A part being sent, until it is dropped.
struct UnderWay<'a>(&'a Fake);

impl<'a> UnderWay<'a> {
    fn begin(fake: &'a Fake) -> Self {
        let mut state = fake.state.lock().unwrap();
        state.under_way += 1;
        state.under_way_most = state.under_way_most.max(state.under_way);
        Self(fake)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().under_way -= 1;
    }
}

impl PutRecord for Fake {
    async fn put(&self, _: &str, _: Conversion, body: Bytes) -> Result<(), RecordsError> {
        self.answer(Call::Put)?;
        self.state.lock().unwrap().objects.push(body.to_vec());
        Ok(())
    }
    async fn begin(&self, key: &str, _: Conversion) -> Result<Upload, RecordsError> {
        self.answer(Call::Begin)?;
        self.state.lock().unwrap().begun += 1;
        Ok(Upload::for_tests(key))
    }
    async fn part(&self, _: &Upload, number: i32, body: Bytes) -> Result<Part, RecordsError> {
        let _under_way = UnderWay::begin(self);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        for _ in 0..number % 3 {
            tokio::task::yield_now().await;
        }
        self.answer(Call::Part(number))?;
        self.state.lock().unwrap().parts.insert(number, body.to_vec());
        Ok(Part::for_tests(number))
    }
    async fn complete(&self, _: &Upload, parts: Vec<Part>) -> Result<(), RecordsError> {
        self.answer(Call::Complete)?;
        let mut state = self.state.lock().unwrap();
        let sent = std::mem::take(&mut state.parts);
        let numbers: Vec<i32> = parts.iter().map(Part::number).collect();
        assert_eq!(numbers, sent.keys().copied().collect::<Vec<_>>(), "in ascending order");
        state.objects.push(sent.into_values().collect::<Vec<_>>().concat());
        Ok(())
    }
    async fn abort(&self, _: &Upload) -> Result<(), RecordsError> {
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.under_way, 0, "aborted while a part was being uploaded");
        state.parts.clear();
        state.aborted += 1;
        Ok(())
    }
}

fn bundle(padding: usize) -> Vec<u8> {
    let text = "x".repeat(padding);
    format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Binary","data":"{text}"}}}}]}}"#)
        .into_bytes()
}

fn pieces(body: &[u8]) -> BoxStream<'static, Piece> {
    let pieces = body.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece)));
    stream::iter(pieces.collect::<Vec<_>>()).boxed()
}

fn expected() -> ExpectedPatient {
    ExpectedPatient {
        id: PatientId::parse("p").unwrap(),
        fingerprint: None,
    }
}

async fn run(fake: &Fake, pieces: BoxStream<'static, Piece>) -> Result<StoredObject, RecordsError> {
    let until = Instant::now() + Duration::from_secs(870);
    transfer(async { Ok(pieces) }, fake, ("k", Conversion::Json), expected(), until).await
}

#[tokio::test]
async fn small_and_large_records_arrive_whole() {
    let frame = bundle(0).len();
    for padding in [
        0,
        PART_BYTES - frame,
        PART_BYTES,
        6 * PART_BYTES - frame,
        6 * PART_BYTES + 17,
    ] {
        let (fake, body) = (Fake::default(), bundle(padding));
        let stored = run(&fake, pieces(&body)).await.unwrap();
        let state = fake.state.lock().unwrap();
        assert!(state.objects == [body.clone()], "{padding}");
        assert_eq!(state.aborted, 0);
        assert_eq!(stored.sha256, hex::encode(Sha256::digest(&body)));
        assert_eq!(
            (stored.bytes, stored.counts.get("Binary")),
            (body.len() as u64, Some(&1))
        );
    }
}

#[tokio::test]
async fn parts_are_sent_at_once_up_to_the_limit() {
    let (fake, body) = (Fake::held_up(), bundle(8 * PART_BYTES));
    let letting = async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.state.lock().unwrap().under_way, PARTS_AT_ONCE);
        fake.gate.as_ref().unwrap().add_permits(9);
    };
    let (stored, ()) = tokio::join!(run(&fake, pieces(&body)), letting);
    assert_eq!(stored.unwrap().bytes, body.len() as u64);
    let state = fake.state.lock().unwrap();
    assert!(state.objects == [body]);
    assert_eq!(state.under_way_most, PARTS_AT_ONCE);
}

#[tokio::test]
async fn broken_or_truncated_record_leaves_nothing_in_the_bucket() {
    let broken = || stream::iter([Err(RecordsError::Broken("interrupted"))]);
    for (padding, uploads) in [(0, 0), (2 * PART_BYTES, 2)] {
        let (fake, mut body) = (Fake::default(), bundle(padding));
        assert_eq!(
            run(&fake, pieces(&body).chain(broken()).boxed()).await,
            Err(RecordsError::Broken("interrupted"))
        );
        body.pop();
        assert!(matches!(
            run(&fake, pieces(&body)).await,
            Err(RecordsError::Unreadable(ScanError::Truncated(_)))
        ));
        assert!(fake.is_clean());
        assert_eq!(fake.state.lock().unwrap().begun, uploads);
    }
}

#[tokio::test]
async fn refused_bucket_call_leaves_nothing_in_the_bucket() {
    let refused = Err(RecordsError::Bucket("refused".to_owned()));
    let small = Fake::refusing(Call::Put);
    assert_eq!(run(&small, pieces(&bundle(0))).await, refused);
    assert!(small.is_clean() && small.state.lock().unwrap().begun == 0);
    let parts = 7;
    let body = bundle((parts as usize - 1) * PART_BYTES);
    let each_part = (1..=parts).map(Call::Part);
    for call in [Call::Begin, Call::Complete].into_iter().chain(each_part) {
        let fake = Fake::refusing(call);
        assert_eq!(run(&fake, pieces(&body)).await, refused, "{call:?}");
        assert!(fake.is_clean(), "{call:?}");
        assert_eq!(
            fake.state.lock().unwrap().begun,
            u32::from(call != Call::Begin),
            "{call:?}"
        );
    }
}

/// The paused clock advances when every task waits.
#[tokio::test(start_paused = true)]
async fn stalled_transfer_ends_after_the_longest_wait() {
    let fake = Fake::default();
    let begun = Instant::now();
    let silent = pieces(&bundle(2 * PART_BYTES))
        .take(170)
        .chain(stream::pending())
        .boxed();
    assert_eq!(run(&fake, silent).await, Err(RecordsError::Broken("stalled")));
    assert_eq!(begun.elapsed().as_secs(), STALL.as_secs());
    assert!(fake.is_clean() && fake.state.lock().unwrap().begun == 1);

    let never = std::future::pending::<Result<BoxStream<'static, Piece>, _>>();
    let until = Instant::now() + Duration::from_secs(870);
    let end = transfer(never, &fake, ("k", Conversion::Json), expected(), until).await;
    assert_eq!(end, Err(RecordsError::Broken("stalled")));
}

#[tokio::test(start_paused = true)]
async fn slow_transfer_ends_at_its_time_limit() {
    let fake = Fake::default();
    let begun = Instant::now();
    let ticks = tokio::time::interval(Duration::from_secs(29));
    let drips = stream::unfold(ticks, async |mut ticks| {
        ticks.tick().await;
        Some((Ok(Bytes::from_static(b" ")), ticks))
    });
    let dripping = pieces(&bundle(2 * PART_BYTES)).take(170).chain(drips).boxed();
    assert_eq!(
        run(&fake, dripping).await,
        Err(RecordsError::Broken("time limit reached"))
    );
    assert_eq!(begun.elapsed().as_secs(), 870);
    assert!(fake.is_clean() && fake.state.lock().unwrap().begun == 1);
}

/// After its time limit, a transfer waits for hanging parts for at most `TIDY`, so that it ends before its function.
#[tokio::test(start_paused = true)]
async fn hanging_upload_is_aborted_after_the_time_limit() {
    let fake = Fake::held_up();
    let begun = Instant::now();
    let end = run(&fake, pieces(&bundle(8 * PART_BYTES))).await;
    assert_eq!(end, Err(RecordsError::Broken("time limit reached")));
    assert_eq!(begun.elapsed(), Duration::from_secs(870) + TIDY);
    assert_eq!(fake.state.lock().unwrap().aborted, 1);
}
