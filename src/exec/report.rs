//! What the child can say: a fixed record over a pipe that closes at exec, and a page of shared
//! memory that still speaks when the child was killed.

use std::sync::atomic::Ordering;

use crate::plan::Actor;
use crate::sys::shm::Cell;
use crate::sys::spawn::WaitStatus;
use crate::sys::{Errno, Result};

/// The part of a step that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The step has one part only.
    Whole,
    /// Opening the source.
    OpenSource,
    /// Finding the source as planning saw it.
    Identity,
    /// Cloning the source's mount, or making the file system.
    Make,
    /// Setting the mount's attributes.
    Attributes,
    /// Looking whether it is as it was asked for.
    Verify,
    /// Opening the directory that the target is in.
    OpenParent,
    /// Making the target.
    MakeTarget,
    /// Opening the target.
    OpenTarget,
    /// Attaching the mount.
    Attach,
    /// Writing contents.
    Write,
    /// Changing the owner.
    Owner,
    /// The supervisor is gone.
    Parent,
    /// The program is there, and what it is run by is not.
    Interpreter,
    /// A signal ended the process in this step.
    Killed,
    /// No step: what sbx needs before the first.
    Prepare,
}

impl Part {
    const ALL: [Self; 16] = [
        Self::Whole,
        Self::OpenSource,
        Self::Identity,
        Self::Make,
        Self::Attributes,
        Self::Verify,
        Self::OpenParent,
        Self::MakeTarget,
        Self::OpenTarget,
        Self::Attach,
        Self::Write,
        Self::Owner,
        Self::Parent,
        Self::Interpreter,
        Self::Killed,
        Self::Prepare,
    ];

    fn code(self) -> u8 {
        let at = Self::ALL.iter().position(|part| *part == self).unwrap_or_default();
        u8::try_from(at).unwrap_or_default()
    }

    fn of_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Whole)
    }
}

/// A step that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Number of the step in the plan, from 0.
    pub step: usize,
    /// Who carried it out.
    pub actor: Actor,
    /// Which part of it.
    pub part: Part,
    /// The kernel's errno; for [`Part::Killed`] the signal.
    pub errno: i32,
    /// A number that the part gives: which of several paths.
    pub detail: u32,
}

/// Length of a record in bytes.
pub(super) const RECORD: usize = 24;
const MAGIC: u32 = 0x5342_5801;

impl Failure {
    pub(super) fn new(step: usize, actor: Actor, part: Part, errno: Errno) -> Self {
        Self { step, actor, part, errno: errno.raw_os_error(), detail: 0 }
    }

    /// Returns the record, without allocating.
    pub(super) fn encode(&self) -> [u8; RECORD] {
        let actor = match self.actor {
            Actor::Supervisor => 0,
            Actor::Child => 1,
            Actor::Init => 2,
            Actor::Payload => 3,
        };
        let step = u32::try_from(self.step).unwrap_or(u32::MAX);
        let [a, b, c, d] = MAGIC.to_le_bytes();
        let [s0, s1, s2, s3] = step.to_le_bytes();
        let [e0, e1, e2, e3] = self.errno.to_le_bytes();
        let [d0, d1, d2, d3] = self.detail.to_le_bytes();
        let part = self.part.code();
        [a, b, c, d, actor, part, 0, 0, s0, s1, s2, s3, e0, e1, e2, e3, d0, d1, d2, d3, 0, 0, 0, 0]
    }

    /// Reads a record; nothing if it is not one.
    pub(super) fn decode(record: &[u8; RECORD]) -> Option<Self> {
        let [a, b, c, d, actor, part, _, _, rest @ ..] = *record;
        if u32::from_le_bytes([a, b, c, d]) != MAGIC {
            return None;
        }
        let [s0, s1, s2, s3, e0, e1, e2, e3, d0, d1, d2, d3, ..] = rest;
        let actor = match actor {
            0 => Actor::Supervisor,
            1 => Actor::Child,
            2 => Actor::Init,
            _ => Actor::Payload,
        };
        Some(Self {
            step: usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])).ok()?,
            actor,
            part: Part::of_code(part),
            errno: i32::from_le_bytes([e0, e1, e2, e3]),
            detail: u32::from_le_bytes([d0, d1, d2, d3]),
        })
    }
}

/// The memory that supervisor, init and payload share until exec.
#[derive(Debug)]
pub(super) struct Progress {
    cell: Cell,
    steps: usize,
}

const RUNNING: usize = 0;
const OUTCOME: usize = 1;
const NEVER_EXECUTED: usize = 2;
const DONE: usize = 3;

/// Set beside a wait status, so that an exit status of 0 is not an empty word.
const PRESENT: u32 = 1 << 31;

impl Progress {
    /// Returns the memory for a plan of so many steps.
    pub(super) fn new(steps: usize) -> Result<Self> {
        Ok(Self { cell: Cell::new(DONE + steps)?, steps })
    }

    fn set(&self, word: usize, value: u32) {
        if let Some(word) = self.cell.get(word) {
            word.store(value, Ordering::SeqCst);
        }
    }

    fn get(&self, word: usize) -> u32 {
        self.cell.get(word).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    /// Says that a step of the child's begins.
    pub(super) fn begin(&self, step: usize) {
        self.set(RUNNING, u32::try_from(step + 1).unwrap_or(u32::MAX));
    }

    /// Says that a step was carried out.
    pub(super) fn done(&self, step: usize) {
        self.set(DONE + step, 1);
    }

    /// Returns the step of the child's that began last.
    pub(super) fn running(&self) -> Option<usize> {
        usize::try_from(self.get(RUNNING)).ok()?.checked_sub(1)
    }

    /// Says which steps were carried out.
    pub(super) fn all_done(&self) -> Vec<bool> {
        (0..self.steps).map(|step| self.get(DONE + step) == 1).collect()
    }

    /// Says how the command ended, and whether it was ever executed.
    pub(super) fn end(&self, status: WaitStatus, executed: bool) {
        self.set(NEVER_EXECUTED, u32::from(!executed));
        self.set(OUTCOME, status.to_raw().cast_unsigned() | PRESENT);
    }

    /// Returns how the command ended, and whether it was ever executed.
    pub(super) fn ended(&self) -> Option<(WaitStatus, bool)> {
        let word = self.get(OUTCOME);
        let status = WaitStatus::from_raw((word & !PRESENT).cast_signed());
        (word & PRESENT != 0).then(|| (status, self.get(NEVER_EXECUTED) == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for part in Part::ALL {
            let failure = Failure { step: 70_000, actor: Actor::Init, part, errno: 13, detail: 9 };
            assert_eq!(Failure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(Failure::decode(&[0; RECORD]), None);
    }

    #[test]
    fn an_exit_status_of_0_is_told_from_no_status() {
        let progress = Progress::new(1).expect("memory");
        assert_eq!(progress.ended(), None);
        progress.end(WaitStatus::Exited(0), true);
        assert_eq!(progress.ended(), Some((WaitStatus::Exited(0), true)));
    }
}
