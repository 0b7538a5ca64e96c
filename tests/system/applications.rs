//! Real programs under the shipped profiles: compilers, git, browsers.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Caller, Feature, Running, Sbx, Work, as_both, needs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

const CONFIGURE: &str = "AC_INIT([hello], [1.0])
AC_CONFIG_SRCDIR([hello.c])
AM_INIT_AUTOMAKE([foreign])
AC_PROG_CC
AC_MSG_CHECKING([whether programs that were just built run])
AC_RUN_IFELSE([AC_LANG_PROGRAM([], [return 0;])], [AC_MSG_RESULT([yes])], [AC_MSG_ERROR([no])])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
";

/// An autotools project, made ready outside.
fn autotools(work: &Work) -> PathBuf {
    let project = work.directory("project");
    work.file("project/configure.ac", CONFIGURE);
    work.file("project/Makefile.am", "bin_PROGRAMS = hello\nhello_SOURCES = hello.c\n");
    work.file(
        "project/hello.c",
        "#include <stdio.h>\nint main(void) { puts(\"hello from the sandbox\"); return 0; }\n",
    );
    let output = Command::new("autoreconf")
        .arg("-i")
        .current_dir(&project)
        .output()
        .expect("autoreconf runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    own_all(work, &project);
    project
}

fn own_all(work: &Work, path: &Path) {
    work.account.own(path);
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("a directory").flatten() {
            if !entry.path().is_symlink() {
                own_all(work, &entry.path());
            }
        }
    }
}

/// What the profile `build` runs in a project.
fn build(caller: Caller, project: &Path) -> Sbx {
    Sbx::run(caller).args(["-p", "build", "--write", "."]).cwd(project)
}

as_both! {
    fn an_autotools_project_is_configured_and_built(caller) {
        if !(needs(Feature::Program("automake")) && needs(Feature::Compiler)) {
            return;
        }
        let work = Work::new(caller);
        let project = autotools(&work);
        build(caller, &project).command(["sh", "-c", "./configure && make"]).ended().fine();
        let ended = build(caller, &project).command(["./hello"]).ended().fine();
        assert_eq!(ended.stdout, "hello from the sandbox\n");
        // Without the right to execute what was written, it cannot be.
        let other = Sbx::run(caller).args(["-p", "cli", "--write", "."]).cwd(&project);
        other.command(["./hello"]).ended().refused(126, &["--exec"]);
    }

    fn a_crate_with_a_build_script_and_a_macro_builds_offline(caller) {
        if !needs(Feature::Compiler) {
            return;
        }
        let work = Work::new(caller);
        let bin = toolchain(&work);
        let project = rust_crate(&work);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        let run = |words: &[&str]| {
            let run = build(caller, &project).env("PATH", &path).args(["--env", "PATH"]);
            run.command(words).ended().fine()
        };
        run(&["cargo", "build", "--offline"]);
        assert_eq!(run(&["target/debug/app"]).stdout, "made by build.rs, 42 by a macro\n");
    }

    fn git_commits_with_the_name_of_the_user(caller) {
        if !needs(Feature::Program("git")) {
            return;
        }
        let work = Work::new(caller);
        let project = work.directory("project");
        work.file("project/file", "text\n");
        let config = work.account.home.join(".gitconfig");
        if !config.exists() {
            fs::write(&config, "[user]\n\tname = Test\n\temail = test@example.org\n").expect("a home");
            work.account.own(&config);
        }
        let script = "git init -q . && git add file && git commit -qm inside && git log --format=%s";
        let ended = build(caller, &project).command(["sh", "-c", script]).ended().fine();
        assert_eq!(ended.stdout, "inside\n");
    }

    fn a_build_reads_no_key_and_reaches_no_service_of_the_host(caller) {
        if !needs(Feature::Python) {
            return;
        }
        let work = Work::new(caller);
        let secret = work.account.secret();
        let key = secret.to_str().expect("a path of tests is UTF-8");
        let ended = build(caller, work.path()).command(["cat", key]).ended();
        assert_eq!(ended.status, 1, "{ended:#?}");
        assert!(ended.stderr.contains("No such file or directory"), "{ended:#?}");
        let shown = build(caller, work.path()).args(["--read", key]).command(["cat", key]).ended();
        assert!(!shown.fine().stdout.is_empty(), "the key is there where it is granted");

        let server = TcpListener::bind("127.0.0.1:0").expect("the host has a loopback");
        let port = server.local_addr().expect("it is bound").port();
        let script = format!(
            "import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        );
        let ended = build(caller, work.path()).command(["/usr/bin/python3", "-c", &script]).ended();
        assert_eq!(ended.stdout, "", "{ended:#?}");
        assert_ne!(ended.status, 0, "{ended:#?}");
        let with_host = build(caller, work.path()).args(["--net", "host"]);
        let ended = with_host.command(["/usr/bin/python3", "-c", &script]).ended().fine();
        assert_eq!(ended.stdout, "connected\n", "the server is there where the network is");
    }

    fn firefox_makes_a_picture_of_a_page(caller) {
        let firefox = ["firefox-esr", "firefox"].into_iter().find(|name| in_path(name));
        let Some(firefox) = firefox else {
            let _told = needs(Feature::Program("firefox-esr"));
            return;
        };
        let work = Work::new(caller);
        let (page, picture) = (work.file("page.html", PAGE), work.at("page.png"));
        let address = format!("file://{}", page.display());
        let run = Sbx::run(caller).args(["--profile", "browser", "--net", "none", "--write", "."]);
        let run = run.cwd(work.path()).command([firefox, "--headless", "--screenshot", &picture]);
        run.command([&address]).ended().fine();
        assert_eq!(middle_of(Path::new(&picture)), [0x0a, 0x7d, 0x3c]);
    }

    fn chromium_shows_a_page_and_its_own_sandbox_is_whole(caller) {
        if !needs(Feature::Program("chromium")) {
            return;
        }
        let work = Work::new(caller);
        let page = format!("file://{}", work.file("page.html", PAGE).display());
        let mut browser = Chromium::start(caller, &work, &[]);
        let target = browser.open(&page);
        assert_eq!(browser.value(&target, "document.title"), "SBX-OK-42");
        let target = browser.open("chrome://sandbox");
        let text = browser.value(&target, "document.body.innerText");
        assert!(text.contains("You are adequately sandboxed."), "{text}");
        let key = work.account.secret();
        let target = browser.open(&format!("file://{}", key.display()));
        let text = browser.value(&target, "document.body.innerText");
        assert!(!text.contains("canary"), "the home is hidden: {text}");
        browser.quit();
        // Without user namespaces of its own it does not start at all.
        let deny = ["--set", "namespaces.nested-users=deny"];
        let ended = Chromium::start(caller, &work, &deny).running.end();
        assert!(ended.stderr.contains("No usable sandbox"), "{ended:#?}");
    }
}

fn in_path(name: &str) -> bool {
    ["/usr/local/bin", "/usr/bin"].iter().any(|directory| Path::new(directory).join(name).exists())
}

/// A toolchain that the account may read: where root's lies closed, one of links in the home.
fn toolchain(work: &Work) -> PathBuf {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs");
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !Caller::tests_are_root() {
        return sysroot.join("bin");
    }
    let toolchains = work.account.home.join(".rustup/toolchains");
    let mine = toolchains.join("tests");
    if !mine.join("bin/cargo").exists() {
        let part = toolchains.join(format!("part-{}", std::process::id()));
        let script = format!(
            "mkdir -p {p} && for d in bin lib; do cp -al {s}/$d {p}/ 2>/dev/null || cp -a {s}/$d {p}/; done",
            p = part.display(),
            s = sysroot.display()
        );
        let status = Command::new("/bin/sh").args(["-c", &script]).status().expect("a shell");
        assert!(status.success(), "{script}");
        if fs::rename(&part, &mine).is_err() {
            // Another test was faster.
            fs::remove_dir_all(&part).expect("it is ours");
        }
    }
    mine.join("bin")
}

fn rust_crate(work: &Work) -> PathBuf {
    let project = work.directory("project");
    for directory in ["src", "answer", "answer/src"] {
        work.directory(&format!("project/{directory}"));
    }
    work.file(
        "project/Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [dependencies]\nanswer = { path = \"answer\" }\n",
    );
    work.file(
        "project/build.rs",
        "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::write(out + \"/made.rs\", \"const MADE: &str = \\\"made by build.rs\\\";\").unwrap();\n}\n",
    );
    work.file(
        "project/src/main.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
         fn main() {\n    println!(\"{MADE}, {} by a macro\", answer::answer!());\n}\n",
    );
    work.file(
        "project/answer/Cargo.toml",
        "[package]\nname = \"answer\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
    );
    work.file(
        "project/answer/src/lib.rs",
        "#[proc_macro]\npub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
         \"42\".parse().unwrap()\n}\n",
    );
    project
}

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>SBX-OK-42</title>\
    <style>html { background: #0a7d3c }</style><p>text of the page</p>";

/// The colour in the middle of a picture.
fn middle_of(path: &Path) -> [u8; 3] {
    let file = BufReader::new(File::open(path).expect("a picture was written"));
    let mut reader = png::Decoder::new(file).read_info().expect("it is a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("one frame");
    let (width, height) = (info.width as usize, info.height as usize);
    assert!(width > 100 && height > 100, "{width} x {height}");
    let at = height / 2 * info.line_size + width / 2 * info.color_type.samples();
    [pixels[at], pixels[at + 1], pixels[at + 2]]
}

/// Chromium behind the pipes of `--remote-debugging-pipe`: descriptors 3 and 4.
struct Chromium {
    running: Running,
    to: File,
    from: BufReader<File>,
    number: u64,
}

impl Chromium {
    fn start(caller: Caller, work: &Work, args: &[&str]) -> Self {
        let pipe = |name: &str| {
            let path = work.path().join(name);
            if !path.exists() {
                rustix::fs::mkfifoat(
                    rustix::fs::CWD,
                    &path,
                    rustix::fs::Mode::from_raw_mode(0o600),
                )
                .expect("a directory of ours");
                work.account.own(&path);
            }
            // Opened for both, a named pipe waits for nobody.
            let file = OpenOptions::new().read(true).write(true).open(&path).expect("a pipe");
            (path, file)
        };
        let ((to_path, to), (from_path, from)) = (pipe("to"), pipe("from"));
        let run = Sbx::run(caller)
            .args(["--profile", "browser", "--net", "none", "--read", "."])
            .args(["--keep-fd", "3", "--keep-fd", "4"])
            .args(args)
            .launch(format!("fd=3:r:{}", to_path.display()))
            .launch(format!("fd=4:w:{}", from_path.display()))
            .cwd(work.path());
        let running = run
            .command(["chromium", "--headless=new", "--disable-gpu", "--disable-quic"])
            .command(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .command(["--disable-component-update", "--user-data-dir=/tmp/profile"])
            .command(["--remote-debugging-pipe", "about:blank"])
            .start();
        Self { running, to, from: BufReader::new(from), number: 0 }
    }

    fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: serde_json::Value,
    ) -> serde_json::Value {
        self.number += 1;
        let mut message =
            serde_json::json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("chromium listens");
        loop {
            let mut bytes = Vec::new();
            self.wait();
            self.from.read_until(0, &mut bytes).expect("chromium answers");
            bytes.pop();
            let answer: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
            if answer["id"] == self.number {
                return answer["result"].clone();
            }
        }
    }

    /// Waits until there is something to read. The test holds both ends of the pipe: it would never
    /// see the end of a chromium that did not start.
    fn wait(&self) {
        if !self.from.buffer().is_empty() {
            return;
        }
        let mut pipe = [PollFd::new(self.from.get_ref(), PollFlags::IN)];
        let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
        if poll(&mut pipe, Some(&timeout)) != Ok(1) {
            self.running.signal(Signal::KILL);
            panic!("chromium says nothing");
        }
    }

    /// Opens a page and waits until it is there; returns its session.
    fn open(&mut self, address: &str) -> String {
        let target = self.call(None, "Target.createTarget", serde_json::json!({ "url": address }));
        let attach = serde_json::json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        while self.value(&session, "location.href + document.readyState") == "about:blankcomplete"
            || self.value(&session, "document.readyState") != "complete"
        {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        session
    }

    fn value(&mut self, session: &str, expression: &str) -> String {
        let params = serde_json::json!({ "expression": expression, "returnByValue": true });
        let answer = self.call(Some(session), "Runtime.evaluate", params);
        answer["result"]["value"].as_str().unwrap_or_default().to_owned()
    }

    fn quit(mut self) {
        self.call(None, "Browser.close", serde_json::json!({}));
        let ended = self.running.end();
        assert_eq!(ended.status, 0, "{ended:#?}");
    }
}
