//! A pseudo-terminal, and what is seen on it.

use crate::support::start;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What has been read from a stream so far, while it is read on.
#[derive(Clone)]
pub struct Seen(Arc<Mutex<String>>, Arc<AtomicBool>);

impl Seen {
    pub fn of(mut stream: impl Read + Send + 'static) -> Seen {
        let seen = Seen(Arc::default(), Arc::default());
        let (text, ended) = (seen.0.clone(), seen.1.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            // A terminal whose last user has gone answers with an error.
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                text.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
            ended.store(true, Ordering::Release);
        });
        seen
    }

    pub fn text(&self) -> String {
        self.0.lock().expect("no panic").clone()
    }

    /// Everything, once the last user of the other end has gone.
    #[track_caller]
    pub fn whole(&self) -> String {
        let start = Instant::now();
        while !self.1.load(Ordering::Acquire) {
            assert!(start.elapsed() < Duration::from_secs(100), "no end after {:?}", self.text());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.text()
    }

    /// Waits until it contains a text.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        let start = Instant::now();
        while !self.text().contains(text) {
            assert!(start.elapsed() < Duration::from_secs(100), "no {text:?} in {:?}", self.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A process with a pseudo-terminal of its own as controlling terminal and standard streams.
pub struct Terminal {
    pub child: Child,
    keyboard: File,
    pub screen: Seen,
}

impl Terminal {
    pub fn start(program: &mut Command) -> Terminal {
        Terminal::start_with(program, 80)
    }

    /// With so many columns.
    pub fn start_with(program: &mut Command, columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).expect("its other end");
        unlockpt(&master).expect("its other end");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("ASCII");
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let slave = || -> Stdio {
            let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
            File::options().read(true).write(true).custom_flags(flags).open(&name).expect("its other end").into()
        };
        let mut command = Command::new("setsid");
        command.args(["--ctty", "env", "--default-signal"]).arg(program.get_program()).args(program.get_args());
        if let Some(dir) = program.get_current_dir() {
            command.current_dir(dir);
        }
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = start(command.stdin(slave()).stdout(slave()).stderr(slave()));
        let keyboard = File::from(master);
        let screen = Seen::of(keyboard.try_clone().expect("a copy"));
        Terminal { child, keyboard, screen }
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("keys are pressed");
    }
}
