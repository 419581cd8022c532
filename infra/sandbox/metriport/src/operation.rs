//! The operations of the stand-in: one per method and route.

use axum::http::Method;

use crate::limits::Budget;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $method:ident $route:literal),+ $(,)?) => {
        /// The operation that a call requests.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $($(#[$doc])* $name),+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// HTTP method.
            #[must_use]
            pub const fn method(self) -> Method {
                match self {
                    $(Self::$name => Method::$method),+
                }
            }

            /// Route template, with parameters in braces.
            #[must_use]
            pub const fn route(self) -> &'static str {
                match self {
                    $(Self::$name => $route),+
                }
            }
        }
    };
}

operations! {
    /// Create a patient, or get the one that matches.
    CreatePatient = POST "/medical/v1/patient",
    /// Read a patient.
    ReadPatient = GET "/medical/v1/patient/{id}",
    /// Find a patient by `externalId`.
    FindPatient = GET "/medical/v1/patient/external-id",
    /// Find a patient by demographics.
    MatchPatient = POST "/medical/v1/patient/match",
    /// Replace a patient's data.
    UpdatePatient = PUT "/medical/v1/patient/{id}",
    /// Delete a patient.
    DeletePatient = DELETE "/medical/v1/patient/{id}",
    /// Create a facility.
    CreateFacility = POST "/medical/v1/facility",
    /// List the facilities.
    ListFacilities = GET "/medical/v1/facility",
    /// Read a facility.
    ReadFacility = GET "/medical/v1/facility/{id}",
    /// Read the settings.
    ReadSettings = GET "/settings",
    /// Set the webhook URL.
    SetSettings = POST "/settings",
    /// Read the state of deliveries.
    WebhookStatus = GET "/settings/webhook",
    /// Send failed webhooks again.
    RetryWebhooks = POST "/settings/webhook/retry",
    /// Send a payload from the request as a webhook.
    SamplePayload = POST "/settings/webhook/sample-payload",
    /// Open an identity session.
    CreateIdentitySession = POST "/medical/v1/identity/session",
    /// Open an AAL2 challenge.
    CreateChallenge = POST "/medical/v1/identity/aal2/challenge",
    /// Start a network query.
    StartNetworkQuery = POST "/medical/v1/network/query",
    /// Read a network query.
    ReadNetworkQuery = GET "/medical/v1/network/query/{id}",
    /// Start a consolidated query.
    StartConsolidatedQuery = POST "/medical/v1/patient/{id}/consolidated/query",
    /// List a patient's consolidated queries.
    ListConsolidatedQueries = GET "/medical/v1/patient/{id}/consolidated/query",
    /// Read a consolidated query.
    ReadConsolidatedQuery = GET "/medical/v1/patient/{id}/consolidated/query/{request}",
    /// Count the resources of a patient's record.
    CountConsolidated = GET "/medical/v1/patient/{id}/consolidated/count",
    /// Show the identity page.
    ShowIdentityPage = GET "/s/{token}",
    /// Submit the identity page's form.
    SubmitIdentityPage = POST "/s/{token}",
    /// Show the AAL2 page.
    ShowChallengePage = GET "/aal2/{token}",
    /// Submit the AAL2 page's form.
    SubmitChallengePage = POST "/aal2/{token}",
    /// Follow a record link.
    DownloadFile = GET "/files/{bucket}/{*key}",
}

impl Operation {
    /// The operation of a matched route; HEAD counts as GET.
    pub(crate) fn of(method: &Method, route: &str) -> Option<Self> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.route() == route && operation.method() == *method)
    }

    /// Whether the operation is part of the API, behind the gateway; hosted pages and links to files need no API key.
    pub(crate) fn is_api(self) -> bool {
        self.route().starts_with("/medical/") || self.route().starts_with("/settings")
    }

    /// The per-minute limit that the operation counts against.
    pub(crate) const fn budget(self) -> Option<Budget> {
        match self {
            Self::CreatePatient | Self::UpdatePatient => Some(Budget::PatientWrites),
            Self::CreateIdentitySession | Self::CreateChallenge => Some(Budget::Identity),
            Self::StartNetworkQuery => Some(Budget::QueryStarts),
            Self::StartConsolidatedQuery => Some(Budget::ConsolidatedStarts),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_is_found_by_its_method_and_route() {
        for operation in Operation::ALL {
            assert_eq!(Operation::of(&operation.method(), operation.route()), Some(*operation));
        }
        assert_eq!(Operation::of(&Method::PATCH, "/settings"), None);
    }
}
