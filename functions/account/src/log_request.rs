//! Reads requests for the access log, and writes its pages as JSON or FHIR.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use serde_json::Value;
use shared::Error;
use shared::domain::log::LogDay;
use shared::domain::log::audit_event::AuditBundle;
use shared::domain::log::export::{ExportPage, ExportPosition, LogRange, LogRangeError};
use shared::domain::{OwnerId, Time, Timing};
use shared::edge::http::request::{header, query_parameter};
use shared::edge::http::{Code, Next, Problem, json, reply_as};
use shared::idempotency::KeyedHash as _;
use shared::owner::OwnerKey;

use crate::read_log::PageRequest;

/// FHIR's media type (hl7.org/fhir/R4/http.html, "Content Types and encodings").
const FHIR: &str = "application/fhir+json";
/// Use of the owner key for cursors.
const LABEL: &str = "log-cursor";
/// Longest cursor, in characters. Our own have about 400.
const CURSOR_MAX: usize = 1_024;

/// The form of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// The page of an export, with proofs.
    Json,
    /// A Bundle of `AuditEvent`, without proofs.
    Fhir,
}

/// A page in JSON, with the caller's next action.
#[derive(Serialize)]
pub struct LogPageView {
    #[serde(flatten)]
    page: ExportPage,
    next: Next,
}

/// The form that the header `Accept` names. The default is JSON.
///
/// # Errors
/// Refuses a header that names both forms or neither.
pub fn read_form(request: &Request) -> Result<LogForm, Error> {
    let accepted = header(request, "accept").unwrap_or("*/*");
    let names = |form: &[&str]| {
        let mut types = accepted
            .split(',')
            .map(|part| part.split(';').next().unwrap_or_default().trim());
        types.any(|name| form.iter().any(|form| name.eq_ignore_ascii_case(form)))
    };
    let (fhir, json) = (names(&[FHIR]), names(&["application/json"]));
    match (fhir, json || names(&["*/*", "application/*"])) {
        (true, _) if !json => Ok(LogForm::Fhir),
        (false, true) => Ok(LogForm::Json),
        _ => Err(Problem::new(Code::NotAcceptable).into()),
    }
}

/// The settings with which a request is read.
pub struct LogSettings<'a> {
    /// The key that signs cursors.
    pub key: &'a OwnerKey,
    /// The durations of the deployment.
    pub timing: Timing,
    /// `ACCESS_LOG_RETENTION_DAYS`.
    pub retention_days: u16,
}

impl LogSettings<'_> {
    /// The page that the caller asks for.
    ///
    /// # Errors
    /// Refuses days that are unreadable, in the wrong order or too many, a cursor that is not the caller's, and a
    /// cursor beside days.
    pub fn read(&self, request: &Request, owner: &OwnerId, now: Time) -> Result<PageRequest, Error> {
        let [from, to, cursor] = ["from", "to", "cursor"].map(|name| query_parameter(request, name));
        let Some(cursor) = cursor else {
            let today = LogDay::of(now, self.timing);
            // Entries of earlier days may have expired.
            let earliest = today.first_kept(self.retention_days);
            let range = LogRange::read(from.as_deref(), to.as_deref(), today, earliest);
            return range
                .map(PageRequest::First)
                .map_err(|error| refuse_range(error).into());
        };
        if let Some((name, _)) = [("/from", from), ("/to", to)]
            .into_iter()
            .find(|(_, day)| day.is_some())
        {
            return Err(refuse(name, "absent, because the cursor has the days").into());
        }
        let position = self
            .read_cursor(&cursor, owner)?
            .filter(|position| position.has_days_of(self.timing));
        let position = position.ok_or_else(|| refuse("/cursor", "the cursor in next.url of the page before"))?;
        Ok(PageRequest::At(position))
    }

    fn read_cursor(&self, cursor: &str, owner: &OwnerId) -> Result<Option<ExportPosition>, Error> {
        let Some((position, mac)) = cursor.split_once('.').filter(|_| cursor.len() <= CURSOR_MAX) else {
            return Ok(None);
        };
        // The cursor only chooses among the caller's own entries, so the comparison need not take constant time.
        if mac != self.mac(position, owner)? {
            return Ok(None);
        }
        let position = URL_SAFE_NO_PAD.decode(position).ok();
        Ok(position.and_then(|position| serde_json::from_slice(&position).ok()))
    }

    /// The address of a page.
    fn url(&self, position: &ExportPosition, owner: &OwnerId) -> Result<String, Error> {
        let position = serde_json::to_vec(position).map_err(|_never| Error::Internal("cursor"))?;
        let position = URL_SAFE_NO_PAD.encode(position);
        let mac = self.mac(&position, owner)?;
        Ok(format!("/v1/me/access-log?cursor={position}.{mac}"))
    }

    fn mac(&self, position: &str, owner: &OwnerId) -> Result<String, Error> {
        let parts = [owner.as_str().as_bytes(), position.as_bytes()];
        Ok(self.key.keyed_hash(LABEL, &parts)?)
    }

    /// The reply with a page.
    ///
    /// # Errors
    /// Fails if FHIR is asked for, and this version cannot read an entry.
    pub fn reply(
        &self,
        form: LogForm,
        page: ExportPage,
        next: Option<&ExportPosition>,
        ask: Option<&ExportPosition>,
    ) -> Result<Response<Body>, Error> {
        let owner = page.log.owner.clone();
        let next = next.map(|position| self.url(position, &owner)).transpose()?;
        match form {
            LogForm::Json => Ok(json(200, &view_page(page, next))),
            LogForm::Fhir => {
                let own = match ask {
                    Some(position) => self.url(position, &owner)?,
                    None => format!("/v1/me/access-log?from={}&to={}", page.log.from, page.log.to),
                };
                Ok(reply_as(200, FHIR, &bundle(&page, &own, next.as_deref())?))
            }
        }
    }
}

fn refuse(pointer: &str, detail: &'static str) -> Problem {
    Problem::new(Code::InvalidRequest).field(pointer, detail)
}

fn refuse_range(error: LogRangeError) -> Problem {
    let (pointer, expected) = error.expected();
    refuse(pointer, expected)
}

/// A page in JSON. `next` is the address of the next page.
#[must_use]
pub fn view_page(page: ExportPage, next: Option<String>) -> LogPageView {
    LogPageView {
        page,
        next: next.map_or(Next::NONE, Next::read_log),
    }
}

fn bundle(page: &ExportPage, own: &str, next: Option<&str>) -> Result<Value, Error> {
    let sealed = page.days.iter().flat_map(|day| &day.entries);
    let tail = page.unsealed.iter().flat_map(|tail| &tail.entries);
    let texts: Vec<&str> = sealed.chain(tail).map(|entry| entry.get()).collect();
    let bundle = AuditBundle {
        owner: &page.log.owner,
        stack: &page.log.stack,
        page: own,
        next,
    };
    bundle
        .render(&texts)
        .map_err(|_another_version| Error::Internal("entry of the access log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> OwnerKey {
        OwnerKey::parse(&"k".repeat(32)).unwrap()
    }

    fn settings(key: &OwnerKey) -> LogSettings<'_> {
        LogSettings {
            key,
            timing: Timing::default(),
            retention_days: 2192,
        }
    }

    fn owner(name: &str) -> OwnerId {
        OwnerId::parse(format!("v1.{name}")).unwrap()
    }

    fn asking(query: &str) -> Request {
        let uri = format!("/v1/me/access-log?{query}");
        lambda_http::http::Request::builder()
            .uri(uri)
            .body(Body::Empty)
            .unwrap()
    }

    fn now() -> Time {
        Time::parse("2026-11-28T12:00:00Z").unwrap()
    }

    fn position(now: Time) -> ExportPosition {
        let today = LogDay::of(now, Timing::default());
        let range = LogRange::read(None, None, today, today.minus(100)).unwrap();
        let mut position = ExportPosition::begin(range, Some(today.previous()), now);
        position.after = Some("2026-11-25T10:00:00.000Z#link_minted#0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d".to_owned());
        position
    }

    /// The pointer of the refused parameter.
    fn refused(query: &str) -> String {
        let key = key();
        let read = settings(&key).read(&asking(query), &owner("nora"), now());
        let problem = read
            .err()
            .map(Error::into_problem)
            .unwrap_or_else(|| panic!("accepted: {query}"));
        assert_eq!(problem.code, Code::InvalidRequest);
        problem.errors[0].pointer.clone()
    }

    #[test]
    fn cursor_is_accepted_only_as_it_was_made_for_the_caller() {
        let key = key();
        let (settings, nora) = (settings(&key), owner("nora"));
        let url = settings.url(&position(now()), &nora).unwrap();
        let (_, query) = url.split_once('?').unwrap();
        let Ok(PageRequest::At(read)) = settings.read(&asking(query), &nora, now()) else {
            panic!("refused")
        };
        assert_eq!(read, position(now()));
        // The address names neither the person nor the stack, and fits into a cursor.
        let text = URL_SAFE_NO_PAD
            .decode(query.strip_prefix("cursor=").unwrap().split('.').next().unwrap())
            .unwrap();
        assert!(
            !String::from_utf8(text).unwrap().contains("nora") && query.len() < 700,
            "{query}"
        );
        assert!(settings.read(&asking(query), &owner("omar"), now()).is_err());
        for changed in [
            query.replacen("cursor=e", "cursor=f", 1),
            format!("{query}0"),
            query[..query.len() - 1].to_owned(),
            "cursor=".to_owned(),
            "cursor=.".to_owned(),
            format!("cursor={}", "a".repeat(2_000)),
        ] {
            assert_eq!(refused(&changed), "/cursor", "{changed}");
        }
        assert_eq!(refused(&format!("{query}&from=2026-11-20")), "/from");
        assert_eq!(refused(&format!("{query}&to=2026-11-28")), "/to");
        let scaled = LogSettings {
            timing: Timing::scaled(24),
            ..settings
        };
        assert!(scaled.read(&asking(query), &nora, now()).is_err());
    }

    #[test]
    fn unreadable_days_are_refused_by_their_name() {
        for (query, pointer) in [
            ("from=yesterday", "/from"),
            ("from=", "/from"),
            ("from=2026-11-25&from=2026-11-26", "/from"),
            ("to=2026-11-31", "/to"),
            ("from=2026-11-28&to=2026-11-27", "/to"),
            ("from=2026-11-29", "/to"),
            ("from=2025-11-27", "/from"),
        ] {
            assert_eq!(refused(query), pointer, "{query}");
        }
    }

    #[test]
    fn accept_names_one_form() {
        let read = |accept: &str| {
            let request = lambda_http::http::Request::builder()
                .header("accept", accept)
                .body(Body::Empty)
                .unwrap();
            read_form(&request).map_err(|error| error.into_problem().code)
        };
        for accept in [
            "*/*",
            "application/json",
            "text/html, */*;q=0.8",
            "Application/JSON; charset=utf-8",
            "application/*",
        ] {
            assert_eq!(read(accept), Ok(LogForm::Json), "{accept}");
        }
        for accept in [
            "application/fhir+json",
            "application/fhir+json; fhirVersion=4.0",
            "application/fhir+json, */*;q=0.1",
        ] {
            assert_eq!(read(accept), Ok(LogForm::Fhir), "{accept}");
        }
        for accept in [
            "application/json, application/fhir+json",
            "text/html",
            "",
            "application/fhir+xml",
        ] {
            assert_eq!(read(accept), Err(Code::NotAcceptable), "{accept}");
        }
        assert!(matches!(read_form(&asking("")), Ok(LogForm::Json)));
    }
}
