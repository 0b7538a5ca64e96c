//! Runs a seccomp program on a call, as the kernel would.
//!
//! It knows the instructions `seccomp_check_filter` in the kernel's `kernel/seccomp.c` lets
//! through, so that it can judge any program a kernel would load.

use super::assemble::{Insn, Program};
use super::rules::{Arch, Verdict};
use super::table;

/// A call as `struct seccomp_data` shows it to a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallData {
    /// The number.
    pub nr: u32,
    /// The `AUDIT_ARCH_*` number.
    pub arch: u32,
    /// Where the call was made.
    pub instruction_pointer: u64,
    /// The arguments.
    pub args: [u64; 6],
}

/// Why a program cannot be run; the kernel would not load it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpretError {
    /// A jump or the last instruction leads out of the program.
    #[error("instruction {0} is outside the program")]
    Outside(usize),
    /// An instruction seccomp does not have.
    #[error("instruction {at} has the unknown code {code:#06x}")]
    Instruction {
        /// Its place.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// A load from a place the data does not have.
    #[error("instruction {at} reads at offset {offset}")]
    Offset {
        /// Its place.
        at: usize,
        /// The offset.
        offset: u32,
    },
}

/// Returns the program's value for a call: an action and its data, see [`verdict_of`].
///
/// # Errors
///
/// [`InterpretError`] where the program is none the kernel would load.
pub fn run(program: &Program, data: &CallData) -> Result<u32, InterpretError> {
    let mut machine = Machine::default();
    let mut at: usize = 0;
    // Jumps only lead forward: the loop ends.
    loop {
        let insn = program.0.get(at).ok_or(InterpretError::Outside(at))?;
        match machine.step(insn, data, at)? {
            Step::Next(skip) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                at = at.saturating_add(skip).saturating_add(1);
            }
            Step::Return(value) => return Ok(value),
        }
    }
}

/// Returns the verdict a program's value stands for, or `None` for an action sbx never makes
/// (kill the thread, notify, trace, and numbers without meaning).
#[must_use]
pub fn verdict_of(value: u32) -> Option<Verdict> {
    let [.., high, low] = value.to_be_bytes();
    let data = u16::from_be_bytes([high, low]);
    match value & 0xFFFF_0000 {
        0x8000_0000 => Some(Verdict::Kill),
        0x0003_0000 => Some(Verdict::Trap),
        // The kernel caps what is above MAX_ERRNO.
        0x0005_0000 => Some(Verdict::Errno(data.min(4095))),
        0x7FFC_0000 => Some(Verdict::Log),
        0x7FFF_0000 => Some(Verdict::Allow),
        _ => None,
    }
}

/// Returns the value a program returns for a verdict.
#[must_use]
pub const fn value_of(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Kill => 0x8000_0000,
        Verdict::Trap => 0x0003_0000,
        Verdict::Errno(nr) => 0x0005_0000 | nr as u32,
        Verdict::Log => 0x7FFC_0000,
        Verdict::Allow => 0x7FFF_0000,
    }
}

#[derive(Default)]
struct Machine {
    a: u32,
    x: u32,
    memory: [u32; 16],
}

enum Step {
    Next(u32),
    Return(u32),
}

impl Machine {
    /// Does one instruction; codes as in `linux/bpf_common.h`.
    fn step(&mut self, insn: &Insn, data: &CallData, at: usize) -> Result<Step, InterpretError> {
        let unknown = InterpretError::Instruction { at, code: insn.code };
        let offset = InterpretError::Offset { at, offset: insn.k };
        let place = usize::try_from(insn.k).unwrap_or(usize::MAX);
        match insn.code {
            0x20 => self.a = load(data, insn.k).ok_or(offset)?,
            0x80 => self.a = 64,
            0x81 => self.x = 64,
            0x00 => self.a = insn.k,
            0x01 => self.x = insn.k,
            0x60 => self.a = *self.memory.get(place).ok_or(offset)?,
            0x61 => self.x = *self.memory.get(place).ok_or(offset)?,
            0x02 => *self.memory.get_mut(place).ok_or(offset)? = self.a,
            0x03 => *self.memory.get_mut(place).ok_or(offset)? = self.x,
            0x07 => self.x = self.a,
            0x87 => self.a = self.x,
            0x06 => return Ok(Step::Return(insn.k)),
            0x16 => return Ok(Step::Return(self.a)),
            0x05 => return Ok(Step::Next(insn.k)),
            code if code & 0x07 == 0x05 => {
                let operand = if code & 0x08 == 0 { insn.k } else { self.x };
                let is_true = self.test(code & !0x08, operand).ok_or(unknown)?;
                let skip = if is_true { insn.jt } else { insn.jf };
                return Ok(Step::Next(skip.into()));
            }
            code if code & 0x07 == 0x04 => {
                let operand = if code & 0x08 == 0 { insn.k } else { self.x };
                match self.compute(code & !0x08, operand) {
                    Some(value) => self.a = value,
                    // A division by X of zero ends the program with 0.
                    None if matches!(code, 0x3C) => return Ok(Step::Return(0)),
                    None => return Err(unknown),
                }
            }
            _ => return Err(unknown),
        }
        Ok(Step::Next(0))
    }

    fn test(&self, code: u16, operand: u32) -> Option<bool> {
        match code {
            0x15 => Some(self.a == operand),
            0x25 => Some(self.a > operand),
            0x35 => Some(self.a >= operand),
            0x45 => Some(self.a & operand != 0),
            _ => None,
        }
    }

    fn compute(&self, code: u16, operand: u32) -> Option<u32> {
        match code {
            0x04 => Some(self.a.wrapping_add(operand)),
            0x14 => Some(self.a.wrapping_sub(operand)),
            0x24 => Some(self.a.wrapping_mul(operand)),
            0x34 => self.a.checked_div(operand),
            0x44 => Some(self.a | operand),
            0x54 => Some(self.a & operand),
            0x64 => Some(self.a.wrapping_shl(operand)),
            0x74 => Some(self.a.wrapping_shr(operand)),
            0x84 => Some(self.a.wrapping_neg()),
            0xA4 => Some(self.a ^ operand),
            _ => None,
        }
    }
}

/// Reads an aligned word of `struct seccomp_data`, little-endian as both architectures are.
fn load(data: &CallData, offset: u32) -> Option<u32> {
    let half = |value: u64, is_high: bool| {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        u32::from_le_bytes(if is_high { [e, f, g, h] } else { [a, b, c, d] })
    };
    match offset {
        0 => Some(data.nr),
        4 => Some(data.arch),
        8 | 12 => Some(half(data.instruction_pointer, offset == 12)),
        16..64 if offset.is_multiple_of(4) => {
            let place = usize::try_from((offset - 16) / 8).ok()?;
            data.args.get(place).map(|arg| half(*arg, offset % 8 == 4))
        }
        _ => None,
    }
}

/// Returns those of `names` that a program does not allow, whatever their arguments.
///
/// This is how a filter is kept from forbidding the steps that sbx itself takes behind it.
pub fn forbidden<'n>(program: &Program, arch: Arch, names: &[&'n str]) -> Vec<&'n str> {
    let allows = |name: &&&str| {
        let Some(nr) = table::number(arch, name) else {
            return true;
        };
        let data = CallData { nr, arch: arch.audit(), instruction_pointer: 0, args: [0; 6] };
        let value = run(program, &data).ok();
        value.and_then(verdict_of).is_some_and(Verdict::is_allowing)
    };
    names.iter().filter(|name| !allows(name)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: CallData = CallData {
        nr: 7,
        arch: 0xC000_003E,
        instruction_pointer: 0x1122_3344_5566_7788,
        args: [0x1_0000_0002, 0, 0, 0, 0, 0xAABB_CCDD_EEFF_0011],
    };

    fn program(insns: &[(u16, u8, u8, u32)]) -> Program {
        let insn = |&(code, jt, jf, k): &_| Insn { code, jt, jf, k };
        Program(insns.iter().map(insn).collect())
    }

    #[test]
    fn loads_see_the_data_as_the_kernel_lays_it_out() {
        let words = [
            (0, 7),
            (4, 0xC000_003E),
            (8, 0x5566_7788),
            (12, 0x1122_3344),
            (16, 2),
            (20, 1),
            (60, 0xAABB_CCDD),
        ];
        for (offset, word) in words {
            let program = program(&[(0x20, 0, 0, offset), (0x16, 0, 0, 0)]);
            assert_eq!(run(&program, &DATA), Ok(word), "{offset}");
        }
    }

    #[test]
    fn programs_the_kernel_would_refuse_are_errors() {
        assert_eq!(run(&program(&[]), &DATA), Err(InterpretError::Outside(0)));
        let jump = program(&[(0x05, 0, 0, u32::MAX)]);
        assert!(matches!(run(&jump, &DATA), Err(InterpretError::Outside(_))));
        for offset in [1, 62, 64] {
            let load = program(&[(0x20, 0, 0, offset), (0x16, 0, 0, 0)]);
            assert_eq!(run(&load, &DATA), Err(InterpretError::Offset { at: 0, offset }));
        }
        let odd = program(&[(0x28, 0, 0, 0)]);
        assert_eq!(run(&odd, &DATA), Err(InterpretError::Instruction { at: 0, code: 0x28 }));
    }

    #[test]
    fn arithmetic_memory_and_the_index_register_work() {
        let program = program(&[
            (0x20, 0, 0, 0),  // a = nr = 7
            (0x02, 0, 0, 3),  // m[3] = 7
            (0x24, 0, 0, 6),  // a = 42
            (0x61, 0, 0, 3),  // x = 7
            (0x3C, 0, 0, 0),  // a = 6
            (0x1D, 1, 0, 0),  // a == x?
            (0x16, 0, 0, 0),  // return a
            (0x06, 0, 0, 99), // return 99
        ]);
        assert_eq!(run(&program, &DATA), Ok(6));
    }

    #[test]
    fn a_verdict_comes_back_from_its_value() {
        for verdict in [Verdict::Allow, Verdict::Kill, Verdict::Trap, Verdict::Log]
            .into_iter()
            .chain([0, 1, 38, 4095].map(Verdict::Errno))
        {
            assert_eq!(verdict_of(value_of(verdict)), Some(verdict));
        }
        assert_eq!(verdict_of(0), None);
        assert_eq!(verdict_of(0x7FC0_0000), None);
    }
}
