//! What a trace shows, whatever its format.

use std::borrow::Cow;
use std::fmt;

/// Values by the specification's names.
pub(super) type Fields = Vec<(&'static str, Value)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    Signed(i64),
    /// What has no meaning as a quantity: addresses, a guest's own marks.
    Hex(u64),
    /// Names of the specification's.
    Name(Cow<'static, str>),
    Text(Text),
    /// Nanoseconds since 1970.
    Time(u64),
    /// Nanoseconds.
    Duration(u64),
    Descriptor(u32, Option<Box<[u8]>>),
    Buffers(Buffers),
    /// An address, at which not everything that belongs there is inside the memory.
    Fault(u32),
    /// The first ones, and how many more there are.
    List(Vec<Value>, u64),
    Record(Fields),
}

/// The beginning of a text of the guest's, or of other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub bytes: Vec<u8>,
    /// Bytes of the whole.
    pub len: u64,
}

/// An array of buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buffers {
    pub count: u32,
    /// Bytes of all together, if there are no more of them than a call can have.
    pub bytes: Option<u64>,
    /// What is in them, where that is the guest's; the address of one that is not inside the memory.
    pub data: Option<Box<Value>>,
}

impl Text {
    /// Whether it is not whole.
    pub(super) fn is_cut(&self) -> bool {
        (self.bytes.len() as u64) < self.len
    }
}

/// Nanoseconds since 1970 as a date and a time, UTC.
pub(super) struct Date(pub u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years begin in March: the day that some have more is their last one. Howard Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms", civil_from_days.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(Date(seconds * 1_000_000_000 + 42).to_string(), format!("{date}.000000042Z"));
        }
        assert_eq!(Date(u64::MAX).to_string(), "2554-07-21T23:34:33.709551615Z");
    }
}
