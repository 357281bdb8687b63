//! `cdc-stack up` runs the native stack in the foreground on known ports; `down`, `logs` and `psql`
//! work on it from another terminal. For people without Docker, and for the recipes of the same
//! names.

mod arguments;
mod logs;
mod running;

use std::env;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use cdc_stack::postgres::PostgresBinaries;
use cdc_stack::{Component, FixedPorts, Ports, Stack, StackError, StackOptions};
use rustix::process::{Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::arguments::{Action, Arguments, USAGE};
use crate::logs::Tail;
use crate::running::{Running, Seen};

/// Longer than the four components' own limits one after the other.
const DOWN_LIMIT: Duration = Duration::from_secs(100);

/// How often `down` looks for the end, and `logs` for new lines.
const POLL: Duration = Duration::from_millis(50);

/// How often `up` looks whether all components still run.
const WATCH: Duration = Duration::from_millis(500);

/// Settings of a caller that would lead `psql` away from the address it is given.
const FOREIGN_SETTINGS: [&str; 4] = ["PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGREQUIREAUTH"];

type Failure = anyhow::Error;

fn main() -> ExitCode {
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let Arguments { action, folder } = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            remark(&format!("cdc-stack: {error}\n\n{}", USAGE.trim_end()));
            return ExitCode::from(2);
        }
    };
    let result = match action {
        Action::Explain(text) => say(text.trim_end()),
        Action::Up(ports) => up(&folder, ports),
        Action::Down => down(&folder),
        Action::Logs { components, follow } => logs(&folder, &components, follow),
        Action::Psql { component, arguments } => psql(&folder, component, &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn report(error: &Failure) {
    remark(&format!("cdc-stack: {error:#}"));
    if let Some(StackError::PortsTaken { taken }) = error.downcast_ref() {
        // Far enough from the first to be free, and never above the last port.
        let other = |port: &u16| port.checked_add(10_000).unwrap_or(port / 2);
        let options: Vec<String> =
            taken.iter().map(|(name, port)| format!("--port {name}={}", other(port))).collect();
        remark(&format!(
            "  hint: a stack that runs in Docker or with another --dir has the same ports: stop it\n\
             \x20       with `docker compose --file docker/compose.yaml down` or \
             `cdc-stack down --dir DIR`;\n\
             \x20       or run `up` with {}",
            options.join(" ")
        ));
    }
}

/// Whoever reads the output has seen enough, as `head`.
fn is_closed_pipe(error: &Failure) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
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

fn up(folder: &Path, ports: FixedPorts) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let _running = running::claim(folder, ports)?;
    say("starting PostgreSQL, Kafka and Debezium (the first time downloads about 65 MB)")?;
    let (sender, events) = mpsc::channel();
    let stops = sender.clone();
    thread::spawn(move || signals.forever().map_while(|_| stops.send(Event::Stop).ok()).count());
    let options = StackOptions {
        folder: Some(folder.to_owned()),
        ports: Ports::Fixed(ports),
        ..StackOptions::default()
    };
    thread::spawn(move || sender.send(Event::Started(start(&options).map(Box::new))));
    // Asked to stop during the start, this process ends at once and the watchdogs do the rest.
    let Event::Started(stack) = events.recv()? else { return say("stopped during the start") };
    let stack = stack?;
    say(&format!(
        "source     {}\nwarehouse  {}\nkafka      {}\nconnect    {}\ntopic      {}\nfolder     {}\n\
         ready; Ctrl-C or `cdc-stack down` stops it, `cdc-stack logs` shows what happens",
        stack.source_url(),
        stack.warehouse_url(),
        stack.broker().bootstrap(),
        stack.connect().url(),
        stack.orders_connector().topic("public.orders"),
        folder.display(),
    ))?;
    let ended = wait_for_end(&stack, &events)?;
    // The others are stopped even if nobody reads any more what is said.
    let said = say("stopping");
    stack.stop();
    ended.map_or(said, |ended| Err(ended.into()))
}

/// Waits until it is asked to stop, or until a component ends by itself, which is then the answer: a
/// stack that lacks one looks as if it ran, while nothing arrives.
fn wait_for_end(
    stack: &Stack,
    events: &mpsc::Receiver<Event>,
) -> Result<Option<StackError>, Failure> {
    loop {
        match events.recv_timeout(WATCH) {
            Ok(_) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("nobody waits for signals any more"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(ended) = stack.first_ended() {
            return Ok(Some(ended));
        }
    }
}

/// Asks the running `up` to end, and waits for it.
fn down(folder: &Path) -> Result<(), Failure> {
    let running = match running::find(folder)? {
        Seen::Never => return say(&format!("no stack has run in {}", folder.display())),
        Seen::Ended => return say(&format!("no stack runs in {}", folder.display())),
        Seen::Runs(running) => running,
    };
    kill_process(running.pid, Signal::TERM)?;
    let begin = Instant::now();
    while !running.has_ended() {
        if begin.elapsed() > DOWN_LIMIT {
            bail!("the stack still runs {} s later", DOWN_LIMIT.as_secs());
        }
        thread::sleep(POLL);
    }
    say("stopped")
}

/// Shows the logs of these components, or of all.
fn logs(folder: &Path, components: &[Component], follow: bool) -> Result<(), Failure> {
    let components = if components.is_empty() { &Component::ALL[..] } else { components };
    let prefix = |component: &Component| match components {
        [_] => String::new(),
        _ => format!("{:<9} | ", component.name()),
    };
    let mut tails: Vec<Tail> = components
        .iter()
        .map(|component| Tail::new(prefix(component), component.log_in(folder)))
        .collect();
    let running = match running::find(folder)? {
        Seen::Runs(running) => Some(running),
        Seen::Never | Seen::Ended if tails.iter().any(Tail::exists) => None,
        Seen::Never | Seen::Ended => return Err(no_stack(folder)),
    };
    for tail in &mut tails {
        tail.skip_to_last_lines()?;
        tail.show_new(&mut io::stdout())?;
    }
    match running.filter(|_| follow) {
        Some(running) => follow_until_end(&mut tails, &running)?,
        None if follow => remark(&format!("cdc-stack: no stack runs in {}", folder.display())),
        None => {}
    }
    for tail in &mut tails {
        tail.show_unfinished(&mut io::stdout())?;
    }
    Ok(())
}

fn follow_until_end(tails: &mut [Tail], running: &Running) -> Result<(), Failure> {
    loop {
        // Asked before reading, so that the last lines are read after the end.
        let ended = running.has_ended();
        for tail in &mut *tails {
            tail.show_new(&mut io::stdout())?;
        }
        if ended {
            return Ok(());
        }
        thread::sleep(POLL);
    }
}

/// Turns this process into `psql`.
fn psql(folder: &Path, component: Component, arguments: &[String]) -> Result<(), Failure> {
    let Seen::Runs(running) = running::find(folder)? else { return Err(no_stack(folder)) };
    let url = running.ports.database_url(component).context("the component has no database")?;
    let program = PostgresBinaries::find()?.program("psql");
    let mut command = Command::new(program);
    for name in FOREIGN_SETTINGS {
        command.env_remove(name);
    }
    // Returns only when it has failed.
    Err(command.arg(format!("--dbname={url}")).args(arguments).exec().into())
}

fn no_stack(folder: &Path) -> Failure {
    anyhow!("no stack runs in {}: start one with `cdc-stack up`", folder.display())
}

/// Writes a line at once, also into a pipe.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

#[expect(clippy::print_stderr, reason = "a program's last words")]
fn remark(text: &str) {
    eprintln!("{text}");
}
