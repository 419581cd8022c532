//! The calls that the client can make, as a closed list for logs, metrics and budgets.

use std::fmt;

/// One upstream operation. Its name is safe to log and to use as a metric dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `POST /medical/v1/patient`
    CreatePatient,
    /// `GET /medical/v1/patient/{id}`
    GetPatient,
    /// `GET /medical/v1/patient/external-id`
    FindPatient,
    /// `PUT /medical/v1/patient/{id}`
    UpdatePatient,
    /// `DELETE /medical/v1/patient/{id}`
    DeletePatient,
    /// `POST /medical/v1/facility`
    CreateFacility,
    /// `GET /medical/v1/facility`
    ListFacilities,
    /// `GET /settings`
    ReadSettings,
    /// `POST /settings`
    WriteSettings,
    /// `GET /settings/webhook`
    ReadWebhookStatus,
    /// `POST /settings/webhook/retry`
    RetryWebhooks,
    /// `POST /medical/v1/identity/session`
    OpenIdentitySession,
    /// `POST /medical/v1/identity/aal2/challenge`
    OpenAal2Challenge,
    /// `POST /medical/v1/network/query`
    StartNetworkQuery,
    /// `GET /medical/v1/network/query/{requestId}`
    ReadNetworkQuery,
    /// `POST /medical/v1/patient/{id}/consolidated/query`
    StartConsolidatedQuery,
}

impl Operation {
    /// The name in kebab case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatePatient => "create-patient",
            Self::GetPatient => "get-patient",
            Self::FindPatient => "find-patient",
            Self::UpdatePatient => "update-patient",
            Self::DeletePatient => "delete-patient",
            Self::CreateFacility => "create-facility",
            Self::ListFacilities => "list-facilities",
            Self::ReadSettings => "read-settings",
            Self::WriteSettings => "write-settings",
            Self::ReadWebhookStatus => "read-webhook-status",
            Self::RetryWebhooks => "retry-webhooks",
            Self::OpenIdentitySession => "open-identity-session",
            Self::OpenAal2Challenge => "open-aal2-challenge",
            Self::StartNetworkQuery => "start-network-query",
            Self::ReadNetworkQuery => "read-network-query",
            Self::StartConsolidatedQuery => "start-consolidated-query",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
