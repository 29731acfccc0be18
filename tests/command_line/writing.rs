//! How many launches a token takes.

use std::fs;

use serde_json::Value;

use crate::check_output;

#[test]
fn a_token_of_a_few_texts_takes_few_launches_on_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let arguments = "bench decode --device gpu --batch 1 --batch 9 --tokens 1 --json out.json";
    let why = "9 texts, operator by operator: there are more than eight texts";
    check_output(folder, arguments, &[why]);
    let report: Value =
        serde_json::from_slice(&fs::read(folder.join("out.json")).unwrap()).unwrap();
    let launches = |row: usize| report["tables"][0]["rows"][row]["launches a token"].as_u64();
    // Five for each of the mini model's six layers, the norms in front of them and behind,
    // and the head.
    assert_eq!(launches(0), Some(33), "{report}");
    assert!(launches(1) > Some(100), "{report}");
}
