//! A capture is a range as it stands in the log, or no file at all.

use std::fs;
use std::path::Path;

use cdc_workload::capture::CaptureReader;

use crate::rig::{Letter, Rig, letters};

/// Bytes that are no text, without a key, without a value.
fn strange() -> Vec<Letter> {
    vec![
        (vec![0xff, 0x00], Some(vec![0xc3, 0x28])),
        (b"k".to_vec(), None),
        (Vec::new(), Some(Vec::new())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_holds_its_range_byte_for_byte_and_needs_no_warehouse() {
    let rig = Rig::new("captured", 1).await;
    let mut published = letters(300);
    published.extend(strange());
    published.extend(letters(300));
    rig.publish(&published);
    let configuration = fs::read_to_string(rig.file()).unwrap();
    let (before, _) = configuration.split_once("url = ").unwrap();
    let table = configuration.find("[[table]]").unwrap();
    let elsewhere = rig.path().join("elsewhere.toml");
    let url = "url = \"postgres://nobody@127.0.0.1:1/nothing\"\n";
    fs::write(&elsewhere, [before, url, configuration.get(table..).unwrap()].concat()).unwrap();

    let file = rig.path().join("range.jsonl");
    let output = file.to_str().unwrap();
    let range = ["--table", "public.orders", "--from", "100", "--to", "500", "--output", output];
    let counted = Rig::command_of(&elsewhere, "capture", &[&range[..], &["--dry-run"]].concat());
    assert_eq!(counted.report()["offsets"], 400);
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
    };
    let written = names(rig.path());
    assert!(!written.iter().any(|name| name.starts_with("range")), "a dry run writes: {written:?}");
    let report = Rig::command_of(&elsewhere, "capture", &range).report();
    assert_eq!((&report["records"], &report["outcome"]), (&400.into(), &"done".into()), "{report}");

    let mut reader = CaptureReader::open(&file).unwrap();
    for (offset, (key, value)) in published.iter().enumerate().take(500).skip(100) {
        let found = reader.read().unwrap().unwrap();
        let place = (found.topic, found.partition, usize::try_from(found.offset).unwrap());
        assert_eq!(place, (&*rig.topic, 0, offset));
        assert_eq!((found.key, found.value), (Some(&**key), value.as_deref()), "at {offset}");
        assert!(found.timestamp_millis > 1_600_000_000_000);
    }
    assert_eq!(reader.read().unwrap(), None);
    assert!(published[100..500].iter().any(|(key, _)| key.starts_with(&[0xff])));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_partitions_are_captured_each_in_its_order() {
    let rig = Rig::new("captured-all", 3).await;
    let published = letters(600);
    rig.publish(&published);
    let file = rig.path().join("all.jsonl");
    let report = rig.command("capture", &["--output", file.to_str().unwrap()]).report();
    let mut reader = CaptureReader::open(&file).unwrap();
    let mut ends = [0; 3];
    let mut records = 0;
    while let Some(record) = reader.read().unwrap() {
        let partition = usize::try_from(record.partition).unwrap();
        assert_eq!(record.offset, ends[partition]);
        ends[partition] += 1;
        records += 1;
    }
    assert_eq!((records, &report["records"]), (published.len(), &published.len().into()));
    assert!(ends.iter().all(|end| *end > 0), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_exists_is_refused_and_left_as_it_is() {
    let rig = Rig::new("exists", 1).await;
    let file = rig.path().join("mine.txt");
    fs::write(&file, "mine").unwrap();
    let (code, text) = rig.command("capture", &["--output", file.to_str().unwrap()]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("mine.txt exists") && text.contains("hint: name another"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_was_killed_leaves_no_file_and_can_be_made_again() {
    let rig = Rig::new("capture-killed", 1).await;
    rig.publish(&letters(4_000));
    let folder = rig.path().join("captures");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("all.jsonl");
    let output = ["--output", file.to_str().unwrap()];
    let killed = rig.command("capture", &[&output[..], &["--rate", "500"]].concat());
    let has_part = || fs::read_dir(&folder).unwrap().next().is_some();
    while !has_part() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    killed.kill_9();
    assert!(!file.exists());
    let report = rig.command("capture", &output).report();
    assert_eq!(report["records"], report["offsets"], "{report}");
    assert!(file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_unknown_is_refused_by_name_and_leaves_no_file() {
    let rig = Rig::new("capture-gone", 1).await;
    rig.publish(&letters(200));
    rig.delete_records_before(100);
    let folder = rig.path().join("captures");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("range.jsonl");
    let output = ["--output", file.to_str().unwrap()];
    let gone = [&output[..], &["--from", "40"]].concat();
    let unknown = [&output[..], &["--table", "public.nothing"]].concat();
    let place = format!("{}/0/0", rig.topic);
    for (arguments, expected, words) in [
        (gone, 3, [&*place, "begins at 100", "--from 100"]),
        (unknown, 2, [".public.nothing", "--topic", &rig.topic]),
    ] {
        let (code, text) = rig.command("capture", &arguments).failure();
        assert_eq!(code, expected, "{text}");
        for word in words {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_between_positions_of_the_source_holds_every_change_between_them() {
    let rig = Rig::new("captured-lsn", 2).await;
    rig.publish(&letters(1_000));
    rig.run_pipeline().await;
    let position = |place: u32| {
        rig.ask(&format!(
            "select source_lsn from orders_fact order by source_lsn offset {place} limit 1"
        ))
    };
    let (from, to) = (position(300), position(700));
    let file = rig.path().join("range.jsonl");
    let (from_option, to_option) = (format!("lsn:{from}"), format!("lsn:{to}"));
    let range = ["--from", &from_option, "--to", &to_option, "--output", file.to_str().unwrap()];
    let report = rig.command("capture", &range).report();
    for partition in [0, 1] {
        let expected = rig.ask(&format!(
            "select min(cdc_offset) filter (where source_lsn >= '{from}') || ' '
                 || max(cdc_offset) filter (where source_lsn < '{to}') + 1
             from orders_fact where cdc_partition = {partition}"
        ));
        let found = &report["ranges"][partition];
        assert_eq!(found["partition"], partition, "{report}");
        assert_eq!(format!("{} {}", found["from"], found["until"]), expected, "{report}");
    }
    assert_eq!(report["records"], report["offsets"], "{report}");
    assert!(report["records"].as_u64().unwrap() > 300, "{report}");

    let (code, text) =
        rig.command("capture", &["--from", "lsn:5", "--output", "nothing"]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--from") && text.contains("lsn:16/B374D848"), "{text}");
    rig.delete_records_before(100);
    let other = rig.path().join("other.jsonl");
    let gone = ["--from", "lsn:0/1", "--output", other.to_str().unwrap()];
    let (code, text) = rig.command("capture", &gone).failure();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("begins at 100") && !other.exists(), "{text}");
}
