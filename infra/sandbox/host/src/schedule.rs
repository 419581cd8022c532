//! Invokes functions on their schedules, at the template's rate or faster. A tick is skipped while the previous
//! invocation lasts.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock;
use crate::lambda::{Dispatcher, Identity, InvokeError};
use crate::template::{Schedule, ScheduleKind};

pub(crate) struct Ticker {
    pub(crate) binary: String,
    schedule: Schedule,
    identity: Identity,
    dispatcher: Arc<Dispatcher>,
    /// Held while an invocation lasts.
    running: Mutex<()>,
}

impl Ticker {
    pub(crate) fn new(binary: String, schedule: Schedule, identity: Identity, dispatcher: Arc<Dispatcher>) -> Self {
        Self {
            binary,
            schedule,
            identity,
            dispatcher,
            running: Mutex::new(()),
        }
    }

    /// Ticks until the task is aborted, `scale` times faster than in the template.
    pub(crate) async fn run(self: Arc<Self>, scale: u32) {
        let period = period(self.schedule.every, scale);
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let ticker = self.clone();
            tokio::spawn(async move {
                if let Ok(_alone) = ticker.running.try_lock() {
                    // The pool logs the failure; the next tick comes regardless.
                    ticker.invoke().await.ok();
                }
            });
        }
    }

    /// Invokes the function once. If an invocation has not ended, the call waits for its end first.
    pub(crate) async fn run_once(&self) -> Result<Value, InvokeError> {
        let _alone = self.running.lock().await;
        self.invoke().await
    }

    async fn invoke(&self) -> Result<Value, InvokeError> {
        let event = event(
            &self.schedule,
            &self.identity,
            &clock::new_id().to_string(),
            clock::now_ms(),
        );
        self.dispatcher.invoke_value(&self.binary, &event).await
    }
}

fn period(every: Duration, scale: u32) -> Duration {
    (every / scale.max(1)).max(Duration::from_millis(1))
}

/// The template's `Input`, or the default event of an EventBridge rule or of EventBridge Scheduler.
fn event(schedule: &Schedule, identity: &Identity, id: &str, now_ms: u64) -> Value {
    if let Some(input) = schedule
        .input
        .as_ref()
        .and_then(|input| serde_json::from_str(input).ok())
    {
        return input;
    }
    let Identity { region, account_id } = identity;
    let name = &schedule.event;
    let (source, resource, detail) = match schedule.kind {
        ScheduleKind::Rule => (
            "aws.events",
            format!("arn:aws:events:{region}:{account_id}:rule/{name}"),
            json!({}),
        ),
        ScheduleKind::Scheduler => (
            "aws.scheduler",
            format!("arn:aws:scheduler:{region}:{account_id}:schedule/default/{name}"),
            json!("{}"),
        ),
    };
    let secs = i64::try_from(now_ms / 1_000).unwrap_or_default();
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": source,
        "account": account_id,
        "time": Timestamp::from_second(secs).unwrap_or_default().to_string(),
        "region": region,
        "resources": [resource],
        "detail": detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind, input: Option<&str>) -> Schedule {
        let every = Duration::from_secs(60);
        Schedule {
            event: "EveryMinute".to_owned(),
            every,
            kind,
            input: input.map(str::to_owned),
        }
    }

    fn identity() -> Identity {
        Identity {
            region: "us-east-1".to_owned(),
            account_id: "123456789012".to_owned(),
        }
    }

    #[test]
    fn rule_sends_the_documented_event() {
        let expected = json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2015-10-08T16:53:06Z",
            "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/EveryMinute"],
            "detail": {},
        });
        let id = "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa";
        assert_eq!(
            event(&schedule(ScheduleKind::Rule, None), &identity(), id, 1_444_323_186_999),
            expected
        );
    }

    #[test]
    fn template_input_replaces_the_default_event() {
        let schedule = schedule(ScheduleKind::Scheduler, Some(r#"{"task":"due"}"#));
        assert_eq!(event(&schedule, &identity(), "id", 0), json!({ "task": "due" }));
    }

    #[test]
    fn scale_divides_the_period() {
        assert_eq!(period(Duration::from_secs(60), 60), Duration::from_secs(1));
        assert_eq!(period(Duration::from_secs(60), 1), Duration::from_secs(60));
    }
}
