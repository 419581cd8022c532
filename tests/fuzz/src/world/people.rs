//! The persons in the table, and the ids that the server in `upstream` gives them.

use super::upstream::{PATIENT, REQUEST, SESSION};

/// A person, and the ids by which a call is known to be about the person.
#[derive(Debug)]
pub struct Person {
    /// The claim `sub` of their token.
    pub subject: &'static str,
    /// Metriport's patient.
    pub patient: &'static str,
    /// Their identity session.
    pub session: &'static str,
    /// Their network query.
    pub request: &'static str,
    /// Their consolidated query.
    pub consolidated: &'static str,
    /// The last digits of the message ids of their webhooks.
    pub digits: &'static str,
}

/// The claim `sub` of a person who has only consented.
pub const STRANGER: &str = "fuzz-stranger";

/// The claim `sub` of a person who has asked for their erasure, and about whom nothing else is stored.
pub const LEAVER: &str = "fuzz-leaver";

/// The first person, who has a record and an accepted pull, and has asked for another record.
pub const FIRST: Person = Person {
    subject: "fuzz-person-1",
    patient: PATIENT,
    session: SESSION,
    request: REQUEST,
    consolidated: "0198a0d5-6c70-7d1a-9b02-3f4e5a6b7c81",
    digits: "01",
};

/// The second person, who has a running network query and a running consolidated query. Most webhooks are about these
/// two queries.
pub const STARTED: Person = Person {
    subject: "fuzz-person-2",
    patient: "0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e5",
    session: "ids_7f3c1e",
    request: "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8e",
    consolidated: "0198a0d5-6c70-7d1a-9b02-3f4e5a6b7c82",
    digits: "02",
};

/// The third person, who has a record that waits behind a link, and may ask for a pull.
pub const OFFERED: Person = Person {
    subject: "fuzz-person-3",
    patient: "0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e6",
    session: "ids_7f3c1f",
    request: "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8f",
    consolidated: "0198a0d5-6c70-7d1a-9b02-3f4e5a6b7c83",
    digits: "03",
};

/// All persons.
pub const ALL: [&Person; 3] = [&FIRST, &STARTED, &OFFERED];

impl Person {
    /// The person whose id is in a call to Metriport; a call without a known id gets the first person.
    #[must_use]
    pub fn of_call(call: &str) -> &'static Self {
        let ids = |person: &Self| [person.subject, person.patient, person.request, person.consolidated];
        let found = ALL
            .into_iter()
            .find(|person| ids(person).iter().any(|id| call.contains(id)));
        found.unwrap_or(&FIRST)
    }
}
