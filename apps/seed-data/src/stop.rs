//! Ends a run in order when the user or the system asks: the change at hand is finished, the summary
//! is shown. A second request ends the process at once.

use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code after a second request, as of a shell that was interrupted.
const INTERRUPTED: i32 = 130;

/// The request to stop, once it has come.
#[derive(Debug)]
pub(crate) struct Stop {
    requests: Receiver<()>,
    is_asked: bool,
}

impl Stop {
    /// Listens for SIGINT and SIGTERM from now on.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let (sender, requests) = mpsc::sync_channel(1);
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot listen for signals")?;
        thread::Builder::new()
            .name("signals".to_owned())
            // It ends with the process, so nobody joins it.
            .spawn(move || runtime.block_on(listen(&sender)))
            .context("cannot listen for signals")?;
        Ok(Self { requests, is_asked: false })
    }

    /// Waits that long, or until a stop is asked for; tells whether it is.
    pub(crate) fn wait(&mut self, duration: Duration) -> bool {
        if !self.is_asked {
            let asked = if duration.is_zero() {
                self.requests.try_recv().is_ok()
            } else {
                match self.requests.recv_timeout(duration) {
                    Ok(()) => true,
                    Err(RecvTimeoutError::Timeout) => false,
                    // Without a listener the signals have their default effect again.
                    Err(RecvTimeoutError::Disconnected) => {
                        thread::sleep(duration);
                        false
                    }
                }
            };
            self.is_asked = asked;
        }
        self.is_asked
    }
}

async fn listen(requests: &SyncSender<()>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if requests.try_send(()).is_err() {
            #[expect(clippy::exit, reason = "the run may be stuck in a write that never ends")]
            process::exit(INTERRUPTED);
        }
    }
}
