//! One webhook message: its envelope, its event and its delivery state (docs.metriport.com, page
//! `getting-started/webhooks`).

use serde_json::{Map, Value, json};

use crate::metadata::Metadata;
use crate::moment::Moment;
use crate::world::World;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// Not yet answered.
    Processing,
    /// Answered with 2xx.
    Delivered,
    /// Not answered, answered with another status, or never sent.
    Failed,
}

/// One event for the account. It has no `Debug`, because it holds links.
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) request_id: String,
    pub(crate) event_type: String,
    pub(crate) when: Moment,
    pub(crate) data: Option<Metadata>,
    pub(crate) field: &'static str,
    pub(crate) event: Value,
    pub(crate) state: State,
}

impl Message {
    /// The body: `meta`, and the event under its field. A replay leaves `meta.data` out.
    pub(crate) fn body(&self, with_data: bool) -> Value {
        let mut meta = json!({
            "messageId": self.message_id,
            "requestId": self.request_id,
            "when": self.when,
            "type": self.event_type,
        });
        if let (true, Some(data), Some(fields)) = (with_data, &self.data, meta.as_object_mut()) {
            fields.insert("data".to_owned(), json!(data));
        }
        let mut body = Map::new();
        body.insert("meta".to_owned(), meta);
        body.insert(self.field.to_owned(), self.event.clone());
        Value::Object(body)
    }
}

impl World {
    /// Stores the message of an event, and sends or holds it. `field` names the member of the body that has the event.
    pub(crate) fn emit(
        &mut self,
        now: Moment,
        event_type: &str,
        request_id: &str,
        data: Option<Metadata>,
        field: &'static str,
        mut event: Value,
    ) {
        self.vary_event(&mut event);
        let message = Message {
            message_id: self.ids.uuid(now),
            request_id: request_id.to_owned(),
            event_type: event_type.to_owned(),
            when: now,
            data,
            field,
            event,
            state: State::Processing,
        };
        self.webhooks.accept(message);
    }
}

pub(crate) fn put_external_id(event: &mut Value, external_id: Option<&str>) {
    if let (Some(external_id), Some(fields)) = (external_id, event.as_object_mut()) {
        fields.insert("externalId".to_owned(), json!(external_id));
    }
}
