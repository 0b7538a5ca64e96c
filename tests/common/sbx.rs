//! One run of sbx: built, started, waited for.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Caller, Report, tools};

/// After this, something hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A run of sbx that is being described.
#[derive(Debug)]
pub struct Sbx {
    program: PathBuf,
    options: Vec<String>,
    before: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    stdin: Option<String>,
    keeps_stdin: bool,
}

impl Sbx {
    /// `sbx VERB` with what this caller always says.
    pub fn verb(caller: Caller, verb: &str) -> Self {
        let mut this = Self::bare(caller, verb);
        this.arguments.extend(caller.arguments().into_iter().map(OsString::from));
        this
    }

    /// `sbx VERB` and nothing else.
    pub fn bare(caller: Caller, verb: &str) -> Self {
        let home = match caller {
            Caller::Ordinary => caller.account().home,
            Caller::Root => PathBuf::from("/root"),
        };
        let environment = [
            ("PATH", OsString::from("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")),
            ("HOME", home.into_os_string()),
            ("LANG", OsString::from("C.UTF-8")),
        ];
        Self {
            program: tools().sbx.clone(),
            options: caller.launch_options(),
            before: Vec::new(),
            arguments: vec![verb.into()],
            environment: environment.map(|(name, value)| (name.into(), value)).into(),
            cwd: PathBuf::from("/"),
            stdin: None,
            keeps_stdin: false,
        }
    }

    /// `sbx run`.
    pub fn run(caller: Caller) -> Self {
        Self::verb(caller, "run")
    }

    /// `sbx run` of the probe, which lies at `/probe` inside.
    pub fn probe<I: AsRef<OsStr>>(caller: Caller, words: impl IntoIterator<Item = I>) -> Self {
        let bind = format!("{}:/probe", tools().probe.display());
        let run = Self::run(caller).args(["--bind", &bind]);
        run.command(["/probe"]).command(words)
    }

    /// Another program in the stead of sbx; sbx and the probe are `$SBX` and `$PROBE`, and
    /// `$AS_ROOT` has the arguments that this caller always gives.
    pub fn program(caller: Caller, program: impl Into<PathBuf>) -> Self {
        let mut this = Self::bare(caller, "");
        this.arguments.clear();
        this.program = program.into();
        let always = caller.arguments().join(" ");
        let probe = format!("{}:/probe", tools().probe.display());
        this.env("SBX", &tools().sbx)
            .env("PROBE", &tools().probe)
            .env("SHOW_PROBE", format!("--bind {probe}"))
            .env("AS_ROOT", always)
    }

    /// A script of the shell.
    pub fn shell(caller: Caller, script: &str) -> Self {
        Self::program(caller, "/bin/sh").args(["-c", script])
    }

    /// Replaces the program that is started, the arguments staying.
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Adds arguments in front of the command.
    pub fn args<I: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Adds words of the command.
    pub fn command<I: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.before.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Adds `--set KEY=VALUE`.
    pub fn set(self, text: &str) -> Self {
        self.args(["--set", text])
    }

    /// Adds `--profile FILE`.
    pub fn profile(self, path: &Path) -> Self {
        self.args([OsStr::new("--profile"), path.as_os_str()])
    }

    /// Sets a variable of the caller's.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref().to_owned();
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Makes `probe launch` do something before sbx starts: `fd=3:r:/etc/passwd`, `umask=027` …
    pub fn launch(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Starts it in a directory.
    pub fn cwd(mut self, path: impl Into<PathBuf>) -> Self {
        self.cwd = path.into();
        self
    }

    /// Gives it this standard input; without, it reads /dev/null.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Leaves its standard input open until the run is ended.
    pub fn open_stdin(mut self) -> Self {
        self.keeps_stdin = true;
        self
    }

    /// Starts it.
    pub fn start(self) -> Running {
        let probe = &tools().probe;
        let mut command = Command::new(probe);
        command.arg("launch").args(&self.options).arg("--").arg(&self.program);
        command.args(&self.arguments);
        if !self.before.is_empty() {
            command.arg("--").args(&self.before);
        }
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(&self.cwd);
        // A group of its own: what is sent to sbx's group does not reach the tests.
        command.process_group(0);
        let is_piped = self.stdin.is_some() || self.keeps_stdin;
        command.stdin(if is_piped { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = format!("{:?} {:?}", self.arguments, self.before);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take();
        if let Some((text, mut pipe)) =
            self.stdin.as_ref().zip(stdin.take_if(|_| !self.keeps_stdin))
        {
            // A command that does not read its input is no fault of the test.
            let _closed = pipe.write_all(text.as_bytes());
        }
        Running::new(child, stdin, shown)
    }

    /// Runs it to its end.
    pub fn ended(self) -> Ended {
        self.start().end()
    }

    /// Runs it, expects success, and returns what the probe reported.
    pub fn report(self) -> Report {
        let ended = self.ended();
        assert_eq!(ended.status, 0, "{ended:#?}");
        Report::parse(&ended.stdout)
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Ended {
    /// Exit status; 128+N where sbx itself died of a signal: `is_killed` tells.
    pub status: i32,
    /// The signal that sbx itself died of.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Expects a failure of sbx's own that says all of this.
    #[track_caller]
    pub fn refused(&self, status: i32, words: &[&str]) {
        assert_eq!((self.status, self.signal), (status, None), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said in {}", self.stderr);
        }
    }

    /// Expects success.
    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!((self.status, self.signal), (0, None), "{self:#?}");
        self
    }
}

/// A run that has not ended.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    lines: Receiver<String>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    stdin: Option<ChildStdin>,
    watchdog: Sender<()>,
    seen: String,
}

impl Running {
    fn new(mut child: Child, stdin: Option<ChildStdin>, shown: String) -> Self {
        let (line, lines) = channel();
        let stdout = child.stdout.take().map(|pipe| {
            std::thread::spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut whole = String::new();
                let mut bytes = Vec::new();
                while pipe.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    whole.push_str(&text);
                    // Nobody may be waiting for lines.
                    let _unheard = line.send(text.trim_end().to_owned());
                    bytes.clear();
                }
                whole
            })
        });
        let stderr = child.stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                // What was read before an error is what there is.
                let _error = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        let watchdog = watch(&child, shown.clone());
        Self { child, shown, lines, stdout, stderr, stdin, watchdog, seen: String::new() }
    }

    /// Returns the process id of sbx.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits for the next line of standard output.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(TIMEOUT) {
            Ok(line) => {
                self.seen.push_str(&line);
                self.seen.push('\n');
                line
            }
            Err(error) => {
                let _gone = self.child.kill();
                // Whatever still reads it ends, and lets go of the output.
                self.stdin = None;
                let stderr = self.stderr.take().and_then(|thread| thread.join().ok());
                panic!("{}: no line ({error}); {stderr:?}; before: {}", self.shown, self.seen)
            }
        }
    }

    /// Waits until a line begins so, and returns it.
    #[track_caller]
    pub fn wait_for(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Sends a signal to sbx.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).expect("a process has a number");
        rustix::process::kill_process(pid, signal).expect("sbx is there");
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for sbx alone: what it left behind may still hold its output.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// Waits until sbx has ended and nobody holds its output any more.
    pub fn end(mut self) -> Ended {
        self.stdin = None;
        let shown = self.shown.clone();
        let text = |thread: Option<JoinHandle<String>>| {
            let Some(thread) = thread else { return String::new() };
            let (read, reading) = channel();
            std::thread::spawn(move || read.send(thread.join()));
            // Whoever outlives sbx holds its output open: that is a failure, not a wait for ever.
            let read = reading.recv_timeout(TIMEOUT + TIMEOUT / 4);
            read.unwrap_or_else(|_held| panic!("{shown}: something still holds its output"))
                .expect("a reader does not panic")
        };
        let stdout = text(self.stdout.take());
        let stderr = text(self.stderr.take());
        let status = self.wait();
        let _ended = self.watchdog.send(());
        Ended {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            signal: status.signal(),
            stdout,
            stderr,
        }
    }
}

/// Kills sbx after the timeout, unless told that it has ended.
fn watch(child: &Child, shown: String) -> Sender<()> {
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("the child was just started");
    let (told, tell) = channel();
    std::thread::spawn(move || {
        if tell.recv_timeout(TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("killed after {TIMEOUT:?}: {shown}");
            // It may have ended in between.
            let _gone = pidfd_send_signal(&pidfd, Signal::KILL);
        }
    });
    told
}
