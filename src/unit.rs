//! Numbers with a unit: how they are written and read.

use std::fmt;

/// A number of bytes, written with `K`, `M`, `G` or `T` (powers of 1,024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Letters of sizes, with the power of two that each stands for.
const SIZES: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl ByteSize {
    /// Parses `64M`, `64MiB`, `512`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, is_binary) = text.strip_suffix("iB").map_or((text, false), |text| (text, true));
        let split = |(letter, shift): (char, u32)| {
            let digits = text.strip_suffix(letter);
            digits.or_else(|| text.strip_suffix(letter.to_ascii_lowercase())).map(|d| (d, shift))
        };
        let (digits, shift) = match SIZES.into_iter().find_map(split) {
            Some(found) => found,
            None if is_binary => return None,
            None => (text, 0),
        };
        let number: u64 = digits.trim_end().parse().ok()?;
        Some(Self(number.checked_mul(1_u64.checked_shl(shift)?)?))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, shift) in SIZES {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{letter}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// Permission bits, written in octal: `"0755"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Parses `0755`, `755`, `1777`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok()?;
        (!digits.starts_with('+') && mode <= 0o7777).then_some(Self(mode))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A span of time in milliseconds, written `250ms`, `10s`, `5m`, `1h`, `2d`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// Parses `250ms`, `10s`, `5m`, `1h`, `2d` or a plain number of seconds.
    pub fn parse(text: &str) -> Option<Self> {
        const UNITS: [(&str, u64); 5] =
            [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let unit = UNITS.iter().find(|(name, _)| text.ends_with(name));
        let (digits, factor) = match unit {
            Some((name, factor)) => (text.strip_suffix(name)?, *factor),
            None => (text, 1_000),
        };
        Some(Self(digits.trim().parse::<u64>().ok()?.checked_mul(factor)?))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n % 1_000 == 0 => write!(f, "{}s", n / 1_000),
            n => write!(f, "{n}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_modes_and_times_round_trip() {
        for text in ["0", "512", "64M", "3K", "1T"] {
            assert_eq!(ByteSize::parse(text).map(|s| s.to_string()).as_deref(), Some(text));
        }
        assert_eq!(ByteSize::parse("64MiB"), Some(ByteSize(64 << 20)));
        for wrong in ["x", "64MM", "64iB", "-1", ""] {
            assert_eq!(ByteSize::parse(wrong), None, "{wrong}");
        }
        assert_eq!(ByteSize::parse("99999999T"), None);
        assert_eq!(Mode::parse("1777"), Some(Mode(0o1777)));
        assert_eq!(Mode::parse("888"), None);
        assert_eq!(Millis::parse("5m"), Some(Millis(300_000)));
        assert_eq!(Millis::parse("10"), Some(Millis(10_000)));
        assert_eq!(Millis::parse("x"), None);
    }
}
