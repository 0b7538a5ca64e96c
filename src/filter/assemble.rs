//! Makes the BPF program of a set of rules.
//!
//! The numbers are cut into ranges of one verdict, and the ranges searched by halves: about ten
//! instructions run for any call, where a list of comparisons runs hundreds.

use super::foreign;
use super::rules::{Arch, Base, FilterRules, Foreign, Verdict};
use super::writer::{JEQ, LOAD, Leaf, Range, Writer};
use super::{sets, table};
use std::borrow::Cow;

/// An instruction, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// What to do.
    pub code: u16,
    /// Instructions to skip where a test holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// A program for `seccomp(2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(pub Vec<Insn>);

/// The most instructions the kernel takes (`BPF_MAXINSNS`).
pub const LIMIT: usize = 4096;

/// Why rules cannot be made into a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// The kernel would refuse the program's length.
    #[error("the filter has {count} instructions, the kernel takes {limit}")]
    TooLarge {
        /// Instructions made.
        count: usize,
        /// [`LIMIT`].
        limit: usize,
    },
    /// A name no architecture has.
    #[error("unknown system call `{0}`")]
    UnknownName(String),
    /// A test of an argument above 5.
    #[error("`{name}` has no argument {index}, expected 0 to 5")]
    NoSuchArgument {
        /// The call.
        name: String,
        /// The argument's number as given.
        index: u8,
    },
}

/// Numbers from here on are x32 calls under x86_64's architecture number, up to [`X32_END`];
/// `arch/x86/include/uapi/asm/unistd.h` `__X32_SYSCALL_BIT`.
const X32_FIRST: u32 = 0x4000_0000;
/// Numbers from here on are negative: no call of any kind, a tracer's -1 among them.
const X32_END: u32 = 0x8000_0000;

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;

/// Makes the program of the rules for an architecture.
///
/// Rules of names that only other architectures have are left out.
///
/// # Errors
///
/// [`AssembleError`]: a name of nowhere, an argument above 5, more than [`LIMIT`] instructions.
pub fn assemble(rules: &FilterRules, arch: Arch) -> Result<Program, AssembleError> {
    let is_i386_open = arch == Arch::X86_64 && rules.foreign == Foreign::Allow;
    let native = native_ranges(rules, arch)?;
    let mut writer = Writer::new();

    let i386 = if is_i386_open {
        let mut ranges = Ranges::new(rules.unknown);
        for (nr, name, rule) in foreign::i386_rules(rules) {
            ranges.put(nr, Leaf::of(name, rule));
        }
        let tree = writer.tree(&ranges.finish())?;
        let tree = writer.push_before(tree, LOAD, OFFSET_NR);
        let stranger = writer.ret(Verdict::Kill);
        Some(writer.branch(JEQ, foreign::AUDIT_I386, tree, stranger))
    } else {
        None
    };
    let tree = writer.tree(&native)?;
    let tree = writer.push_before(tree, LOAD, OFFSET_NR);
    let other = i386.unwrap_or_else(|| {
        writer.ret(match rules.foreign {
            Foreign::Kill => Verdict::Kill,
            Foreign::Refuse | Foreign::Allow => Verdict::ENOSYS,
        })
    });
    writer.branch(JEQ, arch.audit(), tree, other);
    writer.push(LOAD, OFFSET_ARCH);
    writer.finish()
}

fn native_ranges(rules: &FilterRules, arch: Arch) -> Result<Vec<Range<'_>>, AssembleError> {
    let mut own = Vec::with_capacity(rules.calls.len());
    for (name, rule) in &rules.calls {
        match table::number(arch, name) {
            Some(nr) => own.push((nr, *name, rule)),
            None if table::intern(name).is_some() => {}
            None => return Err(AssembleError::UnknownName((*name).to_owned())),
        }
    }
    own.sort_unstable_by_key(|(nr, ..)| *nr);
    let mut own = own.into_iter().peekable();
    let mut ranges = Ranges::new(rules.unknown);
    if rules.base == Base::Classes {
        for (nr, verdict) in sets::numbered(arch) {
            while let Some((before, name, rule)) = own.next_if(|(own, ..)| *own < nr) {
                ranges.put(before, Leaf::of(name, Cow::Borrowed(rule)));
            }
            // A rule of its own stands for the class.
            if own.peek().is_none_or(|(own, ..)| *own != nr) {
                ranges.put(nr, Leaf::Verdict(verdict));
            }
        }
    }
    for (nr, name, rule) in own {
        ranges.put(nr, Leaf::of(name, Cow::Borrowed(rule)));
    }
    let mut ranges = ranges.finish();
    let x32 = match (arch, rules.foreign) {
        (Arch::X86_64, Foreign::Kill) => Some(Verdict::Kill),
        (Arch::X86_64, Foreign::Refuse | Foreign::Allow) => Some(Verdict::ENOSYS),
        (Arch::Aarch64, _) => None,
    };
    if let Some(verdict) = x32 {
        join(&mut ranges, X32_FIRST, Leaf::Verdict(verdict));
        join(&mut ranges, X32_END, Leaf::Verdict(rules.unknown));
    }
    Ok(ranges)
}

/// Ranges of one verdict, made from calls in the order of their numbers.
struct Ranges<'a> {
    made: Vec<Range<'a>>,
    /// What numbers in between get.
    unknown: Verdict,
    /// The first number that nothing was decided for.
    next: u32,
}

impl<'a> Ranges<'a> {
    fn new(unknown: Verdict) -> Self {
        Self { made: Vec::with_capacity(128), unknown, next: 0 }
    }

    fn put(&mut self, nr: u32, leaf: Leaf<'a>) {
        if nr > self.next {
            join(&mut self.made, self.next, Leaf::Verdict(self.unknown));
        }
        join(&mut self.made, nr, leaf);
        self.next = nr + 1;
    }

    fn finish(mut self) -> Vec<Range<'a>> {
        join(&mut self.made, self.next, Leaf::Verdict(self.unknown));
        self.made
    }
}

/// Adds a range, or lets the last one go on where it has the same verdict.
fn join<'a>(ranges: &mut Vec<Range<'a>>, first: u32, leaf: Leaf<'a>) {
    let last = ranges.last().and_then(|range| range.leaf.constant());
    if last.is_none() || last != leaf.constant() {
        ranges.push(Range { first, leaf });
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{actual, agree};
    use super::super::rules::{ArgTest, CallRule, Case, Compare, Width};
    use super::super::sets::{NestedUsers, Set, set};
    use super::*;
    use proptest::prelude::*;

    const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

    const ARGS: [[u64; 6]; 9] = [
        [0; 6],
        [1, 0x5412, 0, 0, 0, 0],
        [2, 0x1_0000_5412, 0, 0, 0, 0],
        [16, 0x541C, 0, 0, 0, 0],
        [16, 0x540E, 15, 0, 0, 0],
        [0x1000_0011, 0x5413, 0, 0, 0, 0],
        [0x0002_0080, 0, 0, 0, 0, 0],
        [0x0004_0000, 0, 0, 0, 0, 0],
        [u64::MAX; 6],
    ];

    fn made(rules: &FilterRules, arch: Arch) -> Program {
        assemble(rules, arch).expect("a program that the kernel takes")
    }

    #[test]
    fn programs_of_the_sets_do_what_the_sets_say() {
        for kind in [Set::Default, Set::Strict, Set::None] {
            for nested in [NestedUsers::Deny, NestedUsers::Sandbox, NestedUsers::Allow] {
                for foreign in [Foreign::Kill, Foreign::Refuse, Foreign::Allow] {
                    let mut rules = set(kind, nested);
                    rules.foreign = foreign;
                    for arch in ARCHES {
                        agree(&rules, arch, &made(&rules, arch), &ARGS);
                    }
                }
            }
        }
    }

    #[test]
    fn calls_of_other_architectures_get_their_verdict() {
        for (foreign, wanted) in
            [(Foreign::Kill, Verdict::Kill), (Foreign::Refuse, Verdict::ENOSYS)]
        {
            let mut rules = set(Set::Default, NestedUsers::Deny);
            rules.foreign = foreign;
            for arch in ARCHES {
                let program = made(&rules, arch);
                for other in [foreign::AUDIT_I386, 0x4000_0028, 0, ARCHES.map(Arch::audit)[1]] {
                    if other != arch.audit() {
                        assert_eq!(actual(&program, 1, other, [0; 6]), wanted);
                    }
                }
            }
        }
        let mut rules = set(Set::Default, NestedUsers::Deny);
        rules.foreign = Foreign::Allow;
        let program = made(&rules, Arch::X86_64);
        assert_eq!(actual(&program, 1, 0x4000_0028, [0; 6]), Verdict::Kill);
        assert_eq!(actual(&program, 1, foreign::AUDIT_I386, [0; 6]), Verdict::Allow);
    }

    #[test]
    fn rules_of_one_verdict_work_with_every_foreign_verdict() {
        for unknown in [Verdict::ENOSYS, Verdict::Allow, Verdict::Kill] {
            for foreign in [Foreign::Kill, Foreign::Refuse, Foreign::Allow] {
                let mut rules = set(Set::None, NestedUsers::Deny);
                (rules.unknown, rules.foreign) = (unknown, foreign);
                for arch in ARCHES {
                    agree(&rules, arch, &made(&rules, arch), &[[0; 6]]);
                }
            }
        }
    }

    #[test]
    fn the_default_programs_stay_small() {
        for (kind, nested) in [(Set::Default, NestedUsers::Deny), (Set::Strict, NestedUsers::Deny)]
        {
            for arch in ARCHES {
                let count = made(&set(kind, nested), arch).0.len();
                assert!(count <= 150, "{kind:?} {arch:?}: {count}");
            }
        }
    }

    #[test]
    fn bad_rules_are_errors_that_name_them() {
        let mut rules = set(Set::Default, NestedUsers::Deny);
        let test = ArgTest { index: 6, width: Width::Dword, compare: Compare::Eq(1) };
        let case = Case { tests: vec![test], verdict: Verdict::Kill };
        rules.add_case("read", case).expect("a call that exists");
        let error = assemble(&rules, Arch::X86_64).unwrap_err();
        assert_eq!(error.to_string(), "`read` has no argument 6, expected 0 to 5");
        rules.calls.clear();
        rules.calls.insert("opne", CallRule::plain(Verdict::Allow));
        let error = assemble(&rules, Arch::X86_64).unwrap_err();
        assert_eq!(error, AssembleError::UnknownName("opne".to_owned()));
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Allow),
            Just(Verdict::Kill),
            Just(Verdict::Trap),
            Just(Verdict::Log),
            (0u16..40).prop_map(Verdict::Errno),
        ]
    }

    /// Values near each other and near the borders of halves, so that comparisons meet.
    fn any_value() -> impl Strategy<Value = u64> {
        let low = prop_oneof![0u64..4, Just(0xFFFF_FFFF), Just(0x8000_0000)];
        let high = prop_oneof![Just(0u64), 0u64..3, Just(0xFFFF_FFFF)];
        (low, high).prop_map(|(low, high)| high << 32 | low)
    }

    fn any_test() -> impl Strategy<Value = ArgTest> {
        let compare = prop_oneof![
            any_value().prop_map(Compare::Eq),
            any_value().prop_map(Compare::Ne),
            any_value().prop_map(Compare::Lt),
            any_value().prop_map(Compare::Le),
            any_value().prop_map(Compare::Gt),
            any_value().prop_map(Compare::Ge),
            (any_value(), any_value()).prop_map(|(mask, value)| Compare::MaskedEq { mask, value }),
        ];
        let width = prop_oneof![Just(Width::Dword), Just(Width::Qword)];
        (0u8..6, width, compare).prop_map(|(index, width, compare)| ArgTest {
            index,
            width,
            compare,
        })
    }

    fn any_rules() -> impl Strategy<Value = FilterRules> {
        let case = (prop::collection::vec(any_test(), 0..4), any_verdict())
            .prop_map(|(tests, verdict)| Case { tests, verdict });
        let rule = (prop::collection::vec(case, 0..4), any_verdict())
            .prop_map(|(cases, otherwise)| CallRule { cases, added: 0, otherwise });
        let names: Vec<_> = table::every_name().collect();
        let calls = prop::collection::btree_map(prop::sample::select(names), rule, 0..120);
        let foreign = prop_oneof![Just(Foreign::Kill), Just(Foreign::Refuse), Just(Foreign::Allow)];
        let base = prop_oneof![Just(Base::Nothing), Just(Base::Classes)];
        (base, calls, any_verdict(), foreign).prop_map(|(base, calls, unknown, foreign)| {
            FilterRules { base, calls, unknown, foreign }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn programs_of_random_rules_do_what_the_rules_say(
            rules in any_rules(),
            args in prop::collection::vec(prop::array::uniform6(any_value()), 4),
        ) {
            for arch in ARCHES {
                agree(&rules, arch, &made(&rules, arch), &args);
            }
        }
    }
}
