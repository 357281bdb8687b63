//! The decoder's suite on the text decoder and on broken ones.

use cdc_testkit::broken::{BrokenSamples, DecoderDefect};
use cdc_testkit::conformance::decoder::{self, CASES, TextSamples};

#[tokio::test]
async fn the_text_decoder_passes_every_case() {
    for case in CASES {
        println!("decoder: {case}");
        decoder::run(&TextSamples, case).await.unwrap();
    }
    assert_eq!(decoder::run_all(&TextSamples).await, []);
}

#[tokio::test]
async fn every_broken_decoder_is_caught_by_the_case_named_for_it() {
    for defect in DecoderDefect::ALL {
        let samples = BrokenSamples(defect);
        let violation =
            decoder::run(&samples, defect.case()).await.expect_err(&format!("{defect:?}"));
        println!("{defect:?} is caught: {violation}");
        assert_eq!(violation.case, defect.case());
    }
}

#[test]
fn every_case_of_the_decoder_catches_some_defect() {
    for case in CASES {
        assert!(DecoderDefect::ALL.iter().any(|defect| defect.case() == *case), "{case} is idle");
    }
}
