use super::*;

fn record(subject: Option<&str>, correct: bool, correct_norm: Option<bool>) -> ItemRecord {
    ItemRecord {
        id: "x".into(),
        subject: subject.map(str::to_owned),
        prompt: "Question: x\nAnswer:".into(),
        n_steps: None,
        answer: Answer::Chosen {
            options: vec!["a".into(), "b".into()],
            log_likelihoods: vec![-1.5, -2.0],
            gold: 0,
            chosen: Some(0),
            chosen_norm: None,
            correct_norm,
        },
        correct,
    }
}

fn conditions(benchmark: Benchmark) -> Conditions {
    Conditions {
        benchmark,
        protocol: Protocol::Mini,
        split: Split::Test,
        few_shot: 0,
        few_shot_order: None,
        max_new_tokens: None,
        leading_token: None,
        n_total: 500,
        left_out: Vec::new(),
    }
}

fn check_figures(benchmark: Benchmark, records: Vec<ItemRecord>, expected: &[(&str, usize)]) {
    let evaluation = Evaluation {
        conditions: conditions(benchmark),
        records,
    };
    let figures = evaluation.figures();
    let got: Vec<_> = figures
        .iter()
        .map(|figure| (figure.name.as_str(), figure.accuracy.n_correct))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn each_benchmark_has_its_figures() {
    let records = vec![
        record(Some("physics"), true, None),
        record(Some("anatomy"), true, None),
        record(Some("physics"), false, None),
    ];
    let expected = [("acc", 2), ("anatomy", 1), ("physics", 1)];
    check_figures(Benchmark::Mmlu, records, &expected);
    let records = vec![
        record(None, true, Some(true)),
        record(None, false, Some(true)),
    ];
    check_figures(Benchmark::Arc, records, &[("acc", 1), ("acc_norm", 2)]);
    check_figures(Benchmark::WinoGrande, Vec::new(), &[("acc", 0)]);
}

#[test]
fn conditions_read_as_people_write_them() {
    let mut conditions = Conditions {
        benchmark: Benchmark::Mmlu,
        protocol: Protocol::LmEval {
            mmlu: MmluTemplate::Rwkv,
        },
        split: Split::Test,
        few_shot: 5,
        few_shot_order: None,
        max_new_tokens: None,
        leading_token: None,
        n_total: 9,
        left_out: Vec::new(),
    };
    let expected = "mmlu, test, RWKV's wording, 5-shot";
    assert_eq!(conditions.to_string(), expected);
    conditions.protocol = Protocol::Mini;
    for (few_shot, order, expected) in [
        (5, FewShotOrder::Drawn, "5-shot (drawn)"),
        (1, FewShotOrder::Drawn, "1-shot (drawn)"),
        (5, FewShotOrder::First, "5-shot (the first)"),
    ] {
        conditions.few_shot = few_shot;
        conditions.few_shot_order = Some(order);
        let expected = format!("mmlu-mini, test, {expected}");
        assert_eq!(conditions.to_string(), expected);
    }
    conditions.few_shot = 0;
    conditions.few_shot_order = None;
    assert_eq!(conditions.to_string(), "mmlu-mini, test");
    conditions.leading_token = Some(TextStart::Zero);
    assert_eq!(conditions.to_string(), "mmlu-mini, test");
    conditions.leading_token = Some(TextStart::None);
    assert_eq!(conditions.to_string(), "mmlu-mini, test, without token 0");
    conditions.leading_token = None;
    conditions.benchmark = Benchmark::Gsm8k;
    conditions.max_new_tokens = Some(140);
    let expected = "gsm8k-mini, test, answers of at most 140 tokens";
    assert_eq!(conditions.to_string(), expected);
}

/// An answer that ended, one that was cut off and had its number, and one that
/// was cut off before it.
#[test]
fn shares_of_written_answers_are_told() {
    let written = |ended, extracted: &str| ItemRecord {
        answer: Answer::Written {
            output: String::new(),
            extracted: extracted.into(),
            extracted_flexible: extracted.into(),
            gold: "4".into(),
            correct_flexible: false,
            ended,
        },
        ..record(None, false, None)
    };
    let shares = |records| {
        let evaluation = Evaluation {
            conditions: conditions(Benchmark::Gsm8k),
            records,
        };
        let share = |of: Option<Accuracy>| of.map(|of| (of.n_correct, of.n_items));
        (share(evaluation.ended()), share(evaluation.extracted()))
    };
    let (ended, cut) = (Some(true), Some(false));
    let three = vec![
        written(ended, "4"),
        written(cut, "5"),
        written(cut, "[invalid]"),
    ];
    assert_eq!(shares(three), (Some((1, 3)), Some((2, 3))));
    assert_eq!(shares(vec![written(None, "4")]), (None, Some((1, 1))));
    assert_eq!(shares(vec![record(None, true, None)]), (None, None));
}

#[test]
fn a_record_survives_json_even_after_divergence() {
    let mut written = record(None, false, Some(false));
    if let Answer::Chosen {
        log_likelihoods, ..
    } = &mut written.answer
    {
        *log_likelihoods = vec![f64::NAN, -2.5];
    }
    let json = serde_json::to_string(&written).unwrap();
    assert!(json.contains("[null,-2.5]"), "{json}");
    let read: ItemRecord = serde_json::from_str(&json).unwrap();
    let Answer::Chosen {
        log_likelihoods, ..
    } = read.answer
    else {
        panic!("{json}");
    };
    assert!(log_likelihoods[0].is_nan());
    assert_eq!(log_likelihoods[1], -2.5);
}
