//! `docs/performance.md`: each table has its place between two comments that name it.

use std::fs;
use std::path::PathBuf;

use crate::Problem;
use crate::table::Table;

/// The root of the project.
pub fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../.."].iter().collect()
}

/// Puts the tables into the page.
///
/// # Errors
/// When the page has no place for a table, or cannot be written.
pub fn write(tables: &[Table]) -> Result<(), Problem> {
    let path = root().join("docs/performance.md");
    let mut page = fs::read_to_string(&path)?;
    for table in tables {
        page = replaced(&page, table.name, &table.markdown())
            .ok_or_else(|| format!("docs/performance.md has no place for the table `{}`", table.name))?;
    }
    fs::write(path, page)?;
    Ok(())
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let end = format!("<!-- end of {name} -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}<!-- {name} -->\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_last_one_and_of_nothing_else() {
        let page = "# A\n<!-- cold -->\n1 ms\n<!-- end of cold -->\n<!-- warm -->\n<!-- end of warm -->\n";
        let now = replaced(page, "cold", "2 ms\n").unwrap();
        assert_eq!(now, page.replace("1 ms", "2 ms"));
        assert_eq!(replaced(page, "hot", "2 ms\n"), None);
    }
}
