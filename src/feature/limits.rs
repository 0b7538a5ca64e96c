//! `[limits]`: the sixteen limits of setrlimit(2), for each process.

use crate::capability;
use crate::diag::{Code, Diagnostic, Origin, Sink};
use crate::facts::Facts;
use crate::plan::{Action, Builder};
use crate::schema::{Leaf, Reader, Value, section, toml_string};
use crate::unit::{ByteSize, Millis};
use crate::value::Slot;

/// A soft and a hard limit as they were written: `"1024"`, `"1024:4096"`, `"64M"`, `"unlimited"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The text, for the resource's unit to be read from.
    text: String,
}

impl Limit {
    /// Returns the limit of a command-line argument.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl Leaf for Limit {
    const EXPECTS: &'static str = "a limit such as 1024, \"1024:4096\", \"64M\" or \"unlimited\"";

    fn read(value: &Value<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        match (value.get_ref().as_str(), value.get_ref().as_integer()) {
            (Some(text), _) => Some(Self::new(text)),
            (None, Some(number)) => Some(Self::new(number.as_str())),
            (None, None) => {
                reader.wrong_type(value, Self::EXPECTS);
                None
            }
        }
    }

    fn text(&self) -> String {
        toml_string(&self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Number,
    Bytes,
    Seconds,
    Microseconds,
}

impl Unit {
    fn parse(self, text: &str) -> Option<u64> {
        let text = text.trim();
        if text == "unlimited" {
            return Some(u64::MAX);
        }
        match self {
            Self::Number => text.parse().ok(),
            Self::Bytes => ByteSize::parse(text).map(|size| size.0),
            Self::Seconds => Millis::parse(text).map(|time| time.0.div_ceil(1_000)),
            Self::Microseconds => match text.parse() {
                Ok(number) => Some(number),
                Err(_has_a_unit) => Millis::parse(text).and_then(|time| time.0.checked_mul(1_000)),
            },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Bytes => "a size such as \"64M\"",
            Self::Seconds => "a time such as \"10s\"",
            Self::Microseconds => "a number of microseconds, or a time such as \"50ms\"",
        }
    }
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $field:ident = $number:literal, $name:literal, $unit:ident;)+) => {
        section! {
            /// The section as it was written.
            pub struct Spec = "limits", reserved ["wall", "output", "tree-cpu"] {
                $($(#[doc = $doc])+ $field: Slot<Limit> = $name,)+
            }
        }

        /// Names, numbers and units of the resources.
        const RESOURCES: [(&str, u32, Unit); 16] = [$(($name, $number, Unit::$unit)),+];

        impl Spec {
            fn slots(&self) -> [&Slot<Limit>; 16] {
                [$(&self.$field),+]
            }

            /// Returns the slot of a resource by its name.
            pub fn slot_mut(&mut self, name: &str) -> Option<&mut Slot<Limit>> {
                match name { $($name => Some(&mut self.$field),)+ _ => None }
            }
        }
    };
}

limits! {
    /// Size of the address space (RLIMIT_AS).
    address_space = 9, "as", Bytes;
    /// Size of a core file (RLIMIT_CORE). Default: 0.
    core = 4, "core", Bytes;
    /// CPU time of each process; a signal follows (RLIMIT_CPU).
    cpu = 0, "cpu", Seconds;
    /// Size of the data segment (RLIMIT_DATA).
    data = 2, "data", Bytes;
    /// Size of a file that is written (RLIMIT_FSIZE).
    fsize = 1, "fsize", Bytes;
    /// Number of locks; without effect since Linux 2.4.25 (RLIMIT_LOCKS).
    locks = 10, "locks", Number;
    /// Memory that may be locked (RLIMIT_MEMLOCK).
    memlock = 8, "memlock", Bytes;
    /// Bytes of POSIX message queues (RLIMIT_MSGQUEUE).
    msgqueue = 12, "msgqueue", Bytes;
    /// Ceiling of the nice value as 20 minus nice (RLIMIT_NICE).
    nice = 13, "nice", Number;
    /// Highest descriptor plus one (RLIMIT_NOFILE). Default: at most 65536.
    nofile = 7, "nofile", Number;
    /// Number of processes of the user in the user namespace (RLIMIT_NPROC). Default: at most 32768.
    nproc = 6, "nproc", Number;
    /// Resident set; without effect since Linux 2.4.30 (RLIMIT_RSS).
    rss = 5, "rss", Bytes;
    /// Ceiling of the real-time priority (RLIMIT_RTPRIO).
    rtprio = 14, "rtprio", Number;
    /// CPU time of a real-time process without a pause (RLIMIT_RTTIME).
    rttime = 15, "rttime", Microseconds;
    /// Number of pending signals (RLIMIT_SIGPENDING).
    sigpending = 11, "sigpending", Number;
    /// Size of the stack (RLIMIT_STACK).
    stack = 3, "stack", Bytes;
}

/// Limits that hold where the profile says nothing: name and ceiling.
const CEILINGS: [(&str, u64); 3] = [("core", 0), ("nofile", 65_536), ("nproc", 32_768)];

/// One limit in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    resource: &'static str,
    number: u32,
    soft: u64,
    hard: u64,
    origin: Origin,
}

/// Decides the limits.
pub fn resolve(spec: &Spec, has_user: bool, facts: &dyn Facts, sink: &mut Sink) -> Vec<Rule> {
    // setrlimit(2) asks for the capability of the host's: none of a user namespace's counts.
    let may_raise = !has_user && facts.caller().capabilities & capability::SYS_RESOURCE != 0;
    let mut rules = Vec::new();
    for ((resource, number, unit), slot) in RESOURCES.into_iter().zip(spec.slots()) {
        let Some(written) = slot.get() else {
            let ceiling = CEILINGS.iter().find(|(name, _)| *name == resource).map(|(_, n)| *n);
            if let Some(ceiling) = ceiling {
                let (soft_now, hard_now) = facts.rlimit(number);
                let (soft, hard) = (soft_now.min(ceiling), hard_now.min(ceiling));
                rules.push(Rule { resource, number, soft, hard, origin: Origin::DEFAULT });
            }
            continue;
        };
        let origin = written.origin;
        let text = written.value.text.as_str();
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let (Some(soft), Some(hard)) = (unit.parse(soft), unit.parse(hard)) else {
            sink.push(
                Diagnostic::error(Code::BadValue, format!("`{text}` is not a limit of {resource}"))
                    .at(origin)
                    .help(format!(
                        "write {}, \"unlimited\", or two of them as \"SOFT:HARD\"",
                        unit.name()
                    )),
            );
            continue;
        };
        if soft > hard {
            sink.push(
                Diagnostic::error(
                    Code::BadValue,
                    format!("the soft limit of {resource} is above the hard one"),
                )
                .at(origin)
                .help("write the lower one first, as \"SOFT:HARD\""),
            );
            continue;
        }
        let (_, hard_now) = facts.rlimit(number);
        if hard > hard_now && !may_raise {
            let text = format!(
                "raising the hard limit of {resource} above {hard_now} needs CAP_SYS_RESOURCE"
            );
            let told = Diagnostic::error(Code::MissingPrivilege, text).at(origin).help(format!(
                "write at most {hard_now}, or raise the limit before sbx is started"
            ));
            let has_right = facts.caller().capabilities & capability::SYS_RESOURCE != 0;
            sink.push(if has_right {
                told.help(
                    "write `user = false` in [namespaces] to use the caller's right to raise it",
                )
            } else {
                told
            });
            continue;
        }
        rules.push(Rule { resource, number, soft, hard, origin });
    }
    rules
}

/// Contributes the steps.
pub fn compile(rules: &[Rule], plan: &mut Builder) {
    for Rule { resource, number, soft, hard, origin } in rules.iter().cloned() {
        plan.push(Action::Limit { resource, number, soft, hard }, origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_their_units() {
        assert_eq!(Unit::Bytes.parse("64M"), Some(64 << 20));
        assert_eq!(Unit::Seconds.parse("1500ms"), Some(2));
        assert_eq!(Unit::Microseconds.parse("50ms"), Some(50_000));
        assert_eq!(Unit::Number.parse("unlimited"), Some(u64::MAX));
        assert_eq!(Unit::Number.parse("64M"), None);
    }

    #[test]
    fn every_resource_of_the_kernel_is_there_once() {
        let mut numbers: Vec<_> = RESOURCES.iter().map(|(_, number, _)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    }
}
