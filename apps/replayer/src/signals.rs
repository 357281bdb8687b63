//! SIGTERM and Ctrl-C: the first asks for a drain, the second ends at once.

use cdc_engine::Stop;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, INTERRUPTED};

/// Listens from now on, in a task of its own.
pub(crate) fn stop_on_signal(stop: Stop) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(Failure::system("listen for signals"));
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.ask();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        exit_now();
    });
    Ok(())
}

#[expect(clippy::exit, reason = "the user asked twice: not even destructors may hold this up")]
fn exit_now() -> ! {
    std::process::exit(INTERRUPTED.into())
}
