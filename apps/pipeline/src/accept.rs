//! `accept-source`: an operator's decision to go on with a source that went back.

use crate::config::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Forgets how far the source was followed, and records why.
pub(crate) async fn source(settings: &Settings, reason: &str) -> Result<Exit, Failure> {
    let forgotten = cdc_postgres::accept_source(&settings.postgres, reason)
        .await
        .map_err(|error| Failure::end("accept the source as it is", error))?;
    output::line(if forgotten == 0 {
        "nothing to do: nothing was known of the source".to_owned()
    } else {
        format!(
            "the source is followed from where it stands, in {forgotten} partitions; the decision is in \
             cdc.decision"
        )
    });
    Ok(Exit::Done)
}
