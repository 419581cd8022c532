//! `proofs withdraw`: before and after each call of a pull, the person withdraws their consent while the call waits.
//! Afterwards, no call and no record link follows from a later decision, and no work and no lock is left.

use std::collections::BTreeSet;
use std::sync::Arc;

use sandbox_machine::Sandbox;
use shared::domain::record::RecordState;
use shared::domain::{Time, Timing};

use super::inject::{Act, Hold, Point};
use super::order::Occurrence;
use super::person::Person;
use super::points::{PointOutcome, PointSandbox, report_points, visit_all};
use crate::cli::PointsArgs;
use crate::table::{Item, scan};

/// The function that takes and withdraws consents. Its calls precede the consent.
const CONSENT_KEEPER: &str = "account";
/// The states of pulls without faults after a withdrawal.
const FINAL: [&str; 2] = ["withdrawn", "completed"];

pub(crate) async fn withdraw(args: &PointsArgs) -> Result<(), String> {
    let uses = |point: &Point| point.moment.is_call() && point.function != CONSENT_KEEPER;
    // With one process per function, the order of its calls shows what each invocation does.
    let outcomes = visit_all(args, 1, uses, async |place, point, subject| {
        visit(place, point, subject).await
    });
    report_points(args, "withdrawals", &outcomes.await?)
}

async fn visit(place: &PointSandbox<'_>, point: Point, subject: &str) -> Result<PointOutcome, String> {
    let (person, hold, order) = (
        place.person(subject)?,
        Arc::new(Hold::default()),
        place.injector.order(),
    );
    let before = collect_keys(&scan(&place.sandbox).await?);
    let withdrawal = async {
        hold.until_held().await;
        if person.withdraw().await.is_ok() {
            order.note(CONSENT_KEEPER, Occurrence::Withdrawn);
        }
        hold.release();
        std::future::pending().await
    };
    let mut outcome = tokio::select! {
        outcome = place.pull(&person, point, Act::Hold(Arc::clone(&hold))) => outcome?,
        never = withdrawal => never,
    };
    let late = &mut outcome.facts.late;
    late.extend(order.find_late());
    if outcome.reached && person.withdrawn_ms.get().is_none() {
        late.push("no answer to the withdrawal".to_owned());
    }
    if outcome.has_link && !order.has_link() {
        late.push("a record link without an entry".to_owned());
    }
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

fn read_key(item: &Item) -> Option<(String, String)> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some((text("pk")?, text("sk")?))
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
    let depths = sandbox.aws().queues().depths();
    let dead = depths.iter().filter(|(name, _)| name.ends_with("DeadLetters"));
    let dead = dead.filter(|(_, depth)| depth.visible + depth.in_flight > 0);
    left.extend(dead.map(|(name, _)| format!("a dead letter in {name}")));
    Ok(left)
}

/// Why a stored item must not be left, if it must not.
fn describe_leftover(item: &Item, until: Time) -> Option<String> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    let deadline = item.get("deadline").and_then(|value| value.as_n().ok()?.parse().ok());
    let (kind, _) = text("sk")?.split_once('#').unwrap_or((text("sk")?, ""));
    let is_left = match kind {
        "CHALLENGE" => item.contains_key("pending") || item.contains_key("held"),
        "OPEN_RUN" => true,
        "OPEN_CONSOLIDATED" => deadline.is_none_or(|deadline: i64| deadline > until.millis()),
        "RECORD" => !RECORDS_ENDED.iter().any(|state| text("state") == Some(state.as_str())),
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
