//! Processes that stay, listen to signals, or leave others behind.

use std::io::Write as _;
use std::os::fd::FromRawFd as _;

use crate::sys;

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().expect("stdout takes a line");
}

/// Says that it is there, and stays.
pub fn sleep() {
    say(&format!("ready {}", std::process::id()));
    loop {
        unsafe { sys::pause() };
    }
}

fn set(numbers: &[i32]) -> [u64; 16] {
    let mut set = [0; 16];
    for number in numbers {
        set[0] |= 1 << (number - 1);
    }
    set
}

/// `trap COUNT NUMBER...`: waits for signals, says which came, and exits with 7 after COUNT.
pub fn trap(args: &[&str]) {
    let numbers: Vec<i32> = args.iter().map(|n| n.parse().expect("a number")).collect();
    let set = set(&numbers[1..]);
    unsafe { sys::sigprocmask(0, &raw const set, std::ptr::null_mut()) };
    say(&format!("ready {}", std::process::id()));
    for _ in 0..numbers[0] {
        let number = unsafe { sys::sigwaitinfo(&raw const set, std::ptr::null_mut()) };
        say(&format!("got {number}"));
    }
    std::process::exit(7);
}

/// Sends USR1 to process 0, which is its own group, and to -1, which is everybody.
pub fn kill_group() {
    unsafe { sys::signal(10, 1) };
    for target in [0, -1] {
        println!("kill {target} {}", sys::said(i64::from(unsafe { sys::kill(target, 10) })));
    }
}

/// `orphan exit|stay [own]`: leaves a process behind that holds stdout and no signal ends;
/// `own`: in a session of its own. Whoever reads stdout sees its end when all are gone.
pub fn orphan(args: &[&str]) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
    if unsafe { sys::fork() } == 0 {
        if args.contains(&"own") {
            unsafe { sys::setsid() };
        }
        for number in 1..32 {
            unsafe { sys::signal(number, 1) };
        }
        drop(reader);
        (&writer).write_all(b"x").expect("the parent listens");
        drop(writer);
        if args.contains(&"briefly") {
            // Ends by itself, but only after init could have seen that its parent has ended.
            while unsafe { sys::getppid() } != 1 {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
            say("orphan done");
            std::process::exit(0);
        }
        loop {
            unsafe { sys::pause() };
        }
    }
    drop(writer);
    std::io::Read::read_exact(&mut reader, &mut [0]).expect("the child is there");
    say("ready");
    if args.contains(&"exit") {
        std::process::exit(5);
    }
    loop {
        unsafe { sys::pause() };
    }
}

/// `keep FD...`: writes its number to each descriptor.
pub fn keep(args: &[&str]) {
    for text in args {
        let fd: i32 = text.parse().expect("a number");
        if !sys::is_open(fd) {
            println!("keep {fd} closed");
            continue;
        }
        let mut file = unsafe { std::fs::File::from_raw_fd(fd) };
        println!("keep {fd} {}", sys::answer(file.write_all(text.as_bytes())));
    }
}
