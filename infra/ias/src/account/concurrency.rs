//! Checks that the queues leave enough of the account's concurrent executions for callers and webhooks.

/// Minimum number of executions to leave for callers and webhooks. A new account has ten; the template's defaults leave
/// four of them.
const LEFT_MIN: u64 = 4;

/// Fails if all event sources together leave fewer than `LEFT_MIN` of the account's unreserved executions.
pub(super) fn check(unreserved: u64, queues: u64) -> Result<String, String> {
    let figures = format!("{unreserved} unreserved, {queues} for queues");
    match unreserved.checked_sub(queues) {
        Some(left) if left >= LEFT_MIN => Ok(format!("{figures}, {left} left")),
        _ => Err(format!(
            "{figures}: fewer than {LEFT_MIN} are left for callers and webhooks. Request a higher quota (Service \
             Quotas, AWS Lambda, \"Concurrent executions\"), or deploy with a lower concurrency of the queues"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_must_leave_executions_for_callers() {
        assert_eq!(check(1000, 25).unwrap(), "1000 unreserved, 25 for queues, 975 left");
        assert!(check(10, 6).is_ok());
        for (unreserved, queues) in [(10, 7), (10, 25), (0, 0)] {
            assert!(
                check(unreserved, queues).unwrap_err().contains("Service Quotas"),
                "{unreserved} {queues}"
            );
        }
    }
}
