//! Replies: the functions' output, and the document's own examples, fit the document's schemas.

use std::collections::BTreeSet;

use account::erase::{view_erasure, view_request};
use account::export::{view_export, view_part};
use account::view::of_root;
use network_query::view as pulls;
use record_read::view as records;
use serde_json::Value;
use shared::clock;
use shared::domain::consent::ConsentRule;
use shared::domain::erasure::{Erasure, SignedReceipt};
use shared::domain::export::{Export, ExportAnswer, ExportPart, PartContent};
use shared::domain::patient::PatientComparison;
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::pull::{
    Deferral, FailureReason, NewPull, Pull, PullEvent, QueryReport, RecordPhase, Reported, SourceOutcome, TimelineEntry,
};
use shared::domain::quarantine::{QuarantineCause, QuarantineReason, QuarantineState, RecordOrigin};
use shared::domain::record::{Conversion, NewRecord, Record, RecordQuery, RecordReason, RecordState, StoredObject};
use shared::domain::{
    ExportId, OwnerId, PatientId, PullId, ReceiptId, RecordId, SourceKind, SourceStatus, Sources, Time, Timing,
    UpstreamRequestId,
};
use shared::edge::http::LinkView;
use shared::edge::view_quarantine;
use shared::message::Link;

use super::document::Document;

const ID: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

fn now() -> Time {
    Time::parse("2026-11-22T10:40:00Z").unwrap()
}

fn patient() -> PatientId {
    PatientId::parse("patient-1").unwrap()
}

fn request_id() -> UpstreamRequestId {
    UpstreamRequestId::parse("request-1").unwrap()
}

fn fits(document: &Document, schema: &str, value: &Value) {
    assert_eq!(document.misfit(document.schema(schema), value, schema), None, "{value}");
}

/// A pull with every field that can be shown.
fn full_pull() -> Pull {
    let sources = Sources::pending(SourceKind::ALL).unwrap();
    let id = PullId::parse(ID).unwrap();
    let mut pull = Pull::accept(
        NewPull {
            id,
            patient: patient(),
            grant: Grant::of(1),
            sources,
        },
        now(),
        Timing::default(),
    )
    .in_slot(now());
    pull.sources
        .advance(SourceKind::Hie, SourceStatus::Failed, now(), Some(429));
    pull.started_at = Some(now());
    pull.ended_at = Some(now());
    pull.reason = Some(FailureReason::NoSourceAnswered);
    pull.hie_record = RecordId::parse(ID).ok();
    pull.final_record = RecordId::parse(ID).ok();
    pull
}

#[test]
fn pull_is_written_as_described() {
    let document = Document::read();
    let pull = full_pull();
    let shown = serde_json::to_value(pulls::of_pull(&pull, &ConsentRule::KeptElsewhere, now())).unwrap();
    fits(&document, "NetworkQuery", &shown);
    let names: BTreeSet<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, document.properties("NetworkQuery"));
    assert_eq!(
        shown["sources"][0].as_object().unwrap().len(),
        document.properties("Source").len()
    );
}

#[test]
fn record_is_written_as_described() {
    let document = Document::read();
    let query = RecordQuery {
        conversion: Conversion::Json,
        resources: ["Condition".to_owned()].into(),
        date_from: Some("2024-01-01".to_owned()),
        date_to: Some("2024-12-31".to_owned()),
    };
    let (id, pull) = (RecordId::parse(ID).unwrap(), PullId::parse(ID).ok());
    let new = NewRecord {
        id,
        pull,
        phase: RecordPhase::Final,
        patient: patient(),
        grant: Grant::of(1),
        query,
    };
    let mut record = Record::ask(new, now(), Timing::default());
    record.state = RecordState::Failed;
    record.reason = Some(RecordReason::TooLarge);
    record.ended_at = Some(now());
    let (key, sha256, counts) = (
        "records/1".to_owned(),
        "0".repeat(64),
        [("Condition".to_owned(), 1)].into(),
    );
    record.object = Some(StoredObject {
        key,
        sha256,
        bytes: 1,
        counts,
        comparison: PatientComparison::NotComparable,
    });
    let shown = serde_json::to_value(records::of_record(&record, now())).unwrap();
    fits(&document, "Record", &shown);
    let mut names: BTreeSet<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    // Only the read of one record mints a link.
    names.insert("link");
    assert_eq!(names, document.properties("Record"));
    let hidden = serde_json::to_value(records::of_hidden(&record, now())).unwrap();
    fits(&document, "Record", &hidden);
    for name in ["bytes", "sha256", "counts", "link"] {
        assert!(hidden.get(name).is_none(), "{hidden}");
    }
}

#[test]
fn quarantine_is_written_as_described() {
    let document = Document::read();
    let (record, id) = (RecordId::parse(ID).unwrap(), PullId::parse(ID).ok());
    let cause = QuarantineCause {
        record,
        origin: RecordOrigin { pull: id, since: now() },
        reasons: QuarantineReason::ALL.iter().copied().collect(),
    };
    let root = PersonRoot::default();
    let root = root.quarantine_for(&cause, now(), Timing::default()).unwrap();
    let mut names = BTreeSet::new();
    let ended = |state| root.end_quarantine(state, now()).unwrap();
    for root in [
        &root,
        &ended(QuarantineState::Released),
        &ended(QuarantineState::Purged),
    ] {
        let shown = serde_json::to_value(view_quarantine(root.quarantine.as_ref().unwrap())).unwrap();
        fits(&document, "Quarantine", &shown);
        names.extend(shown.as_object().unwrap().keys().cloned());
    }
    let described = document.properties("Quarantine").into_iter().map(str::to_owned);
    assert_eq!(names, described.collect());
}

#[test]
fn erasure_is_written_as_described() {
    let document = Document::read();
    let receipt = ReceiptId::new(clock::new_secret());
    let request = serde_json::to_value(view_request(receipt)).unwrap();
    fits(&document, "ErasureRequest", &request);
    assert_eq!(
        request.as_object().unwrap().len(),
        document.properties("ErasureRequest").len()
    );

    let erasing = Erasure::request(receipt, OwnerId::parse("v1.o").unwrap(), now(), Timing::default());
    let signed = SignedReceipt {
        statement: "{}".to_owned(),
        signature: "MEQ=".to_owned(),
    };
    let erased = erasing.finish(signed);
    let mut names = BTreeSet::new();
    for erasure in [erasing, erased] {
        let shown = serde_json::to_value(view_erasure(erasure)).unwrap();
        fits(&document, "Erasure", &shown);
        names.extend(shown.as_object().unwrap().keys().cloned());
    }
    let described = document.properties("Erasure").into_iter().map(str::to_owned);
    assert_eq!(names, described.collect());
}

#[test]
fn export_is_written_as_described() {
    let document = Document::read();
    let ExportAnswer::New(new) = Export::answer(ExportId::parse(ID).unwrap(), &[], now(), Timing::default()) else {
        panic!("no new export")
    };
    let part = ExportPart {
        content: PartContent::AccessLog,
        lines: 1,
        bytes: 2,
        sha256: "ab".repeat(32),
    };
    let complete = new.with_part(Some(part.clone()), None, now(), Timing::default());
    let link = LinkView::new(&Link::new("https://files.example.test/1".to_owned()), now());
    let parts = vec![view_part(&part, part.file_name(0), link)];
    let mut names = BTreeSet::new();
    let failed = new.fail(Timing::default());
    for shown in [
        view_export(&new, None),
        view_export(&failed, None),
        view_export(&complete, Some(parts)),
    ] {
        let shown = serde_json::to_value(shown).unwrap();
        fits(&document, "Export", &shown);
        names.extend(shown.as_object().unwrap().keys().cloned());
        if let Some(part) = shown.pointer("/parts/0") {
            let described = document.properties("ExportPart").into_iter();
            assert_eq!(
                described.collect::<BTreeSet<_>>(),
                part.as_object().unwrap().keys().map(String::as_str).collect()
            );
        }
    }
    let described = document.properties("Export").into_iter().map(str::to_owned);
    assert_eq!(names, described.collect());
}

#[test]
fn consent_is_written_as_described_during_an_erasure() {
    let document = Document::read();
    let receipt = ReceiptId::new(clock::new_secret());
    let root = PersonRoot::default().begin_erasure(receipt, now()).unwrap();
    let shown = serde_json::to_value(of_root(&root, &ConsentRule::KeptElsewhere)).unwrap();
    fits(&document, "ConsentStanding", &shown);
    assert_eq!(shown["status"], "erasing");
}

/// This match is exhaustive, so a new kind of event does not compile until it is added here. It must be added to
/// [`events`] too.
const _: fn(&PullEvent) = |event| match event {
    PullEvent::StartClaimed
    | PullEvent::Started { .. }
    | PullEvent::StartDeferred { .. }
    | PullEvent::StartRefused { .. }
    | PullEvent::StartUnknown
    | PullEvent::StartStayedUnknown
    | PullEvent::StartTooLate
    | PullEvent::SourceReported { .. }
    | PullEvent::Polled { .. }
    | PullEvent::PollFailed { .. }
    | PullEvent::DeadlinePassed
    | PullEvent::RecordAwaited { .. }
    | PullEvent::RecordEnded { .. }
    | PullEvent::ConsentWithdrawn
    | PullEvent::RecordsPurged => (),
};

fn events() -> Vec<PullEvent> {
    let (source, outcome, until) = (SourceKind::Hie, Some(SourceOutcome::Completed), now());
    let reported = Reported {
        source,
        outcome,
        http_status: Some(400),
    };
    let report = || QueryReport {
        overall: outcome,
        is_final: true,
        sources: vec![reported],
    };
    vec![
        PullEvent::StartClaimed,
        PullEvent::Started {
            request: request_id(),
            report: report(),
        },
        PullEvent::StartDeferred {
            cause: Deferral::NotSent,
            until,
        },
        PullEvent::StartRefused {
            reason: FailureReason::UpstreamRefused,
        },
        PullEvent::StartUnknown,
        PullEvent::StartStayedUnknown,
        PullEvent::StartTooLate,
        PullEvent::SourceReported {
            source,
            status: SourceOutcome::Failed,
            request: Some(request_id()),
        },
        PullEvent::Polled { report: report() },
        PullEvent::PollFailed { until },
        PullEvent::DeadlinePassed,
        PullEvent::RecordAwaited { until },
        PullEvent::RecordEnded { available: true },
        PullEvent::ConsentWithdrawn,
        PullEvent::RecordsPurged,
    ]
}

#[test]
fn timeline_is_written_as_described() {
    let document = Document::read();
    let mut codes = BTreeSet::from(["accepted".to_owned()]);
    let mut names: BTreeSet<String> = ["n", "at", "record"].map(str::to_owned).into();
    for event in events() {
        let entry = TimelineEntry {
            n: 1,
            at: now(),
            event: Some(event),
            record: None,
        };
        let shown = serde_json::to_value(pulls::of_entry(entry)).unwrap();
        codes.insert(shown["code"].as_str().unwrap().to_owned());
        names.extend(shown.as_object().unwrap().keys().cloned());
        fits(&document, "TimelineEvent", &shown);
    }
    let listed: BTreeSet<_> = document
        .enum_values("TimelineCode")
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, codes);
    let described: BTreeSet<_> = document
        .properties("TimelineEvent")
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(described, names);
}

/// Every example, with the `schema` next to it.
fn examples<'d>(document: &'d Document, value: &'d Value, found: &mut Vec<(&'d Value, &'d Value)>) {
    match value {
        Value::Object(fields) => {
            if let (Some(schema), Some(Value::Object(named))) = (fields.get("schema"), fields.get("examples")) {
                found.extend(
                    named
                        .values()
                        .map(|example| (schema, &document.resolve(example)["value"])),
                );
            }
            fields.values().for_each(|value| examples(document, value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| examples(document, value, found)),
        _ => {}
    }
}

#[test]
fn every_example_fits_its_schema() {
    let document = Document::read();
    let mut found = Vec::new();
    examples(&document, document.at(""), &mut found);
    assert!(found.len() > 20, "{} examples", found.len());
    for (schema, example) in found {
        assert_eq!(document.misfit(schema, example, "example"), None, "{example}");
    }
}
