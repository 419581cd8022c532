//! The state of one network query, and its view in the answers to a start and a status request (docs.metriport.com,
//! page `network/get-network-query`).

use std::collections::BTreeMap;

use sandbox_fhir::Source;
use serde_json::{Value, json};

use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::network_request::Purpose;

pub(crate) struct NetworkQuery {
    pub(crate) id: String,
    pub(crate) patient_id: String,
    pub(crate) purpose: Purpose,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) started_at: Moment,
    pub(crate) progress: Vec<Progress>,
    pub(crate) errors: Vec<Value>,
}

pub(crate) struct Progress {
    pub(crate) source: Source,
    pub(crate) state: State,
    /// Whether the source was skipped, because another query of the patient was running it. It then never ends.
    pub(crate) skipped: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// Started, not ended.
    Processing,
    /// Completed at this time.
    Completed(Moment),
    /// Never started, or ended in a failure.
    Failed,
}

impl NetworkQuery {
    /// Ends the running attempt of a source with this state.
    pub(crate) fn end(&mut self, source: Source, state: State) {
        let at_it = |step: &&mut Progress| step.source == source && step.state == State::Processing && !step.skipped;
        if let Some(step) = self.progress.iter_mut().find(at_it) {
            step.state = state;
        }
    }

    pub(crate) fn runs_hie(&self) -> bool {
        let at_it = |step: &Progress| step.source == Source::Hie && step.state == State::Processing && !step.skipped;
        self.progress.iter().any(at_it)
    }

    /// The answer to a start or a status request. A failed source is in `sources` and, if it never started, also in
    /// `errors`.
    pub(crate) fn view(&self) -> Value {
        let sources: Vec<Value> = self.progress.iter().map(|step| step.view(self.started_at)).collect();
        let mut view = json!({
            "requestId": self.id,
            "startedAt": self.started_at,
            "status": self.status(),
            "sources": sources,
        });
        if let (false, Some(fields)) = (self.errors.is_empty(), view.as_object_mut()) {
            fields.insert("errors".to_owned(), json!(self.errors));
        }
        view
    }

    /// `processing` while a source is processing. Then `completed` if all sources completed, `failed` if all failed,
    /// otherwise `partial`. Only the last attempt of a source counts.
    fn status(&self) -> &'static str {
        let last: BTreeMap<Source, State> = self.progress.iter().map(|step| (step.source, step.state)).collect();
        let all = |state: fn(&State) -> bool| last.values().all(state);
        if !all(|state| *state != State::Processing) {
            "processing"
        } else if all(|state| *state == State::Failed) {
            "failed"
        } else if all(|state| matches!(state, State::Completed(_))) {
            "completed"
        } else {
            "partial"
        }
    }
}

impl Progress {
    pub(crate) const fn new(source: Source) -> Self {
        Self {
            source,
            state: State::Processing,
            skipped: false,
        }
    }

    fn view(&self, started_at: Moment) -> Value {
        let mut view = json!({ "type": self.source.as_str(), "status": self.state_name(), "startedAt": started_at });
        if let (State::Completed(at), Some(fields)) = (self.state, view.as_object_mut()) {
            fields.insert("completedAt".to_owned(), json!(at));
        }
        view
    }

    fn state_name(&self) -> &'static str {
        match self.state {
            State::Processing => "processing",
            State::Completed(_) => "completed",
            State::Failed => "failed",
        }
    }
}
