//! Tests of comparisons.

use super::*;
use crate::bench::evaluation::FewShotOrder;
use crate::data::{Benchmark, Protocol, Split};
use crate::model::TextStart;

/// An evaluation of which each item is right (strict, flexible) or not.
fn evaluation(right: &[(bool, bool)]) -> Evaluation {
    let record = |(idx, (strict, flexible)): (usize, &(bool, bool))| ItemRecord {
        id: format!("test/{}", idx + 1),
        subject: None,
        prompt: format!("Question: {idx}\nAnswer:"),
        n_steps: None,
        answer: Answer::Written {
            output: String::new(),
            extracted: String::new(),
            extracted_flexible: String::new(),
            gold: "4".into(),
            correct_flexible: *flexible,
            ended: None,
        },
        correct: *strict,
    };
    Evaluation {
        conditions: Conditions {
            benchmark: Benchmark::Gsm8k,
            protocol: Protocol::Mini,
            split: Split::Test,
            few_shot: 0,
            few_shot_order: None,
            leading_token: None,
            max_new_tokens: None,
            n_total: 500,
            left_out: Vec::new(),
        },
        records: right.iter().enumerate().map(record).collect(),
    }
}

#[test]
fn what_was_fixed_and_broken_is_told() {
    let (yes, no) = (true, false);
    let before = evaluation(&[(no, yes), (yes, yes), (yes, no), (no, no), (no, no)]);
    let after = evaluation(&[(yes, yes), (no, no), (yes, yes), (no, no), (yes, no)]);
    let of = |rule| compare(&before, &after, rule).unwrap();
    let strict = of(Rule::Headline);
    use Change::{BothRight, BothWrong, Broken, Fixed};
    assert_eq!(strict.changes, [Fixed, Broken, BothRight, BothWrong, Fixed]);
    assert_eq!((strict.before.n_correct, strict.after.n_correct), (2, 3));
    assert!((strict.difference() - 0.2).abs() < 1e-12);
    assert_eq!((strict.figure, strict.p_value), ("strict", 1.0));
    let flexible = of(Rule::Secondary);
    assert_eq!(flexible.changes[..3], [BothRight, Broken, Fixed]);
    assert_eq!(flexible.count(BothWrong), 2);
    assert!(flexible.interval95.0 < 0.0 && flexible.interval95.1 > 0.0);
}

fn check_refused(change: impl FnOnce(&mut Evaluation), expected: &str) {
    let before = evaluation(&[(true, true); 3]);
    let mut after = before.clone();
    change(&mut after);
    let message = compare(&before, &after, Rule::Headline).unwrap_err();
    let message = message.to_string();
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn what_does_not_compare_is_refused_with_the_reason() {
    check_refused(
        |other| other.conditions.split = Split::Validation,
        "comparison: different splits: gsm8k-mini, test against gsm8k-mini, validation",
    );
    check_refused(
        |other| other.conditions.few_shot = 5,
        "comparison: different prompts: gsm8k-mini, test against gsm8k-mini, test, 5",
    );
    check_refused(
        |other| other.conditions.protocol = Protocol::LM_EVAL,
        "comparison: different rules and prompts: gsm8k-mini, test against gsm8k, test",
    );
    check_refused(
        |other| other.conditions.benchmark = Benchmark::Arc,
        "comparison: different benchmarks",
    );
    check_refused(
        |other| other.conditions.max_new_tokens = Some(48),
        "comparison: different lengths of answers: gsm8k-mini, test against gsm8k-mini, test, \
         answers of at most 48 tokens",
    );
    check_refused(
        |other| other.records.truncate(2),
        "comparison: different items: 3 against 2; score both on the same",
    );
    check_refused(
        |other| other.records.swap(0, 1),
        "comparison: different items: number 1 is test/1 in one and test/2 in the other",
    );
    check_refused(
        |other| other.records[1].prompt.push('!'),
        "comparison: item test/2 has different prompts",
    );
    check_refused(
        |other| match &mut other.records[0].answer {
            Answer::Written { gold, .. } => gold.push('0'),
            Answer::Chosen { .. } => panic!(),
        },
        "comparison: item test/1 has different answer options",
    );
}

#[test]
fn examples_of_another_order_are_other_conditions() {
    let with = |order| {
        let mut evaluation = evaluation(&[(true, true); 3]);
        evaluation.conditions.few_shot = 5;
        evaluation.conditions.few_shot_order = order;
        evaluation
    };
    let compared = |a, b| compare(&with(a), &with(b), Rule::Headline);
    let (drawn, first) = (Some(FewShotOrder::Drawn), Some(FewShotOrder::First));
    for (a, b) in [(drawn, drawn), (first, first), (drawn, None), (None, first)] {
        assert!(compared(a, b).is_ok(), "{a:?} {b:?}");
    }
    assert_eq!(
        compared(first, drawn).unwrap_err().to_string(),
        "comparison: different prompts: gsm8k-mini, test, 5-shot (the first) \
         against gsm8k-mini, test, 5-shot (drawn)"
    );
}

#[test]
fn tuned_states_compare_in_one_form_and_either_with_the_untuned_model() {
    let with = |leading_token| {
        let mut evaluation = evaluation(&[(true, true); 3]);
        evaluation.conditions.leading_token = leading_token;
        evaluation
    };
    let compared = |a, b| compare(&with(a), &with(b), Rule::Headline);
    let (zero, none) = (Some(TextStart::Zero), Some(TextStart::None));
    for (a, b) in [(zero, zero), (none, none), (None, zero), (None, none)] {
        assert!(compared(a, b).is_ok(), "{a:?} {b:?}");
    }
    assert_eq!(
        compared(zero, none).unwrap_err().to_string(),
        "comparison: different leading tokens: gsm8k-mini, test against gsm8k-mini, test, \
         without token 0; score both in one form with gosling eval --leading-token"
    );
}

#[test]
fn the_items_that_both_have_compare() {
    let before = evaluation(&[(true, true); 5]);
    let mut after = before.clone();
    after.records.remove(1);
    after.records.truncate(3);
    let (a, b) = common_items(&before, &after);
    let comparison = compare(&a, &b, Rule::Headline).unwrap();
    assert_eq!(comparison.before.n_items, 3);
    assert_eq!(a.records[1].id, "test/3");
}
