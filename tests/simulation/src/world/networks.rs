//! Metriport and the networks behind it: webhooks arrive or do not, hosted pages are passed, queries end.

use shared::message::webhook::{Event, Marks, WebhookEvent};

use super::{TASKS_MAX, World, round};
use crate::choice::{Ending, Pass, WebhookArrival, Yield};
use crate::functions::Job;
use crate::upstream::replayed;
use crate::words;

impl World {
    pub(crate) fn webhook(&mut self, at: u8, arrival: WebhookArrival) -> bool {
        if self.tasks.len() >= TASKS_MAX {
            return false;
        }
        let event = match arrival {
            WebhookArrival::Again => {
                let history = &self.upstream.history;
                round(at, history.len()).and_then(|index| history.get(index).cloned())
            }
            WebhookArrival::Arrives | WebhookArrival::ArrivesBare | WebhookArrival::Dropped => {
                round(at, self.upstream.outbox.len()).map(|index| self.upstream.outbox.remove(index))
            }
        };
        let Some(event) = event else { return false };
        self.count(match arrival {
            WebhookArrival::Arrives => "webhook arrives",
            WebhookArrival::ArrivesBare => "webhook arrives without metadata",
            WebhookArrival::Dropped => "webhook dropped",
            WebhookArrival::Again => "webhook delivered again",
        });
        self.say(|| words::describe_arrival(arrival, &event));
        match arrival {
            WebhookArrival::Dropped => self.upstream.failed.push(replayed(event)),
            WebhookArrival::ArrivesBare => return self.spawn(Job::Intake(Box::new(bare(event))), None),
            WebhookArrival::Arrives | WebhookArrival::Again => return self.spawn(Job::Intake(Box::new(event)), None),
        }
        true
    }

    pub(super) fn pass_page(&mut self, at: u8, pass: Pass) -> bool {
        let now = self.now;
        let open = self.upstream.pages.iter().enumerate();
        let open: Vec<usize> = open
            .filter(|(_, page)| page.given && page.passed.is_none() && now < page.expires_at)
            .map(|(index, _)| index)
            .collect();
        let Some(index) = round(at, open.len()).and_then(|at| open.get(at).copied()) else {
            return false;
        };
        self.count("identity page passed");
        self.say(|| format!("an identity page is passed: {pass:?}"));
        self.upstream.pass_page(index, pass, now);
        true
    }

    pub(super) fn end_source(&mut self, at: u8, ending: Ending) -> bool {
        let open = self.upstream.open_sources();
        let Some((query, kind)) = round(at, open.len()).and_then(|at| open.get(at).copied()) else {
            return false;
        };
        self.count("source ends");
        self.say(|| format!("upstream: {} of query {query}: {ending:?}", kind.as_str()));
        self.upstream.end_source(query, kind, ending, self.now);
        true
    }

    pub(super) fn end_consolidated(&mut self, at: u8, yields: Yield) -> bool {
        let open = self.upstream.open_consolidated(self.now);
        let Some(index) = round(at, open.len()).and_then(|at| open.get(at).copied()) else {
            return false;
        };
        self.count("consolidated query ends");
        self.say(|| format!("upstream: consolidated query {index} ends: {yields:?}"));
        self.upstream.end_consolidated(index, yields, self.now);
        true
    }
}

fn bare(event: WebhookEvent) -> WebhookEvent {
    let mut bare = WebhookEvent {
        marks: Marks::default(),
        ..event
    };
    if let Event::Identity { verification } = &mut bare.event {
        verification.mark = None;
    }
    bare
}
