//! Where the part lies that was asked for.

use cdc_kafka::{Bound, KafkaError, KafkaSettings, KafkaSpan, locate};

use crate::failure::Failure;

/// What somebody does who asked for a part that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhatIsLeft {
    /// Reads what is left.
    Serves,
    /// Finds nothing in what is left: a table cannot be made of it.
    IsNotEnough,
}

/// The part of each partition between two bounds.
pub(crate) async fn spans(
    settings: &KafkaSettings,
    (from, to): (Bound, Bound),
    left: WhatIsLeft,
) -> Result<Vec<KafkaSpan>, Failure> {
    let settings = settings.clone();
    let located = tokio::task::spawn_blocking(move || locate(&settings, &from, &to)).await;
    let located = located.map_err(std::io::Error::other);
    let located = located.map_err(Failure::system("look for the range in Kafka"))?;
    located.map_err(|error| {
        let hint = hint(&error, left);
        let failure = Failure::end("read this range", error);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

fn hint(error: &KafkaError, left: WhatIsLeft) -> Option<String> {
    if let KafkaError::ResumeGone { first, .. } = error {
        return Some(match left {
            WhatIsLeft::Serves => format!(
                "begin with --from {first} or later, or with --from beginning for what is left"
            ),
            WhatIsLeft::IsNotEnough => format!(
                "have the connector make a new snapshot of the table, and begin where that begins, with \
                 --from at {first} or later; rows that were not sent again since would be missing"
            ),
        });
    }
    if let KafkaError::ResumeBeyondEnd { end, .. } = error {
        return Some(format!("choose a place up to {end}, or end"));
    }
    None
}
