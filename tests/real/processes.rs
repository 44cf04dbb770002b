//! Guests as members of a shell's pipelines, on terminals, behind sockets, and waiting.

use crate::support::{SCONCE, Screen, TIER, Terminal, clean, guest, run, sconce_run, wait};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn a_broken_pipe_ends_a_guest_as_it_ends_yes() {
    let script = r#""$0" run "$2" "$1" | head -n 3; echo "${PIPESTATUS[0]}""#;
    let mut shell = Command::new("bash");
    let output = run(clean(&mut shell).args(["-c", script, SCONCE]).arg(guest("yes.wasm")).arg(TIER), "").good();
    assert_eq!(output, "y\ny\ny\n141\n");
}

#[test]
fn waiting_ends_by_time_and_by_input() {
    let mut child = sconce_run()
        .arg(guest("poll.wasm"))
        .args(["40", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut screen = Screen::new(child.stdout.take().expect("piped"));
    screen.until("tick\n");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"line one\n").expect("it reads");
    screen.until("got line one\n");
    screen.until("tick\n");
    drop(stdin);
    screen.until("end of input\n");
    assert_eq!(wait(&mut child), 0);
}

#[test]
fn a_prompt_without_a_terminal() {
    let output = run(sconce_run().arg(guest("prompt.wasm")), "1 2 3\n-10 4\n").good();
    assert_eq!(output, "stdin no terminal, stdout no terminal\n= 6\n= -6\nend\n");
}

#[test]
fn a_prompt_on_a_terminal() {
    let path = guest("prompt.wasm");
    let mut terminal = Terminal::start(&["run".as_ref(), TIER.as_ref(), path.as_os_str()]);
    assert_eq!(terminal.screen.until("> "), "stdin terminal, stdout terminal\r\n> ");
    terminal.type_in("20 22\n");
    terminal.screen.until("= 42\r\n> ");
    // Erasing is the terminal's business, which it can do only while Sconce leaves its settings alone.
    terminal.type_in("1 9\x7f2\n");
    terminal.screen.until("= 3\r\n> ");
    terminal.type_in("quit\n");
    let (code, rest) = terminal.ended();
    assert_eq!(code, 0);
    assert!(rest.ends_with("bye\r\n"), "{rest:?}");
}

#[test]
fn a_socket_that_was_handed_in() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let mut child = sconce_run()
        .arg(format!("--listen={address}"))
        .arg(guest("serve.wasm"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut screen = Screen::new(child.stdout.take().expect("piped"));
    screen.until("listening\n");
    let mut peer = TcpStream::connect(address).expect("it listens");
    peer.write_all(b"hello over tcp\n").expect("connected");
    peer.shutdown(std::net::Shutdown::Write).expect("connected");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("connected");
    assert_eq!(answer, "HELLO OVER TCP\n");
    screen.until("done\n");
    assert_eq!(wait(&mut child), 0);
}
