//! `ias account hold`: nothing of a person on legal hold is erased.

use super::Operator;
use crate::erasure::{ask, erase, until_erased};
use crate::harness::refused;
use crate::quarantine::{entries, with_pull};
use crate::records::transfers::hurried;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_on_hold_are_not_erased() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    let items = app.scan().await;
    let owner = items
        .iter()
        .find_map(|item| item["pk"].as_str()?.strip_prefix("OWNER#"));
    let owner = owner.expect("a person").to_owned();
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
