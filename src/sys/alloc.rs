//! The binary's allocator: takes memory in large pieces and gives none back.
//!
//! sbx lives for milliseconds before it clones, and then only waits. What counts is how few pages
//! are touched, because each costs a fault, and is copied or shared with every clone: freed blocks
//! are used again before new memory is, and nothing is kept beside the blocks themselves.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags};

/// How much is asked of the kernel at once; pages that are never touched cost nothing.
const PIECE_BYTES: usize = 1 << 20;

/// Blocks of one size class are multiples of this, and aligned to it.
const GRAIN: usize = 16;
/// Size classes that are [`GRAIN`] apart; above, each is twice the one before.
const FINE_CLASSES: usize = 64;
/// The size classes: up to 1 KiB in steps of [`GRAIN`], then powers of two up to 64 KiB.
const CLASSES: usize = FINE_CLASSES + 6;

/// The allocator: every thread has a heap of its own, so that nothing is locked.
///
/// A block may be freed by another thread than the one that took it. It must not be called from a
/// signal handler.
#[derive(Debug, Default)]
pub struct Heaps;

thread_local! {
    // Neither made lazily nor dropped: touching it never allocates.
    static HEAP: RefCell<Heap> = const { RefCell::new(Heap::new()) };
}

/// The memory of one thread.
struct Heap {
    /// Where the unused rest of the newest piece begins.
    next: *mut u8,
    /// Where it ends.
    end: usize,
    /// The freed blocks of every class; each holds the address of the one freed before it.
    freed: [*mut u8; CLASSES],
}

/// Returns the class whose blocks can hold the layout and their size, or `None` for a block that is
/// not used again.
const fn class(layout: Layout) -> Option<(usize, usize)> {
    if layout.align() > GRAIN {
        return None;
    }
    let fine = layout.size().div_ceil(GRAIN);
    if fine <= FINE_CLASSES {
        return Some((fine.saturating_sub(1), fine * GRAIN));
    }
    let bytes = layout.size().next_power_of_two();
    let above = (bytes / (FINE_CLASSES * GRAIN)).trailing_zeros() as usize;
    if FINE_CLASSES + above <= CLASSES { Some((FINE_CLASSES + above - 1, bytes)) } else { None }
}

impl Heap {
    /// Returns a heap that has not asked for memory yet.
    const fn new() -> Self {
        Self { next: ptr::null_mut(), end: 0, freed: [ptr::null_mut(); CLASSES] }
    }

    fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Some((class, bytes)) = class(layout) else {
            return self.fresh(layout.size(), layout.align().max(GRAIN));
        };
        match self.freed.get_mut(class) {
            Some(head) if !head.is_null() => {
                let block = *head;
                // SAFETY: `free` wrote the address of the next block there, the block is aligned
                // for it, and nobody owns it.
                *head = unsafe { block.cast::<*mut u8>().read() };
                block
            }
            _ => self.fresh(bytes, GRAIN),
        }
    }

    /// Takes back a block that [`allocate`](Self::allocate) gave out for this layout.
    ///
    /// # Safety
    /// The block is not used any more.
    unsafe fn free(&mut self, block: *mut u8, layout: Layout) {
        let Some(head) = class(layout).and_then(|(class, _)| self.freed.get_mut(class)) else {
            return; // given up until the process ends
        };
        // SAFETY: every block of a class is at least GRAIN bytes long and aligned to it, and its
        // owner gave it back.
        unsafe { block.cast::<*mut u8>().write(*head) };
        *head = block;
    }

    /// Takes memory that was never given out.
    fn fresh(&mut self, bytes: usize, align: usize) -> *mut u8 {
        if let Some(block) = self.cut(bytes, align) {
            return block;
        }
        // The rest of the old piece is given up. mmap's pages are aligned to 4 KiB; `align` covers
        // larger wishes.
        let wanted = bytes.checked_add(align);
        let Some(mapped) = wanted.and_then(|bytes| bytes.checked_next_multiple_of(PIECE_BYTES))
        else {
            return ptr::null_mut();
        };
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a NULL address lets the kernel choose free pages, so nothing that exists is
        // mapped over.
        let piece = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), mapped, protection, MapFlags::PRIVATE)
        };
        match piece {
            Ok(address) => {
                self.next = address.cast::<u8>();
                self.end = address.addr().saturating_add(mapped);
                self.cut(bytes, align).unwrap_or(ptr::null_mut())
            }
            Err(_no_memory) => ptr::null_mut(), // what GlobalAlloc asks for
        }
    }

    /// Takes a block from the piece if it fits.
    fn cut(&mut self, bytes: usize, align: usize) -> Option<*mut u8> {
        if self.next.is_null() {
            return None;
        }
        let start = self.next.addr().checked_next_multiple_of(align)?;
        let end = start.checked_add(bytes).filter(|end| *end <= self.end)?;
        let block = self.next.with_addr(start);
        self.next = self.next.with_addr(end);
        Some(block)
    }

    /// Changes the length of the newest block at its place; false for any other block or when it
    /// does not fit.
    fn resize_newest(&mut self, block: *mut u8, old: Layout, new: Layout) -> bool {
        let (Some((_, old_bytes)), Some((_, new_bytes))) = (class(old), class(new)) else {
            return false;
        };
        if block.addr().checked_add(old_bytes) != Some(self.next.addr()) {
            return false;
        }
        match block.addr().checked_add(new_bytes) {
            Some(end) if end <= self.end => {
                // From `next`, not from `block`: the piece's own pointer may reach every byte of
                // it.
                self.next = self.next.with_addr(end);
                true
            }
            _ => false,
        }
    }

    /// Gives a block another length, at its place or elsewhere; NULL where there is no memory, and
    /// the block is as before.
    ///
    /// # Safety
    /// The block came from [`allocate`](Self::allocate) or from here, with the layout `old`; if
    /// another address comes back, it is not used any more.
    unsafe fn resize(&mut self, block: *mut u8, old: Layout, new: Layout) -> *mut u8 {
        let stays = class(old).is_some() && class(old) == class(new);
        if stays || self.resize_newest(block, old, new) {
            return block;
        }
        let copy = self.allocate(new);
        if !copy.is_null() {
            let kept = old.size().min(new.size());
            // SAFETY: the caller owns `block` with `old.size()` bytes; `copy` is at least
            // `new.size()` long and elsewhere.
            unsafe { copy.copy_from_nonoverlapping(block, kept) };
            // SAFETY: its bytes are in `copy` now, and the caller uses that.
            unsafe { self.free(block, old) };
        }
        copy
    }
}

// SAFETY: every block lies inside a mapping that is never unmapped, is aligned as asked, and
// overlaps no block in use: `next` only moves behind it, and back only over the newest block by its
// owner; a freed block is given out once, in its class, whose blocks are all that long. Nothing
// here panics or unwinds.
unsafe impl GlobalAlloc for Heaps {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.with_borrow_mut(|heap| heap.allocate(layout))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        HEAP.with_borrow_mut(|heap| unsafe { heap.free(block, layout) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(new_bytes, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: as the caller promises.
        HEAP.with_borrow_mut(|heap| unsafe { heap.resize(block, layout, new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize, align: usize) -> Layout {
        Layout::from_size_align(bytes, align).unwrap()
    }

    fn take(heap: &mut Heap, layout: Layout) -> *mut u8 {
        let block = heap.allocate(layout);
        assert!(!block.is_null());
        block
    }

    fn give_back(heap: &mut Heap, block: *mut u8, layout: Layout) {
        // SAFETY: every test uses a block that it gave back under the name it gets again only.
        unsafe { heap.free(block, layout) };
    }

    fn resize(heap: &mut Heap, block: *mut u8, old: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: `block` came from this heap with the layout `old`, and only the answer is used.
        unsafe { heap.resize(block, old, layout(bytes, old.align())) }
    }

    #[test]
    fn every_size_has_a_class_whose_blocks_hold_it_and_are_all_of_one_size() {
        let mut sizes = [0; CLASSES];
        for bytes in 1..=65536 {
            let (at, held) = class(layout(bytes, 1)).unwrap();
            assert!(held >= bytes && held % GRAIN == 0, "{bytes} {at} {held}");
            assert!(held < 2 * bytes.max(GRAIN), "{bytes} {held}");
            assert!(sizes[at] == 0 || sizes[at] == held, "{at} {held}");
            sizes[at] = held;
        }
        assert!(sizes.is_sorted() && !sizes.contains(&0));
        assert_eq!(class(layout(65537, 1)), None);
        assert_eq!(class(layout(8, 32)), None);
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let mut heap = Heap::new();
        let (byte, page) = (take(&mut heap, layout(1, 1)), take(&mut heap, layout(8, 8192)));
        assert_eq!(page.addr() % 8192, 0);
        assert!(page.addr() > byte.addr());
        let (large, next) = (take(&mut heap, layout(70001, 1)), take(&mut heap, layout(1, 1)));
        assert!(next.addr() >= large.addr() + 70001 && next.addr() % GRAIN == 0);
    }

    #[test]
    fn the_newest_block_grows_in_place_and_an_older_one_moves_with_its_bytes() {
        let mut heap = Heap::new();
        let first = take(&mut heap, layout(4, 4));
        // SAFETY: the block is this test's and four bytes long.
        unsafe { first.write_bytes(9, 4) };
        assert_eq!(resize(&mut heap, first, layout(4, 4), 64), first);
        let second = take(&mut heap, layout(4, 4));
        assert!(second.addr() >= first.addr() + 64);
        let moved = resize(&mut heap, first, layout(64, 4), 128);
        assert_ne!(moved, first);
        // SAFETY: the first four bytes were copied from the block written above.
        assert_eq!(unsafe { moved.cast::<[u8; 4]>().read() }, [9; 4]);
        assert_eq!(take(&mut heap, layout(64, 4)), first); // it was freed
    }

    #[test]
    fn a_block_that_shrinks_leaves_its_length_to_others() {
        let mut heap = Heap::new();
        let long = take(&mut heap, layout(4096, 1));
        let _newest = take(&mut heap, layout(8, 1));
        let short = resize(&mut heap, long, layout(4096, 1), 100);
        assert_ne!(short, long);
        assert_eq!(take(&mut heap, layout(4096, 1)), long);
    }

    #[test]
    fn freed_blocks_are_used_again_by_their_class_alone_the_last_one_first() {
        let mut heap = Heap::new();
        let blocks = [100, 112, 97].map(|bytes| (take(&mut heap, layout(bytes, 4)), bytes));
        for (block, bytes) in blocks {
            give_back(&mut heap, block, layout(bytes, 4));
        }
        let other = take(&mut heap, layout(96, 4));
        assert!(blocks.iter().all(|(block, _)| *block != other));
        let again = [112, 100, 112].map(|bytes| take(&mut heap, layout(bytes, 4)));
        let [(first, _), (second, _), (third, _)] = blocks;
        assert_eq!(again, [third, second, first]);
        assert!(take(&mut heap, layout(100, 4)).addr() > other.addr());
    }

    #[test]
    fn a_block_larger_than_a_piece_gets_its_own() {
        let mut heap = Heap::new();
        let bytes = 3 * PIECE_BYTES + 1;
        let block = take(&mut heap, layout(bytes, 16));
        // SAFETY: the block is this test's and that long.
        unsafe { block.write_bytes(1, bytes) };
        give_back(&mut heap, block, layout(bytes, 16));
        assert_ne!(take(&mut heap, layout(16, 16)), block);
    }

    #[test]
    fn threads_get_different_blocks() {
        let work = || {
            // SAFETY: the layout is not empty.
            (0..1000).map(|_| unsafe { Heaps.alloc(layout(16, 16)) }.addr()).collect::<Vec<_>>()
        };
        let mut all: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }
}
