//! The refusals that the key changes caused, read from the stand-in's own log after the end.

use std::collections::BTreeMap;

use sandbox_metriport::{DeliveryLog, StandIn};

use super::operator::{By, Change};

/// The status of a webhook whose signature was refused.
const REFUSED: u16 = 401;
/// The status of a call whose API key was refused.
const FORBIDDEN: u16 = 403;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    rows: Vec<Row>,
    /// Messages that were refused at least once.
    refused: usize,
    /// Refused messages that arrived in the end.
    recovered: usize,
    /// Deliveries that Metriport keeps as failed.
    left: u64,
    /// Calls whose API key was refused.
    calls_refused: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    change: Change,
    /// Deliveries that were refused before the new key was stored.
    before: usize,
    /// Deliveries that were refused later, until every process must have read the new key.
    meanwhile: usize,
    /// Deliveries that were refused after every process must have read the new key, until the next change.
    afterwards: usize,
}

impl Verdict {
    pub(super) fn new(stand_in: &StandIn, changes: Vec<Change>, left: u64) -> Self {
        let calls = stand_in.calls();
        let calls_refused = calls.iter().filter(|call| call.status == Some(FORBIDDEN)).count();
        Self::of(&stand_in.deliveries(), changes, (left, calls_refused))
    }

    fn of(log: &[DeliveryLog], changes: Vec<Change>, (left, calls_refused): (u64, usize)) -> Self {
        let refused_in = |from: usize, to: usize| {
            let span = log.iter().take(to).skip(from);
            span.filter(|delivery| is_refused(delivery)).count()
        };
        let ends: Vec<usize> = changes
            .iter()
            .skip(1)
            .map(|change| change.switched)
            .chain([log.len()])
            .collect();
        let rows = changes.into_iter().zip(ends).map(|(change, end)| Row {
            before: refused_in(change.switched, change.stored),
            meanwhile: refused_in(change.stored, change.settled),
            afterwards: refused_in(change.settled, end),
            change,
        });
        let rows = rows.collect();
        let mut messages: BTreeMap<&str, bool> = BTreeMap::new();
        for delivery in log.iter().filter(|delivery| is_refused(delivery)) {
            messages.insert(&delivery.message_id, false);
        }
        for delivery in log.iter().filter(|delivery| delivery.status == Some(200)) {
            if let Some(arrived) = messages.get_mut(delivery.message_id.as_str()) {
                *arrived = true;
            }
        }
        Self {
            rows,
            refused: messages.len(),
            recovered: messages.values().filter(|arrived| **arrived).count(),
            left,
            calls_refused,
        }
    }

    /// The number of broken promises. A proof without a refused webhook shows nothing about webhooks, so it counts as
    /// one. The same holds for a proof without a refused call.
    pub(super) fn breaches(&self) -> usize {
        let of_rows = self.rows.iter().map(|row| {
            let counted = usize::from(row.change.within != 200);
            row.afterwards + counted + row.change.beyond.iter().filter(|status| **status != REFUSED).count()
        });
        let lost = self.refused - self.recovered;
        let shown = usize::from(self.refused == 0) + usize::from(self.calls_refused == 0);
        of_rows.sum::<usize>() + lost + usize::try_from(self.left).unwrap_or(usize::MAX) + shown
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let head = format!(
            "\n  {:<6} {:<10} {:>15} {:>13} {:>11}   {:<22} {}",
            "change",
            "made by",
            "refused before",
            "until it was",
            "refused",
            "previous key",
            "previous key after its end"
        );
        let second = format!(
            "  {:<6} {:<10} {:>15} {:>13} {:>11}   {:<22} {}",
            "", "", "it was stored", "read", "afterwards", "before its end", "and its caching"
        );
        let rows = self.rows.iter().enumerate().map(|(index, row)| {
            let Row {
                change,
                before,
                meanwhile,
                afterwards,
            } = row;
            let by = match change.by {
                By::Dashboard => "dashboard",
                By::Api => "API",
            };
            let within = if change.within == 200 { "accepted" } else { "REFUSED" };
            let beyond = change.beyond.iter().filter(|status| **status == REFUSED).count();
            let beyond = format!("refused {beyond} of {} times", change.beyond.len());
            format!(
                "  {:<6} {by:<10} {before:>15} {meanwhile:>13} {afterwards:>11}   {within:<22} {beyond}",
                index + 1
            )
        });
        let foot = [
            format!("\n  webhooks refused at least once         {}", self.refused),
            format!("  recovered by replay                   {}", self.recovered),
            format!(
                "  lost                                  {}",
                self.refused - self.recovered
            ),
            format!("  deliveries Metriport keeps as failed  {}", self.left),
            format!("  API keys replaced                     {}", self.rows.len()),
            format!("  calls refused for their API key       {}", self.calls_refused),
        ];
        [head, second].into_iter().chain(rows).chain(foot).collect()
    }
}

/// Pings do not count as deliveries: Metriport uses them to test the URL, and does not keep them.
fn is_refused(delivery: &DeliveryLog) -> bool {
    delivery.status == Some(REFUSED) && delivery.event_type != "ping"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(message: &str, status: u16) -> DeliveryLog {
        DeliveryLog {
            event_type: "network-query.hie".to_owned(),
            request_id: None,
            message_id: message.to_owned(),
            status: Some(status),
            replayed: false,
        }
    }

    fn change() -> Change {
        Change {
            by: By::Dashboard,
            switched: 1,
            stored: 3,
            settled: 4,
            within: 200,
            beyond: vec![401, 401],
        }
    }

    fn log() -> Vec<DeliveryLog> {
        let deliveries = [("a", 200), ("b", 401), ("c", 401), ("b", 401), ("b", 200), ("c", 200)];
        deliveries.map(|(message, status)| delivery(message, status)).to_vec()
    }

    #[test]
    fn refusals_are_counted_by_time_and_by_message() {
        let verdict = Verdict::of(&log(), vec![change()], (0, 3));
        let row = &verdict.rows[0];
        assert_eq!((row.before, row.meanwhile, row.afterwards), (2, 1, 0));
        assert_eq!((verdict.refused, verdict.recovered, verdict.breaches()), (2, 2, 0));
        let ping = DeliveryLog {
            event_type: "ping".to_owned(),
            ..delivery("p", 401)
        };
        let log = [log(), vec![ping]].concat();
        assert_eq!(Verdict::of(&log, vec![change()], (0, 3)).breaches(), 0);
    }

    #[test]
    fn each_broken_promise_is_counted() {
        let breaches = |log: &[DeliveryLog], change: Change, left| Verdict::of(log, vec![change], left).breaches();
        let late = [log(), vec![delivery("d", 401), delivery("d", 200)]].concat();
        assert_eq!(breaches(&late, change(), (0, 3)), 1, "refused afterwards");
        let lost = [log(), vec![delivery("d", 401)]].concat();
        assert_eq!(breaches(&lost, change(), (0, 3)), 2, "and never recovered");
        assert_eq!(breaches(&log(), change(), (4, 3)), 4, "kept as failed");
        let short = Change {
            within: 401,
            ..change()
        };
        assert_eq!(breaches(&log(), short, (0, 3)), 1, "the previous key is not accepted");
        let long = Change {
            beyond: vec![401, 200],
            ..change()
        };
        assert_eq!(
            breaches(&log(), long, (0, 3)),
            1,
            "the previous key is accepted too long"
        );
        assert_eq!(
            breaches(&[delivery("a", 200)], change(), (0, 3)),
            1,
            "no webhook was refused during the change"
        );
        assert_eq!(
            breaches(&log(), change(), (0, 0)),
            1,
            "no call was refused during the change"
        );
    }
}
