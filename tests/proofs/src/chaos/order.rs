//! The order of the calls around a withdrawal of consent, and the check that nothing follows from a later decision. The
//! order, not a clock, decides which of two calls came first.
//!
//! The check needs functions with one process each. A function's calls between two of its invocations are then the
//! calls of one invocation.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sandbox_metriport::Operation;

/// The function that makes record links. While a person pulls, it writes only the entries of links.
const LINKER: &str = "record-read";

/// An occurrence that counts for the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    /// A function takes an invocation.
    Invoked,
    /// A read of one item goes to the table.
    ReadSent,
    /// A transaction goes to the table.
    WriteSent,
    /// The table has made a transaction.
    WriteDone,
    /// A call has reached Metriport.
    Called(Operation),
    /// A withdrawal of consent is answered.
    Withdrawn,
    /// A request for an erasure is answered. It withdraws the consent, but ends open pulls only later.
    EraseRequested,
}

impl Occurrence {
    pub(super) fn of_sent(operation: &str) -> Option<Self> {
        match operation {
            "GetItem" => Some(Self::ReadSent),
            "TransactWriteItems" => Some(Self::WriteSent),
            _ => None,
        }
    }

    pub(super) fn of_done(operation: &str, status: u16) -> Option<Self> {
        (operation == "TransactWriteItems" && status == 200).then_some(Self::WriteDone)
    }
}

/// Occurrences of functions, in their order.
#[derive(Default)]
pub(super) struct Order(Mutex<Option<Vec<(&'static str, Occurrence)>>>);

impl Order {
    /// Forgets what was noted, and notes from now on.
    pub(super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    pub(super) fn note(&self, function: &'static str, occurrence: Occurrence) {
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = order.as_mut() {
            noted.push((function, occurrence));
        }
    }

    /// The calls and links that followed from a decision after the withdrawal.
    pub(super) fn find_late(&self) -> Vec<String> {
        let order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        find_late(order.as_deref().unwrap_or_default())
    }

    /// Whether the entry of a record link was written before a withdrawal.
    pub(super) fn has_link(&self) -> bool {
        let order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = order.as_deref().unwrap_or_default().iter();
        let ends = [Occurrence::Withdrawn, Occurrence::EraseRequested];
        let mut before = noted.take_while(|(_, occurrence)| !ends.contains(occurrence));
        before.any(|noted| *noted == (LINKER, Occurrence::WriteDone))
    }
}

/// The reads and writes of an invocation so far. The values state whether they came before a withdrawal.
#[derive(Debug, Clone, Copy, Default)]
struct Invocation {
    read: Option<bool>,
    sent: bool,
    first_write: Option<bool>,
    write: Option<bool>,
}

impl Invocation {
    /// Whether the intent or the last check of a call to Metriport came before the withdrawal. `None` if the invocation
    /// has neither.
    const fn decision(&self, operation: Operation) -> Option<bool> {
        match operation {
            // Pages and polls have no intent. The consent or the pull is read again.
            Operation::CreateIdentitySession | Operation::CreateChallenge | Operation::ReadNetworkQuery => self.read,
            // One intent covers the search for a patient and the write, between which the patient is claimed.
            Operation::FindPatient | Operation::CreatePatient | Operation::UpdatePatient => self.first_write,
            // These calls concern no person, or belong to an erasure itself.
            Operation::WebhookStatus | Operation::RetryWebhooks | Operation::DeletePatient => Some(true),
            _ => self.write,
        }
    }
}

fn find_late(order: &[(&'static str, Occurrence)]) -> Vec<String> {
    let (mut withdrawn, mut erasing, mut found) = (false, false, Vec::new());
    let mut invocations: BTreeMap<&str, Invocation> = BTreeMap::new();
    for (function, occurrence) in order {
        let invocation = invocations.entry(function).or_default();
        match occurrence {
            Occurrence::Invoked => *invocation = Invocation::default(),
            Occurrence::ReadSent => invocation.read = Some(!withdrawn),
            Occurrence::WriteSent => invocation.sent = !withdrawn,
            Occurrence::WriteDone => {
                invocation.first_write.get_or_insert(invocation.sent);
                invocation.write = Some(invocation.sent);
                if *function == LINKER && !invocation.sent {
                    found.push("a record link".to_owned());
                }
            }
            Occurrence::Called(Operation::ReadNetworkQuery) if erasing => {}
            Occurrence::Called(operation) if withdrawn && invocation.decision(*operation) != Some(true) => {
                found.push(format!("{function} called {}", operation.route()));
            }
            Occurrence::Called(_) => {}
            Occurrence::Withdrawn => withdrawn = true,
            Occurrence::EraseRequested => (withdrawn, erasing) = (true, true),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Occurrence::{Called, EraseRequested, Invoked, ReadSent, Withdrawn, WriteDone, WriteSent};
    use super::*;

    const START: Occurrence = Called(Operation::StartNetworkQuery);
    const POLL: Occurrence = Called(Operation::ReadNetworkQuery);
    const CREATE: Occurrence = Called(Operation::CreatePatient);

    fn late_of(function: &'static str, occurrences: &[Occurrence]) -> usize {
        let order: Vec<_> = occurrences.iter().map(|occurrence| (function, *occurrence)).collect();
        find_late(&order).len()
    }

    #[test]
    fn call_counts_as_late_only_if_its_intent_came_later() {
        let of = |occurrences: &[Occurrence]| late_of("query-dispatch", occurrences);
        assert_eq!(of(&[Invoked, WriteSent, WriteDone, START, Withdrawn]), 0);
        assert_eq!(of(&[Invoked, WriteSent, WriteDone, Withdrawn, START]), 0);
        assert_eq!(of(&[Invoked, WriteSent, Withdrawn, WriteDone, START]), 0);
        assert_eq!(of(&[Invoked, Withdrawn, WriteSent, WriteDone, START]), 1);
        assert_eq!(of(&[Withdrawn, Invoked, WriteSent, START]), 1);
        // An earlier invocation's intent decides nothing.
        assert_eq!(of(&[Invoked, WriteSent, WriteDone, Withdrawn, Invoked, START]), 1);
        assert_eq!(of(&[Invoked, ReadSent, Withdrawn, POLL]), 0);
        assert_eq!(of(&[Invoked, ReadSent, Withdrawn, ReadSent, POLL]), 1);
        // An erasure ends open pulls only after its answer.
        assert_eq!(of(&[Invoked, EraseRequested, ReadSent, POLL]), 0);
        assert_eq!(of(&[Invoked, EraseRequested, WriteSent, WriteDone, START]), 1);
        let change = [Invoked, WriteSent, WriteDone, Withdrawn, WriteSent, WriteDone, CREATE];
        assert_eq!(of(&change), 0);
        assert_eq!(of(&[Withdrawn, Invoked, Called(Operation::WebhookStatus)]), 0);
    }

    #[test]
    fn link_is_late_if_its_entry_came_after_the_withdrawal() {
        let of = |occurrences: &[Occurrence]| late_of("record-read", occurrences);
        assert_eq!(of(&[Invoked, WriteSent, WriteDone, Withdrawn]), 0);
        assert_eq!(of(&[Invoked, Withdrawn, WriteSent, WriteDone]), 1);
        // The table refused the transaction.
        assert_eq!(of(&[Invoked, Withdrawn, WriteSent]), 0);
    }

    #[test]
    fn order_is_noted_only_from_its_beginning() {
        let order = Order::default();
        order.note("record-read", WriteDone);
        assert!(!order.has_link());
        order.begin();
        order.note("record-read", WriteDone);
        assert!(order.has_link());
        order.begin();
        order.note("record-read", Withdrawn);
        order.note("record-read", WriteDone);
        assert!(!order.has_link());
        assert_eq!(order.find_late(), ["a record link"]);
    }
}
