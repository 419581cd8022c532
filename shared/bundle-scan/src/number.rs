//! The grammar of JSON numbers (RFC 8259, section 6).

/// The part of a number that was read last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// The minus.
    Sign,
    /// A zero, which no digit may follow.
    Zero,
    /// Digits before the point.
    Whole,
    /// The point.
    Point,
    /// Digits after the point.
    Fraction,
    /// The `e`.
    Exponent,
    /// The sign of the exponent.
    ExponentSign,
    /// Digits of the exponent.
    Power,
}

impl Number {
    /// The state after one more byte, if that byte belongs to the number.
    pub(super) const fn next(self, byte: u8) -> Option<Self> {
        use Number::{Exponent, ExponentSign, Fraction, Point, Power, Sign, Whole, Zero};
        match (self, byte) {
            (Sign, b'0') => Some(Zero),
            (Sign, b'1'..=b'9') | (Whole, b'0'..=b'9') => Some(Whole),
            (Zero | Whole, b'.') => Some(Point),
            (Point | Fraction, b'0'..=b'9') => Some(Fraction),
            (Zero | Whole | Fraction, b'e' | b'E') => Some(Exponent),
            (Exponent, b'+' | b'-') => Some(ExponentSign),
            (Exponent | ExponentSign | Power, b'0'..=b'9') => Some(Power),
            _ => None,
        }
    }

    pub(super) const fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}
