//! Checks a record as it passes: whether it has the requested form and is complete, as far as its bytes show.

use std::collections::BTreeMap;

use crate::domain::patient::{ExpectedPatient, PatientComparison};
use crate::domain::record::Conversion;
use crate::records::patient_check::PatientCheck;
use crate::records::{BundleScan, RecordsError};

/// How far `%PDF-` may be from the beginning of a PDF, and `%%EOF` from its end (PDF Reference 1.7, appendix H, on
/// headers and trailers).
const PDF_MARGIN_BYTES: usize = 1024;

pub(super) enum Reading {
    Bundle(Box<BundleScan<PatientCheck>>),
    Pdf(PdfEnds),
    Html,
}

impl Reading {
    pub(super) fn of(form: Conversion, expected: ExpectedPatient) -> Self {
        match form {
            Conversion::Json => Self::Bundle(Box::new(BundleScan::new(PatientCheck::new(expected)))),
            Conversion::Pdf => Self::Pdf(PdfEnds::default()),
            Conversion::Html => Self::Html,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), RecordsError> {
        match self {
            Self::Bundle(scan) => scan.push(piece)?,
            Self::Pdf(ends) => ends.push(piece),
            Self::Html => {}
        }
        Ok(())
    }

    /// Ends the check of a record that had this many bytes. Returns the resources of a Bundle by type, and the
    /// comparison of its Patients.
    pub(super) fn finish(self, bytes: u64) -> Result<(BTreeMap<String, u64>, PatientComparison), RecordsError> {
        match self {
            Self::Bundle(scan) => {
                let (counts, check) = scan.finish()?;
                return Ok((counts, check.comparison()));
            }
            Self::Pdf(ends) => ends.finish()?,
            Self::Html if bytes == 0 => return Err(RecordsError::Broken("the content is empty")),
            Self::Html => {}
        }
        Ok((BTreeMap::new(), PatientComparison::NotComparable))
    }
}

/// The first and the last bytes of a presumed PDF.
#[derive(Default)]
pub(super) struct PdfEnds {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl PdfEnds {
    fn push(&mut self, piece: &[u8]) {
        let room = PDF_MARGIN_BYTES.saturating_sub(self.first.len()).min(piece.len());
        self.first.extend_from_slice(piece.get(..room).unwrap_or_default());
        let fresh = piece.len().saturating_sub(PDF_MARGIN_BYTES);
        self.last.extend_from_slice(piece.get(fresh..).unwrap_or_default());
        self.last.drain(..self.last.len().saturating_sub(PDF_MARGIN_BYTES));
    }

    fn finish(&self) -> Result<(), RecordsError> {
        let holds = |bytes: &[u8], mark: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
        if !holds(&self.first, b"%PDF-") {
            return Err(RecordsError::Broken("the content is not a PDF"));
        }
        if !holds(&self.last, b"%%EOF") {
            return Err(RecordsError::Broken("the PDF is truncated"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PatientId;

    fn read(form: Conversion, body: &[u8], size: usize) -> Result<BTreeMap<String, u64>, RecordsError> {
        let expected = ExpectedPatient {
            id: PatientId::parse("p").unwrap(),
            fingerprint: None,
        };
        let mut reading = Reading::of(form, expected);
        body.chunks(size).try_for_each(|piece| reading.push(piece))?;
        let (counts, comparison) = reading.finish(body.len() as u64)?;
        assert_eq!(comparison, PatientComparison::NotComparable);
        Ok(counts)
    }

    #[test]
    fn pdf_without_header_or_trailer_is_refused() {
        let middle = vec![b'x'; 5000];
        let whole = [b"%PDF-1.7\n", &middle[..], b"%%EOF\n"].concat();
        let lenient = [&middle[..1000], &whole, &middle[..1000]].concat();
        let late = [&middle[..1024], &whole].concat();
        let trailing = [&whole, &middle[..1024]].concat();
        for size in [1, 7, 1000, 1024, 1025, 9000] {
            for pdf in [&whole[..], &lenient, b"%PDF-%%EOF"] {
                assert_eq!(read(Conversion::Pdf, pdf, size), Ok(BTreeMap::new()), "{size}");
            }
            for none in [&b""[..], &late, b"<html>The service is unavailable</html>", &whole[1..]] {
                assert_eq!(
                    read(Conversion::Pdf, none, size),
                    Err(RecordsError::Broken("the content is not a PDF"))
                );
            }
            for cut in [&trailing[..], &whole[..whole.len() - 2], b"%PDF-"] {
                assert_eq!(
                    read(Conversion::Pdf, cut, size),
                    Err(RecordsError::Broken("the PDF is truncated"))
                );
            }
        }
    }

    #[test]
    fn empty_html_is_refused() {
        assert_eq!(read(Conversion::Html, b"<p>", 1), Ok(BTreeMap::new()));
        assert_eq!(
            read(Conversion::Html, b"", 1),
            Err(RecordsError::Broken("the content is empty"))
        );
    }
}
