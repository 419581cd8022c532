//! Faults of calls to AWS and of queue messages.

use std::sync::Arc;

use sandbox_machine::functions::FUNCTION_NAMES;

use super::{FaultInjector, LATE_MS};
use crate::chaos::order::Occurrence;
use crate::chaos::plan::{Kind, Moment};

pub(super) struct AtAws(pub(super) Arc<FaultInjector>);

/// The function behind an access key id; `None` for the host's own calls.
fn function_of(access_key_id: Option<&str>) -> Option<&'static str> {
    let key = access_key_id?.strip_prefix("SANDBOX")?;
    FUNCTION_NAMES
        .iter()
        .copied()
        .find(|name| name.replace('-', "").eq_ignore_ascii_case(key))
}

#[async_trait::async_trait]
impl sandbox_aws::Interceptor for AtAws {
    async fn before(&self, call: &sandbox_aws::Call) -> sandbox_aws::Verdict {
        let Some(function) = function_of(call.access_key_id.as_deref()) else {
            return sandbox_aws::Verdict::Forward;
        };
        if !self.0.pass(Moment::BeforeCall, function, None).await {
            return sandbox_aws::Verdict::Drop;
        }
        if let Some(deletions) = self.0.deletions(function) {
            deletions.note(&call.operation, true).await;
        }
        // Noted when the call goes on, which may be after a withdrawal.
        if let Some(sent) = Occurrence::of_sent(&call.operation) {
            self.0.order.note(function, sent);
        }
        let kinds: &[Kind] = match call.service {
            sandbox_aws::Service::DynamoDb => &[Kind::TableThrottled, Kind::AwsError, Kind::AwsLostBefore],
            _ => &[Kind::AwsError, Kind::AwsLostBefore],
        };
        let Some(kind) = self.0.throw(kinds) else {
            return sandbox_aws::Verdict::Forward;
        };
        self.0.note(kind, function, None);
        match kind {
            Kind::TableThrottled => sandbox_aws::Verdict::Throttle,
            Kind::AwsError => sandbox_aws::Verdict::Fail(sandbox_aws::Failure::Internal),
            _ => sandbox_aws::Verdict::Drop,
        }
    }

    async fn after(&self, call: &sandbox_aws::Call, status: u16) -> sandbox_aws::Ending {
        let Some(function) = function_of(call.access_key_id.as_deref()) else {
            return sandbox_aws::Ending::Return;
        };
        if let Some(done) = Occurrence::of_done(&call.operation, status) {
            self.0.order.note(function, done);
        }
        if let Some(deletions) = self.0.deletions(function) {
            deletions.note(&call.operation, false).await;
        }
        if !self.0.pass(Moment::AfterCall, function, None).await {
            return sandbox_aws::Ending::Drop;
        }
        match self.0.throw(&[Kind::AwsLostAfter]) {
            Some(kind) => {
                self.0.note(kind, function, None);
                sandbox_aws::Ending::Drop
            }
            None => sandbox_aws::Ending::Return,
        }
    }

    fn message(&self, _message: &sandbox_aws::MessageInfo) -> sandbox_aws::Passage {
        let again = self.0.throw(&[Kind::QueueDuplicate]).map(|kind| {
            self.0.note(kind, "", None);
            self.0.up_to(LATE_MS)
        });
        sandbox_aws::Passage {
            late_ms: 0,
            again_after_ms: again,
        }
    }
}
