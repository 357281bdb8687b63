//! Statements into a source PostgreSQL, through `psql`.
//!
//! The driver of this workspace belongs to other crates, and `psql` is what people compare with: the
//! text that runs is the text that could be pasted.

use std::ffi::OsString;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, bail};
use cdc_workload::{Transaction, sql};

use super::Target;
use crate::arguments;
use crate::failure::{Failure, hint};

/// Statements that gather before they go into the pipe.
const BUFFER_BYTES: usize = 64 << 10;
/// What is kept of psql's own messages.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

const INSTALL: &str = "install it with `apt-get install postgresql-client` (Debian, Ubuntu), \
    `dnf install postgresql` (Fedora) or `brew install libpq` (macOS)";

/// A database address, without the password that everybody could read in the list of processes.
#[derive(Debug)]
struct Address {
    url: String,
    password: Option<OsString>,
}

/// One session, held by one psql.
#[derive(Debug)]
pub(crate) struct SqlTarget {
    psql: Child,
    input: BufWriter<ChildStdin>,
    messages: JoinHandle<String>,
    text: String,
}

impl SqlTarget {
    /// Connects, and gives the first of `keys` keys that are free for the workload.
    pub(crate) fn connect(arguments: &arguments::Sql, keys: u32) -> Result<(Self, i32), Failure> {
        let address = Address::of(&arguments.url);
        if arguments.create_table {
            query(&address, sql::CREATE_TABLE)?;
        }
        if query(&address, "SELECT to_regclass('public.orders')")?.is_empty() {
            return Err(anyhow!(
                "the database has no table public.orders\nhint: add --create-table to create it"
            )
            .into());
        }
        let first = query(&address, &sql::reserve_order_ids(keys))?;
        let first = first.parse().context("cannot find a free key in public.orders")?;

        let mut psql = psql(&address).stdout(Stdio::null()).spawn().map_err(spawn_error)?;
        let input = psql.stdin.take().context("psql has no input")?;
        let stderr = psql.stderr.take().context("psql has no messages")?;
        let messages = thread::spawn(move || last_messages(stderr));
        let input = BufWriter::with_capacity(BUFFER_BYTES, input);
        Ok((Self { psql, input, messages, text: String::new() }, first))
    }

    /// Waits for the end of psql, and gives its own words when it failed.
    fn end(self) -> Result<(), Failure> {
        let Self { mut psql, input, messages, .. } = self;
        // The unwritten rest, if any, is lost with psql; its status tells.
        drop(input.into_parts());
        let status = psql.wait().context("cannot wait for psql")?;
        let messages = messages.join().unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        Err(anyhow!("the database refused the traffic ({status}): {messages}").into())
    }
}

impl Target for SqlTarget {
    fn send(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        self.text.clear();
        sql::write_transaction(transaction, &mut self.text);
        Ok(self.input.write_all(self.text.as_bytes()).map_err(pipe_error)?)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.input.flush().map_err(pipe_error)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        let flushed = self.flush();
        // What psql says explains a broken pipe better than the pipe does.
        self.end()?;
        flushed
    }
}

/// Reads to the end and keeps what came last. What came before a fault of the pipe counts too.
fn last_messages(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut chunk) {
        kept.extend(chunk.iter().take(length));
        let surplus = kept.len().saturating_sub(MESSAGE_BYTES_MAX);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// Runs one statement and gives its answer.
fn query(address: &Address, statement: &str) -> anyhow::Result<String> {
    let mut psql = psql(address).stdout(Stdio::piped()).spawn().map_err(spawn_error)?;
    let input = psql.stdin.take().context("psql has no input")?;
    // A write that fails means that psql has ended, and its status says why.
    { input }.write_all(statement.as_bytes()).ok();
    let output = psql.wait_with_output().context("cannot read the answer of psql")?;
    if !output.status.success() {
        bail!("cannot use the database: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn psql(address: &Address) -> Command {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"]);
    command.args(["--set", "ON_ERROR_STOP=1", "--dbname", &address.url]);
    command.env("PGCLIENTENCODING", "UTF8");
    if let Some(password) = &address.password {
        command.env("PGPASSWORD", password);
    }
    // A group of its own, so that Ctrl-C reaches this program alone, which then ends psql in order.
    command.process_group(0);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spawn_error(error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        anyhow!("psql is not on the PATH\nhint: {INSTALL}")
    } else {
        hint(error, INSTALL).context("cannot start psql")
    }
}

fn pipe_error(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("psql has ended early")
}

impl Address {
    fn of(url: &str) -> Self {
        Self::split(url).unwrap_or_else(|| Self { url: url.to_owned(), password: None })
    }

    /// Takes the password out of `scheme://user:password@rest`.
    fn split(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(authority_end)?;
        let (credentials, host) = authority.rsplit_once('@')?;
        let (user, password) = credentials.split_once(':')?;
        let password = percent_decoded(password)?;
        Some(Self { url: format!("{scheme}://{user}@{host}{path}"), password: Some(password) })
    }
}

/// Resolves `%41` and the like; nothing when an escape is wrong.
fn percent_decoded(text: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;

    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn the_password_leaves_the_address() {
        for (url, shown, password) in [
            ("postgres://u:p%40%3a@h:1/d?x=y:z@", "postgres://u@h:1/d?x=y:z@", Some("p@:")),
            ("postgres://u:a@b@h/d", "postgres://u@h/d", Some("a@b")),
            ("postgres://u@h/d", "postgres://u@h/d", None),
            ("postgres://h/d:e@f", "postgres://h/d:e@f", None),
            ("postgres://u:%zz@h/d", "postgres://u:%zz@h/d", None),
            ("host=h dbname=d", "host=h dbname=d", None),
        ] {
            let address = Address::of(url);
            assert_eq!(address.url, shown);
            assert_eq!(address.password.as_deref(), password.map(AsRef::as_ref), "{url}");
        }
    }
}
