//! `demo`: the whole thing with nothing set up.
//!
//! It starts a source and a warehouse, makes traffic, runs the same pipeline that `run` runs, and then
//! compares source and warehouse row by row. It exits 0 only when there is no difference. With Kafka
//! wanted on the way, it starts a broker and Debezium as well.

mod stage;
mod traffic;
mod verify;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_engine::{Latency, Meter, Outcome, Shutdown, Stop, StopWhen};
use cdc_replication::Phase;
use serde_json::json;
use tokio::task::{JoinError, JoinHandle};

use self::stage::{Stage, Way};
use self::traffic::Traffic;
use self::verify::Verdict;
use crate::check::Topics;
use crate::cli::DemoArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::Live;
use crate::progress::{self, LIVE_INTERVAL, Pace, Watched};
use crate::stream::Stream;
use crate::view::{Moment, Note, grouped};
use crate::{output, run, signals};

/// How long the last changes may take to arrive after the last was made, at the least.
const ARRIVAL_LIMIT: Duration = Duration::from_mins(2);

/// A demonstration that has been performed and still runs.
struct Performance {
    stage: Arc<Stage>,
    stop: Stop,
    pipeline: Running,
    verdict: Verdict,
}

/// What shows it while it goes on.
struct Shown {
    live: Option<Live>,
    pace: Pace,
}

type Running = JoinHandle<Result<Outcome, Failure>>;

/// Runs the demonstration; Ctrl-C ends it at any time and leaves nothing behind.
pub(crate) async fn demo(arguments: &DemoArgs) -> Result<Exit, Failure> {
    let performance = tokio::select! {
        performance = perform(arguments) => performance?,
        interrupted = signals::interrupted() => return interrupted.map(|()| Exit::Interrupted),
    };
    if arguments.keep {
        say(&performance.stage.describe());
        say("Ctrl-C stops everything");
        signals::interrupted().await?;
    }
    performance.stop.ask();
    joined(performance.pipeline.await)?;
    if performance.verdict.differences > 0 {
        return Err(Failure::Differs(performance.verdict.describe()));
    }
    Ok(Exit::Done)
}

async fn perform(arguments: &DemoArgs) -> Result<Performance, Failure> {
    let stage = set_the_stage(arguments).await?;
    let meter = Meter::shared();
    let (stop, shutdown) = Shutdown::channel();
    let settings = stage.settings()?;
    let stream = Stream::default();
    let watched = Watched::new("the demonstration", &settings.tables).with_stream(stream.clone());
    let counted = Arc::clone(&meter);
    let followed = stream.clone();
    let mut pipeline = tokio::spawn(async move {
        run::pipeline(settings, Topics::new(), StopWhen::Asked, (counted, shutdown), &stream).await
    });
    if !arguments.kafka {
        tokio::select! {
            () = streaming(&followed) => {}
            ended = &mut pipeline => {
                joined(ended)?;
                return Err(Failure::Differs("the pipeline ended before it followed the source".to_owned()));
            }
        }
    }

    say(&format!("making {} inserts, updates and deletes in the source", arguments.changes));
    let traffic = Traffic::start(&stage, arguments.changes)?;
    let began = Instant::now();
    let shown = Shown { live: Live::on_terminal(), pace: Pace::start(watched, &meter) };
    tokio::select! {
        arrived = watch(&traffic, &meter, shown, arguments.changes) => arrived?,
        ended = &mut pipeline => {
            joined(ended)?;
            return Err(Failure::Differs("the pipeline ended before all rows arrived".to_owned()));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let oracle = traffic.finish()?;
    let verdict = blocking({
        let stage = Arc::clone(&stage);
        move || verify::compare(&stage, &oracle)
    })
    .await?;
    report(arguments, &verdict, &meter, seconds);
    Ok(Performance { stage, stop, pipeline, verdict })
}

/// Waits until the stream is followed: what is changed before is shown by the snapshot, several changes of
/// a row as one, and could not be counted.
async fn streaming(stream: &Stream) {
    let is_followed = || stream.read().is_some_and(|reading| reading.phase == Phase::Streaming);
    while !is_followed() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn set_the_stage(arguments: &DemoArgs) -> Result<Arc<Stage>, Failure> {
    let way = if arguments.kafka { Way::OverKafka } else { Way::Direct };
    match way {
        Way::Direct => say("starting PostgreSQL (source and warehouse) on free ports"),
        Way::OverKafka => {
            say("starting PostgreSQL (source and warehouse), Kafka and Debezium on free ports");
            say("the first time this downloads Kafka and Debezium, about 65 MB");
        }
    }
    let folder = arguments.pg_bin.clone();
    let started = Instant::now();
    let stage = Arc::new(blocking(move || Stage::start(way, folder.as_deref())).await?);
    stage.prepare_warehouse().await?;
    blocking({
        let stage = Arc::clone(&stage);
        move || stage.start_capture()
    })
    .await?;
    say(&format!("ready after {:.1} s", started.elapsed().as_secs_f64()));
    Ok(stage)
}

fn joined(ended: Result<Result<Outcome, Failure>, JoinError>) -> Result<Outcome, Failure> {
    ended.unwrap_or_else(|_panicked| Err(Failure::Differs("the pipeline panicked".to_owned())))
}

/// Shows rows arriving until all have, or until there will be no more.
async fn watch(
    traffic: &Traffic,
    meter: &Meter,
    shown: Shown,
    changes: u64,
) -> Result<(), Failure> {
    let Shown { live, mut pace } = shown;
    let limit = ARRIVAL_LIMIT + Duration::from_millis(changes);
    let deadline = Instant::now() + limit;
    let mut ticks = tokio::time::interval(LIVE_INTERVAL);
    loop {
        ticks.tick().await;
        let made = format!("{} of {} changes", grouped(traffic.made()), grouped(changes));
        let moment = pace.step(meter, vec![Note { label: "source", text: made }]);
        match &live {
            Some(live) => live.paint(&moment),
            None => say(&line(&moment, traffic.made())),
        }
        if traffic.has_failed() || (traffic.is_done() && moment.reading.rows >= changes) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::TimedOut {
                what: "the arrival of all changes",
                seconds: limit.as_secs(),
            });
        }
    }
}

/// The moment in a line, where there is no terminal to paint a view on.
fn line(moment: &Moment, made: u64) -> String {
    let or_dash = |millis: Option<u64>| millis.map_or("-".to_owned(), |ms| ms.to_string());
    let (half, most) = moment.latency_ms;
    format!(
        "  {made:>9} changes made  {:>9} rows arrived  {:>7} rows/s  commit to visible p50 {} ms, \
         p99 {} ms",
        moment.reading.rows,
        moment.rates.rows,
        or_dash(half),
        or_dash(most)
    )
}

fn report(arguments: &DemoArgs, verdict: &Verdict, meter: &Meter, seconds: f64) {
    let reading = meter.read();
    let messages = progress::per_second(reading.records, Duration::from_secs_f64(seconds));
    if arguments.json {
        let latency = |permille| meter.latency_ms(Latency::SinceCommit, permille);
        output::line(json!({
            "changes": verdict.changes,
            "rows": verdict.orders,
            "differences": verdict.differences,
            "seconds": seconds,
            "messages_per_second": messages,
            "latency_ms": { "p50": latency(500), "p99": latency(990) },
        }));
    } else {
        output::line(verdict.describe());
    }
}

/// What goes on stands on standard error; standard output is for the result.
fn say(text: &str) {
    eprintln!("{text}");
}

/// Runs blocking work beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_panicked) => Err(Failure::Differs("a helper thread panicked".to_owned())),
    }
}
