use std::io::Write as _;
use std::path::PathBuf;

use super::*;
use crate::bench::answer_cap;
use crate::data::{LossOn, Template};
use crate::model::LeadingToken;
use crate::protocol::run_spec::HeldOut;

fn load(change: impl FnOnce(&mut RunSpec)) -> Result<RunData> {
    let mut spec = RunSpec::default();
    change(&mut spec);
    RunData::load(&spec, &Tokenizer::mini().unwrap())
}

fn jsonl(lines: &str, validation: Option<PathBuf>) -> (tempfile::NamedTempFile, DataSource) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    let source = DataSource::Jsonl {
        train: file.path().into(),
        validation,
        template: Template::Plain,
    };
    (file, source)
}

#[test]
fn a_mini_benchmark_has_three_sets() {
    for benchmark in Benchmark::ALL {
        let data = load(|spec| {
            spec.data.source = DataSource::Mini(benchmark);
            spec.data.train_limit = Some(70);
            spec.training.validation_limit = Some(9);
            spec.evaluation.limit = Some(8);
        })
        .unwrap();
        assert_eq!((data.train.len(), data.validation.len()), (70, 9));
        assert_eq!(data.notes, [""; 0]);
        let set = data.benchmark.unwrap();
        assert_eq!((set.items.benchmark, set.items.items.len()), (benchmark, 8));
        assert_eq!(set.items.n_total, 500);
        assert_eq!(
            set.options(EvaluationPhase::After).few_shot,
            FewShot::default()
        );
        let FewShot::Same(solved) = set.options(EvaluationPhase::FewShot).few_shot else {
            panic!("{benchmark}");
        };
        assert!(solved.len() >= 5, "{benchmark}");
    }
}

#[test]
fn answers_are_cut_where_the_gold_answers_say_or_the_user() {
    let cap = |change: &dyn Fn(&mut RunSpec)| {
        let data = load(|spec| {
            spec.data.train_limit = Some(3);
            change(spec);
        });
        let data = data.unwrap();
        let cap =
            |set: Option<BenchmarkSet>| set.unwrap().options(EvaluationPhase::After).max_new_tokens;
        (cap(data.benchmark), cap(data.held_out))
    };
    let train = mini(Benchmark::Gsm8k, Split::Train).unwrap();
    let tokenizer = Tokenizer::mini().unwrap();
    let expected = answer_cap(Protocol::Mini, &train, &tokenizer).unwrap();
    assert_eq!(cap(&|_| ()), (expected, expected));
    let asked = |spec: &mut RunSpec| spec.evaluation.max_new_tokens = Some(7);
    assert_eq!(cap(&asked), (7, 7));
}

#[test]
fn long_examples_are_left_out_and_counted() {
    let data = load(|spec| spec.data.context_length = 120).unwrap();
    assert!(data.train.len() < 2000);
    assert!(data.train.iter().all(|example| example.n_tokens() < 120));
    let note = format!(
        "{} of 2000 training examples have more than 120 tokens and are left out",
        2000 - data.train.len()
    );
    assert_eq!(data.notes[0], note);
}

#[test]
fn examples_of_which_nothing_can_be_learnt_are_left_out() {
    let lines = "{\"text\": \"a\"}\n{\"text\": \"a b\"}\n";
    let (_file, source) = jsonl(lines, None);
    let with = |leading| {
        load(|spec| {
            spec.data.source = source.clone();
            spec.data.leading_token = leading;
        })
    };
    assert_eq!(with(LeadingToken::Zero).unwrap().train.len(), 2);
    for leading in [LeadingToken::None, LeadingToken::Both] {
        let data = with(leading).unwrap();
        assert_eq!(data.train.len(), 1);
        let note = format!(
            "1 of 2 training examples have a single token and nothing to predict with \
             data.leading_token {}, and are left out",
            leading.name()
        );
        assert!(data.notes.contains(&note), "{:?}", data.notes);
    }
    let (_file, source) = jsonl("{\"text\": \"a\"}\n", None);
    let refused = load(|spec| {
        spec.data.source = source;
        spec.data.leading_token = LeadingToken::None;
    });
    let message = refused.unwrap_err().to_string();
    assert!(
        message.starts_with("data.leading_token: 1 of 1"),
        "{message}"
    );
}

#[test]
fn a_set_of_which_nothing_is_left_is_refused() {
    let message = load(|spec| spec.data.context_length = 4)
        .unwrap_err()
        .to_string();
    assert!(
        message
            .starts_with("data.context_length: all 2000 training examples have more than 4 tokens"),
        "{message}"
    );
    let (file, source) = jsonl("", None);
    let message = load(|spec| spec.data.source = source)
        .unwrap_err()
        .to_string();
    let expected = format!("{}: line 1: there is nothing in it", file.path().display());
    assert_eq!(message, expected);
}

#[test]
fn texts_have_no_benchmark_and_bad_lines_are_noted() {
    let (file, source) = jsonl("{\"text\": \"a b\"}\nnonsense\n", None);
    let data = load(|spec| spec.data.source = source).unwrap();
    assert_eq!((data.train.len(), data.validation.len()), (1, 0));
    assert!(data.benchmark.is_none());
    let note = format!(
        "1 lines cannot be used and are left out, the first is {}: line 2: \
         not a JSON object, which begins with a brace; it begins with `nonsense`",
        file.path().display()
    );
    assert_eq!(data.notes[1], note);
    assert!(data.notes[2].starts_with("1 of 1 examples end in neither"));
    assert!(data.notes[3].starts_with("there are no validation examples"));
}

#[test]
fn an_end_is_appended_to_every_example() {
    let (file, source) = jsonl("{\"text\": \"a b\"}\n{\"text\": \"a\"}\n", None);
    let read = |append_end| {
        load(|spec| {
            spec.data.source = match &source {
                DataSource::Jsonl { train, .. } => DataSource::Jsonl {
                    train: train.clone(),
                    validation: Some(train.clone()),
                    template: Template::Plain,
                },
                other => other.clone(),
            };
            spec.data.append_end = append_end;
        })
        .unwrap()
    };
    let (without, with) = (read(false), read(true));
    assert_eq!(with.train, with.validation);
    for (without, with) in without.train.iter().zip(&with.train) {
        assert_eq!(with.tokens, [&without.tokens[..], &[0]].concat());
        assert_eq!(with.turns.len(), without.turns.len());
    }
    let is_told = |data: &RunData| data.notes.iter().any(|it| it.contains("append_end"));
    assert_eq!((is_told(&without), is_told(&with)), (true, false));
    drop(file);
    // A benchmark's examples too.
    let data = load(|spec| spec.data.append_end = true).unwrap();
    assert!(data.train.iter().all(|it| it.tokens.last() == Some(&0)));
}

fn chats(n: usize) -> String {
    let chat = |idx: usize| {
        let word = ["river", "stone", "window", "garden", "engine"][idx % 5];
        format!(
            "{{\"prompt\": \"What is {word} {} of {}?\", \"completion\": \" It is.\\n\\n\"}}\n",
            idx * 7919,
            idx * idx
        )
    };
    (0..n).map(chat).collect()
}

#[test]
fn some_of_ones_own_examples_are_held_out() {
    let sizes = |n: usize, change: &dyn Fn(&mut RunSpec)| {
        let (_file, source) = jsonl(&chats(n), None);
        let data = load(|spec| {
            spec.data.source = source;
            change(spec);
        });
        let data = data.unwrap();
        let train = &data.train;
        assert!(data.validation.iter().all(|it| !train.contains(it)));
        (train.len(), data.validation.len(), data.is_small)
    };
    let auto = |_: &mut RunSpec| ();
    assert_eq!(sizes(9, &auto), (9, 0, false));
    assert_eq!(sizes(10, &auto), (10, 0, true));
    assert_eq!(sizes(50, &auto), (50, 0, true));
    assert_eq!(sizes(51, &auto), (31, 20, false));
    // More than `validation_limit`, which is for sets of their own.
    let (n_train, n_held_out, _) = sizes(2400, &auto);
    // A group of near-duplicates may be one or two more.
    assert_eq!(n_train + n_held_out, 2400);
    assert!((120..=122).contains(&n_held_out), "{n_held_out}");
    let of = |held_out| move |spec: &mut RunSpec| spec.data.held_out = held_out;
    assert_eq!(sizes(40, &of(HeldOut::None)), (40, 0, false));
    assert_eq!(sizes(40, &of(HeldOut::Count(5))), (35, 5, false));
    assert_eq!(sizes(40, &of(HeldOut::Share(0.25))), (30, 10, false));
    // A file of held-out examples is taken as it is.
    let (file, _) = jsonl(&chats(3), None);
    let (_train, source) = jsonl(&chats(60), Some(file.path().into()));
    let data = load(|spec| spec.data.source = source).unwrap();
    assert_eq!((data.train.len(), data.validation.len()), (60, 3));
}

#[test]
fn long_texts_are_cut_and_what_counts_nothing_is_left_out() {
    let long = format!("{{\"text\": \"{}\"}}\n", "1".repeat(40));
    let (_file, source) = jsonl(&long, None);
    let data = load(|spec| {
        spec.data.source = source;
        spec.data.context_length = 17;
        spec.data.append_end = true;
    });
    let data = data.unwrap();
    let lengths: Vec<_> = data.train.iter().map(Example::n_tokens).collect();
    // The end belongs to the last piece.
    assert_eq!(lengths, [16, 16, 9]);
    let is_told =
        |it: &String| it.starts_with("1 of 1 training examples are longer than 16 tokens");
    assert!(data.notes.iter().any(is_told), "{:?}", data.notes);
    let lines = "{\"segments\": [{\"text\": \"a\", \"train\": true}]}\n{\"text\": \"a b\"}\n";
    let (_file, source) = jsonl(lines, None);
    let data = load(|spec| {
        spec.data.source = source;
        spec.data.loss_on = LossOn::Marked;
        spec.data.leading_token = LeadingToken::Zero;
    });
    let data = data.unwrap();
    assert_eq!(data.train.len(), 1);
    assert!(
        data.notes
            .iter()
            .any(|it| it.starts_with("the loss counts nothing of 1 of 2"))
    );
    let (_file, source) = jsonl("{\"text\": \"a b\"}\n", None);
    let refused = load(|spec| {
        spec.data.source = source;
        spec.data.loss_on = LossOn::Marked;
    });
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .starts_with("data.loss_on: the loss counts nothing")
    );
}
