//! What the measurements say, and which of them miss their figure.

use super::{Look, Pair};
use crate::spread::Spread;
use crate::table::{Cell, Table};

/// Most memory that the transfer of 1 GB may take, in MB (64 MiB).
const PEAK_MB_MAX: f64 = 64.0 * 1_048_576.0 / 1e6;
/// Least throughput, as a share of the yardstick's.
const RATIO_MIN: f64 = 0.7;
/// From this size on, in megabytes, throughput is that of the transfer, and not of its beginning.
const LARGE_MB: u64 = 100;

fn spread<T>(of: &[T], figure: impl Fn(&T) -> f64) -> Option<Spread> {
    Spread::of(&of.iter().map(figure).collect::<Vec<_>>())
}

/// Transfers by size.
pub fn fetch(sizes_mb: &[u64], pairs: &[Vec<Pair>]) -> Table {
    let (mut rows, mut breaches) = (Vec::new(), Vec::new());
    for (size, pairs) in sizes_mb.iter().zip(pairs) {
        let ratio = spread(pairs, |pair| pair.function.mb_per_sec / pair.copy.mb_per_sec);
        let peak = spread(pairs, |pair| pair.function.used.peak_mb());
        rows.push(vec![
            Cell::Text(format!("{size} MB")),
            spread(pairs, |pair| pair.function.mb_per_sec).into(),
            spread(pairs, |pair| pair.copy.mb_per_sec).into(),
            ratio.into(),
            spread(pairs, |pair| pair.function.used.cpu_us / pair.copy.used.cpu_us).into(),
            peak.into(),
            spread(pairs, |pair| pair.copy.used.peak_mb()).into(),
        ]);
        if *size >= LARGE_MB && !ratio.is_some_and(|ratio| ratio.median >= RATIO_MIN) {
            breaches.push(format!(
                "record-fetch on {size} MB is slower than {RATIO_MIN} of the yardstick"
            ));
        }
        if !peak.is_some_and(|peak| peak.max <= PEAK_MB_MAX) {
            breaches.push(format!("record-fetch on {size} MB takes more than {PEAK_MB_MAX:.0} MB"));
        }
    }
    Table {
        name: "stream",
        caption: caption(pairs.iter().map(Vec::len).max()),
        columns: vec![
            "Bundle",
            "record-fetch, MB/s",
            "yardstick, MB/s",
            "ratio",
            "ratio of processor time",
            "record-fetch, peak MB",
            "yardstick, peak MB",
        ],
        rows,
        breaches,
    }
}

/// Looks at records by their size.
pub fn read(sizes_mb: &[u64], looks: &[Vec<Look>]) -> Table {
    let row = |(size, looks): (&u64, &Vec<Look>)| {
        vec![
            Cell::Text(format!("{size} MB")),
            spread(looks, |look| look.peak_mb).into(),
            spread(looks, |look| look.reply_bytes).into(),
        ]
    };
    Table {
        name: "stream-read",
        caption: caption(looks.iter().map(Vec::len).max()),
        columns: vec!["record", "record-read, peak MB", "reply, bytes"],
        rows: sizes_mb.iter().zip(looks).map(row).collect(),
        breaches: Vec::new(),
    }
}

fn caption(runs: Option<usize>) -> String {
    format!(
        "Medians of {} runs (smallest to largest), each process fresh, function and yardstick in turn.",
        runs.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::super::Transfer;
    use super::*;
    use crate::bed::vitals::Vitals;

    fn pair(mb_per_sec: f64, peak_mb: f64) -> Pair {
        let transfer = |mb_per_sec| Transfer {
            mb_per_sec,
            used: Vitals {
                cpu_us: 1.0,
                resident_kib: 0.0,
                peak_kib: peak_mb * 1e6 / 1024.0,
                faults: 0.0,
            },
        };
        Pair {
            function: transfer(mb_per_sec),
            copy: transfer(100.0),
        }
    }

    #[test]
    fn what_is_too_slow_or_too_large_is_told() {
        let told = |size, pair| fetch(&[size], &[vec![pair]]).breaches.len();
        assert_eq!(told(1000, pair(71.0, 60.0)), 0);
        assert_eq!(told(1000, pair(69.0, 60.0)), 1);
        assert_eq!(told(1000, pair(69.0, 70.0)), 2);
        assert_eq!(told(10, pair(69.0, 60.0)), 0);
        assert_eq!(told(10, pair(69.0, 70.0)), 1);
    }
}
