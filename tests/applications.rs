//! Real programs under the shipped profiles: builds, commits, browsers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test ends where something is not as it says, and looks at the real system"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Caller, Feature, Sbx, Work, as_both, needs, tools};

/// `sbx run -p build` in the project directory of a work place.
fn build(caller: Caller, work: &Work, script: &str) -> Sbx {
    Sbx::run(caller)
        .args(["-p", "build", "--write", "."])
        .cwd(work.path().join("project"))
        .command(["sh", "-c", script])
}

fn project(caller: Caller, files: &[(&str, &str)]) -> Work {
    let work = Work::new(caller);
    work.directory("project");
    for (name, contents) in files {
        let path = Path::new("project").join(name);
        for above in path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            let above = above.to_str().expect("UTF-8");
            if !above.is_empty() && !work.has(above) {
                work.directory(above);
            }
        }
        work.file(path.to_str().expect("UTF-8"), contents);
    }
    work
}

as_both! {
    fn an_autotools_project_is_configured_and_built(caller) {
        if !needs(Feature::Program("autoreconf")) || !needs(Feature::Compiler) {
            return;
        }
        let work = project(caller, &[
            ("configure.ac", "AC_INIT([hello], [1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CHECK_HEADERS([stdio.h unistd.h])\nAC_CHECK_FUNCS([fork])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n"),
            ("Makefile.am", "bin_PROGRAMS = hello\nhello_SOURCES = hello.c\n"),
            ("hello.c", "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n"),
        ]);
        build(caller, &work, "autoreconf -i && ./configure && make && ./hello").ended_with("hello\n");
        assert!(work.has("project/hello"));
    }

    fn a_commit_is_made(caller) {
        if !needs(Feature::Program("git")) {
            return;
        }
        let work = project(caller, &[("file", "x")]);
        let script = "git init -q . && git add file &&
            git -c user.name=T -c user.email=t@example.org commit -q -m one && git log --format=%s";
        build(caller, &work, script).ended_with("one\n");
    }

    fn the_secret_and_the_loopback_of_the_host_are_out_of_reach(caller) {
        let work = project(caller, &[]);
        let secret = caller.account().secret();
        let ended = build(caller, &work, &format!("cat {}", secret.display())).ended();
        assert_ne!(ended.status, 0);
        assert_eq!(ended.stdout, "");
        let mut server = Sbx::program(Caller::Ordinary, &tools().probe)
            .args(["serve", "tcp"])
            .open_stdin()
            .start();
        let port = server.wait_for("port ").split(' ').nth(1).expect("a port").to_owned();
        server.wait_for("ready");
        let tcp = format!("tcp:127.0.0.1:{port}");
        let bind = format!("{}:/probe", tools().probe.display());
        let connect = |net: &[&str]| {
            let run = build(caller, &work, &format!("/probe connect {tcp}")).args(["--bind", &bind]);
            run.args(net).report().answers("connect")[&*tcp].to_owned()
        };
        assert_eq!(connect(&[]), "ECONNREFUSED");
        assert_eq!(connect(&["--net", "host"]), "ok", "the server is there");
        server.close_stdin();
        server.end();
    }

    fn firefox_paints_a_page_without_network_and_home(caller) {
        if !needs(Feature::Program("firefox-esr")) || !needs(Feature::Python) {
            return;
        }
        let work = project(caller, &[("page.html", PAGE)]);
        let picture = work.at("project/page.png");
        let ended = Sbx::run(caller)
            .args(["--profile", "browser", "--net", "none", "--write", "."])
            .cwd(work.path().join("project"))
            .command(["firefox-esr", "--headless", "--window-size", "200,100", "--screenshot", &picture])
            .command([format!("file://{}", work.at("project/page.html"))])
            .ended();
        assert_eq!(ended.status, 0, "{ended:?}");
        assert_eq!(pixel(&picture), "12 200 34", "{ended:?}");
    }

    fn chromium_answers_and_its_own_sandbox_is_whole(caller) {
        if !needs(Feature::Program("chromium")) || !needs(Feature::Python) {
            return;
        }
        let work = project(caller, &[("page.html", PAGE)]);
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/cdp.py");
        let driver = std::fs::read_to_string(driver).expect("the driver");
        let driver = work.file("cdp.py", &driver);
        let page = format!("file://{}", work.at("project/page.html"));
        let script = "exec python3 \"$DRIVER\" \"$PAGE\" chrome://sandbox -- $SBX run $AS_ROOT \\
            --profile browser --net none --read . --keep-fd 3 --keep-fd 4 -- chromium";
        let ended = Sbx::shell(caller, script)
            .env("DRIVER", driver)
            .env("PAGE", page)
            .cwd(work.path().join("project"))
            .ended();
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(ended.stdout.starts_with("the page\n"), "{ended:?}");
        assert!(ended.stdout.contains("You are adequately sandboxed"), "{ended:?}");
    }
}

const PAGE: &str =
    "<!doctype html><title>the page</title><body style='margin:0;background:rgb(12,200,34)'>";

/// Reads the colour of a pixel near the middle of a PNG with 8 bits for each of 3 or 4 channels.
fn pixel(path: &str) -> String {
    let script = "
import struct, sys, zlib
data = open(sys.argv[1], 'rb').read()
at, body = 8, b''
while at < len(data):
    size, kind = struct.unpack('>I4s', data[at:at + 8])
    if kind == b'IHDR': width, height, depth, colour = struct.unpack('>IIBB', data[at + 8:at + 18])
    if kind == b'IDAT': body += data[at + 8:at + 8 + size]
    at += size + 12
step = {2: 3, 6: 4}[colour]; raw = zlib.decompress(body); line = width * step
above = bytes(line); pos = 0
for y in range(height // 2 + 1):
    kind, row = raw[pos], bytearray(raw[pos + 1:pos + 1 + line]); pos += line + 1
    for x in range(line):
        a = row[x - step] if x >= step else 0
        b = above[x]
        c = above[x - step] if x >= step else 0
        p = a + b - c
        nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        row[x] = (row[x] + [0, a, b, (a + b) // 2, nearest][kind]) & 255
    above = row
x = width // 2 * step
print(*above[x:x + 3])
";
    let output =
        Command::new("python3").args(["-c", script, path]).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_crate_with_a_build_script_and_a_macro_builds_offline() {
    // The toolchain lies where rustup of whoever runs the tests put it; it is shown by name.
    let sysroot = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc is there");
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let caller = Caller::Ordinary;
    let account = caller.account();
    let reached = Sbx::program(caller, format!("{sysroot}/bin/rustc")).args(["-V"]).ended();
    let caller = if reached.status == 0 { caller } else { Caller::Root };
    if caller == Caller::Root && !needs(Feature::Root) {
        return;
    }
    let work = project(
        Caller::Ordinary,
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"mac\"]\n[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nmac = { path = \"mac\" }\n",
            ),
            ("build.rs", "fn main() { println!(\"cargo:rustc-env=MADE=built\"); }\n"),
            ("src/main.rs", "fn main() { println!(\"{} {}\", env!(\"MADE\"), mac::seven!()); }\n"),
            (
                "mac/Cargo.toml",
                "[package]\nname = \"mac\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
            ),
            (
                "mac/src/lib.rs",
                "extern crate proc_macro;\n#[proc_macro]\npub fn seven(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"7\".parse().unwrap() }\n",
            ),
        ],
    );
    let script = "PATH=/toolchain/bin:$PATH CARGO_HOME=/tmp/cargo cargo run -q --offline";
    let _home = account.home;
    build(caller, &work, script)
        .args(["--bind", &format!("{sysroot}:/toolchain")])
        .ended_with("built 7\n");
}
