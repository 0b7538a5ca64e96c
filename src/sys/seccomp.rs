//! Installing a filter; seccomp(2).

use super::raw::check;
use super::{Errno, Result};

/// Puts this thread under a filter for good; seccomp(2) `SECCOMP_SET_MODE_FILTER`, since Linux
/// 3.17.
///
/// Raw because rustix and nix lack it; prctl(2) is not used because it takes no flags.
///
/// # Errors
///
/// EINVAL for an empty or over-long program and for `SECCOMP_FILTER_FLAG_NEW_LISTENER`, whose
/// descriptor this function could not give back; ESRCH when `SECCOMP_FILTER_FLAG_TSYNC` finds a
/// thread it cannot move; EACCES without `no_new_privs`; else what the kernel answers.
pub(crate) fn install_filter(program: &[libc::sock_filter], flags: u32) -> Result<()> {
    let word = libc::c_ulong::from(flags);
    if word & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
        return Err(Errno::INVAL);
    }
    let length = u16::try_from(program.len()).map_err(|_too_long| Errno::INVAL)?;
    // The field is a mutable pointer for historical reasons; the kernel only reads.
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: `program` is this frame's and points at the borrowed slice of the length given; both
    // outlive the call, in which the kernel copies them.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    // A positive answer is the id of the thread that TSYNC could not move: nothing was installed.
    if check(answer)? == 0 { Ok(()) } else { Err(Errno::SRCH) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn statement(code: u32, k: u32) -> libc::sock_filter {
        #[expect(clippy::cast_possible_truncation, reason = "BPF codes are 16-bit")]
        libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
    }

    #[test]
    fn a_filter_decides_about_its_thread() {
        std::thread::spawn(|| {
            super::super::caps::set_no_new_privs().unwrap();
            let load_number = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0);
            let mut is_setsid = statement(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                u32::try_from(libc::SYS_setsid).unwrap(),
            );
            is_setsid.jf = 1;
            let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOTTY.cast_unsigned();
            let program = [
                load_number,
                is_setsid,
                statement(libc::BPF_RET | libc::BPF_K, refuse),
                statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
            ];
            install_filter(&program, 0).unwrap();
            assert_eq!(rustix::process::setsid().err(), Some(Errno::NOTTY));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn an_empty_program_and_a_listener_are_refused() {
        let listener = u32::try_from(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER).unwrap();
        assert_eq!(install_filter(&[], 0), Err(Errno::INVAL));
        assert_eq!(install_filter(&[statement(6, 0)], listener), Err(Errno::INVAL));
    }
}
