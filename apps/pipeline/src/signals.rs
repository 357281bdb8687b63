//! SIGTERM and Ctrl-C: the first asks for a drain, the second ends at once.

use cdc_engine::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;

/// Listens from now on, in a task of its own.
pub(crate) fn stop_on_signal(stop: Stop) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: finishing what is in flight; signal again to end at once");
        stop.ask();
        signals.next().await;
        exit_now(Exit::Interrupted);
    });
    Ok(())
}

/// Waits for the first signal.
pub(crate) async fn interrupted() -> Result<(), Failure> {
    Signals::listen()?.next().await;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::system("listen for signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[expect(clippy::exit, reason = "the user asked twice: not even destructors may hold this up")]
fn exit_now(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}
