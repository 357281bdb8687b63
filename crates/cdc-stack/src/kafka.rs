//! A private Kafka broker: one process in `KRaft` mode, which is its own controller.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::StackError;
use crate::cache;
use crate::file::{copy_tree, digest};
use crate::java::{self, Java, PORT_ATTEMPTS, Server};
use crate::port::{accepts, free_port, require_free};
use crate::release::Release;

const COMPONENT: &str = "the Kafka broker";

/// Any value in the form of Kafka's identifiers will do: each broker is a world of its own.
const CLUSTER_ID: &str = "Y2RjLXN0YWNrLW5hdGl2ZQ";

/// How to start a [`Broker`].
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// The folder that keeps topics between starts; without it a temporary one.
    pub folder: Option<PathBuf>,
    /// The port on 127.0.0.1; without it a free one.
    pub port: Option<u16>,
    /// The largest Java heap, in MiB.
    pub heap_mib: u32,
    /// Whether reading or writing an unknown topic creates it. Off, so that a misspelt topic is an
    /// error.
    pub auto_create_topics: bool,
    /// Further broker settings, which win over this crate's own.
    pub settings: Vec<(String, String)>,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            folder: None,
            port: None,
            heap_mib: 512,
            auto_create_topics: false,
            settings: Vec::new(),
        }
    }
}

/// A private Kafka broker, stopped when dropped. Internal topics have one replica.
#[derive(Debug)]
pub struct Broker {
    java: Java,
    port: u16,
    server: Server,
}

impl Broker {
    /// Starts a broker and waits until it serves requests. The first start on a machine downloads
    /// Kafka.
    ///
    /// # Errors
    ///
    /// When Java or, for the download, Maven is missing, when the download fails, when the port that
    /// was asked for is taken, or, as [`StackError::Start`], when the broker ends or stays silent; that error has its log.
    pub fn start(options: &BrokerOptions) -> Result<Self, StackError> {
        let java = Java::prepare(&Release::Pinned)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(java.clone(), options) {
                Err(error) if attempt < PORT_ATTEMPTS && java::is_port_clash(&error) => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn attempt(java: Java, options: &BrokerOptions) -> Result<Self, StackError> {
        let port = match options.port {
            Some(port) => require_free(&[(COMPONENT, port)]).map(|()| port)?,
            None => free_port()?,
        };
        let controller = free_port()?;
        let (folder, temporary) = java::folder(options.folder.as_deref(), "cdc-kafka-")?;
        let data = folder.join("data");
        if !data.exists() {
            copy_tree(&formatted(&java)?, &data)?;
        }
        let file = folder.join("server.properties");
        java::write(&file, &properties(options, &data, port, controller))?;
        let mut command = java.command(options.heap_mib, &folder, "kafka.Kafka");
        command.push(file.into());
        let server = Server::new(COMPONENT, command, folder, temporary);
        let broker = Self { java, port, server };
        broker.launch()?;
        Ok(broker)
    }

    /// The address for clients, as "127.0.0.1:19092"; the same after a restart.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The broker's log.
    pub fn log(&self) -> PathBuf {
        self.server.log()
    }

    /// How the broker ended by itself; `None` while it runs, and after it was stopped.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.server.exit_status()
    }

    /// The process id of the broker, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.server.process_id()
    }

    /// Runs the class of one of Kafka's own command-line programs, as
    /// `kafka.tools.ConsoleConsumer`, to its end and gives its standard output.
    ///
    /// # Errors
    ///
    /// [`StackError::Program`] when it reports a failure.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String, StackError> {
        self.java.run(self.server.folder(), class, arguments)
    }

    /// Kills the broker with SIGKILL.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Stops the broker's process with SIGSTOP, as a machine that hangs would: the port still takes
    /// connections, and clients wait until their own limits. Nothing to do when it is frozen.
    ///
    /// Stopping, restarting or dropping a frozen broker thaws it first; [`kill`](Self::kill) does
    /// not need to.
    ///
    /// # Errors
    ///
    /// [`StackError::NotRunning`], or [`StackError::Deadline`] when the process does not stop.
    pub fn freeze(&self) -> Result<(), StackError> {
        self.server.freeze()
    }

    /// Lets a frozen broker go on with SIGCONT; nothing to do when it is not frozen.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Stops the broker in an orderly way. Its topics stay until it is dropped.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Stops the broker, if it runs, and starts it again with the same port and topics.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&self) -> Result<(), StackError> {
        self.server.stop();
        self.launch()
    }

    fn launch(&self) -> Result<(), StackError> {
        // The port opens before the broker serves requests, so the log has the last word.
        self.server
            .launch(|process| process.log_contains("Kafka Server started") && accepts(self.port))
    }
}

/// A log folder formatted by Kafka's own program, made once per version.
fn formatted(java: &Java) -> Result<PathBuf, StackError> {
    let name = format!("kafka-{}", digest(&[java::POM, CLUSTER_ID]));
    cache::entry(&name, |target| {
        let (folder, _temporary) = java::folder(None, "cdc-format-")?;
        let data = folder.join("data");
        let file = folder.join("server.properties");
        java::write(&file, &properties(&BrokerOptions::default(), &data, 1, 2))?;
        let file = file.to_string_lossy();
        java.run(&folder, "kafka.tools.StorageTool", &["format", "-t", CLUSTER_ID, "-c", &file])?;
        copy_tree(&data, target)
    })
}

fn properties(options: &BrokerOptions, data: &Path, port: u16, controller: u16) -> String {
    let own = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        ("log.dirs", data.display().to_string()),
        ("auto.create.topics.enable", options.auto_create_topics.to_string()),
        // One broker cannot hold more than one replica; one partition is quicker to create than fifty.
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("offsets.topic.num.partitions", "1".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("transaction.state.log.num.partitions", "1".to_owned()),
        // A consumer group of one machine is complete at once.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // The default takes a quarter of the heap.
        ("log.cleaner.dedupe.buffer.size", (16 * 1024 * 1024).to_string()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    java::properties(own.chain(options.settings.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_listens_on_the_loopback_interface_only() {
        let text = properties(&BrokerOptions::default(), Path::new("/d"), 1001, 1002);
        let listeners = "listeners=PLAINTEXT://127.0.0.1:1001,CONTROLLER://127.0.0.1:1002\n";
        assert!(text.contains(listeners), "{text}");
        assert!(text.contains("auto.create.topics.enable=false\n"), "{text}");
    }

    #[test]
    fn given_settings_come_last_and_so_win() {
        let settings = vec![("node.id".to_owned(), "7".to_owned())];
        let options = BrokerOptions { settings, ..BrokerOptions::default() };
        assert!(properties(&options, Path::new("/d"), 1, 2).ends_with("\nnode.id=7\n"));
    }
}
