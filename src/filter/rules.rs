//! The form of filter rules, and how a profile's rules are laid over a set.

use super::{sets, table};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// An architecture sbx runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// Returns the architecture this program was built for, where a filter can be made for it.
    #[must_use]
    pub const fn native() -> Option<Self> {
        if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// Returns the kernel's `AUDIT_ARCH_*` number.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xC000_003E,
            Self::Aarch64 => 0xC000_00B7,
        }
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call runs.
    Allow,
    /// The call fails with this errno; 0 makes it succeed without being run.
    Errno(u16),
    /// The whole process ends as if by SIGSYS.
    Kill,
    /// The thread gets SIGSYS.
    Trap,
    /// The call runs and is logged.
    Log,
}

/// The highest errno the kernel passes on.
const MAX_ERRNO: u16 = 4095;

/// Why a word is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// Neither a verdict's word nor an errno's name.
    #[error("unknown verdict `{0}`, expected allow, kill, trap, log, an errno name or errno:N")]
    Unknown(String),
    /// An errno number the kernel would not pass on.
    #[error("errno `{0}` is not a number from 0 to 4095")]
    Errno(String),
}

impl Verdict {
    /// The call fails with EPERM.
    pub const EPERM: Self = Self::Errno(1);
    /// The call fails with ENOSYS.
    pub const ENOSYS: Self = Self::Errno(38);
    /// The call fails with EAFNOSUPPORT.
    pub const EAFNOSUPPORT: Self = Self::Errno(97);

    /// Reads `allow`, `kill`, `trap`, `log`, `EPERM`, `errno:13`, `errno:EPERM` or `errno EPERM`.
    ///
    /// # Errors
    ///
    /// [`VerdictError`] for another word, or an errno outside 0..=4095.
    pub fn parse(text: &str) -> Result<Self, VerdictError> {
        match text {
            "allow" => return Ok(Self::Allow),
            "kill" => return Ok(Self::Kill),
            "trap" => return Ok(Self::Trap),
            "log" => return Ok(Self::Log),
            _ => {}
        }
        let errno = text.strip_prefix("errno:").or_else(|| text.strip_prefix("errno "));
        if let Some(nr) = errno_number(errno.unwrap_or(text)) {
            return Ok(Self::Errno(nr));
        }
        match errno.map(str::parse) {
            None => Err(VerdictError::Unknown(text.to_owned())),
            Some(Ok(nr)) if nr <= MAX_ERRNO => Ok(Self::Errno(nr)),
            Some(_) => Err(VerdictError::Errno(text.to_owned())),
        }
    }

    /// Returns whether the call runs.
    #[must_use]
    pub const fn is_allowing(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Kill => f.write_str("kill"),
            Self::Trap => f.write_str("trap"),
            Self::Log => f.write_str("log"),
            Self::Errno(nr) => match ERRNOS.get(usize::from(*nr)) {
                Some(name) if !name.is_empty() => write!(f, "errno {name}"),
                _ => write!(f, "errno:{nr}"),
            },
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Errno names by number, the same on both architectures.
#[rustfmt::skip]
const ERRNOS: &[&str] = names! {
    "" EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP
    "" ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL
    ENOANO EBADRQC EBADSLT "" EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV
    ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD
    ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE
    EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN
    ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
    EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE
    ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL
    EHWPOISON
};

fn errno_number(name: &str) -> Option<u16> {
    let name = match name {
        "EWOULDBLOCK" => "EAGAIN",
        "ENOTSUP" => "EOPNOTSUPP",
        "EDEADLOCK" => "EDEADLK",
        name => name,
    };
    let place = ERRNOS.iter().position(|errno| *errno == name)?;
    u16::try_from(place).ok().filter(|_| !name.is_empty())
}

/// How an argument is compared; unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// Equal.
    Eq(u64),
    /// Not equal.
    Ne(u64),
    /// Less.
    Lt(u64),
    /// Less or equal.
    Le(u64),
    /// Greater.
    Gt(u64),
    /// Greater or equal.
    Ge(u64),
    /// Equal in the bits of `mask`; bits of `value` outside it do not count.
    MaskedEq {
        /// The bits that count.
        mask: u64,
        /// What they are compared with.
        value: u64,
    },
}

/// How much of an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Width {
    /// The low 32 bits, of the argument and of the value: right for `int` and `unsigned int`,
    /// of which the kernel ignores the rest too (CVE-2019-10063).
    Dword,
    /// All 64 bits.
    Qword,
}

/// A test of one argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArgTest {
    /// The argument, 0 to 5.
    pub index: u8,
    /// How much of it is compared.
    pub width: Width,
    /// The comparison.
    pub compare: Compare,
}

impl ArgTest {
    /// Returns whether the comparison has bits that are never looked at: such a test would hold
    /// always, or never, or for other values than are written.
    #[must_use]
    pub fn has_lost_bits(&self) -> bool {
        let above = match self.width {
            Width::Dword => !u64::from(u32::MAX),
            Width::Qword => 0,
        };
        match self.compare {
            Compare::MaskedEq { mask, value } => mask & above != 0 || value & !mask != 0,
            Compare::Eq(value)
            | Compare::Ne(value)
            | Compare::Lt(value)
            | Compare::Le(value)
            | Compare::Gt(value)
            | Compare::Ge(value) => value & above != 0,
        }
    }

    /// Returns whether the test holds; one of an argument above 5 never does.
    #[must_use]
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let Some(arg) = args.get(usize::from(self.index)) else {
            return false;
        };
        let cut = |value: u64| match self.width {
            Width::Dword => value & 0xFFFF_FFFF,
            Width::Qword => value,
        };
        let arg = cut(*arg);
        match self.compare {
            Compare::Eq(value) => arg == cut(value),
            Compare::Ne(value) => arg != cut(value),
            Compare::Lt(value) => arg < cut(value),
            Compare::Le(value) => arg <= cut(value),
            Compare::Gt(value) => arg > cut(value),
            Compare::Ge(value) => arg >= cut(value),
            Compare::MaskedEq { mask, value } => arg & cut(mask) == cut(value) & cut(mask),
        }
    }
}

/// A verdict under conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Case {
    /// All must hold; none at all always holds.
    pub tests: Vec<ArgTest>,
    /// What then happens.
    pub verdict: Verdict,
}

/// The rule of one system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRule {
    /// The first that holds decides.
    pub cases: Vec<Case>,
    /// How many of the cases, from the front, were laid over a set by [`FilterRules::add_case`].
    pub added: usize,
    /// What happens where no case holds.
    pub otherwise: Verdict,
}

impl CallRule {
    /// Returns a rule without cases.
    #[must_use]
    pub const fn plain(verdict: Verdict) -> Self {
        Self { cases: Vec::new(), added: 0, otherwise: verdict }
    }

    /// Returns the verdict on a call with these arguments.
    #[must_use]
    pub fn verdict(&self, args: &[u64; 6]) -> Verdict {
        self.cases
            .iter()
            .find(|case| case.tests.iter().all(|test| test.holds(args)))
            .map_or(self.otherwise, |case| case.verdict)
    }

    /// Returns the verdict if it is the same whatever the arguments.
    #[must_use]
    pub fn constant(&self) -> Option<Verdict> {
        self.cases.iter().all(|case| case.verdict == self.otherwise).then_some(self.otherwise)
    }
}

/// What happens to calls of another architecture's numbers.
///
/// x32 calls, which come under x86_64's own architecture number, get `Kill` or else ENOSYS;
/// `Allow` does not open them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Foreign {
    /// The process ends.
    Kill,
    /// The call fails with ENOSYS.
    Refuse,
    /// i386 calls on x86_64 get the rule of the 64-bit call that does the same; elsewhere as
    /// `Refuse`.
    Allow,
}

/// A name no architecture has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown system call `{0}`")]
pub struct UnknownName(pub String);

/// What decides on calls that have no rule of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Nothing: they are unknown.
    Nothing,
    /// Their class in [`sets`].
    Classes,
}

/// The rules a filter is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRules {
    /// What holds for calls that are not in `calls`: most of them, and none is copied.
    pub base: Base,
    /// The rules by name. Names the architecture does not have are no error.
    pub calls: BTreeMap<&'static str, CallRule>,
    /// The verdict on every call without a rule.
    pub unknown: Verdict,
    /// The verdict on calls of other architectures.
    pub foreign: Foreign,
}

impl FilterRules {
    /// Returns the verdict on a call by name, or on a number without a name.
    #[must_use]
    pub fn verdict(&self, name: Option<&str>, args: &[u64; 6]) -> Verdict {
        name.and_then(|name| self.rule(name)).map_or(self.unknown, |rule| rule.verdict(args))
    }

    /// Returns the rule of a call: its own, or that of its class.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<Cow<'_, CallRule>> {
        let class = || self.class(name).map(|verdict| Cow::Owned(CallRule::plain(verdict)));
        self.calls.get(name).map(Cow::Borrowed).or_else(class)
    }

    /// Returns the rules of all calls that have one.
    fn all(&self) -> BTreeMap<&'static str, Cow<'_, CallRule>> {
        let mut all = BTreeMap::new();
        if self.base == Base::Classes {
            all.extend(
                sets::classed().map(|(name, verdict)| (name, Cow::Owned(CallRule::plain(verdict)))),
            );
        }
        all.extend(self.calls.iter().map(|(name, rule)| (*name, Cow::Borrowed(rule))));
        all
    }

    /// Gives a call a verdict in place of the set's, its cases included; added cases stay.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] for a name no architecture has.
    pub fn decide(&mut self, name: &str, verdict: Verdict) -> Result<(), UnknownName> {
        let rule = self.own_rule(name)?;
        rule.cases.truncate(rule.added);
        rule.otherwise = verdict;
        Ok(())
    }

    /// Adds a case behind those added before and in front of the set's own.
    ///
    /// # Errors
    ///
    /// [`UnknownName`] for a name no architecture has.
    pub fn add_case(&mut self, name: &str, case: Case) -> Result<(), UnknownName> {
        let rule = self.own_rule(name)?;
        let place = rule.added.min(rule.cases.len());
        rule.cases.insert(place, case);
        rule.added = place + 1;
        Ok(())
    }

    fn own_rule(&mut self, name: &str) -> Result<&mut CallRule, UnknownName> {
        let name = table::intern(name).ok_or_else(|| UnknownName(name.to_owned()))?;
        let so_far = self.class(name).unwrap_or(self.unknown);
        Ok(self.calls.entry(name).or_insert_with(|| CallRule::plain(so_far)))
    }

    fn class(&self, name: &str) -> Option<Verdict> {
        match self.base {
            Base::Nothing => None,
            Base::Classes => sets::class(name),
        }
    }
}

/// The rules of all calls, whether they have their own or not.
impl Serialize for FilterRules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("FilterRules", 3)?;
        fields.serialize_field("calls", &self.all())?;
        fields.serialize_field("unknown", &self.unknown)?;
        fields.serialize_field("foreign", &self.foreign)?;
        fields.end()
    }
}

/// Says how many calls are allowed, refused, and looked at more closely.
impl fmt::Display for FilterRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        let count = |wanted: fn(Option<Verdict>) -> bool| {
            all.values().filter(|rule| wanted(rule.constant())).count()
        };
        let allowed = count(|verdict| verdict.is_some_and(Verdict::is_allowing));
        let refused = count(|verdict| verdict.is_some_and(|v| !v.is_allowing()));
        let by_argument = count(|verdict| verdict.is_none());
        let foreign = match self.foreign {
            Foreign::Kill => "kill",
            Foreign::Refuse => "refuse",
            Foreign::Allow => "allow",
        };
        write!(f, "{allowed} allowed, {by_argument} by argument, {refused} refused, ")?;
        write!(f, "others {}, other ABIs {foreign}", self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eq(value: u64, verdict: Verdict) -> Case {
        Case {
            tests: vec![ArgTest { index: 0, width: Width::Dword, compare: Compare::Eq(value) }],
            verdict,
        }
    }

    fn empty() -> FilterRules {
        FilterRules {
            base: Base::Nothing,
            calls: BTreeMap::new(),
            unknown: Verdict::ENOSYS,
            foreign: Foreign::Kill,
        }
    }

    #[test]
    fn a_verdict_reads_what_it_writes() {
        let numbers = (0..=MAX_ERRNO).map(Verdict::Errno);
        for verdict in
            [Verdict::Allow, Verdict::Kill, Verdict::Trap, Verdict::Log].into_iter().chain(numbers)
        {
            assert_eq!(Verdict::parse(&verdict.to_string()), Ok(verdict));
        }
    }

    #[test]
    fn verdict_words_are_read_and_others_refused() {
        assert_eq!(Verdict::parse("EPERM"), Ok(Verdict::EPERM));
        assert_eq!(Verdict::parse("errno:13"), Ok(Verdict::Errno(13)));
        assert_eq!(Verdict::parse("errno:ENOSYS"), Ok(Verdict::ENOSYS));
        assert_eq!(Verdict::parse("EHWPOISON"), Ok(Verdict::Errno(133)));
        assert_eq!(Verdict::EAFNOSUPPORT.to_string(), "errno EAFNOSUPPORT");
        for bad in ["", "Allow", "errno:", "errno:4096", "errno:-1", "13", "EFOO"] {
            assert!(Verdict::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn added_cases_keep_their_order_and_come_before_the_sets_own() {
        let mut rules = empty();
        rules.calls.insert(
            "ioctl",
            CallRule { cases: vec![eq(1, Verdict::EPERM)], added: 0, otherwise: Verdict::Allow },
        );
        rules.add_case("ioctl", eq(1, Verdict::Log)).unwrap();
        rules.add_case("ioctl", eq(1, Verdict::Kill)).unwrap();
        let verdicts: Vec<_> = rules.calls["ioctl"].cases.iter().map(|c| c.verdict).collect();
        assert_eq!(verdicts, [Verdict::Log, Verdict::Kill, Verdict::EPERM]);
    }

    #[test]
    fn decide_and_add_case_do_not_depend_on_their_order() {
        let (mut one, mut other) = (empty(), empty());
        one.decide("ptrace", Verdict::Allow).unwrap();
        one.add_case("ptrace", eq(1, Verdict::EPERM)).unwrap();
        other.add_case("ptrace", eq(1, Verdict::EPERM)).unwrap();
        other.decide("ptrace", Verdict::Allow).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn a_name_of_nowhere_is_an_error_and_one_of_elsewhere_is_not() {
        assert_eq!(empty().decide("opne", Verdict::Allow), Err(UnknownName("opne".to_owned())));
        assert_eq!(empty().decide("riscv_hwprobe", Verdict::EPERM), Ok(()));
    }
}
