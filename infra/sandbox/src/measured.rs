//! The functions' metrics of a run in a file, one JSON object a line: what `infra/dashboard-picture.py` draws.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sandbox_host::cloudwatch::{MetricLine, MetricSink};
use serde_json::json;

use crate::report::say_error;

/// Writes each metric as it comes: name, value, dimensions, and when (`at`, milliseconds since the epoch).
///
/// # Errors
/// When the file cannot be made.
pub(crate) fn into_file(path: &Path) -> Result<MetricSink, String> {
    let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = Mutex::new(file);
    Ok(Arc::new(move |line: MetricLine| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        for datum in line.read.into_iter().flatten() {
            let point = json!({
                "at": datum.at_ms, "name": datum.name, "value": datum.value, "dimensions": datum.dimensions,
            });
            if let Err(error) = writeln!(file, "{point}") {
                say_error(&format!("a metric was not written: {error}"));
            }
        }
    }))
}
