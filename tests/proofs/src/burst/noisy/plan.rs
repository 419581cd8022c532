//! The noisy person's requests in order: first each route in turn, then all routes mixed.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A route that takes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    ReadConsent,
    GiveConsent,
    ReadAccessLog,
    RequestExport,
    ReadExport,
    ReadIdentity,
    OpenChallenge,
    StartQuery,
    ListQueries,
    ReadQuery,
    ReadTimeline,
    AskRecord,
    ListRecords,
    ReadRecord,
    PutPatient,
    OpenIdentitySession,
}

impl Route {
    /// All routes, in the order of the first half. `PutPatient` ends the verification that the routes before it need.
    pub(super) const ALL: [Self; 16] = [
        Self::ReadConsent,
        Self::GiveConsent,
        Self::ReadAccessLog,
        Self::RequestExport,
        Self::ReadExport,
        Self::ReadIdentity,
        Self::OpenChallenge,
        Self::StartQuery,
        Self::ListQueries,
        Self::ReadQuery,
        Self::ReadTimeline,
        Self::AskRecord,
        Self::ListRecords,
        Self::ReadRecord,
        Self::PutPatient,
        Self::OpenIdentitySession,
    ];

    /// The route key in API Gateway.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::ReadConsent => "GET /v1/me/consent",
            Self::GiveConsent => "PUT /v1/me/consent",
            Self::ReadAccessLog => "GET /v1/me/access-log",
            Self::RequestExport => "POST /v1/me/exports",
            Self::ReadExport => "GET /v1/me/exports/{id}",
            Self::ReadIdentity => "GET /v1/identity",
            Self::OpenChallenge => "POST /v1/aal2-challenges",
            Self::StartQuery => "POST /v1/network-queries",
            Self::ListQueries => "GET /v1/network-queries",
            Self::ReadQuery => "GET /v1/network-queries/{id}",
            Self::ReadTimeline => "GET /v1/network-queries/{id}/timeline",
            Self::AskRecord => "POST /v1/records",
            Self::ListRecords => "GET /v1/records",
            Self::ReadRecord => "GET /v1/records/{id}",
            Self::PutPatient => "PUT /v1/patient",
            Self::OpenIdentitySession => "POST /v1/identity-sessions",
        }
    }
}

/// This many requests: the first half route by route, the second half drawn by the seed.
pub(super) fn noise(requests: usize, seed: u64) -> Vec<Route> {
    let in_turn = requests / 2;
    let ordered = (0..in_turn).filter_map(|number| Route::ALL.get(number * Route::ALL.len() / in_turn).copied());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = || Route::ALL.get(rng.random_range(0..Route::ALL.len())).copied();
    let mixed = (in_turn..requests).filter_map(|_| drawn());
    ordered.chain(mixed).collect()
}

/// This many requests that use nothing that persons share, but load the machine as much as other requests.
pub(super) fn harmless(requests: usize) -> Vec<Route> {
    vec![Route::ReadIdentity; requests]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sandbox_machine::stack::TEMPLATE;

    use super::*;

    /// The routes of the template, from the lines of its events. Five routes are left out: those of the webhooks and of
    /// a receipt take no token, and a withdrawal of consent, a reported record or an erasure would make the functions
    /// refuse most other requests.
    fn routes_of_the_template() -> BTreeSet<String> {
        let lines: Vec<&str> = TEMPLATE.lines().map(str::trim).collect();
        let event = |pair: &[&str]| {
            let (method, path) = (pair[0].strip_prefix("Method: ")?, pair[1].strip_prefix("Path: ")?);
            Some(format!("{method} {path}"))
        };
        let routes = lines.windows(2).filter_map(event);
        let left_out = [
            "POST /v1/webhooks/metriport",
            "DELETE /v1/me/consent",
            "POST /v1/records/{id}/not-me",
            "DELETE /v1/me",
            "GET /v1/erasures/{receipt}",
        ];
        routes.filter(|route| !left_out.contains(&route.as_str())).collect()
    }

    #[test]
    fn every_route_with_a_token_is_requested() {
        let keys: BTreeSet<String> = Route::ALL.iter().map(|route| route.key().to_owned()).collect();
        assert_eq!(keys, routes_of_the_template());
    }

    #[test]
    fn routes_come_in_order_and_then_mixed_by_the_seed() {
        let plan = noise(5_600, 1);
        let (ordered, mixed) = plan.split_at(2_800);
        assert!(ordered.is_sorted_by_key(|route| Route::ALL.iter().position(|one| one == route)));
        for half in [ordered, mixed] {
            let count = |route: &Route| half.iter().filter(|one| *one == route).count();
            assert!(Route::ALL.iter().all(|route| count(route) > 150));
        }
        assert_eq!(plan, noise(5_600, 1));
        assert_ne!(plan, noise(5_600, 2));
        assert_eq!((noise(0, 1).len(), noise(7, 1).len(), harmless(7).len()), (0, 7, 7));
    }
}
