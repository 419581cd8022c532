//! The pace of message time: a sandbox divides delays and timeouts, so that waits of minutes take seconds.

/// The division never makes a visibility timeout shorter than this, because a receiver needs its time at every scale.
const VISIBILITY_MS_MIN: u64 = 10_000;

/// Divides durations. It does not change clocks or retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    scale: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { scale: 1 }
    }
}

impl Pace {
    /// Divides by `scale`; 0 counts as 1.
    pub(crate) fn scaled(scale: u32) -> Pace {
        Pace {
            scale: u64::from(scale.max(1)),
        }
    }

    /// The delay of a message with this `DelaySeconds`, in milliseconds.
    pub(crate) fn delay_ms(self, secs: u32) -> u64 {
        u64::from(secs) * 1_000 / self.scale
    }

    /// The time that this `VisibilityTimeout` hides a message, in milliseconds.
    pub(crate) fn visibility_ms(self, secs: u32) -> u64 {
        let timeout_ms = u64::from(secs) * 1_000;
        (timeout_ms / self.scale).max(timeout_ms.min(VISIBILITY_MS_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_divides_delays_and_long_visibility_timeouts() {
        let (own, fast) = (Pace::default(), Pace::scaled(20));
        assert_eq!((own.delay_ms(900), own.visibility_ms(360)), (900_000, 360_000));
        assert_eq!((fast.delay_ms(1), fast.delay_ms(900)), (50, 45_000));
        assert_eq!((fast.visibility_ms(360), fast.visibility_ms(120)), (18_000, 10_000));
        assert_eq!((fast.visibility_ms(3), fast.visibility_ms(0)), (3_000, 0));
        assert_eq!(Pace::scaled(0), Pace::default());
    }
}
