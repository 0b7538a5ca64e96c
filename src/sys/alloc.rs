//! The binary's allocator: takes memory in large pieces and gives none back.
//!
//! sbx lives for milliseconds before it clones, and then only waits. Not returning memory saves the
//! bookkeeping and the brk calls of a general allocator.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{MapFlags, ProtFlags};

/// How much is asked of the kernel at once; pages that are never touched cost nothing.
const PIECE_BYTES: usize = 1 << 20;

/// Hands out memory from the start of a piece to its end; only the newest block can grow, shrink or
/// be freed.
///
/// Any number of threads may use it: a spin lock guards the two pointers. It must not be called
/// from a signal handler.
pub struct Bump {
    is_locked: AtomicBool,
    piece: UnsafeCell<Piece>,
}

/// The unused rest of the newest piece.
struct Piece {
    next: *mut u8,
    end: usize,
}

// SAFETY: `piece` is only touched between taking and releasing `is_locked`, and the memory it
// points to belongs to no thread until it is handed out.
unsafe impl Sync for Bump {}

impl std::fmt::Debug for Bump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bump").finish_non_exhaustive()
    }
}

impl Default for Bump {
    fn default() -> Self {
        Self::new()
    }
}

impl Bump {
    /// Returns an allocator that has not asked for memory yet.
    #[must_use]
    pub const fn new() -> Self {
        let piece = Piece { next: ptr::null_mut(), end: 0 };
        Self { is_locked: AtomicBool::new(false), piece: UnsafeCell::new(piece) }
    }

    /// Runs `work` on the piece while no other thread can.
    fn locked<T>(&self, work: impl FnOnce(&mut Piece) -> T) -> T {
        while self
            .is_locked
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            std::hint::spin_loop();
        }
        // SAFETY: the flag was taken above, so this is the only reference to the piece; `work` does
        // not panic and does not come back here, because it only computes and calls mmap.
        let answer = work(unsafe { &mut *self.piece.get() });
        self.is_locked.store(false, Ordering::Release);
        answer
    }
}

impl Piece {
    fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if let Some(block) = self.cut(layout) {
            return block;
        }
        // The rest of the old piece is given up. mmap's pages are aligned to 4 KiB; `align` covers
        // larger wishes.
        let wanted = layout.size().checked_add(layout.align());
        let Some(bytes) = wanted.and_then(|bytes| bytes.checked_next_multiple_of(PIECE_BYTES))
        else {
            return ptr::null_mut();
        };
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a NULL address lets the kernel choose free pages, so nothing that exists is
        // mapped over.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, protection, MapFlags::PRIVATE)
        };
        match mapped {
            Ok(address) => {
                self.next = address.cast::<u8>();
                self.end = address.addr().saturating_add(bytes);
                self.cut(layout).unwrap_or(ptr::null_mut())
            }
            Err(_no_memory) => ptr::null_mut(), // what GlobalAlloc asks for
        }
    }

    /// Takes a block from the piece if it fits.
    fn cut(&mut self, layout: Layout) -> Option<*mut u8> {
        if self.next.is_null() {
            return None;
        }
        let start = self.next.addr().checked_next_multiple_of(layout.align())?;
        let end = start.checked_add(layout.size()).filter(|end| *end <= self.end)?;
        let block = self.next.with_addr(start);
        self.next = self.next.with_addr(end);
        Some(block)
    }

    /// Changes the length of the newest block in place; false for any other block or when it does
    /// not fit.
    fn resize(&mut self, block: *mut u8, old_bytes: usize, new_bytes: usize) -> bool {
        let start = block.addr();
        if start.checked_add(old_bytes) != Some(self.next.addr()) {
            return false;
        }
        match start.checked_add(new_bytes) {
            Some(end) if end <= self.end => {
                // From `next`, not from `block`: the piece's own pointer may reach every byte of
                // it.
                self.next = self.next.with_addr(end);
                true
            }
            _ => false,
        }
    }
}

// SAFETY: every block lies inside a mapping that is never unmapped, is aligned as asked, and
// overlaps no other block because `next` only moves behind it under the lock; it moves back only
// over the newest block, when that is freed or shrunk by its owner. Nothing here panics or unwinds.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.locked(|piece| piece.allocate(layout))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Only the newest block is taken back; the rest is given up until the process ends.
        let _is_newest = self.locked(|piece| piece.resize(block, layout.size(), 0));
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        if self.locked(|piece| piece.resize(block, layout.size(), new_bytes)) {
            return block;
        }
        if new_bytes <= layout.size() {
            return block; // shrinking keeps the place; the tail is given up
        }
        let Ok(wider) = Layout::from_size_align(new_bytes, layout.align()) else {
            return ptr::null_mut();
        };
        let copy = self.locked(|piece| piece.allocate(wider));
        if !copy.is_null() {
            // SAFETY: the caller owns `block` with `layout.size()` bytes; `copy` is new, longer and
            // elsewhere.
            unsafe { copy.copy_from_nonoverlapping(block, layout.size()) };
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize, align: usize) -> Layout {
        Layout::from_size_align(bytes, align).unwrap()
    }

    fn take(bump: &Bump, layout: Layout) -> *mut u8 {
        // SAFETY: no layout of these tests is empty.
        let block = unsafe { bump.alloc(layout) };
        assert!(!block.is_null());
        block
    }

    fn resize(bump: &Bump, block: *mut u8, old: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: `block` came from this allocator with the layout `old`, and `bytes` is not zero.
        unsafe { bump.realloc(block, old, bytes) }
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let bump = Bump::new();
        let (byte, page) = (take(&bump, layout(1, 1)), take(&bump, layout(8, 8192)));
        assert_eq!(page.addr() % 8192, 0);
        assert!(page.addr() > byte.addr());
    }

    #[test]
    fn the_newest_block_grows_in_place_and_an_older_one_moves_with_its_bytes() {
        let bump = Bump::new();
        let first = take(&bump, layout(4, 4));
        // SAFETY: the block is this test's and four bytes long.
        unsafe { first.write_bytes(9, 4) };
        assert_eq!(resize(&bump, first, layout(4, 4), 64), first);
        let _second = take(&bump, layout(4, 4));
        let moved = resize(&bump, first, layout(64, 4), 128);
        assert_ne!(moved, first);
        // SAFETY: the first four bytes were copied from the block written above.
        assert_eq!(unsafe { moved.cast::<[u8; 4]>().read() }, [9; 4]);
    }

    #[test]
    fn a_freed_newest_block_is_used_again() {
        let bump = Bump::new();
        let block = take(&bump, layout(100, 4));
        // SAFETY: the block came from this allocator with this layout and is not used again by this
        // name.
        unsafe { bump.dealloc(block, layout(100, 4)) };
        assert_eq!(take(&bump, layout(100, 4)), block);
    }

    #[test]
    fn a_block_larger_than_a_piece_gets_its_own() {
        let bump = Bump::new();
        let bytes = 3 * PIECE_BYTES + 1;
        let block = take(&bump, layout(bytes, 16));
        // SAFETY: the block is this test's and that long.
        unsafe { block.write_bytes(1, bytes) };
    }

    #[test]
    fn threads_get_different_blocks() {
        let bump = Bump::new();
        let mut all: Vec<usize> = std::thread::scope(|scope| {
            let work = || (0..1000).map(|_| take(&bump, layout(16, 16)).addr()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }
}
