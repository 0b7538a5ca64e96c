//! The command: everything is in the library.

/// The fewer pages the launcher touches, the sooner the command starts.
#[global_allocator]
static ALLOCATOR: sbx::Heaps = sbx::Heaps;

fn main() -> std::process::ExitCode {
    sbx::cli::main(&sbx::exec::Hooks::default())
}
