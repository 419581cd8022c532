//! Readable conversions of a record: small valid PDF and HTML files with counts per resource type, without personal
//! data.

use std::collections::BTreeMap;

use crate::pages::escape;
use crate::records::View;

pub(crate) type Counts = BTreeMap<String, usize>;

const TITLE: &str = "Medical record summary";

pub(crate) fn count(view: &View) -> Counts {
    let mut counts = Counts::new();
    for resource in view.bundle().resources() {
        if let Some(name) = sandbox_fhir::resource_type(resource) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

pub(crate) fn html(counts: &Counts) -> Vec<u8> {
    let rows: String = counts
        .iter()
        .map(|(name, count)| format!("<tr><td>{}</td><td>{count}</td></tr>", escape(name)))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{TITLE}</title></head><body>\
         <h1>{TITLE}</h1><table><thead><tr><th>Resource</th><th>Count</th></tr></thead><tbody>{rows}</tbody></table>\
         </body></html>"
    )
    .into_bytes()
}

/// The summary as a PDF of one page: five objects and a cross-reference table.
pub(crate) fn pdf(counts: &Counts) -> Vec<u8> {
    let lines = counts
        .iter()
        .map(|(name, count)| format!("({}: {count}) Tj T*\n", pdf_text(name)));
    let content = format!(
        "BT /F1 12 Tf 15 TL 72 740 Td\n({TITLE}) Tj T* T*\n{}ET",
        lines.collect::<String>()
    );
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let (start, size) = (file.len(), objects.len() + 1);
    file.push_str(&format!(
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    file.into_bytes()
}

/// Keeps letters and digits, which need no escape in a PDF string. A resource type has no other characters.
fn pdf_text(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_reference_table_points_at_its_objects() {
        let counts = Counts::from([("Observation".to_owned(), 300), ("Condition".to_owned(), 4)]);
        let text = String::from_utf8(pdf(&counts)).unwrap();
        let start: usize = text
            .rsplit("startxref\n")
            .next()
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let table: Vec<&str> = text[start..].lines().collect();
        assert_eq!(table[0], "xref");
        for number in 1..=5 {
            let offset: usize = table[2 + number][..10].parse().unwrap();
            assert!(text[offset..].starts_with(&format!("{number} 0 obj")), "{number}");
        }
        assert!(text.contains("(Observation: 300) Tj"));
    }

    #[test]
    fn html_page_lists_counts() {
        let counts = Counts::from([("Observation".to_owned(), 300)]);
        assert!(
            String::from_utf8(html(&counts))
                .unwrap()
                .contains("<td>Observation</td><td>300</td>")
        );
    }
}
