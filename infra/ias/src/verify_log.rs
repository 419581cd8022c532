//! `ias verify-log` checks the export of an access log (`docs/access-log.md`) with nothing but the public key: neither
//! a network nor the stack. It reads one page at a time, so its memory does not grow with the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use shared::domain::Time;
use shared::domain::log::SealPublicKey;
use shared::domain::log::export::{ExportPage, LogVerifier, PAGE_BYTES_MAX, VerifiedLog};

use crate::report::say_line;

/// Options of `verify-log`.
#[derive(Debug, Clone, Args)]
pub struct VerifyLogArgs {
    /// The export: all its pages in order, each on a line of its own, as the API sent them.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public key of the stack's seals, in PEM. May be given more than once if the key was changed.
    #[arg(long = "key", value_name = "PUBLIC.pem", required = true)]
    keys: Vec<PathBuf>,
    /// When the export was requested. Without it, the time that the file states counts, and an older export passes for
    /// a new one.
    #[arg(long, value_name = "TIME", value_parser = |text: &str| Time::parse(text))]
    as_of: Option<Time>,
}

pub(crate) fn verify_log(args: &VerifyLogArgs) -> Result<(), String> {
    let keys = args.keys.iter().map(|path| read_key(path));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let file = File::open(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let verified = verify(BufReader::new(file), keys, args.as_of)?;
    for line in render(&verified) {
        say_line(&line);
    }
    Ok(())
}

pub(crate) fn read_key(path: &Path) -> Result<SealPublicKey, String> {
    let refuse = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| refuse(&error))?;
    let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem);
    let der = der.map_err(|_no_such_section| refuse(&"no public key in PEM (-----BEGIN PUBLIC KEY-----)"))?;
    SealPublicKey::from_spki(&der).map_err(|error| refuse(&error))
}

fn verify(mut file: impl BufRead, keys: Vec<SealPublicKey>, as_of: Option<Time>) -> Result<VerifiedLog, String> {
    let mut verifier = LogVerifier::new(keys);
    let (mut number, mut line) = (0, Vec::new());
    while read_line(&mut file, &mut line).map_err(|error| error.to_string())? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        number += 1;
        let page = read_page(&line).map_err(|fault| format!("page {number}: {fault}"))?;
        verifier = verifier.read_page(page).map_err(|fault| fault.to_string())?;
    }
    verifier.finish(as_of).map_err(|fault| fault.to_string())
}

/// Reads the next line, or as much of it as no page exceeds. Returns whether there is one.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let read = file.by_ref().take(PAGE_BYTES_MAX + 1).read_until(b'\n', line)?;
    Ok(read > 0)
}

/// Reads a page. The error names a place and nothing of the contents.
fn read_page(line: &[u8]) -> Result<ExportPage, String> {
    if u64::try_from(line.len()).is_ok_and(|bytes| bytes > PAGE_BYTES_MAX) {
        return Err(format!("longer than {PAGE_BYTES_MAX} bytes"));
    }
    serde_json::from_slice(line).map_err(|error| match error.is_eof() {
        true => "truncated".to_owned(),
        false => format!("not a page of an access log, at column {}", error.column()),
    })
}

fn render(verified: &VerifiedLog) -> Vec<String> {
    let VerifiedLog {
        head,
        first,
        last,
        entries,
        unsealed,
    } = verified;
    let day = last.day;
    let mut lines = vec![format!(
        "days {first} to {day}: {}, complete and unchanged",
        count(*entries)
    )];
    lines.extend(unsealed.map(|unsealed| format!("since {}: {} not sealed yet", day.next(), count(unsealed))));
    lines.push(format!("seal of {day}: SHA-256 {}", last.sha256));
    lines.push(format!(
        "owner {}, stack {}, exported at {}",
        head.owner.as_str(),
        head.stack,
        head.exported_at
    ));
    lines
}

fn count(entries: usize) -> String {
    let noun = if entries == 1 { "entry" } else { "entries" };
    format!("{entries} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by another program (`make.py` there).
    const EXPORT: &str = include_str!("../../../tests/fixtures/access-log/export.jsonl");
    const KEY: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/fixtures/access-log/public.pem"
    );

    fn check(file: impl Read) -> Result<Vec<String>, String> {
        let key = read_key(Path::new(KEY)).unwrap();
        verify(BufReader::new(file), vec![key], None).map(|verified| render(&verified))
    }

    #[test]
    fn export_made_by_another_program_is_verified() {
        let expected = [
            "days 2026-11-23 to 2026-11-25: 5 entries, complete and unchanged",
            "since 2026-11-26: 1 entry not sealed yet",
            "seal of 2026-11-25: SHA-256 e06e99eb96c72921d3bdd601810bb668903ad3e7302fe15ff695f81834eca81f",
            "owner v1.nora, stack ias, exported at 2026-11-26T10:00:00.000Z",
        ];
        assert_eq!(check(EXPORT.as_bytes()).unwrap(), expected);
        let spaced = format!("\n{}\n\n", EXPORT.replace('\n', " \r\n"));
        assert_eq!(check(spaced.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn export_cut_at_any_byte_is_refused() {
        let text = EXPORT.trim_end();
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        for cut in (0..text.len())
            .step_by(13)
            .chain(ends.iter().flat_map(|end| [*end, end + 1]))
        {
            let refusal = check(&text.as_bytes()[..cut]).unwrap_err();
            let pages = text[..cut].lines().count();
            let whole = cut == 0 || ends.iter().any(|end| cut == *end || cut == end + 1);
            let expected = if whole {
                format!("page {}: missing", pages + 1)
            } else {
                format!("page {pages}: truncated")
            };
            assert_eq!(refusal, expected, "cut at {cut}");
        }
    }

    #[test]
    fn malformed_page_is_refused_without_its_contents() {
        for (file, expected) in [
            ("CANARY", "page 1: not a page of an access log, at column 1"),
            (
                r#"{"log":{"v":1,"owner":"CANARY CANARY""#,
                "page 1: not a page of an access log, at column 37",
            ),
            (r#"{"CANARY":1}"#, "page 1: not a page of an access log, at column 9"),
            ("\u{feff}{}", "page 1: not a page of an access log, at column 1"),
        ] {
            assert_eq!(check(file.as_bytes()).unwrap_err(), expected);
        }
        let two_in_one_line = EXPORT.replacen('\n', "", 1);
        let second = EXPORT.find('\n').unwrap() + 1;
        assert_eq!(
            check(two_in_one_line.as_bytes()).unwrap_err(),
            format!("page 1: not a page of an access log, at column {second}")
        );
        assert!(
            check([0xff, 0xfe].as_slice())
                .unwrap_err()
                .starts_with("page 1: not a page")
        );
    }

    #[test]
    fn endless_page_is_refused_at_its_limit() {
        let refusal = check(std::io::repeat(b'[')).unwrap_err();
        assert_eq!(refusal, "page 1: longer than 4194304 bytes");
        let deep = "[".repeat(1_000_000);
        assert!(check(deep.as_bytes()).unwrap_err().starts_with("page 1: "));
    }

    #[test]
    fn key_of_another_kind_is_refused_by_name() {
        for (text, reason) in [
            ("", "no public key in PEM"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "no public key in PEM",
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                "not a public key on the curve P-256",
            ),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let refusal = read_key(file.path()).unwrap_err();
            assert!(
                refusal.starts_with(file.path().to_str().unwrap()) && refusal.contains(reason),
                "{refusal}"
            );
        }
        assert!(
            read_key(Path::new("missing.pem"))
                .unwrap_err()
                .starts_with("missing.pem: ")
        );
    }
}
