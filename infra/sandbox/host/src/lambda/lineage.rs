//! Recursive loop detection. Lambda counts how often one original event has led to invocations of each function. It
//! stops a function after about sixteen invocations, unless the function's `RecursiveLoop` is `Allow`. The count
//! travels as `Lineage` in the trace header, which the AWS SDKs pass on and SQS keeps with a message as
//! `AWSTraceHeader`. Sources: docs.aws.amazon.com, "Use Lambda recursive loop detection to prevent infinite loops"; AWS
//! Compute Blog, "Detecting and stopping recursive loops in AWS Lambda functions".

use std::collections::BTreeMap;

/// Maximum number of invocations of one function in one chain. The next invocation is stopped.
pub(crate) const HOPS_MAX: u32 = 16;

/// Counts of one function's invocations by chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hops {
    /// The highest number of invocations of the function in one chain.
    pub most: u32,
    /// Invocations that were stopped: CloudWatch's `RecursiveInvocationsDropped`.
    pub dropped: u64,
}

/// Invocations in one chain, by function name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lineage(BTreeMap<String, u32>);

impl Lineage {
    /// Reads the trace headers of a batch's messages. If the messages belong to several chains, each function gets its
    /// highest count.
    pub(crate) fn of<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut lineage = Self::default();
        for (function, count) in headers.into_iter().flat_map(hops) {
            let most = lineage.0.entry(function.to_owned()).or_default();
            *most = count.max(*most);
        }
        lineage
    }

    /// Counts one more invocation of this function and returns the new count.
    pub(crate) fn enter(&mut self, function: &str) -> u32 {
        let count = self.0.entry(function.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    pub(crate) fn field(&self) -> String {
        let hops = self.0.iter().map(|(function, count)| format!("{function}:{count}"));
        format!("Lineage={}", hops.collect::<Vec<_>>().join("|"))
    }
}

fn hops(header: &str) -> impl Iterator<Item = (&str, u32)> {
    let lineage = header
        .split(';')
        .find_map(|field| field.trim().strip_prefix("Lineage="));
    let hops = lineage.unwrap_or_default().split('|');
    hops.filter_map(|hop| hop.split_once(':'))
        .filter_map(|(function, count)| Some((function, count.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_is_counted_by_function_across_headers() {
        let mut lineage = Lineage::of([]);
        assert_eq!((lineage.enter("a"), lineage.enter("a"), lineage.enter("b")), (1, 2, 1));
        let header = format!("Root=1-0;Parent=0;Sampled=0;{}", lineage.field());
        assert_eq!(Lineage::of([header.as_str()]), lineage);
        let mut longest = Lineage::of([header.as_str(), "Root=1-1;Lineage=a:9|c:3", "Root=1-2", "Lineage=b:x"]);
        assert_eq!((longest.enter("a"), longest.enter("b"), longest.enter("c")), (10, 2, 4));
    }
}
