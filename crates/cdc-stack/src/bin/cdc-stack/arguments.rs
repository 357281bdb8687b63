//! What the words of the command line ask for, and the texts that teach them.

use std::path::PathBuf;

use cdc_stack::cache::cache_dir;
use cdc_stack::{Component, FixedPorts};

pub(crate) const USAGE: &str = "\
Runs PostgreSQL (source and warehouse), Kafka and Debezium on this machine, without Docker.

Usage: cdc-stack up   [--dir DIR] [--port NAME=PORT]...   start everything, stop it at Ctrl-C
       cdc-stack down [--dir DIR]                         stop it from another terminal
       cdc-stack logs [--dir DIR] [--no-follow] [NAME]... show the components' logs
       cdc-stack psql [--dir DIR] source|warehouse [ARGS] open a shell on a database

NAME is source, warehouse, kafka or connect. Each command explains itself with --help.
";

const UP: &str = "\
Starts source, warehouse, Kafka and Kafka Connect, registers the Debezium connector `orders`, and
stays in the foreground until Ctrl-C or `cdc-stack down`. The next `up` finds the same data. When one
of them ends by itself, it is named with its log, the others are stopped, and the exit code is 1.

Usage: cdc-stack up [--dir DIR] [--port NAME=PORT]...

  --dir DIR         keeps all data and logs [default: `up` in the cache folder, which is
                    $CDC_STACK_DIR, else `target/stack`]
  --port NAME=PORT  gives a component another port than its own:
                      source     15432   database orders_db, role postgres
                      warehouse  15433   database analytics, role warehouse
                      kafka      19092   topic dbserver1.public.orders
                      connect    18083   the worker's HTTP interface

Everything listens on 127.0.0.1 only and asks for no password. When it says `ready`, try in another
terminal:

  cdc-stack psql source -c \"insert into orders (customer_id, amount) values (1, 10.50)\"
  cdc-stack logs connect
  cdc-stack down

When a port is taken, stop the program that listens there (`ss -ltnp` or `lsof -i` names it; it may
be the same stack in Docker, or one with another --dir), or give another port with --port.

It needs `postgres` ($CDC_PG_BIN names another folder), `java`, and for its first download of about
65 MB `mvn`: apt-get install postgresql default-jre-headless maven
";

const DOWN: &str = "\
Stops what `cdc-stack up` started with the same folder, and waits for its end. The data stays.

Usage: cdc-stack down [--dir DIR]

  --dir DIR   as of `up`
";

const LOGS: &str = "\
Shows the last 50 lines of each component's log, then what is added until the stack stops.

Usage: cdc-stack logs [--dir DIR] [--no-follow] [source|warehouse|kafka|connect]...

  --dir DIR     as of `up`
  --no-follow   only the lines that are there; also for a stack that has stopped
";

const PSQL: &str = "\
Opens a shell on a database of the running stack.

Usage: cdc-stack psql [--dir DIR] source|warehouse [ARGS]

  --dir DIR   as of `up`
  ARGS        further arguments for psql, as -c \"select * from orders\"
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Print this text.
    Explain(&'static str),
    Up(FixedPorts),
    Down,
    Logs {
        components: Vec<Component>,
        follow: bool,
    },
    Psql {
        component: Component,
        arguments: Vec<String>,
    },
}

/// What is to be done, and with the stack of which folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) action: Action,
    pub(crate) folder: PathBuf,
}

impl Arguments {
    /// Reads the words after the program's name. The error says which word is wrong.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let command = words.next().ok_or("a command is missing")?;
        let mut action = match command.as_str() {
            "up" => Action::Up(FixedPorts::default()),
            "down" => Action::Down,
            "logs" => Action::Logs { components: Vec::new(), follow: true },
            // Which of them is read below; that none is given is noticed by the flag.
            "psql" => Action::Psql { component: Component::Source, arguments: Vec::new() },
            "help" | "--help" | "-h" => Action::Explain(USAGE),
            _ => return Err(format!("unknown command `{command}`")),
        };
        let mut folder = None;
        let mut database_given = false;
        while let Some(word) = words.next() {
            match (word.as_str(), &mut action) {
                ("--help" | "-h", _) => action = Action::Explain(help(&command)),
                ("--dir", _) => {
                    folder = Some(words.next().ok_or("--dir lacks its folder")?.into());
                }
                ("--port", Action::Up(ports)) => {
                    let value = words.next().ok_or("--port lacks its NAME=PORT")?;
                    let (component, port) = port(&value)?;
                    ports.set(component, port);
                }
                ("--no-follow", Action::Logs { follow, .. }) => *follow = false,
                (name, Action::Logs { components, .. }) => {
                    let unknown = || format!("no component is called `{name}`");
                    components.push(Component::from_name(name).ok_or_else(unknown)?);
                }
                (name, Action::Psql { component, arguments }) => {
                    *component = Component::from_name(name)
                        .filter(|it| FixedPorts::default().database_url(*it).is_some())
                        .ok_or_else(|| format!("no database is called `{name}`"))?;
                    database_given = true;
                    *arguments = words.by_ref().collect();
                }
                (_, Action::Up(_) | Action::Down | Action::Explain(_)) => {
                    return Err(format!("`{command}` does not know `{word}`"));
                }
            }
        }
        if matches!(action, Action::Psql { .. }) && !database_given {
            return Err("`psql` lacks the database: source or warehouse".to_owned());
        }
        Ok(Self { action, folder: folder.unwrap_or_else(|| cache_dir().join("up")) })
    }
}

fn help(command: &str) -> &'static str {
    match command {
        "up" => UP,
        "down" => DOWN,
        "logs" => LOGS,
        "psql" => PSQL,
        _ => USAGE,
    }
}

/// Reads `source=25432`.
fn port(value: &str) -> Result<(Component, u16), String> {
    let read = || {
        let (name, port) = value.split_once('=')?;
        Some((Component::from_name(name)?, port.parse().ok().filter(|port| *port != 0)?))
    };
    read().ok_or_else(|| format!("`--port {value}` is not like `--port source=25432`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    fn action(line: &str) -> Action {
        parse(line).unwrap().action
    }

    #[test]
    fn ports_are_changed_by_the_names_of_components() {
        let ports = FixedPorts { source: 1, connect: 2, ..FixedPorts::default() };
        let read = parse("up --port source=1 --dir /d --port connect=2").unwrap();
        assert_eq!(read, Arguments { action: Action::Up(ports), folder: "/d".into() });
        assert_eq!(action("up"), Action::Up(FixedPorts::default()));
    }

    #[test]
    fn logs_takes_any_number_of_components() {
        let none = Action::Logs { components: Vec::new(), follow: true };
        assert_eq!(action("logs"), none);
        let components = vec![Component::Kafka, Component::Source];
        assert_eq!(
            action("logs kafka --no-follow source"),
            Action::Logs { components, follow: false }
        );
    }

    #[test]
    fn all_after_the_database_belongs_to_psql() {
        let arguments = vec!["--help".to_owned(), "-A".to_owned()];
        let component = Component::Warehouse;
        assert_eq!(action("psql warehouse --help -A"), Action::Psql { component, arguments });
    }

    #[test]
    fn each_command_explains_itself() {
        for (command, text) in [("up", UP), ("down", DOWN), ("logs", LOGS), ("psql", PSQL)] {
            assert_eq!(action(&format!("{command} --help")), Action::Explain(text));
            assert!(USAGE.contains(&format!("cdc-stack {command} ")));
        }
        assert_eq!(action("--help"), Action::Explain(USAGE));
    }

    #[test]
    fn the_help_of_up_names_every_components_port() {
        let ports = FixedPorts::default();
        for component in Component::ALL {
            let line = UP.lines().find(|line| line.trim().starts_with(component.name()));
            assert!(line.unwrap().contains(&ports.of(component).to_string()));
        }
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (line, wrong) in [
            ("", "command"),
            ("start", "`start`"),
            ("up --dir", "--dir"),
            ("up --port", "--port"),
            ("up --port source", "`--port source`"),
            ("up --port spark=1", "`--port spark=1`"),
            ("up --port kafka=0", "`--port kafka=0`"),
            ("down --port kafka=1", "`--port`"),
            ("up kafka", "`kafka`"),
            ("logs spark", "`spark`"),
            ("psql", "source or warehouse"),
            ("psql kafka", "`kafka`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(wrong), "{line}: {error}");
        }
    }
}
