//! Free ports for components that other programs must find.
//!
//! The ports lie below the range from which systems take the local ends of outgoing connections
//! (32768 on Linux, 49152 elsewhere). A port from inside that range could be lost while its
//! component is being restarted, even to a client that is trying to reach the component and
//! connects to itself.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::StackError;
use crate::process::POLL;

const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// How long a taken port is waited for: a stack that was killed a moment ago lets go of its own.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// Ports already handed out by this process; two starts in parallel get different ones.
static HANDED_OUT: AtomicU32 = AtomicU32::new(0);

/// A port on 127.0.0.1 that nobody listens on at this moment.
///
/// Another process can take it before the component binds it: the start has to be retried with
/// another port then.
///
/// # Errors
///
/// [`StackError::NoFreePort`] when every port of the range is taken.
pub fn free_port() -> Result<u16, StackError> {
    let span = u32::from(LAST - FIRST) + 1;
    // Neighbouring process ids must not walk through the same ports in step.
    let begin = process::id().wrapping_mul(97) % span;
    for _ in 0..span {
        let step = HANDED_OUT.fetch_add(1, Ordering::Relaxed) % span;
        let index = u16::try_from((begin + step) % span).unwrap_or(0);
        let port = FIRST + index;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(StackError::NoFreePort { first: FIRST, last: LAST })
}

/// Waits shortly until nobody listens on the ports that components were asked to have.
///
/// # Errors
///
/// [`StackError::PortsTaken`] with all of them that stay taken.
pub(crate) fn require_free(wanted: &[(&'static str, u16)]) -> Result<(), StackError> {
    let begin = Instant::now();
    loop {
        let taken: Vec<_> = wanted.iter().copied().filter(|(_, port)| is_taken(*port)).collect();
        if taken.is_empty() {
            return Ok(());
        }
        if begin.elapsed() > RELEASE_LIMIT {
            return Err(StackError::PortsTaken { taken });
        }
        thread::sleep(POLL * 10);
    }
}

/// Other reasons than a listener, as missing rights, are for the component to report.
fn is_taken(port: u16) -> bool {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Whether somebody accepts connections on this port of 127.0.0.1.
pub(crate) fn accepts(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_and_below_the_range_of_outgoing_connections() {
        let first = free_port().unwrap();
        let second = free_port().unwrap();
        assert_ne!(first, second);
        assert!((FIRST..=LAST).contains(&first) && (FIRST..=LAST).contains(&second));
    }

    #[test]
    fn a_bound_port_accepts_and_a_free_one_does_not() {
        let free = free_port().unwrap();
        assert!(!accepts(free));
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free)).unwrap();
        assert!(accepts(free));
    }

    #[test]
    fn all_taken_ports_are_named_with_their_components() {
        let (free, taken) = (free_port().unwrap(), free_port().unwrap());
        require_free(&[("the source", free), ("the warehouse", taken)]).unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        let wanted = [("kafka", taken), ("the source", free), ("the warehouse", taken)];
        let text = require_free(&wanted).unwrap_err().to_string();
        let named = format!("port {taken} (kafka), port {taken} (the warehouse)");
        assert!(text.contains(&named) && !text.contains("the source"), "{text}");
    }
}
