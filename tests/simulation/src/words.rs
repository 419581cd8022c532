//! Describes histories in words. All data is invented, so a trace may contain it, unlike a log.

use shared::Error;
use shared::domain::erasure::ErasureId;
use shared::message::Subject;
use shared::message::webhook::{Event, WebhookEvent};

use crate::choice::{Fault, WebhookArrival};
use crate::functions::Job;
use crate::ids::{person, pull_name, record_name};
use crate::io::{Body, Op, put_of};
use crate::store::{Effect, Item, Key, Listing, Place, Write};
use crate::upstream::Call;

fn subject(subject: Subject) -> String {
    match subject {
        Subject::Pull(pull) => pull_name(pull),
        Subject::Record(record) => record_name(record),
    }
}

pub(crate) fn body(body: &Body) -> String {
    match body {
        Body::Advance(advance) => format!("advance {}, dueSeq {}", subject(advance.subject), advance.due_seq),
        Body::Fetch(fetch) => format!("fetch {}, dueSeq {}", record_name(fetch.record), fetch.due_seq),
        Body::Webhook(event) => webhook(event),
        Body::AccountWork(work) => match work.erasure() {
            Some(id) => format!("go on with {}", erasure(id)),
            None => "go on with work that is not simulated".to_owned(),
        },
    }
}

/// The first digits of an erasure's name.
fn erasure(id: ErasureId) -> String {
    let name: String = id.to_string().chars().take(6).collect();
    format!("erasure {name}")
}

pub(crate) fn webhook(event: &WebhookEvent) -> String {
    let request = event.request.as_ref().map_or("no request", |request| request.as_str());
    let what = match &event.event {
        Event::Source { source, status, .. } => format!("{} {status:?}", source.as_str()),
        Event::Consolidated { delivery } => {
            let with = if delivery.link.is_some() { " with a link" } else { "" };
            format!("consolidated {:?}{with}", delivery.status)
        }
        Event::Identity { .. } => "identity verified".to_owned(),
        Event::IdentityUnclear { .. } | Event::Other => "other".to_owned(),
    };
    let bare = if event.marks == shared::message::webhook::Marks::default() {
        ", no metadata"
    } else {
        ""
    };
    format!("{} ({what} of {request}{bare})", event.message)
}

pub(crate) fn job(job: &Job) -> String {
    match job {
        Job::Advance(advance) => body(&Body::Advance(advance.clone())),
        Job::Fetch(fetch) => body(&Body::Fetch(fetch.clone())),
        Job::Process(event) | Job::Intake(event) => webhook(event),
        Job::Consent { person } => format!("person {person} consents"),
        Job::AccountWork(work) => body(&Body::AccountWork(work.clone())),
        Job::Erase { person, .. } => format!("person {person} requests their erasure"),
        Job::Withdraw { person } => format!("person {person} withdraws their consent"),
        Job::Link {
            person, demographics, ..
        } => format!("person {person} links demographics {demographics}"),
        Job::OpenSession { person, .. } => format!("person {person} opens an identity session"),
        Job::OpenChallenge { person } => format!("person {person} opens a challenge"),
        Job::Pull {
            person,
            pull,
            presented,
        } => {
            let (challenge, session) = (presented.challenge.as_str(), presented.session.as_str());
            let (pull, status) = (pull_name(*pull), presented.status);
            format!("person {person} requests {pull} with {challenge}, {session}, {status}")
        }
        Job::AskRecord {
            person,
            record,
            variant,
        } => format!("person {person} requests {}, filters {variant}", record_name(*record)),
        Job::ReadRecord { person, record } => format!("person {person} reads {}", record_name(*record)),
        Job::NotMe { person, record, .. } => format!("person {person} reports {}", record_name(*record)),
        Job::Reconcile => "a tick".to_owned(),
    }
}

pub(crate) fn key(key: &Key) -> String {
    match key {
        Key::Root(owner) => format!("root of person {}", person(owner)),
        Key::Patient(owner) => format!("patient of person {}", person(owner)),
        Key::Identity(owner) => format!("identity of person {}", person(owner)),
        Key::Challenge(owner) => format!("challenge of person {}", person(owner)),
        Key::Pull(_, pull) => pull_name(*pull),
        Key::Entry(_, pull, n) => format!("timeline {n} of {}", pull_name(*pull)),
        Key::Record(_, record) => record_name(*record),
        Key::Retention(owner) => format!("retention check of person {}", person(owner)),
        Key::OpenRecords(owner) => format!("open records of person {}", person(owner)),
        Key::Shares(owner) => format!("shares of person {}", person(owner)),
        Key::PatientOwner(patient) => format!("owner of {}", patient.as_str()),
        Key::OpenPull(patient) => format!("open run of {}", patient.as_str()),
        Key::OpenConsolidated(patient) => format!("open consolidated query of {}", patient.as_str()),
        Key::Session(session) => format!("session {}", session.as_str()),
        Key::Mark(mark) => mark.clone(),
        Key::Request(request) => format!("request {request}"),
        Key::Used(session) => format!("used {}", session.as_str()),
        Key::Seen(message) => format!("seen {message}"),
        Key::Replays => "replays".to_owned(),
        Key::Erasure(id) => erasure(*id),
        Key::Log(owner) => format!("access log of person {}", person(owner)),
    }
}

fn write(write: &Write) -> String {
    let key = key(&write.key);
    match (&write.effect, put_of(&write.effect).map(AsRef::as_ref)) {
        (_, Some(Item::Pull(pull))) => format!(
            "{key} = {:?} (version {}, dueSeq {})",
            pull.state, pull.version, pull.due_seq
        ),
        (_, Some(Item::Record(record))) => {
            let (state, version) = (record.state, record.version);
            format!("{key} = {state:?} (version {version}, dueSeq {})", record.due_seq)
        }
        (_, Some(Item::Root(root))) => match (&root.consent, &root.erasure) {
            (Some(_), _) => format!("{key}: grant {}", root.grant),
            (None, Some(_)) => format!("{key}: marked for an erasure"),
            (None, None) => format!("{key}: no consent"),
        },
        (_, Some(Item::Erasure(job))) => format!("{key} = {:?}, {:?}", job.stage, job.patient),
        (_, Some(Item::Entry(entry))) => match &entry.event {
            Some(event) => format!("{key}: {event:?}"),
            None => format!("{key}: accepted"),
        },
        (Effect::Delete, _) => format!("delete {key}"),
        (Effect::Check, _) => format!("check that {key} is unchanged"),
        (Effect::Log(what), _) => format!("{key}: {}", what.as_str()),
        (Effect::Put(_), _) => key,
    }
}

pub(crate) fn op(op: &Op, fault: Option<Fault>) -> String {
    let what = match op {
        Op::Get(of) => format!("reads {}", key(of)),
        Op::List(Listing::Pulls(of)) => format!("lists the pulls of person {}", person(of)),
        Op::List(Listing::Timeline(_, pull)) => format!("lists the timeline of {}", pull_name(*pull)),
        Op::List(Listing::Records(of)) => format!("lists the records of person {}", person(of)),
        Op::Commit(writes) => {
            let writes: Vec<String> = writes.iter().map(write).collect();
            format!("writes {}", writes.join("; "))
        }
        Op::Overdue(_) => "reads overdue work".to_owned(),
        Op::Erasures => "lists the unfinished erasures".to_owned(),
        Op::Keys(of, Place::Partition) => format!("lists the items of person {}", person(of)),
        Op::Keys(of, Place::Rows) => format!("lists the rows of person {}", person(of)),
        Op::Entries(prefix) => format!("lists the bucket under {prefix}"),
        Op::EraseEntry(entry) => format!("deletes {} from the bucket", entry.key),
        Op::Send(message, delay) => format!("sends {}, seen after {} s", body(message), delay.as_secs()),
        Op::Upstream(of) => format!("calls upstream: {}", call(of)),
        Op::Turn(_) => "requests its turn".to_owned(),
        Op::Share(share) => format!("requests the share of person {}: {:?}", person(&share.owner), share.ask),
        Op::Transfer(_, to) => format!("transfers the file of the link to {to}"),
        Op::Mint(object) => format!("makes a link to {object}"),
    };
    match fault {
        Some(fault) => format!("{what} — FAULT: {fault:?}"),
        None => what,
    }
}

fn call(call: &Call) -> String {
    match call {
        Call::FindPatient(_) => "find the patient".to_owned(),
        Call::CreatePatient(..) => "create the patient".to_owned(),
        Call::UpdatePatient(patient, _) => format!("update {}", patient.as_str()),
        Call::OpenSession(patient, _) => format!("open an identity session for {}", patient.as_str()),
        Call::OpenChallenge(_) => "open a challenge".to_owned(),
        Call::StartQuery(start) => format!("start the network query of {}", pull_name(start.pull)),
        Call::ReadQuery(request) => format!("read the status of {request}"),
        Call::StartConsolidated(record, ..) => format!("start the consolidated query of {}", record_name(*record)),
        Call::WebhookStatus => "read which deliveries failed".to_owned(),
        Call::RetryWebhooks => "send failed deliveries again".to_owned(),
        Call::DeletePatient(patient) => format!("delete {}", patient.as_str()),
    }
}

pub(crate) fn outcome(outcome: &Result<&'static str, Error>) -> String {
    match outcome {
        Ok(word) => (*word).to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

pub(crate) fn describe_arrival(arrival: WebhookArrival, event: &WebhookEvent) -> String {
    let event = webhook(event);
    match arrival {
        WebhookArrival::Arrives => format!("webhook {event} arrives"),
        WebhookArrival::ArrivesBare => format!("webhook {event} arrives without metadata"),
        WebhookArrival::Dropped => format!("webhook {event} does not arrive"),
        WebhookArrival::Again => format!("webhook {event} arrives again"),
    }
}

pub(crate) const fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Lost => "fault: no effect, no answer",
        Fault::Unanswered => "fault: effect, no answer",
        Fault::NotSent => "fault: not sent",
        Fault::Busy => "fault: busy",
        Fault::Refused => "fault: refused",
        Fault::SessionRefused => "fault: session refused",
        Fault::IdentityRefused => "fault: identity refused",
        Fault::Partly => "fault: a source does not start",
    }
}
