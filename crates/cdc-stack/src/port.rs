//! Free ports for components that other programs must find.
//!
//! The ports lie below the range from which systems take the local ends of outgoing connections
//! (32768 on Linux, 49152 elsewhere). A port from inside that range could be lost while its
//! component is being restarted, even to a client that is trying to reach the component and
//! connects to itself.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::StackError;

const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// Ports already handed out by this process; two starts in parallel get different ones.
static HANDED_OUT: AtomicU32 = AtomicU32::new(0);

/// A port on 127.0.0.1 that nobody listens on at this moment.
///
/// Another process can take it before the component binds it: the start has to be retried with
/// another port then.
pub(crate) fn free_port() -> Result<u16, StackError> {
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
}
