//! The command: everything is in the library.

/// The launcher ends with its command: memory that is never given back is the fastest.
#[global_allocator]
static ALLOCATOR: sbx::Bump = sbx::Bump::new();

fn main() -> std::process::ExitCode {
    sbx::cli::main(&sbx::exec::Hooks::default())
}
