//! Asks a component over TCP, with a limit: a frozen one takes the connection and stays silent.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// PostgreSQL's question whether the server speaks TLS, which a session of its own answers.
pub(crate) const POSTGRES: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

/// Kafka's request for the versions of its interface (18), in its first version, without a name.
pub(crate) const KAFKA: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

/// The root of an HTTP server.
pub(crate) const HTTP: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

/// Long enough for an answer that would come.
const SILENCE: Duration = Duration::from_millis(700);

/// A question that was put to a component.
pub(crate) struct Question(TcpStream);

impl Question {
    pub(crate) fn ask(port: u16, text: &[u8]) -> Self {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(text).unwrap();
        Self(stream)
    }

    /// Fails when an answer, or the connection's end, comes.
    pub(crate) fn stays_open(&mut self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let error = self.0.read(&mut [0]).expect_err("there must be no answer");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }

    /// Waits for the first byte of the answer.
    pub(crate) fn is_answered(&mut self) {
        self.0.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert_eq!(self.0.read(&mut [0]).unwrap(), 1, "the connection was closed");
    }
}
