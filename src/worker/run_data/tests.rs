use std::io::Write as _;
use std::path::PathBuf;

use super::*;
use crate::bench::answer_cap;
use crate::data::Template;
use crate::model::LeadingToken;

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
        assert_eq!(with.context, without.context);
        assert_eq!(with.target, [&without.target[..], &[0]].concat());
    }
    let is_told = |data: &RunData| data.notes.iter().any(|it| it.contains("append_end"));
    assert_eq!((is_told(&without), is_told(&with)), (true, false));
    drop(file);
    // A benchmark's examples too.
    let data = load(|spec| spec.data.append_end = true).unwrap();
    assert!(data.train.iter().all(|it| it.target.last() == Some(&0)));
}
