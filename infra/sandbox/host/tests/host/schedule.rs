//! Schedules: fast ticks, and invocations on demand.

use sandbox_host::InvokeError;
use serde_json::json;

use crate::harness::{TestHost, eventually, one_function, options, patiently};

#[tokio::test]
async fn ticks_at_the_scaled_rate_never_overlap() {
    let schedule = "Events: { Tick: { Type: Schedule, Properties: { Schedule: rate(1 minute) } } }";
    let mut options = options(&one_function(schedule));
    options.schedule_scale = 6_000;
    let test = TestHost::start(options).await;
    let runs = || {
        test.host
            .process_table()
            .iter()
            .map(|span| span.invocations.len())
            .sum::<usize>()
    };
    eventually("three ticks", || runs() >= 3).await;
    assert_eq!(test.host.process_table().len(), 1);
    test.finish().await;
}

#[tokio::test]
async fn tick_during_an_invocation_is_skipped() {
    // Every invocation touches the file and then waits, so that a second invocation would need a second process.
    let folder = tempfile::tempdir().unwrap();
    let (started, gate) = (folder.path().join("started"), folder.path().join("gate"));
    let input = json!({ "touch": started, "waitFor": gate }).to_string();
    let schedule = format!(
        "Timeout: 60, Events: {{ Tick: {{ Type: Schedule, \
         Properties: {{ Schedule: rate(1 minute), Input: '{input}' }} }} }}"
    );
    let mut options = options(&one_function(&schedule));
    options.schedule_scale = 60_000;
    let test = TestHost::start(options).await;
    eventually("a tick", || started.exists()).await;
    // Twenty further ticks are due in these 20 milliseconds; every check must find exactly one invocation in flight.
    let until = tokio::time::Instant::now() + std::time::Duration::from_millis(20);
    eventually("twenty ticks", || {
        assert_eq!(test.host.in_flight(), 1);
        tokio::time::Instant::now() >= until
    })
    .await;
    std::fs::write(gate, "").unwrap();
    test.finish().await;
}

#[tokio::test]
async fn schedule_is_invoked_on_demand() {
    let schedule = "Events: { Tick: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 minute) } } }";
    let mut options = options(&one_function(schedule));
    options.schedule_scale = 0;
    let test = TestHost::start(options).await;
    let event = patiently("the run", test.host.invoke_schedule("echo_function"))
        .await
        .unwrap();
    assert_eq!(
        (&event["source"], &event["detail-type"]),
        (&json!("aws.scheduler"), &json!("Scheduled Event"))
    );
    let nobody = test.host.invoke_schedule("nobody").await;
    assert_eq!(
        nobody,
        Err(InvokeError::UnknownFunction {
            function: "nobody".to_owned()
        })
    );
    test.finish().await;
}
