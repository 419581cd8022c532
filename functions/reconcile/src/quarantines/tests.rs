//! Counts of an index, and an index that cannot be read.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use shared::store::StoreError;

use super::*;

/// An index with an active and an overdue number of quarantines; `None` if it cannot be read.
struct Index(Option<(u64, u64)>);

impl Index {
    fn read(&self) -> Result<(u64, u64), StoreError> {
        self.0.ok_or_else(|| StoreError::Unavailable("test".to_owned()))
    }
}

impl CountQuarantines for Index {
    async fn active_quarantines(&self) -> Result<u64, StoreError> {
        Ok(self.read()?.0)
    }

    async fn count_overdue_quarantines(&self, _before: Time) -> Result<u64, StoreError> {
        Ok(self.read()?.1)
    }
}

/// The written values of both metrics; `None` if the count failed.
async fn counted(index: Index) -> Option<Vec<(Value, Value)>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let metrics = Metrics::to("test", move |line| {
        sink.lock().unwrap().push(serde_json::from_str::<Value>(line).unwrap());
    });
    count(&index, &metrics, Time::default()).await.ok()?;
    let lines = lines.lock().unwrap();
    let values = lines
        .iter()
        .map(|line| (line["QuarantinesActive"].clone(), line["QuarantinesOverdue"].clone()));
    Some(values.collect())
}

#[tokio::test(flavor = "current_thread")]
async fn active_quarantines_are_counted_before_their_deadline() {
    let one = |active: u64, overdue: Value| Some(vec![(Value::from(active), overdue)]);
    assert_eq!(counted(Index(Some((0, 0)))).await, Some(Vec::new()));
    assert_eq!(counted(Index(Some((3, 0)))).await, one(3, Value::Null));
    assert_eq!(counted(Index(Some((3, 1)))).await, one(3, 1.into()));
    assert_eq!(counted(Index(None)).await, None);
}
