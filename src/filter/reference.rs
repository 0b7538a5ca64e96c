//! What a program ought to do, said without a program; for tests.

use super::assemble::Program;
use super::interpret::{CallData, run, verdict_of};
use super::rules::{Arch, FilterRules, Foreign, Verdict};
use super::table;

/// The first number of x32, and the first negative one.
const X32_FIRST: u32 = 0x4000_0000;
const X32_END: u32 = 0x8000_0000;

/// Returns the verdict of a program.
pub(super) fn actual(program: &Program, nr: u32, arch: u32, args: [u64; 6]) -> Verdict {
    let data = CallData { nr, arch, instruction_pointer: 0x7fff_0000_1234, args };
    verdict_of(run(program, &data).unwrap()).unwrap()
}

/// The verdict the rules mean, without a program.
fn expected(rules: &FilterRules, arch: Arch, nr: u32, args: &[u64; 6]) -> Verdict {
    if arch == Arch::X86_64 && (X32_FIRST..X32_END).contains(&nr) {
        return match rules.foreign {
            Foreign::Kill => Verdict::Kill,
            Foreign::Refuse | Foreign::Allow => Verdict::ENOSYS,
        };
    }
    rules.verdict(table::name(arch, nr), args)
}

fn numbers() -> impl Iterator<Item = u32> {
    let ends = [X32_FIRST - 1, X32_END - 1, X32_END, u32::MAX];
    (0..1024).chain(X32_FIRST..X32_FIRST + 1024).chain(ends)
}

/// Checks a program against its rules on all numbers worth looking at.
pub(super) fn agree(rules: &FilterRules, arch: Arch, program: &Program, args: &[[u64; 6]]) {
    for nr in numbers() {
        for args in args {
            let wanted = expected(rules, arch, nr, args);
            let got = actual(program, nr, arch.audit(), *args);
            assert_eq!(got, wanted, "{arch:?} {nr} {args:x?}");
        }
    }
}
