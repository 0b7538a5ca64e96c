//! sbx with hooks for tests: the same library, told by `SBX_TEST_HOOK` what to do with which step.
//!
//! | value | what happens |
//! | --- | --- |
//! | `fail:K:E` | step K (from 0) fails with errno E without being tried |
//! | `skip:K,L,…` | these steps are left out |
//! | `stop:K:W:R` | before step K a byte is written to descriptor W, then one is read from descriptor R |
//!
//! Its allocator ends the process with status 99 at the first allocation after the clone.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test"
)]
#![allow(unsafe_code, reason = "a test's allocator and its raw descriptors")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use sbx::exec::{Answer, Hooks};

struct Watched;

static IN_CHILD: AtomicBool = AtomicBool::new(false);

fn watch() {
    if IN_CHILD.load(Ordering::SeqCst) {
        let text = b"allocation in the child\n";
        unsafe {
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::_exit(99);
        }
    }
}

unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        watch();
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        watch();
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

enum Hook {
    Nothing,
    Fail(usize, i32),
    Skip(Vec<usize>),
    Stop(usize, i32, i32),
}

static HOOK: OnceLock<Hook> = OnceLock::new();

fn parse(text: &str) -> Hook {
    let number = |text: &str| text.parse().expect("SBX_TEST_HOOK: a number");
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["fail", step, errno] => Hook::Fail(number(step), errno.parse().expect("an errno")),
        ["skip", steps] => Hook::Skip(steps.split(',').map(number).collect()),
        ["stop", step, told, go] => {
            let descriptor = |text: &str| text.parse().expect("a descriptor");
            Hook::Stop(number(step), descriptor(told), descriptor(go))
        }
        [""] => Hook::Nothing,
        _ => panic!("SBX_TEST_HOOK: {text}"),
    }
}

fn before(step: usize) -> Answer {
    match HOOK.get() {
        Some(Hook::Fail(at, errno)) if *at == step => Answer::Fail(*errno),
        Some(Hook::Skip(steps)) if steps.contains(&step) => Answer::Skip,
        Some(Hook::Stop(at, told, go)) if *at == step => {
            let mut byte = 0_u8;
            unsafe {
                libc::write(*told, (&raw const byte).cast(), 1);
                libc::read(*go, (&raw mut byte).cast(), 1);
            }
            Answer::Go
        }
        _ => Answer::Go,
    }
}

fn main() -> ExitCode {
    let hook = std::env::var("SBX_TEST_HOOK").unwrap_or_default();
    HOOK.get_or_init(|| parse(&hook));
    let in_child = || IN_CHILD.store(true, Ordering::SeqCst);
    sbx::cli::main(&Hooks { before: Some(before), in_child: Some(in_child) })
}
