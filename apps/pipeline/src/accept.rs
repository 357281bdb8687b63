//! The accept commands: an operator's decision to go on where going on could be wrong.

use cdc_core::{Continuity, Generation, Partition, PartitionNumber, TopicName, with_causes};
use cdc_kafka::preflight::{self, PartitionInfo};
use cdc_kafka::{KafkaError, KafkaSettings};

use crate::cli::AcceptTopicArgs;
use crate::config::{Origin, Settings};
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

/// Passes over what the topic lost before it was read.
pub(crate) async fn gap(settings: Settings, arguments: AcceptTopicArgs) -> Result<Exit, Failure> {
    without_kafka(&settings, "accept a gap", |slot| {
        format!(
            "start over, as \"Starting over\" in the README says: a slot loses nothing until the server \
             gives up all of it, and what was lost then nobody can tell; drop it first with SELECT \
             pg_drop_replication_slot('{slot}') on the source"
        )
    })?;
    let Seen { topic, partitions, generation } = see(&settings, &arguments.topic).await?;
    let begins = partitions.into_iter().map(|info| {
        let partition = Partition::from_parts(topic.clone(), generation, info.number);
        (partition, info.first)
    });
    let begins: Vec<_> = begins.collect();
    let passed = cdc_postgres::accept_gap(&settings.postgres, &begins, &arguments.reason)
        .await
        .map_err(|error| Failure::end("accept what the topic has lost", error))?;
    for (partition, range) in &passed {
        let offsets = range.until().offsets_since(range.from());
        output::line(format!("{partition}: {offsets} offsets are passed over, {range}"));
    }
    output::line(if passed.is_empty() {
        format!("nothing to do: {topic} still holds everything that was not applied")
    } else {
        "the decision is in cdc.decision; lengthen the topic's retention".to_owned()
    });
    Ok(Exit::Done)
}

/// Follows a topic that was created again.
pub(crate) async fn incarnation(
    settings: Settings,
    arguments: AcceptTopicArgs,
) -> Result<Exit, Failure> {
    if let Origin::Replication { settings: replication, .. } = &settings.origin {
        return slot(&settings, replication.slot.as_str(), &arguments).await;
    }
    let Seen { topic, partitions, generation } = see(&settings, &arguments.topic).await?;
    if !may_be_another(&settings, &topic, &partitions).await? {
        let message = format!("{topic} still holds what was applied of it: it is no other topic");
        let hint = "start `cdc-pipeline run`; nothing has to be decided".to_owned();
        return Err(Failure::Undecidable { message, hint });
    }
    let counted = (&topic, partitions.len());
    let postgres = &settings.postgres;
    let accepted =
        cdc_postgres::accept_incarnation(postgres, counted, generation, &arguments.reason)
            .await
            .map_err(|error| Failure::end("accept the topic as it is", error))?;
    output::line(accepted.map_or_else(
        || format!("nothing to do: nothing of {topic} has been applied"),
        |generation| {
            format!(
                "{topic} is followed from its beginning, in generation {}; the decision is in \
                 cdc.decision",
                generation.get()
            )
        },
    ));
    Ok(Exit::Done)
}

/// The partitions of a slot have the numbers that its source gives to tables, which may come later.
const UNCOUNTED: usize = 0x7fff_ffff;

/// Follows a slot that was made anew from a new snapshot. Only a person can say that it was.
async fn slot(
    settings: &Settings,
    slot: &str,
    arguments: &AcceptTopicArgs,
) -> Result<Exit, Failure> {
    if arguments.topic != slot {
        return Err(Failure::Undecidable {
            message: format!("{} is not the slot that the pipeline reads", arguments.topic),
            hint: format!(
                "name it with --topic {slot}: the log of a pipeline is called like its slot"
            ),
        });
    }
    let failed = |error| Failure::end("accept the slot as it is", error);
    let topic = TopicName::parse(slot).map_err(|error| Failure::Undecidable {
        message: with_causes(&error),
        hint: "give `source.postgres.slot` another name".to_owned(),
    })?;
    let generation = followed(settings, &topic).await?;
    let (postgres, reason) = (&settings.postgres, &arguments.reason);
    let counted = (&topic, UNCOUNTED);
    let accepted = cdc_postgres::accept_incarnation(postgres, counted, generation, reason)
        .await
        .map_err(failed)?;
    output::line(accepted.map_or_else(
        || format!("nothing to do: nothing of {topic} has been applied"),
        |generation| {
            format!(
                "the next start makes the slot {topic} if it is missing and takes a new snapshot, in \
                 generation {}; the decision is in cdc.decision",
                generation.get()
            )
        },
    ));
    Ok(Exit::Done)
}

/// Refuses what means nothing to a pipeline without Kafka, and says what to do instead.
fn without_kafka(
    settings: &Settings,
    attempt: &'static str,
    instead: impl FnOnce(&str) -> String,
) -> Result<(), Failure> {
    let Err(missing) = settings.kafka() else { return Ok(()) };
    let hint = instead(missing.slot.as_str());
    Err(Failure::without_kafka(attempt, missing, hint))
}

/// Follows a topic that was given more partitions.
pub(crate) async fn partitions(
    settings: Settings,
    arguments: AcceptTopicArgs,
) -> Result<Exit, Failure> {
    without_kafka(&settings, "accept partitions", |_slot| {
        "start `cdc-pipeline run`: a slot has one stream, however many tables there are".to_owned()
    })?;
    let Seen { topic, partitions, generation } = see(&settings, &arguments.topic).await?;
    let ends: Vec<_> = partitions.iter().map(|info| (info.number, info.end)).collect();
    let (postgres, reason) = (&settings.postgres, &arguments.reason);
    let accepted = cdc_postgres::accept_partitions(postgres, &topic, generation, &ends, reason)
        .await
        .map_err(|error| Failure::end("accept the partitions that were added", error))?;
    let Some(generation) = accepted else {
        return Err(Failure::Undecidable {
            message: format!(
                "{topic} cannot be followed over its {} partitions: it has no more of them than \
                 before, or not everything in the old ones is applied, or there are records in the new \
                 ones already",
                ends.len()
            ),
            hint: "look at `cdc-pipeline ledger`; where partitions were added while changes came, \
                   start over, as \"Starting over\" in the README says"
                .to_owned(),
        });
    };
    output::line(format!(
        "{topic} is followed over {} partitions, in generation {}; the decision is in cdc.decision",
        ends.len(),
        generation.get()
    ));
    Ok(Exit::Done)
}

/// A topic as it is now, and as it was followed so far.
struct Seen {
    topic: TopicName,
    partitions: Vec<PartitionInfo>,
    generation: Generation,
}

async fn see(settings: &Settings, name: &str) -> Result<Seen, Failure> {
    let topic = topic(settings, name)?;
    let partitions = look(settings, &topic).await?;
    let generation = followed(settings, &topic).await?;
    Ok(Seen { topic, partitions, generation })
}

/// The named topic, which must be configured: the others are none of this pipeline's.
fn topic(settings: &Settings, name: &str) -> Result<TopicName, Failure> {
    let topics = settings.kafka()?.topics();
    topics.iter().find(|topic| topic.as_str() == name).cloned().ok_or_else(|| {
        let known: Vec<_> = topics.iter().map(TopicName::as_str).collect();
        Failure::Undecidable {
            message: format!("the topic {name} is not in `source.kafka.topics`"),
            hint: format!("name one of {}", known.join(", ")),
        }
    })
}

/// The generation in which the topic has been followed.
async fn followed(settings: &Settings, topic: &TopicName) -> Result<Generation, Failure> {
    let known = cdc_postgres::generations(&settings.postgres)
        .await
        .map_err(|error| Failure::end("read in which generation topics are followed", error))?;
    Ok(known.get(topic).copied().unwrap_or_default())
}

/// The topic's partitions as the broker has them.
async fn look(settings: &Settings, topic: &TopicName) -> Result<Vec<PartitionInfo>, Failure> {
    let name = topic.clone();
    let report =
        of_broker(settings, move |kafka| preflight::probe(kafka, kafka.retry_for())).await?;
    let info = report.topics().iter().find(|info| *info.name() == name);
    Ok(info.map(|info| info.partitions().to_vec()).unwrap_or_default())
}

/// Whether something speaks for it that the topic was created again, or nothing against it.
async fn may_be_another(
    settings: &Settings,
    topic: &TopicName,
    partitions: &[PartitionInfo],
) -> Result<bool, Failure> {
    let mut applied = cdc_postgres::applied_logs(&settings.postgres, topic)
        .await
        .map_err(|error| Failure::end("read how far the topic is applied", error))?;
    let exists = |number: PartitionNumber| partitions.iter().any(|info| info.number == number);
    let all = applied.len();
    applied.retain(|log| exists(log.partition.number()));
    let has_fewer = applied.len() < all;
    let answers = of_broker(settings, move |kafka| preflight::recognise(kafka, applied)).await?;
    let mut is_proven = false;
    for (_, answer) in answers {
        match answer {
            Ok(Continuity::Proven) => is_proven = true,
            Ok(Continuity::Forgotten | Continuity::Missing(_) | Continuity::Broken(_))
            | Err(KafkaError::ResumeGone { .. }) => {}
            Err(error) => {
                output::line(with_causes(&error));
                return Ok(true);
            }
        }
    }
    Ok(has_fewer || !is_proven)
}

/// Asks the broker, on a thread where waiting is allowed.
async fn of_broker<T: Send + 'static>(
    settings: &Settings,
    ask: impl FnOnce(&KafkaSettings) -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, Failure> {
    let kafka = settings.kafka()?.clone();
    let Ok(answer) = tokio::task::spawn_blocking(move || ask(&kafka)).await else {
        return Err(Failure::Differs("looking at the topics panicked".to_owned()));
    };
    answer.map_err(|error| Failure::end("look at the topics", error))
}
