//! Looks for bytes in everything under /proc that can be read.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Kept disguised: the needle must not be found in the memory of the one who looks for it.
struct Needle(Vec<u8>);

const DISGUISE: u8 = 0x5a;

impl Needle {
    fn is_in(&self, hay: &[u8]) -> bool {
        let same = |(a, b): (&u8, &u8)| *a == *b ^ DISGUISE;
        hay.windows(self.0.len()).any(|window| window.iter().zip(&self.0).all(same))
    }
}

/// `search HEX`: prints `hit PATH` for each place; `searched FILES MEMORIES` at the end.
pub fn search(hex: &str) {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hex digits");
    let needle = Needle((0..hex.len()).step_by(2).map(|at| byte(at) ^ DISGUISE).collect());
    let mut count = [0_usize; 2];
    walk(Path::new("/proc"), &needle, &mut count);
    println!("searched {} {}", count[0], count[1]);
}

fn walk(directory: &Path, needle: &Needle, count: &mut [usize; 2]) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if needle.is_in(entry.file_name().as_bytes()) {
            println!("hit name {}", path.display());
        }
        if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap_or_default();
            if needle.is_in(target.as_os_str().as_bytes()) {
                println!("hit link {}", path.display());
            }
        } else if kind.is_dir() {
            walk(&path, needle, count);
        } else if entry.file_name() == "mem" {
            memory(&path, needle, count);
        } else {
            file(&path, needle, count);
        }
    }
}

fn file(path: &Path, needle: &Needle, count: &mut [usize; 2]) {
    // mountinfo and its kin name what is granted, by design; a test reads them by itself.
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_listing = ["mountinfo", "mounts", "mountstats"].contains(&name.as_str());
    let opened = fs::OpenOptions::new().read(true).custom_flags(0o4000).open(path);
    let Ok(file) = opened else { return };
    let mut bytes = Vec::new();
    // A file that gives an error in the middle was still read up to there.
    let _ = file.take(32 << 20).read_to_end(&mut bytes);
    count[0] += 1;
    if needle.is_in(&bytes) {
        println!("{} {}", if is_listing { "listed" } else { "hit file" }, path.display());
    }
}

/// Reads every readable range of a process's memory.
fn memory(path: &Path, needle: &Needle, count: &mut [usize; 2]) {
    let maps = path.with_file_name("maps");
    let (Ok(mut mem), Ok(maps)) = (fs::File::open(path), fs::read_to_string(maps)) else {
        return;
    };
    count[1] += 1;
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (range, rights) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let Some((from, to)) = range.split_once('-') else {
            continue;
        };
        let number = |text| u64::from_str_radix(text, 16).unwrap_or(0);
        let (from, to) = (number(from), number(to));
        if !rights.starts_with('r') || to <= from || to - from > 256 << 20 {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from).expect("fits")];
        if mem.seek(SeekFrom::Start(from)).is_ok() && mem.read_exact(&mut bytes).is_ok() {
            if needle.is_in(&bytes) {
                println!("hit memory {} {line}", path.display());
            }
        }
    }
}
