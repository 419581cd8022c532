//! The body of `POST /v1/network-queries`.

use shared::domain::input::{Faults, Input};
use shared::domain::{ChallengeId, SourceKind};

/// The caller's request.
pub struct AskBody {
    /// The challenge that the person passed, as the caller states.
    pub challenge: ChallengeId,
    /// The outcome of the challenge, as its page returned it.
    pub aal2_status: String,
    /// The sources to ask.
    pub enabled: Vec<SourceKind>,
    /// The purpose of use, if the caller names one.
    pub purpose_of_use: Option<String>,
}

impl AskBody {
    /// Reads the body.
    pub fn read(input: &Input<'_>, faults: &mut Faults) -> Option<Self> {
        const KNOWN: [&str; 4] = ["challengeId", "aal2Status", "sources", "purposeOfUse"];
        let fields = input.fields(&KNOWN, faults)?;
        let challenge = |input: &Input<'_>| ChallengeId::parse(input.text()?).ok();
        let challenge = fields.required("challengeId", "the id of a challenge", faults, challenge);
        let aal2_status = fields.required("aal2Status", "a text", faults, Input::text);
        let sources = fields.required(
            "sources",
            "an object with at least one enabled source",
            faults,
            |input| Some(input.clone()),
        );
        let enabled = sources.and_then(|sources| enabled(&sources, faults));
        let purpose_of_use = fields.optional("purposeOfUse", "ias, if given", faults, Input::text);
        Some(Self {
            challenge: challenge?,
            aal2_status: aal2_status?,
            enabled: enabled?,
            purpose_of_use,
        })
    }
}

fn enabled(input: &Input<'_>, faults: &mut Faults) -> Option<Vec<SourceKind>> {
    let kinds = [SourceKind::Hie, SourceKind::Pharmacy, SourceKind::Lab];
    let fields = input.fields(&kinds.map(SourceKind::as_str), faults)?;
    let mut is_enabled = |kind: &SourceKind| {
        let source = fields.get(kind.as_str())?.fields(&["enabled"], faults)?;
        source.required("enabled", "true or false", faults, Input::flag)
    };
    Some(
        kinds
            .into_iter()
            .filter(|kind| is_enabled(kind) == Some(true))
            .collect(),
    )
}
