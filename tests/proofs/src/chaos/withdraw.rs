//! `proofs withdraw`: before and after each call of a pull, the person withdraws their consent while the call waits.
//! Afterwards, no call and no record link follows from a later decision, and no work and no lock is left.

use std::collections::BTreeSet;

use sandbox_machine::Sandbox;
use shared::domain::record::RecordState;
use shared::domain::{Time, Timing};

use super::inject::Point;
use super::order::Occurrence;
use super::person::Person;
use super::points::{
    CONSENT_KEEPER, PointOutcome, PointSandbox, find_dead_letters, is_call_of_pull, pull_whole, report_points,
    visit_all,
};
use crate::cli::PointsArgs;
use crate::table::{Item, read_key, scan, text};

/// The states of pulls without faults after a withdrawal.
const FINAL: [&str; 2] = ["withdrawn", "completed"];

pub(crate) async fn withdraw(args: &PointsArgs) -> Result<(), String> {
    // With one process per function, the order of its calls shows what each invocation does.
    let outcomes = visit_all(args, (1, pull_whole), is_call_of_pull, async |place, point, subject| {
        visit(place, point, subject).await
    });
    report_points(args, "withdrawals", &outcomes.await?)
}

async fn visit(place: &PointSandbox<'_>, point: Point, subject: &str) -> Result<PointOutcome, String> {
    let person = place.person(subject).await?;
    let before = collect_keys(&scan(&place.sandbox).await?);
    let withdrawal = async {
        if person.withdraw().await.is_ok() {
            place.injector.order().note(CONSENT_KEEPER, Occurrence::Withdrawn);
        }
    };
    let mut outcome = place.interrupt(&person, point, withdrawal).await?;
    let late = &mut outcome.facts.late;
    if let Some(withdrawn_ms) = person.withdrawn_ms.get() {
        let until = Time::from_millis(*withdrawn_ms).plus(Timing::scaled(place.args.scale).consolidated_life());
        late.extend(find_left_open(&place.sandbox, &person, (&before, until)).await?);
    }
    Ok(outcome)
}

/// The keys of items.
type Keys = BTreeSet<(String, String)>;

fn collect_keys(items: &[Item]) -> Keys {
    items.iter().filter_map(read_key).collect()
}

/// The work and the locks that a withdrawal has left. The items `before` are those of earlier persons. Metriport's last
/// consolidated query may run until `until`, and so long its lock may stay.
async fn find_left_open(
    sandbox: &Sandbox,
    person: &Person,
    (before, until): (&Keys, Time),
) -> Result<Vec<String>, String> {
    let listed = person.app.get("/v1/network-queries").await;
    let listed = listed.map_err(|error| error.to_string())?;
    let states = listed.list("/networkQueries").iter();
    let states = states.filter_map(|pull| pull.get("status")?.as_str());
    let open = states.filter(|state| !FINAL.contains(state));
    let mut left: Vec<String> = open.map(|state| format!("a pull that is {state}")).collect();
    let items = scan(sandbox).await?;
    let items = items
        .iter()
        .filter(|item| read_key(item).is_some_and(|key| !before.contains(&key)));
    left.extend(items.filter_map(|item| describe_leftover(item, until)));
    left.extend(find_dead_letters(sandbox));
    Ok(left)
}

/// Why a stored item must not be left, if it must not.
fn describe_leftover(item: &Item, until: Time) -> Option<String> {
    let deadline = item.get("deadline").and_then(|value| value.as_n().ok()?.parse().ok());
    let (kind, _) = text(item, "sk")?.split_once('#').unwrap_or((text(item, "sk")?, ""));
    let is_left = match kind {
        "CHALLENGE" => item.contains_key("pending") || item.contains_key("held"),
        "OPEN_RUN" => true,
        "OPEN_CONSOLIDATED" => deadline.is_none_or(|deadline: i64| deadline > until.millis()),
        "RECORD" => !RECORDS_ENDED
            .iter()
            .any(|state| text(item, "state") == Some(state.as_str())),
        _ => false,
    };
    is_left.then(|| format!("an item {kind}"))
}

const RECORDS_ENDED: [RecordState; 3] = [RecordState::Available, RecordState::Empty, RecordState::Failed];

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn item(sort_key: &str, attribute: (&str, AttributeValue)) -> Item {
        let (name, value) = attribute;
        Item::from([
            ("sk".to_owned(), AttributeValue::S(sort_key.to_owned())),
            (name.to_owned(), value),
        ])
    }

    #[test]
    fn each_leftover_is_found() {
        let of = |sort_key: &str, attribute| describe_leftover(&item(sort_key, attribute), Time::from_millis(5));
        let number = |number: &str| AttributeValue::N(number.to_owned());
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let nothing = || ("version", number("1"));
        assert!(of("CHALLENGE", nothing()).is_none() && of("CHALLENGE", ("held", text("x"))).is_some());
        assert!(of("OPEN_RUN", nothing()).is_some());
        assert!(of("OPEN_CONSOLIDATED", ("deadline", number("5"))).is_none());
        assert!(of("OPEN_CONSOLIDATED", ("deadline", number("6"))).is_some());
        assert!(of("RECORD#1", ("state", text("failed"))).is_none());
        assert!(of("RECORD#1", ("state", text("waiting"))).is_some());
    }
}
