//! A private Kafka Connect worker with Debezium's PostgreSQL connector.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::StackError;
use crate::java::{self, Java, PORT_ATTEMPTS, Server};
use crate::kafka::Broker;
use crate::port::{free_port, require_free};
use crate::process::POLL;
use crate::release::Release;

const COMPONENT: &str = "the Kafka Connect worker";

/// Longer than the worker's own limit for one request of its interface, which is 90 s.
const REQUEST_LIMIT: Duration = Duration::from_secs(100);

/// How long a request is repeated while the worker answers that it is rebalancing.
const CONFLICT_LIMIT: Duration = Duration::from_mins(1);

/// How to start a [`Connect`] worker.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The folder for log and settings; without it a temporary one. What the worker remembers is in
    /// the broker's topics.
    pub folder: Option<PathBuf>,
    /// The port of its HTTP interface on 127.0.0.1; without it a free one.
    pub port: Option<u16>,
    /// The largest Java heap, in MiB.
    pub heap_mib: u32,
    /// The versions of the worker and of Debezium.
    pub release: Release,
    /// Further worker settings, which win over this crate's own.
    pub settings: Vec<(String, String)>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            folder: None,
            port: None,
            heap_mib: 1024,
            release: Release::default(),
            settings: Vec::new(),
        }
    }
}

/// A private Connect worker in distributed mode, stopped when dropped.
#[derive(Debug)]
pub struct Connect {
    port: u16,
    agent: ureq::Agent,
    server: Server,
}

impl Connect {
    /// Starts a worker on this broker and waits until its HTTP interface answers.
    ///
    /// # Errors
    ///
    /// As [`Broker::start`].
    pub fn start(broker: &Broker, options: &ConnectOptions) -> Result<Self, StackError> {
        let java = Java::prepare(&options.release)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(&java, broker, options) {
                Err(error) if attempt < PORT_ATTEMPTS && java::is_port_clash(&error) => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn attempt(java: &Java, broker: &Broker, options: &ConnectOptions) -> Result<Self, StackError> {
        let port = match options.port {
            Some(port) => require_free(&[(COMPONENT, port)]).map(|()| port)?,
            None => free_port()?,
        };
        let (folder, temporary) = java::folder(options.folder.as_deref(), "cdc-connect-")?;
        let file = folder.join("worker.properties");
        java::write(&file, &properties(options, java, &broker.bootstrap(), port))?;
        let class = "org.apache.kafka.connect.cli.ConnectDistributed";
        let mut command = java.command(options.heap_mib, &folder, class);
        command.push(file.into());
        // A proxy from the environment must not see requests to this machine.
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_LIMIT))
            .build()
            .into();
        let server = Server::new(COMPONENT, command, folder, temporary);
        let connect = Self { port, agent, server };
        connect.launch()?;
        Ok(connect)
    }

    /// The address of the HTTP interface, as "<http://127.0.0.1:18083>"; the same after a restart.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The worker's log.
    pub fn log(&self) -> PathBuf {
        self.server.log()
    }

    /// How the worker ended by itself; `None` while it runs, and after it was stopped.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.server.exit_status()
    }

    /// The process id of the worker, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.server.process_id()
    }

    /// Creates a connector or changes its configuration.
    ///
    /// # Errors
    ///
    /// [`StackError::Http`] with the worker's reason, for one when Debezium cannot reach the source.
    pub fn put_connector(&self, name: &str, config: &Value) -> Result<(), StackError> {
        let url = format!("{}/connectors/{name}/config", self.url());
        let body = config.to_string();
        repeat_conflicts("configure a connector", &url, || {
            self.agent.put(&url).header("Content-Type", "application/json").send(&body)
        })
    }

    /// Removes a connector. Its replication slot and publication stay in the source.
    ///
    /// # Errors
    ///
    /// [`StackError::Http`], for one when there is no such connector.
    pub fn delete_connector(&self, name: &str) -> Result<(), StackError> {
        let url = format!("{}/connectors/{name}", self.url());
        repeat_conflicts("remove a connector", &url, || self.agent.delete(&url).call())
    }

    /// Restarts what has failed of a connector, as an operator would: Connect leaves it as it is.
    ///
    /// # Errors
    ///
    /// [`StackError::Http`], for one when there is no such connector.
    pub fn restart_failed(&self, name: &str) -> Result<(), StackError> {
        let words = "restart?includeTasks=true&onlyFailed=true";
        let url = format!("{}/connectors/{name}/{words}", self.url());
        repeat_conflicts("restart a connector", &url, || self.agent.post(&url).send_empty())
    }

    /// Waits until a connector and all its tasks run, with at least one task.
    ///
    /// After the worker was killed and restarted, its first answers can still show the state from
    /// before.
    ///
    /// # Errors
    ///
    /// [`StackError::ConnectorFailed`] as soon as the connector or a task has failed, with the
    /// stack trace; [`StackError::Deadline`] when it does not run within `limit`.
    pub fn wait_running(&self, name: &str, limit: Duration) -> Result<(), StackError> {
        let url = format!("{}/connectors/{name}/status", self.url());
        let begin = Instant::now();
        loop {
            let (status, body) =
                answer("read a connector's state", &url, self.agent.get(&url).call())?;
            let state = if status == 200 { State::read(&body) } else { State::Starting };
            match state {
                State::Running => return Ok(()),
                State::Failed(trace) => {
                    return Err(StackError::ConnectorFailed { name: name.to_owned(), trace });
                }
                State::Starting if begin.elapsed() > limit => {
                    return Err(StackError::Deadline {
                        what: format!("connector `{name}` did not run"),
                        limit,
                        last_seen: body,
                    });
                }
                State::Starting => thread::sleep(POLL * 5),
            }
        }
    }

    /// Kills the worker with SIGKILL.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Stops the worker's process with SIGSTOP, as a machine that hangs would: the port still takes
    /// connections, and requests wait until their own limits. Nothing to do when it is frozen.
    ///
    /// Stopping, restarting or dropping a frozen worker thaws it first; [`kill`](Self::kill) does
    /// not need to.
    ///
    /// # Errors
    ///
    /// [`StackError::NotRunning`], or [`StackError::Deadline`] when the process does not stop.
    pub fn freeze(&self) -> Result<(), StackError> {
        self.server.freeze()
    }

    /// Lets a frozen worker go on with SIGCONT; nothing to do when it is not frozen.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Stops the worker in an orderly way; it writes the offsets of its connectors first.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Stops the worker, if it runs, and starts it again with the same port and connectors.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&self) -> Result<(), StackError> {
        self.server.stop();
        self.launch()
    }

    fn launch(&self) -> Result<(), StackError> {
        let url = format!("{}/connectors", self.url());
        self.server.launch(|_| self.agent.get(&url).call().is_ok_and(|it| it.status() == 200))
    }
}

type Response = ureq::http::Response<ureq::Body>;

/// Sends a request, again while the worker answers 409: it is rebalancing.
fn repeat_conflicts(
    action: &'static str,
    url: &str,
    send: impl Fn() -> Result<Response, ureq::Error>,
) -> Result<(), StackError> {
    let begin = Instant::now();
    loop {
        match answer(action, url, send())? {
            (200..=299, _) => return Ok(()),
            (409, _) if begin.elapsed() < CONFLICT_LIMIT => thread::sleep(POLL * 5),
            (status, body) => {
                let answer = format!("status {status}: {body}");
                return Err(StackError::Http { action, url: url.to_owned(), answer });
            }
        }
    }
}

/// The status and text of an answer.
fn answer(
    action: &'static str,
    url: &str,
    result: Result<Response, ureq::Error>,
) -> Result<(u16, String), StackError> {
    let read = result.and_then(|mut response| {
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    });
    read.map_err(|error| StackError::Http {
        action,
        url: url.to_owned(),
        answer: error.to_string(),
    })
}

/// What Connect's status of a connector amounts to.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Not known yet, without tasks yet, or paused.
    Starting,
    Failed(String),
}

impl State {
    /// Reads `{"connector": {"state": …}, "tasks": [{"state": …, "trace": …}]}`.
    fn read(body: &str) -> Self {
        let Ok(status) = serde_json::from_str::<Value>(body) else { return Self::Starting };
        let tasks = status.get("tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let parts = || status.get("connector").into_iter().chain(tasks);
        let text = |part: &Value, name| {
            part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        if let Some(failed) = parts().find(|part| text(part, "state") == "FAILED") {
            return Self::Failed(text(failed, "trace"));
        }
        let all_run = parts().all(|part| text(part, "state") == "RUNNING");
        if all_run && !tasks.is_empty() { Self::Running } else { Self::Starting }
    }
}

fn properties(options: &ConnectOptions, java: &Java, bootstrap: &str, port: u16) -> String {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let own = [
        ("bootstrap.servers", bootstrap),
        ("group.id", "cdc-connect"),
        ("listeners", &format!("http://127.0.0.1:{port}")),
        ("rest.advertised.host.name", "127.0.0.1"),
        ("plugin.path", &java.plugins().display().to_string()),
        // Debezium 2.4 has no list of its plugins, so its archives have to be scanned.
        ("plugin.discovery", "only_scan"),
        ("key.converter", json),
        ("value.converter", json),
        ("config.storage.topic", "connect_configs"),
        ("config.storage.replication.factor", "1"),
        ("offset.storage.topic", "connect_offsets"),
        ("offset.storage.replication.factor", "1"),
        ("offset.storage.partitions", "1"),
        ("status.storage.topic", "connect_statuses"),
        ("status.storage.replication.factor", "1"),
        ("status.storage.partitions", "1"),
        // A worker that was killed comes back by itself or not at all: waiting for it, by default
        // for five minutes, only keeps its connectors from running.
        ("scheduled.rebalance.max.delay.ms", "0"),
        // A new worker joins only when the killed one's session has ended. The broker's minimum.
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "1500"),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    java::properties(own.chain(options.settings.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_task_outweighs_a_running_connector() {
        let body = r#"{"connector": {"state": "RUNNING"},
                       "tasks": [{"state": "FAILED", "trace": "no such slot"}]}"#;
        assert_eq!(State::read(body), State::Failed("no such slot".to_owned()));
    }

    #[test]
    fn a_connector_without_tasks_is_still_starting() {
        let body = r#"{"connector": {"state": "RUNNING"}, "tasks": []}"#;
        assert_eq!(State::read(body), State::Starting);
        assert_eq!(State::read("not json"), State::Starting);
        let body = r#"{"connector": {"state": "RUNNING"},
                       "tasks": [{"state": "RUNNING"}, {"state": "UNASSIGNED"}]}"#;
        assert_eq!(State::read(body), State::Starting);
    }

    #[test]
    fn a_connector_runs_when_all_of_it_runs() {
        let body = r#"{"connector": {"state": "RUNNING"}, "tasks": [{"state": "RUNNING"}]}"#;
        assert_eq!(State::read(body), State::Running);
    }
}
