//! The sink's own sections of the configuration file.
//!
//! Every key is asked for before the first early return, so that one missing key does not make the
//! others look unknown.

use cdc_config::Section;
use cdc_core::{SourceTable, TableId};

use super::{
    Deletes, Mode, PipelineName, PostgresSettings, SnapshotSweep, SynchronousCommit, TableSettings,
    TargetName, Truncates,
};

/// Reads `[sink.postgres]`. `None` after a problem, which the section has recorded.
pub fn read_settings(
    section: &Section<'_>,
    pipeline: Option<PipelineName>,
) -> Option<PostgresSettings> {
    let url = section.required_secret_or_plain_url("url");
    let default = PostgresSettings::new(url.clone()?, PipelineName("unnamed".to_owned()));
    let settings = PostgresSettings {
        connect_patience: section.duration("connect_patience", default.connect_patience),
        statement_timeout: section.duration("statement_timeout", default.statement_timeout),
        lock_timeout: section.duration("lock_timeout", default.lock_timeout),
        idle_in_transaction_timeout: section
            .duration("idle_in_transaction_timeout", default.idle_in_transaction_timeout),
        apply_timeout: section.duration("apply_timeout", default.apply_timeout),
        synchronous_commit: section.one_of(
            "synchronous_commit",
            &[("on", SynchronousCommit::On), ("off", SynchronousCommit::Off)],
            default.synchronous_commit,
        ),
        ledger_retention: section.duration("ledger_retention", default.ledger_retention),
        ..default
    };
    Some(PostgresSettings { pipeline: pipeline?, ..settings })
}

/// Reads what the sink needs of one `[[table]]`: `target`, `mode`, `snapshot_sweep`, and for a mirror
/// `deletes` and `truncates`. The caller reads `source`, because the decoder needs it too.
pub fn read_table(
    section: &Section<'_>,
    id: TableId,
    source: Option<SourceTable>,
) -> Option<TableSettings> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Word {
        History,
        Mirror,
    }
    let target = section.required_parsed("target", TargetName::parse);
    let word =
        section.required_one_of("mode", &[("history", Word::History), ("mirror", Word::Mirror)]);
    let deletes =
        section.optional_one_of("deletes", &[("hard", Deletes::Hard), ("soft", Deletes::Soft)]);
    let truncates = section.optional_one_of(
        "truncates",
        &[("apply", Truncates::Apply), ("ignore", Truncates::Ignore)],
    );
    let snapshot_sweep = section.one_of(
        "snapshot_sweep",
        &[("apply", SnapshotSweep::Apply), ("ignore", SnapshotSweep::Ignore)],
        SnapshotSweep::Apply,
    );
    if word == Some(Word::History) {
        for key in ["deletes", "truncates"] {
            if section.contains(key) {
                let hint = "remove the key, or set mode = \"mirror\": a history keeps every change";
                section.problem(key, "no such key with mode = \"history\"", Some(hint));
            }
        }
    }
    let mode = match word? {
        Word::History => Mode::History,
        Word::Mirror => Mode::Mirror {
            deletes: deletes.unwrap_or(Deletes::Hard),
            truncates: truncates.unwrap_or(Truncates::Apply),
        },
    };
    Some(TableSettings { id, source: source?, target: target?, mode, snapshot_sweep })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cdc_config::Document;

    use super::*;

    fn table(text: &str) -> Result<TableSettings, String> {
        let document = Document::parse("pipeline.toml", text);
        let source = SourceTable::parse("public.orders").ok();
        let read = read_table(&document.root().section("table"), TableId::new(0), source);
        document.into_result(read).map_err(|problems| problems.to_string())
    }

    #[test]
    fn settings_have_defaults_and_units() {
        let document = Document::parse(
            "pipeline.toml",
            "[sink.postgres]\nurl = \"postgres://localhost/analytics\"\nlock_timeout = \"250ms\"\n\
             synchronous_commit = \"off\"\nledger_retention = \"30d\"\n",
        );
        let pipeline = PipelineName::parse("orders").ok();
        let section = document.root().section("sink").section("postgres");
        let settings = read_settings(&section, pipeline);
        let settings = document.into_result(settings).unwrap();
        assert_eq!(settings.url.expose(), "postgres://localhost/analytics");
        assert_eq!(settings.lock_timeout, Duration::from_millis(250));
        assert_eq!(settings.statement_timeout, Duration::from_mins(5));
        assert_eq!(settings.synchronous_commit, SynchronousCommit::Off);
        assert_eq!(settings.ledger_retention, Duration::from_hours(30 * 24));
        assert_eq!(settings.pipeline.as_str(), "orders");
    }

    #[test]
    fn a_mirror_deletes_and_truncates_unless_told_otherwise() {
        let mirror = table("[table]\ntarget = \"orders\"\nmode = \"mirror\"\n").unwrap();
        let default = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
        assert_eq!(mirror.mode, default);
        let soft = "[table]\ntarget = \"orders\"\nmode = \"mirror\"\ndeletes = \"soft\"\n\
                    truncates = \"ignore\"\n";
        let mode = Mode::Mirror { deletes: Deletes::Soft, truncates: Truncates::Ignore };
        assert_eq!(table(soft).unwrap().mode, mode);
    }

    #[test]
    fn every_table_follows_snapshots_unless_told_otherwise() {
        for mode in ["history", "mirror"] {
            let text = format!("[table]\ntarget = \"orders\"\nmode = \"{mode}\"\n");
            assert_eq!(table(&text).unwrap().snapshot_sweep, SnapshotSweep::Apply);
            let text = format!("{text}snapshot_sweep = \"ignore\"\n");
            assert_eq!(table(&text).unwrap().snapshot_sweep, SnapshotSweep::Ignore);
        }
    }

    #[test]
    fn keys_of_a_mirror_are_a_mistake_in_a_history() {
        let text = "[table]\ntarget = \"orders\"\nmode = \"history\"\ndeletes = \"soft\"\n";
        let problems = table(text).unwrap_err();
        assert!(problems.contains("table.deletes"), "{problems}");
        let problems = table("[table]\ntarget = \"public.\"\nmode = \"copy\"\n").unwrap_err();
        assert!(problems.contains("table.target") && problems.contains("table.mode"), "{problems}");
    }
}
