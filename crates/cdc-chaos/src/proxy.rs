//! A TCP proxy on this machine whose connections can be cut, silenced, and cut at the worst moment.
//!
//! Two threads carry each connection, one in each direction. What was silenced stays open and carries
//! nothing, as when a firewall forgets a connection: neither end is told, until [`Proxy::heal`].

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cdc_stack::free_port;

/// How often a free port is tried when another process took it first.
const PORT_ATTEMPTS: usize = 8;

/// What a thread reads at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The end of the message that commits a batch.
const COMMIT: &[u8] = b"; COMMIT\0";

/// How long the answer to a COMMIT is held back before the connection is cut, so that the server has
/// most likely done it.
const COMMIT_TIME: Duration = Duration::from_millis(50);

/// A connection that carries.
const OPEN: u8 = 0;
/// A connection that stays open and carries nothing.
const SILENT: u8 = 1;
/// A connection that has ended.
const CLOSED: u8 = 2;

#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    state: AtomicU8,
}

impl Link {
    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::Acquire) == state
    }

    fn close(&self) {
        self.state.store(CLOSED, Ordering::Release);
        for end in [&self.client, &self.server] {
            // An error means that the other side was quicker.
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    links: Mutex<Vec<Arc<Link>>>,
    /// Whether the next connection that commits is cut.
    is_trap_set: AtomicBool,
    trapped: AtomicU64,
    has_ended: AtomicBool,
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        // The list is valid whatever a panicking holder was doing.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running proxy to one port of this machine. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts a proxy to this port, which nobody has to listen on yet.
    pub(crate) fn start(target: u16) -> Result<Self> {
        let listener = listen()?;
        let port = listener.local_addr().context("cannot read the proxy's port")?.port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::Builder::new()
            .name("chaos-proxy".to_owned())
            .spawn(move || accept(&listener, target, &accepting))
            .context("cannot start the proxy's thread")?;
        Ok(Self { port, shared })
    }

    /// Where clients connect.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections at both ends. New ones are accepted at once.
    pub(crate) fn cut(&self) -> usize {
        let links: Vec<_> = self.shared.links().drain(..).collect();
        links.iter().filter(|link| link.is(OPEN)).map(|link| link.close()).count()
    }

    /// Lets all connections stay open and carry nothing any more. New ones are carried.
    pub(crate) fn silence(&self) -> usize {
        self.each_open(|link| link.state.store(SILENT, Ordering::Release))
    }

    /// Ends all connections for their clients, while the server keeps its ends open.
    pub(crate) fn orphan(&self) -> usize {
        self.each_open(|link| {
            link.state.store(SILENT, Ordering::Release);
            link.client.shutdown(Shutdown::Both).ok();
        })
    }

    /// Cuts the next connection that sends a COMMIT, when that has passed and its answer has not. Waits
    /// for it, and says whether one came in time.
    pub(crate) fn cut_after_commit(&self, limit: Duration) -> bool {
        let before = self.shared.trapped.load(Ordering::Acquire);
        self.shared.is_trap_set.store(true, Ordering::Release);
        let began = Instant::now();
        while self.shared.trapped.load(Ordering::Acquire) == before && began.elapsed() < limit {
            thread::sleep(Duration::from_millis(5));
        }
        self.shared.is_trap_set.store(false, Ordering::Release);
        self.shared.trapped.load(Ordering::Acquire) > before
    }

    /// Ends what was silenced.
    pub(crate) fn heal(&self) {
        self.shared.links().retain(|link| {
            if link.is(SILENT) {
                link.close();
            }
            link.is(OPEN)
        });
    }

    fn each_open(&self, act: impl Fn(&Link)) -> usize {
        let links = self.shared.links();
        links.iter().filter(|link| link.is(OPEN)).map(|link| act(link)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        // Wakes the accepting thread, which then sees that it is over.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        self.cut();
    }
}

fn listen() -> Result<TcpListener> {
    let mut last = None;
    for _ in 0..PORT_ATTEMPTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()?)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(error).context("cannot listen for the proxy's clients")
}

fn accept(listener: &TcpListener, target: u16, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.has_ended.load(Ordering::Acquire) {
            return;
        }
        // A client whose server does not listen sees its connection end, as it would without a proxy.
        let Ok(client) = client else { continue };
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
        carry(client, server, shared);
    }
}

/// Starts to carry a connection; one for which there is no thread or handle is dropped, which ends it.
fn carry(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    for end in [&client, &server] {
        end.set_nodelay(true).ok();
    }
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let link = Arc::new(Link { client, server, state: AtomicU8::new(OPEN) });
    shared.links().push(Arc::clone(&link));
    let (up_link, up_shared) = (Arc::clone(&link), Arc::clone(shared));
    let (down_link, down_shared) = (link, Arc::clone(shared));
    let up = move || pump(from_client, &up_link.server, &up_link, Some(&up_shared));
    let down = move || {
        pump(from_server, &down_link.client, &down_link, None);
        down_shared.links().retain(|link| !link.is(CLOSED));
    };
    for (name, work) in
        [("chaos-up", Box::new(up) as Box<dyn FnOnce() + Send>), ("chaos-down", Box::new(down))]
    {
        thread::Builder::new().name(name.to_owned()).spawn(work).ok();
    }
}

/// Carries one direction to its end. The direction to the server looks for the trap.
fn pump(mut from: TcpStream, mut to: &TcpStream, link: &Link, trap: Option<&Shared>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).unwrap_or(0);
        while link.is(SILENT) {
            thread::sleep(Duration::from_millis(20));
        }
        let bytes = chunk.get(..read).unwrap_or_default();
        if bytes.is_empty() || link.is(CLOSED) {
            return link.close();
        }
        let is_trapped = trap.is_some_and(|shared| {
            ends_with_commit(bytes) && shared.is_trap_set.swap(false, Ordering::AcqRel)
        });
        if is_trapped {
            // From now on no answer passes.
            link.state.store(SILENT, Ordering::Release);
        }
        if to.write_all(bytes).is_err() {
            return link.close();
        }
        if is_trapped {
            thread::sleep(COMMIT_TIME);
            link.close();
            if let Some(shared) = trap {
                shared.trapped.fetch_add(1, Ordering::AcqRel);
            }
            return;
        }
    }
}

fn ends_with_commit(bytes: &[u8]) -> bool {
    bytes.ends_with(COMMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every byte with itself, and counts what it was sent.
    fn echo() -> (u16, Arc<AtomicU64>) {
        let listener = listen().unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&received);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, counted) = (client.unwrap(), Arc::clone(&counted));
                thread::spawn(move || {
                    let mut chunk = [0; 1024];
                    while let Ok(read) = client.read(&mut chunk)
                        && read > 0
                    {
                        counted.fetch_add(u64::try_from(read).unwrap(), Ordering::AcqRel);
                        client.write_all(&chunk[..read]).unwrap_or_default();
                    }
                });
            }
        });
        (port, received)
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        client
    }

    fn answered(client: &mut TcpStream, bytes: &[u8]) -> bool {
        let mut answer = vec![0; bytes.len()];
        client.write_all(bytes).is_ok() && client.read_exact(&mut answer).is_ok() && answer == bytes
    }

    #[test]
    fn what_is_sent_arrives_until_the_connection_is_cut_and_a_new_one_carries_again() {
        let (target, _) = echo();
        let proxy = Proxy::start(target).unwrap();
        let mut client = connect(&proxy);
        assert!(answered(&mut client, b"one"));
        assert_eq!(proxy.cut(), 1);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the client sees the end");
        assert!(answered(&mut connect(&proxy), b"two"));
    }

    #[test]
    fn a_silent_connection_stays_open_without_an_answer_until_it_is_healed() {
        let (target, received) = echo();
        let proxy = Proxy::start(target).unwrap();
        let mut client = connect(&proxy);
        assert!(answered(&mut client, b"one"));
        assert_eq!(proxy.silence(), 1);
        assert!(!answered(&mut client, b"two"));
        assert_eq!(received.load(Ordering::Acquire), 3, "the server was told nothing");
        assert!(answered(&mut connect(&proxy), b"new"));
        proxy.heal();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the client sees the end");
    }

    #[test]
    fn an_orphaned_connection_ends_for_the_client_alone() {
        let (target, received) = echo();
        let proxy = Proxy::start(target).unwrap();
        let mut client = connect(&proxy);
        assert!(answered(&mut client, b"one"));
        assert_eq!(proxy.orphan(), 1);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the client sees the end");
        assert_eq!(proxy.shared.links().len(), 1, "the server's end is kept open");
        assert_eq!(received.load(Ordering::Acquire), 3);
    }

    #[test]
    fn a_commit_reaches_the_server_and_its_answer_does_not_reach_the_client() {
        let (target, received) = echo();
        let proxy = Proxy::start(target).unwrap();
        let mut client = connect(&proxy);
        assert!(answered(&mut client, b"rows"));
        let sent = [b"select 1".as_slice(), COMMIT].concat();
        thread::scope(|scope| {
            let cut = scope.spawn(|| proxy.cut_after_commit(Duration::from_secs(10)));
            while !proxy.shared.is_trap_set.load(Ordering::Acquire) {
                thread::yield_now();
            }
            assert!(!answered(&mut client, &sent));
            assert!(cut.join().unwrap());
        });
        let all = u64::try_from(4 + sent.len()).unwrap();
        assert_eq!(received.load(Ordering::Acquire), all, "the server has the whole message");
        assert!(!proxy.cut_after_commit(Duration::from_millis(50)), "nobody commits");
    }
}
