//! Writes BPF from its end: every jump leads forward, so that its target is known when it is
//! written, and RET instructions are shared.

use super::assemble::{AssembleError, Insn, LIMIT, Program};
use super::interpret::value_of;
use super::rules::{ArgTest, CallRule, Case, Compare, Verdict, Width};
use seccompiler::{
    BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule, sock_filter,
};
use std::borrow::Cow;

/// Load a word of the call's data.
pub(super) const LOAD: u16 = 0x20;
/// Jump where equal.
pub(super) const JEQ: u16 = 0x15;
const RET: u16 = 0x06;
const JA: u16 = 0x05;
const JGE: u16 = 0x35;

/// What the numbers from `first` to the next range get.
pub(super) struct Range<'a> {
    pub(super) first: u32,
    pub(super) leaf: Leaf<'a>,
}

/// One verdict, or a call with its rule.
pub(super) enum Leaf<'a> {
    Verdict(Verdict),
    Rule(&'static str, Cow<'a, CallRule>),
}

impl<'a> Leaf<'a> {
    /// Returns the leaf of a call: a verdict where its rule has but one.
    pub(super) fn of(name: &'static str, rule: Cow<'a, CallRule>) -> Self {
        rule.constant().map_or_else(|| Self::Rule(name, rule), Self::Verdict)
    }

    pub(super) const fn constant(&self) -> Option<Verdict> {
        match self {
            Self::Verdict(verdict) => Some(*verdict),
            Self::Rule(..) => None,
        }
    }
}

/// A program written from its end. A label is the count of instructions from the end up to and
/// including its own.
pub(super) struct Writer {
    reversed: Vec<Insn>,
    /// The latest RET of every verdict.
    returns: Vec<(u32, usize)>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { reversed: Vec::with_capacity(256), returns: Vec::with_capacity(8) }
    }

    pub(super) fn push(&mut self, code: u16, k: u32) -> usize {
        self.push_insn(Insn { code, jt: 0, jf: 0, k })
    }

    /// Writes an instruction that is followed by the code at a label, wherever that is.
    pub(super) fn push_before(&mut self, label: usize, code: u16, k: u32) -> usize {
        if label != self.reversed.len() {
            self.bridge(label);
        }
        self.push(code, k)
    }

    fn push_insn(&mut self, insn: Insn) -> usize {
        self.reversed.push(insn);
        self.reversed.len()
    }

    /// Returns the label of a RET within reach, or writes one.
    pub(super) fn ret(&mut self, verdict: Verdict) -> usize {
        let value = value_of(verdict);
        let here = self.reversed.len();
        let known = self.returns.iter().find(|(other, _)| *other == value);
        match known {
            Some((_, label)) if here - label < 200 => *label,
            _ => self.new_ret(value),
        }
    }

    /// Writes a RET at this place, for code that falls through to it.
    fn new_ret(&mut self, value: u32) -> usize {
        let label = self.push(RET, value);
        match self.returns.iter_mut().find(|(other, _)| *other == value) {
            Some((_, latest)) => *latest = label,
            None => self.returns.push((value, label)),
        }
        label
    }

    /// Writes a test that goes to one of two labels, with steps in between where they are far.
    pub(super) fn branch(&mut self, code: u16, k: u32, holds: usize, fails: usize) -> usize {
        // A step written for one pushes the other one further away, for which there is room.
        let holds = self.within_reach(holds);
        let fails = self.within_reach(fails);
        let here = self.reversed.len();
        let skip = |label: usize| u8::try_from(here - label).unwrap_or(u8::MAX);
        self.push_insn(Insn { code, jt: skip(holds), jf: skip(fails), k })
    }

    /// Returns a label that leads to `label` and that the next instruction can jump to, with room
    /// for two more in between.
    fn within_reach(&mut self, label: usize) -> usize {
        if self.reversed.len() - label <= usize::from(u8::MAX) - 2 {
            label
        } else {
            self.bridge(label)
        }
    }

    /// Writes an instruction that leads to a label at any distance.
    fn bridge(&mut self, label: usize) -> usize {
        let distance = self.reversed.len() - label;
        let target = label.checked_sub(1).and_then(|at| self.reversed.get(at));
        match target {
            Some(insn) if insn.code == RET => self.new_ret(insn.k),
            // Far longer than any program let through: `finish` refuses the rest.
            _ => self.push(JA, u32::try_from(distance).unwrap_or(u32::MAX)),
        }
    }

    /// Writes the search of a number, in the accumulator, among ranges.
    pub(super) fn tree(&mut self, ranges: &[Range<'_>]) -> Result<usize, AssembleError> {
        match ranges {
            [] => Ok(self.ret(Verdict::Kill)),
            [range] => match &range.leaf {
                Leaf::Verdict(verdict) => Ok(self.ret(*verdict)),
                Leaf::Rule(name, rule) => self.rule(name, rule),
            },
            // One number in the midst of others alike: a single comparison.
            [before, one, after]
                if before.leaf.constant().is_some()
                    && before.leaf.constant() == after.leaf.constant()
                    && one.first.checked_add(1) == Some(after.first) =>
            {
                let others = self.tree(std::slice::from_ref(before))?;
                let found = self.tree(std::slice::from_ref(one))?;
                Ok(self.branch(JEQ, one.first, found, others))
            }
            _ => {
                let (low, high) = ranges.split_at(ranges.len() / 2);
                let Some(first) = high.first().map(|range| range.first) else {
                    return Ok(self.ret(Verdict::Kill));
                };
                let high = self.tree(high)?;
                let low = self.tree(low)?;
                Ok(self.branch(JGE, first, high, low))
            }
        }
    }

    /// Writes the cases of a rule: every one falls through to the next where it does not hold.
    fn rule(&mut self, name: &str, rule: &CallRule) -> Result<usize, AssembleError> {
        let live = rule.cases.iter().position(|case| case.tests.is_empty());
        let (cases, otherwise) = match live.and_then(|end| rule.cases.split_at_checked(end)) {
            Some((before, [always, ..])) => (before, always.verdict),
            _ => (rule.cases.as_slice(), rule.otherwise),
        };
        let mut label = self.new_ret(value_of(otherwise));
        for case in cases.iter().rev() {
            let code = condition(name, case)?;
            self.new_ret(value_of(case.verdict));
            for insn in code.iter().rev() {
                label =
                    self.push_insn(Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k });
            }
        }
        Ok(label)
    }

    pub(super) fn finish(mut self) -> Result<Program, AssembleError> {
        let count = self.reversed.len();
        if count > LIMIT {
            return Err(AssembleError::TooLarge { count, limit: LIMIT });
        }
        self.reversed.reverse();
        Ok(Program(self.reversed))
    }
}

/// Returns code that falls through where all tests of the case hold, and skips one instruction
/// where not: seccompiler's, which Firecracker runs on.
fn condition(name: &str, case: &Case) -> Result<BpfProgram, AssembleError> {
    let conditions: Result<Vec<_>, _> = case
        .tests
        .iter()
        .map(|test| {
            translate(test).ok_or_else(|| AssembleError::NoSuchArgument {
                name: name.to_owned(),
                index: test.index,
            })
        })
        .collect();
    // Refused are only rules without conditions; an empty program holds always, which is theirs.
    let Ok(rule) = SeccompRule::new(conditions?) else {
        return Ok(BpfProgram::new());
    };
    let mut code = BpfProgram::from(rule);
    // It begins with a jump over a jump out, which nothing else leads to.
    if let [first, second, ..] = code.as_slice()
        && is_jump(first)
        && is_jump(second)
        && first.k == 1
    {
        code.drain(..2);
    }
    Ok(code)
}

const fn is_jump(insn: &sock_filter) -> bool {
    insn.code == JA
}

fn translate(test: &ArgTest) -> Option<SeccompCondition> {
    let (operator, value) = match test.compare {
        Compare::Eq(value) => (SeccompCmpOp::Eq, value),
        Compare::Ne(value) => (SeccompCmpOp::Ne, value),
        Compare::Lt(value) => (SeccompCmpOp::Lt, value),
        Compare::Le(value) => (SeccompCmpOp::Le, value),
        Compare::Gt(value) => (SeccompCmpOp::Gt, value),
        Compare::Ge(value) => (SeccompCmpOp::Ge, value),
        Compare::MaskedEq { mask, value } => (SeccompCmpOp::MaskedEq(mask), value),
    };
    let width = match test.width {
        Width::Dword => SeccompCmpArgLen::Dword,
        Width::Qword => SeccompCmpArgLen::Qword,
    };
    SeccompCondition::new(test.index, width, operator, value).ok()
}

#[cfg(test)]
mod tests {
    use super::super::assemble::assemble;
    use super::super::reference::{actual, agree};
    use super::super::rules::{Arch, FilterRules};
    use super::super::sets::{NestedUsers, Set, set};
    use super::super::table;
    use super::*;

    fn masked(mask: u64, value: u64) -> ArgTest {
        ArgTest { index: 1, width: Width::Qword, compare: Compare::MaskedEq { mask, value } }
    }

    /// Gives every call `count` cases of two tests.
    fn crowded(count: u64) -> FilterRules {
        let mut rules = set(Set::Default, NestedUsers::Deny);
        for name in table::all_names(Arch::X86_64) {
            for value in 0..count {
                let tests = vec![masked(0xFF, value), masked(0xFF00, 0x100)];
                let verdict = Verdict::Errno(u16::try_from(100 + value).unwrap());
                rules.add_case(name, Case { tests, verdict }).unwrap();
            }
        }
        rules
    }

    /// Two targets of a branch at chosen distances, neither a plain RET.
    fn distant(gap: usize, distance: usize, is_swapped: bool) -> Program {
        let mut writer = Writer::new();
        let target = |writer: &mut Writer, verdict| {
            writer.push(RET, value_of(verdict));
            writer.push(LOAD, 0)
        };
        let pad = |writer: &mut Writer, count| {
            for _ in 0..count {
                writer.push(RET, value_of(Verdict::Kill));
            }
        };
        let far = target(&mut writer, Verdict::Allow);
        pad(&mut writer, gap);
        let near = target(&mut writer, Verdict::Log);
        pad(&mut writer, distance);
        let (holds, fails) = if is_swapped { (near, far) } else { (far, near) };
        writer.branch(JEQ, 7, holds, fails);
        writer.push(LOAD, 0);
        writer.finish().unwrap()
    }

    #[test]
    fn targets_at_any_distance_are_reached() {
        for distance in (0..4).chain(240..270) {
            for gap in (0..4).chain(240..270) {
                for (is_swapped, seven) in [(false, Verdict::Allow), (true, Verdict::Log)] {
                    let program = distant(gap, distance, is_swapped);
                    let (other, arch) = (if is_swapped { Verdict::Allow } else { Verdict::Log }, 0);
                    assert_eq!(actual(&program, 7, arch, [0; 6]), seven, "{gap} {distance}");
                    assert_eq!(actual(&program, 8, arch, [0; 6]), other, "{gap} {distance}");
                }
            }
        }
    }

    #[test]
    fn far_jumps_are_bridged() {
        let mut rules = set(Set::Default, NestedUsers::Deny);
        for (at, name) in table::all_names(Arch::X86_64).step_by(3).enumerate() {
            let tests = vec![masked(0xFF, 1), masked(0xFF00, 0x100)];
            let verdict = Verdict::Errno(u16::try_from(100 + at).unwrap());
            rules.add_case(name, Case { tests, verdict }).unwrap();
        }
        let program = assemble(&rules, Arch::X86_64).unwrap();
        assert!(program.0.len() > 1500 && program.0.iter().any(|insn| insn.code == JA));
        let args = [[0; 6], [0, 0x101, 0, 0, 0, 0], [0, 0x1, 0, 0, 0, 0]];
        agree(&rules, Arch::X86_64, &program, &args);
    }

    #[test]
    fn a_case_of_many_tests_and_a_call_of_many_cases_work() {
        let mut rules = set(Set::Default, NestedUsers::Deny);
        let tests = (0..90).map(|bit| masked(1 << (bit % 64), 1 << (bit % 64)));
        let case = |tests, verdict| Case { tests, verdict };
        rules.add_case("read", case(tests.collect(), Verdict::Trap)).unwrap();
        for value in 0..200 {
            let verdict = Verdict::Errno(u16::try_from(100 + value).unwrap());
            rules.add_case("write", case(vec![masked(!0, value)], verdict)).unwrap();
        }
        let program = assemble(&rules, Arch::X86_64).unwrap();
        let args = [[!0; 6], [0, !1, 0, 0, 0, 0], [0; 6], [199; 6], [200; 6]];
        agree(&rules, Arch::X86_64, &program, &args);
    }

    #[test]
    fn a_case_without_tests_ends_the_list() {
        let mut rules = set(Set::Default, NestedUsers::Deny);
        let always = Case { tests: vec![], verdict: Verdict::Log };
        rules.add_case("ioctl", always).unwrap();
        let program = assemble(&rules, Arch::X86_64).unwrap();
        agree(&rules, Arch::X86_64, &program, &[[0; 6], [!0; 6]]);
    }

    #[test]
    fn a_program_too_large_for_the_kernel_is_an_error_with_its_count() {
        let error = assemble(&crowded(3), Arch::X86_64).unwrap_err();
        let AssembleError::TooLarge { count, limit } = error else { panic!("{error}") };
        assert!(count > limit && limit == 4096, "{count}");
    }
}
