//! Faults are injected from outside. The functions have no hook for faults, so they act as in AWS.

use std::sync::Arc;

use sandbox_aws::{Call, MessageInfo, Passage, Service, Verdict};
use sandbox_host::{Interference, Invocation, Killer};
use sandbox_machine::SandboxOptions;
use sandbox_metriport::{CallInfo, DeliveryDecision, Operation};

use crate::harness::{TestApp, until};

/// Kills a function's process after its first call of an operation has taken effect.
struct KillAfter {
    killer: Killer,
    function: &'static str,
    operation: Operation,
}

#[async_trait::async_trait]
impl sandbox_metriport::Interceptor for KillAfter {
    async fn after(&self, call: &CallInfo, _status: u16) -> sandbox_metriport::Passage {
        let caller = format!("({})", self.function);
        if (call.operation, call.ordinal) != (self.operation, 1) || !call.user_agent.ends_with(&caller) {
            return sandbox_metriport::Passage::Go;
        }
        assert!(self.killer.kill(self.function).await);
        sandbox_metriport::Passage::Drop
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process_is_replaced_for_the_next_request() {
    let killer = Killer::default();
    let app = TestApp::with(|options| {
        options.faults.killer = killer.clone();
        options.faults.upstream = Some(Arc::new(KillAfter {
            killer,
            function: "aal2-challenge",
            operation: Operation::CreateChallenge,
        }));
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let refused = nora.app.open_challenge(sandbox_machine::sandbox::AAL2_RETURN).await;
    assert_eq!(refused.expect("an answer").status, 500);
    until("the process is gone", async || {
        let counts = app.sandbox().host().process_counts()["aal2-challenge"];
        ((counts.running, counts.killed) == (0, 1)).then_some(())
    })
    .await;
    assert_eq!(app.stand_in().fault_counts(), [("dropped_after", 1)].into());

    nora.pass_challenge().await;
    assert_eq!(app.stand_in().stats().calls(Operation::CreateChallenge), 2);
    app.end().await;
}

/// Throttles every seventh AWS call of a function if the call is to the table, and delivers every message twice.
struct Rough;

#[async_trait::async_trait]
impl sandbox_aws::Interceptor for Rough {
    async fn before(&self, call: &Call) -> Verdict {
        match call.service {
            Service::DynamoDb if call.ordinal.is_multiple_of(7) => Verdict::Throttle,
            _ => Verdict::Forward,
        }
    }

    fn message(&self, _: &MessageInfo) -> Passage {
        Passage {
            again_after_ms: Some(50),
            ..Passage::default()
        }
    }
}

/// Injects only faults that pass: those of [`Rough`], and every webhook arrives twice.
pub fn rough(options: &mut SandboxOptions) {
    options.faults.aws = Some(Arc::new(Rough));
    options.faults.webhooks = Some(Arc::new(|_| DeliveryDecision::Double));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_completes_despite_throttling_and_duplicates() {
    let app = TestApp::with(rough).await;
    // Sometimes every attempt of one call is throttled. Then SQS redelivers the message that the function was
    // processing.
    app.quick_redelivery().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pulled = nora.pull().await;
    assert_eq!(pulled.text("/status"), "completed", "{:?}", pulled.body);
    app.drain().await;
    let aws = app.sandbox().aws().fault_counts();
    assert!(aws["throttled"] > 0 && aws["message_doubled"] > 4, "{aws:?}");
    // The webhooks of one identity, of three sources, and at least of the final record.
    assert!(app.stand_in().fault_counts()["webhook_doubled"] >= 5);
    assert_eq!(app.stand_in().stats().calls(Operation::StartNetworkQuery), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effect_with_a_lost_reply_happens_once() {
    let app = TestApp::with(|options| {
        options.faults.invocations = Some(Arc::new(|invocation: &Invocation| {
            match (invocation.function.as_str(), invocation.ordinal) {
                ("identity-session", 1) => Interference::KillAfter,
                ("aal2-challenge", 1) => Interference::KillBefore,
                _ => Interference::Go,
            }
        }));
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 500);
    nora.verify_identity().await;
    assert_eq!(app.stand_in().stats().calls(Operation::CreatePatient), 1);
    let refused = nora.app.open_challenge(sandbox_machine::sandbox::AAL2_RETURN).await;
    assert_eq!(refused.expect("an answer").status, 500);
    assert_eq!(app.stand_in().stats().calls(Operation::CreateChallenge), 0);
    nora.pass_challenge().await;
    let counts = app.sandbox().host().interference_counts();
    assert_eq!(counts, [("killed_after", 1), ("killed_before", 1)].into());
    app.end().await;
}
