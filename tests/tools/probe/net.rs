//! Sockets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use crate::sys::{self, answer, ioctl, said};

/// Listens on a port of every address and is its own client, over loopback.
pub fn listen(args: &[&str]) {
    let port: u16 = args[0].parse().expect("a port");
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => return println!("listen {}", answer::<()>(Err(error))),
    };
    let served = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut client| {
        client.write_all(b"x")?;
        let mut byte = [0];
        listener.accept()?.0.read_exact(&mut byte)
    });
    println!("listen {}", answer(served));
}

pub fn bind(args: &[&str]) {
    let port: u16 = args[0].parse().expect("a port");
    println!("bind {}", answer(TcpListener::bind((Ipv4Addr::LOCALHOST, port))));
}

/// `connect tcp:A.B.C.D:PORT | unix:PATH | abstract:NAME`...
pub fn connect(args: &[&str]) {
    for text in args {
        let said = if let Some(address) = text.strip_prefix("tcp:") {
            answer(TcpStream::connect(address))
        } else if let Some(name) = text.strip_prefix("abstract:") {
            let address = SocketAddr::from_abstract_name(name).expect("a name");
            answer(UnixStream::connect_addr(&address))
        } else {
            answer(UnixStream::connect(text.strip_prefix("unix:").unwrap_or(text)))
        };
        println!("connect {text} {said}");
    }
}

/// Listens until standard input closes: a service of the host.
pub fn serve(args: &[&str]) {
    let mut keep: Vec<Box<dyn std::any::Any>> = Vec::new();
    for text in args {
        if let Some(name) = text.strip_prefix("abstract:") {
            let address = SocketAddr::from_abstract_name(name).expect("a name");
            keep.push(Box::new(UnixListener::bind_addr(&address).expect("bind")));
        } else if let Some(path) = text.strip_prefix("unix:") {
            keep.push(Box::new(UnixListener::bind(path).expect("bind")));
        } else {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
            println!("port {}", listener.local_addr().expect("bound").port());
            keep.push(Box::new(listener));
        }
    }
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

const FAMILIES: &[(&str, i32, i32, i32)] = &[
    ("unix", 1, 1, 0),
    ("inet", 2, 1, 0),
    ("inet6", 10, 1, 0),
    ("netlink-route", 16, 3, 0),
    ("netlink-uevent", 16, 3, 15),
    ("netlink-audit", 16, 3, 9),
    ("packet", 17, 3, 0),
    ("raw", 2, 3, 1),
    ("vsock", 40, 1, 0),
    ("alg", 38, 5, 0),
    ("bluetooth", 31, 3, 1),
    ("can", 29, 3, 1),
    ("xdp", 44, 3, 0),
    ("key", 15, 3, 2),
    ("rds", 21, 5, 0),
    ("tipc", 30, 2, 0),
    ("ax25", 3, 5, 0),
    ("appletalk", 5, 2, 0),
    ("kcm", 41, 2, 0),
];

pub fn families() {
    for (name, family, kind, protocol) in FAMILIES {
        let fd = unsafe { sys::socket(*family, *kind, *protocol) };
        println!("family {name} {}", said(i64::from(fd)));
    }
}

/// Every interface, and whether it is up (SIOCGIFFLAGS, IFF_UP).
pub fn interfaces() {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let fd = unsafe { sys::socket(2, 2, 0) };
    for line in text.lines().skip(2) {
        let name = line.split(':').next().unwrap_or_default().trim();
        let mut request = [0_u8; 40];
        request[..name.len()].copy_from_slice(name.as_bytes());
        let said = unsafe { ioctl(fd, 0x8913, request.as_mut_ptr()) };
        let is_up = request[16] & 1 == 1;
        let state = if said != 0 {
            "unknown"
        } else if is_up {
            "up"
        } else {
            "down"
        };
        println!("interface {name} {state}");
    }
}
