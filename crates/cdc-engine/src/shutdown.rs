//! Asking a pipeline to stop.

use tokio::sync::watch;

/// Asks a pipeline to drain and end. Dropping it does *not* ask.
#[derive(Debug, Clone)]
pub struct Stop {
    sender: watch::Sender<bool>,
}

impl Stop {
    /// Asks; asking again changes nothing.
    pub fn ask(&self) {
        self.sender.send_replace(true);
    }
}

/// The pipeline's side: waits to be asked.
#[derive(Debug, Clone)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

impl Shutdown {
    /// Both sides.
    pub fn channel() -> (Stop, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Stop { sender }, Shutdown { receiver })
    }

    /// Waits until somebody asks; for ever when everybody who could has gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn asked(&mut self) {
        if self.receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
