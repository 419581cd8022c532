//! `ias account hold`: nothing of a person on legal hold is erased or ends.

use super::Operator;
use crate::consent::retention::{check_records, count_stored_and_deleted, with_old_record};
use crate::erasure::{ask, erase, until_erased};
use crate::harness::{TestApp, refused};
use crate::quarantine::{entries, with_pull};
use crate::records::transfers::hurried;

/// The owner id of the only person.
async fn find_owner(app: &TestApp) -> String {
    let items = app.scan().await;
    let mut owners = items
        .iter()
        .filter_map(|item| item["pk"].as_str()?.strip_prefix("OWNER#"));
    owners.next().expect("a person").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_on_hold_are_not_erased() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    let owner = find_owner(&app).await;
    let operator = Operator::of(&app);
    let begin = ["account", "hold", "begin", "--owner", &owner];
    let end = ["account", "hold", "end", "--owner", &owner];
    operator.types(&end).await.badly(&["not on hold"]);
    let unknown = ["account", "hold", "begin", "--owner", "v1.mistyped"];
    operator.types(&unknown).await.badly(&["nothing is stored"]);
    operator.types(&begin).await.well(&["hold begun", &owner]);
    operator.types(&begin).await.badly(&["on hold already"]);

    refused(&ask(&nora).await, 409, "legal_hold", "contact_support");
    assert_eq!(
        nora.record(&record).await.text("/status"),
        "available",
        "a hold hides nothing"
    );
    operator.types(&end).await.well(&["hold ended"]);
    assert_eq!(
        (
            entries(&app, "hold_begun").await.len(),
            entries(&app, "hold_ended").await.len()
        ),
        (1, 1)
    );

    let receipt = erase(&nora).await;
    operator.types(&begin).await.badly(&["too late"]);
    until_erased(&app, &nora, &receipt).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_on_hold_are_deleted_only_after_its_end() {
    let app = hurried().await;
    with_old_record(&app).await;
    let owner = find_owner(&app).await;
    let operator = Operator::of(&app);
    let hold = |change| ["account", "hold", change, "--owner", &owner];
    operator.types(&hold("begin")).await.well(&["hold begun"]);
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (1, 1, 0));
    operator.types(&hold("end")).await.well(&["hold ended"]);
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (0, 0, 1));
    app.end().await;
}
