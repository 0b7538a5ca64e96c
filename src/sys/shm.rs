//! Memory that a process and its copies share.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use rustix::mm::{MapFlags, ProtFlags};

use super::{Errno, Result};

/// A row of 32-bit words, zero at first, that stay shared across clone; mmap(2) `MAP_SHARED`, any
/// kernel.
#[derive(Debug)]
pub(crate) struct Cell {
    base: NonNull<AtomicU32>,
    words: usize,
}

impl Cell {
    /// **\[parent\]** Maps the words.
    ///
    /// # Errors
    ///
    /// EINVAL for no words at all, EOVERFLOW for too many, else what the kernel answers.
    pub(crate) fn new(words: usize) -> Result<Self> {
        if words == 0 {
            return Err(Errno::INVAL);
        }
        let bytes = words.checked_mul(size_of::<AtomicU32>()).ok_or(Errno::OVERFLOW)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a NULL address lets the kernel choose free pages, so nothing that exists is
        // mapped over.
        let address = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED)
        }?;
        let base = NonNull::new(address.cast::<AtomicU32>()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, words })
    }

    /// Returns word `index`, or `None` behind the end.
    pub(crate) fn get(&self, index: usize) -> Option<&AtomicU32> {
        if index >= self.words {
            return None;
        }
        // SAFETY: `index` is below the number of words mapped at `base`, so the sum stays inside
        // the mapping.
        let word = unsafe { self.base.add(index) };
        // SAFETY: the mapping is page-aligned, zeroed and owned by `self`, to whose borrow the
        // reference is tied; other processes touch the word only through AtomicU32.
        Some(unsafe { word.as_ref() })
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let bytes = self.words.saturating_mul(size_of::<AtomicU32>());
        // SAFETY: `base` and the length are those of the mapping made in `new`, and no reference
        // into it can outlive `self`.
        let _ignored = unsafe { rustix::mm::munmap(self.base.as_ptr().cast::<c_void>(), bytes) };
        // munmap cannot fail for a whole mapping, and there is nobody to tell in a drop.
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::spawn::tests::run_in_child;
    use super::*;

    #[test]
    fn a_word_written_by_the_child_is_read_by_the_parent() {
        let cell = Cell::new(3).unwrap();
        let code = run_in_child(|| match cell.get(2) {
            Some(word) => {
                word.store(77, Ordering::Release);
                0
            }
            None => 1,
        });
        assert_eq!(code, 0);
        assert_eq!(cell.get(2).unwrap().load(Ordering::Acquire), 77);
        assert_eq!(cell.get(1).unwrap().load(Ordering::Acquire), 0);
    }

    #[test]
    fn there_is_nothing_behind_the_end() {
        let cell = Cell::new(1).unwrap();
        assert!(cell.get(0).is_some() && cell.get(1).is_none());
        assert_eq!(Cell::new(0).err(), Some(Errno::INVAL));
        assert_eq!(Cell::new(usize::MAX).err(), Some(Errno::OVERFLOW));
    }
}
