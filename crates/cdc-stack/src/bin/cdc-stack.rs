//! `cdc-stack up` runs the native stack in the foreground on its fixed ports; `cdc-stack down`
//! stops it from another terminal. For people without Docker, and for `just up`.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cdc_stack::cache::cache_dir;
use cdc_stack::{FixedPorts, Ports, Stack, StackError, StackOptions};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const USAGE: &str = "\
Runs PostgreSQL (source and warehouse), Kafka and Debezium on this machine, without Docker.

Usage: cdc-stack up   [--dir DIR]   start everything, stop it again at Ctrl-C
       cdc-stack down [--dir DIR]   stop what `up` started with the same folder

  --dir DIR   keeps all data [default: `up` in the cache folder, see CDC_STACK_DIR]
";

/// Longer than the four components' own limits one after the other.
const DOWN_LIMIT: Duration = Duration::from_secs(100);

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stderr, reason = "a program's last words")]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, folder) = match words.as_slice() {
        [command] => (*command, cache_dir().join("up")),
        [command, "--dir", folder] => (*command, PathBuf::from(folder)),
        _ => ("", PathBuf::new()),
    };
    let result = match command {
        "up" => up(&folder),
        "down" => down(&folder),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cdc-stack: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  caused by: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// What the foreground waits for.
enum Event {
    Started(Result<Box<Stack>, StackError>),
    Stop,
}

fn start(options: &StackOptions) -> Result<Stack, StackError> {
    let stack = Stack::start(options)?;
    stack.register(&stack.orders_connector())?;
    Ok(stack)
}

fn up(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let mut running = running(folder)?;
    if running.try_lock().is_err() {
        return Err(format!("a stack already runs in {}", folder.display()).into());
    }
    running.set_len(0)?;
    running.write_all(std::process::id().to_string().as_bytes())?;
    say("starting PostgreSQL, Kafka and Debezium (the first time downloads about 65 MB)")?;
    let (sender, events) = mpsc::channel();
    let stops = sender.clone();
    thread::spawn(move || signals.forever().map_while(|_| stops.send(Event::Stop).ok()).count());
    let options = StackOptions {
        folder: Some(folder.to_owned()),
        ports: Ports::Fixed(FixedPorts::default()),
        ..StackOptions::default()
    };
    thread::spawn(move || sender.send(Event::Started(start(&options).map(Box::new))));
    // Asked to stop during the start, this process ends at once and the watchdogs do the rest.
    let Event::Started(stack) = events.recv()? else { return say("stopped during the start") };
    let stack = stack?;
    say(&format!(
        "source     {}\nwarehouse  {}\nkafka      {}\nconnect    {}\ntopic      {}\nfolder     {}\n\
         ready; Ctrl-C or `cdc-stack down` stops it",
        stack.source_url(),
        stack.warehouse_url(),
        stack.broker().bootstrap(),
        stack.connect().url(),
        stack.orders_connector().topic("public.orders"),
        folder.display(),
    ))?;
    events.recv()?;
    say("stopping")?;
    stack.stop();
    Ok(())
}

/// Asks the process named in the file to end, and waits until it has let go of the file's lock.
/// Without a holder of the lock the process id in the file is somebody else's by now.
fn down(folder: &Path) -> Result<(), Failure> {
    let mut running = match OpenOptions::new().read(true).open(pid_path(folder)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return say(&format!("no stack has run in {}", folder.display()));
        }
        Err(error) => return Err(error.into()),
    };
    if running.try_lock().is_ok() {
        return say(&format!("no stack runs in {}", folder.display()));
    }
    let mut text = String::new();
    running.read_to_string(&mut text)?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    kill_process(pid.ok_or("the stack has just been started: try again")?, Signal::TERM)?;
    let begin = Instant::now();
    while running.try_lock().is_err() {
        if begin.elapsed() > DOWN_LIMIT {
            return Err(format!("the stack still runs {} s later", DOWN_LIMIT.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    say("stopped")
}

fn pid_path(folder: &Path) -> PathBuf {
    folder.join("cdc-stack.pid")
}

fn running(folder: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    Ok(options.create(true).truncate(false).read(true).write(true).open(pid_path(folder))?)
}

/// Writes a line at once, also into a pipe.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
