//! Holds one call of a function until the test lets it go on.

use std::sync::{Arc, Mutex};

use sandbox_host::access_key_id;
use sandbox_metriport::{CallInfo, Operation};
use tokio::sync::Notify;

use super::withdraw;
use crate::harness::{BOUND, Person, TestApp};

/// The call to hold.
enum Call {
    /// The answer of Metriport to this operation. The operation has had its effect.
    Answer(Operation),
    /// An operation of AWS that this function calls, before it has an effect, after this number of other such calls.
    Aws(&'static str, &'static str, u32),
}

/// Holds the next call that the test names.
#[derive(Default)]
pub(crate) struct Hold {
    next: Mutex<Option<Call>>,
    came: Notify,
    goes_on: Notify,
}

impl Hold {
    /// Starts a sandbox whose calls can be held.
    pub(crate) async fn start() -> (Arc<Self>, TestApp) {
        Self::start_at(1).await
    }

    /// Starts a sandbox whose calls can be held, and in which time runs fast.
    pub(crate) async fn start_hurried() -> (Arc<Self>, TestApp) {
        Self::start_at(60).await
    }

    async fn start_at(time_scale: u32) -> (Arc<Self>, TestApp) {
        let hold = Arc::new(Self::default());
        let app = TestApp::with(|options| {
            options.time_scale = time_scale;
            options.faults.aws = Some(Arc::clone(&hold) as _);
            options.faults.upstream = Some(Arc::clone(&hold) as _);
        })
        .await;
        (hold, app)
    }

    /// Holds the next answer of Metriport to this operation.
    pub(crate) fn answer_to(&self, operation: Operation) {
        *self.next.lock().unwrap() = Some(Call::Answer(operation));
    }

    /// Holds the function's next call of this operation of AWS.
    pub(crate) fn call_of(&self, function: &'static str, operation: &'static str) {
        *self.next.lock().unwrap() = Some(Call::Aws(function, operation, 0));
    }

    /// Holds the function's second next call of this operation of AWS.
    pub(crate) fn second_call_of(&self, function: &'static str, operation: &'static str) {
        *self.next.lock().unwrap() = Some(Call::Aws(function, operation, 1));
    }

    /// Waits until the call is held.
    pub(crate) async fn until_held(&self) {
        let came = tokio::time::timeout(BOUND, self.came.notified()).await;
        came.expect("a call to hold");
    }

    /// Lets the held call go on.
    pub(crate) fn release(&self) {
        self.goes_on.notify_one();
    }

    /// Withdraws the person's consent while the call is held.
    pub(crate) async fn withdraw_meanwhile(&self, person: &Person) {
        self.until_held().await;
        withdraw(person).await;
        self.release();
    }

    async fn pass(&self, is_next: impl Fn(&mut Call) -> bool) {
        let is_held = self.next.lock().unwrap().take_if(|call| is_next(call)).is_some();
        if is_held {
            self.came.notify_one();
            self.goes_on.notified().await;
        }
    }
}

#[async_trait::async_trait]
impl sandbox_metriport::Interceptor for Hold {
    async fn after(&self, call: &CallInfo, _status: u16) -> sandbox_metriport::Passage {
        self.pass(|next| matches!(next, Call::Answer(operation) if *operation == call.operation))
            .await;
        sandbox_metriport::Passage::Go
    }
}

#[async_trait::async_trait]
impl sandbox_aws::Interceptor for Hold {
    async fn before(&self, call: &sandbox_aws::Call) -> sandbox_aws::Verdict {
        let is_next = |next: &mut Call| match next {
            Call::Aws(function, operation, others) => {
                let is_such = call.operation == *operation;
                let is_such = is_such && call.access_key_id.as_deref() == Some(&access_key_id(function));
                let is_next = is_such && *others == 0;
                *others = others.saturating_sub(u32::from(is_such));
                is_next
            }
            Call::Answer(_) => false,
        };
        self.pass(is_next).await;
        sandbox_aws::Verdict::Forward
    }
}
