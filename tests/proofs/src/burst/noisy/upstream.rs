//! The functions' calls to Metriport by person, and the day's count in the table.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_machine::Sandbox;
use sandbox_metriport::{CallInfo, Interceptor, Operation, Passage};
use tokio::time::{Instant, sleep};

use crate::caller::caller;
use crate::chaos::busy;
use crate::table::{TABLE, client};

/// The partition of the days' counts.
const DAYS: &str = "BUDGET#day";
/// How often the queues are polled.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Calls by operation.
pub type Calls = BTreeMap<Operation, u64>;

/// Every call of a function to the stand-in's API, with the patient's `externalId`.
#[derive(Default)]
pub(super) struct CallLog(Mutex<Vec<(Option<String>, Operation)>>);

impl CallLog {
    fn calls(&self) -> MutexGuard<'_, Vec<(Option<String>, Operation)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of calls so far, about all persons.
    pub(super) fn len(&self) -> usize {
        self.calls().len()
    }

    /// The calls about one person, without the first `since` calls about all persons.
    pub(super) fn of(&self, subject: &str, since: usize) -> Calls {
        let mut counts = Calls::new();
        let calls = self.calls();
        let own = calls.iter().skip(since);
        for (_, operation) in own.filter(|(about, _)| about.as_deref() == Some(subject)) {
            *counts.entry(*operation).or_default() += 1;
        }
        counts
    }
}

#[async_trait::async_trait]
impl Interceptor for CallLog {
    async fn before(&self, call: &CallInfo) -> Passage {
        // Downloads do not belong to the API and do not count as calls of the day.
        if call.operation != Operation::DownloadFile && caller(call).is_some() {
            self.calls().push((call.external_id.clone(), call.operation));
        }
        Passage::Go
    }
}

/// The day's calls, in the table and at the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayCount {
    /// The count in the table, over all days.
    pub counted: u64,
    /// The count at the stand-in.
    pub upstream: u64,
}

impl DayCount {
    /// Reads both counts once the queues are empty and the counts agree, or else after `bound`.
    pub(super) async fn read(sandbox: &Sandbox, log: &CallLog, bound: Duration) -> Result<Self, String> {
        let until = Instant::now() + bound;
        loop {
            let idle = busy(sandbox).is_empty() && sandbox.host().in_flight() == 0;
            let upstream = u64::try_from(log.len()).unwrap_or(u64::MAX);
            let counted = counted(sandbox).await?;
            if (idle && counted == upstream) || Instant::now() >= until {
                return Ok(Self { counted, upstream });
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The sum of the counts of all days, so that a proof across midnight is counted whole.
async fn counted(sandbox: &Sandbox) -> Result<u64, String> {
    let days = client(sandbox)?
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :days")
        .expression_attribute_values(":days", AttributeValue::S(DAYS.to_owned()));
    let days = days.send().await.map_err(|error| error.to_string())?;
    let calls = days.items().iter().filter_map(|day| day.get("calls")?.as_n().ok());
    Ok(calls.filter_map(|calls| calls.parse::<u64>().ok()).sum())
}
