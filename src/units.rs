//! Numbers with units, for people.

use std::time::{Duration, SystemTime};

/// A number of bytes: `3.4 MiB`.
pub fn bytes(n: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(size, _)| n >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", n as f64 / *size as f64),
        None => format!("{n} bytes"),
    }
}

/// How long ago a time was, as far as that is known to the hour: `3 days ago`.
pub fn ago(time: SystemTime) -> String {
    const HOUR: u64 = 3600;
    let hours = time.elapsed().unwrap_or(Duration::ZERO).as_secs() / HOUR;
    match hours {
        0 => "within the hour".to_owned(),
        1 => "1 hour ago".to_owned(),
        2..48 => format!("{hours} hours ago"),
        _ => format!("{} days ago", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_largest_that_fit() {
        for (n, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1024.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (3 << 29, "1.5 GiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        for (hours, text) in
            [(0, "within the hour"), (1, "1 hour ago"), (47, "47 hours ago"), (48, "2 days ago"), (71, "2 days ago")]
        {
            assert_eq!(ago(SystemTime::now() - Duration::from_secs(hours * 3600 + 5)), text);
        }
        assert_eq!(ago(SystemTime::now() + Duration::from_secs(5000)), "within the hour");
    }
}
