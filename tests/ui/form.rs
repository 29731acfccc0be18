//! The configuration: fields that stand there only where they matter, and what
//! does not move.

use eframe::egui::accesskit::Role;
use eframe::egui::{Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::data::{Benchmark, MmluTemplate};
use gosling::kernels::device::DeviceChoice;
use gosling::protocol::run_spec::{DataSource, EvaluationSpec, Precision};
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::theme::Appearance;
use gosling::ui::ui_state::Tab;

use crate::click_through::click;
use crate::pictures::{app, harness, wait_for};

/// A window that is high enough for every field.
fn form<'a>(source: DataSource) -> Harness<'a, App> {
    let mut app = app(RunStore::default(), Tab::Tune, Appearance::Dark);
    app.state.draft.data.source = source;
    let mut harness = harness(app, vec2(1280.0, 1800.0), Appearance::Dark);
    harness.run_steps(4);
    harness
}

fn evaluation<'a>(harness: &'a Harness<'_, App>) -> &'a EvaluationSpec {
    &harness.state().state.draft.evaluation
}

#[test]
fn the_wording_of_mmlu_is_asked_only_for_its_official_questions() {
    let official = |benchmark| DataSource::Official {
        benchmark,
        folder: "files".into(),
    };
    for source in [
        DataSource::Mini(Benchmark::Mmlu),
        official(Benchmark::Gsm8k),
    ] {
        let harness = form(source);
        assert!(harness.query_by_label("Longest item").is_some());
        assert!(harness.query_by_label("MMLU wording").is_none());
    }
    let mut harness = form(official(Benchmark::Mmlu));
    let wording = harness.get_by_role_and_label(Role::ComboBox, "MMLU wording");
    wording.click();
    harness.run_steps(4);
    click(&mut harness, "As RWKV-LM");
    assert_eq!(evaluation(&harness).mmlu, MmluTemplate::Rwkv);
}

#[test]
fn the_longest_item_is_asked_only_where_items_are_scored() {
    let texts = form(DataSource::Jsonl {
        train: "texts.jsonl".into(),
        validation: None,
        template: gosling::data::Template::default(),
    });
    assert!(texts.query_by_label("Longest item").is_none());

    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    assert_eq!(evaluation(&harness).context_length, None);
    click(&mut harness, "Longest item, set a value");
    assert_eq!(evaluation(&harness).context_length, Some(2048));
    harness.state_mut().state.draft.evaluation.context_length = Some(0);
    wait_for(&mut harness, "× must be None or at least 1");
    click(&mut harness, "Longest item, set a value");
    assert_eq!(evaluation(&harness).context_length, None);
}

#[test]
fn half_precision_is_chosen_and_refused_where_the_processor_computes() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    harness
        .get_by_role_and_label(Role::ComboBox, "Stored as")
        .click();
    harness.run_steps(4);
    click(&mut harness, "16-bit floats");
    let model = |harness: &Harness<'_, App>| harness.state().state.draft.model.precision;
    assert_eq!(model(&harness), Precision::F16);
    // The window of the tests computes on the processor.
    wait_for(&mut harness, "× is F16, which needs a GPU");
    harness.state_mut().state.draft.device = DeviceChoice::Gpu;
    harness.run_steps(4);
    assert!(
        harness
            .query_by_label_contains("which needs a GPU")
            .is_none()
    );
}

#[test]
fn a_held_out_file_can_be_taken_out_again() {
    let mut harness = form(DataSource::Jsonl {
        train: "texts.jsonl".into(),
        validation: Some("held-out.jsonl".into()),
        template: gosling::data::Template::default(),
    });
    wait_for(&mut harness, "held-out.jsonl");
    click(&mut harness, "Held-out file, take it out");
    let DataSource::Jsonl {
        train, validation, ..
    } = &harness.state().state.draft.data.source
    else {
        panic!("the data are still texts");
    };
    assert_eq!((train.to_str(), validation), (Some("texts.jsonl"), &None));
    assert!(
        harness
            .query_by_label("Held-out file, take it out")
            .is_none()
    );
}

/// Where Start is.
fn place(harness: &Harness<'_, App>) -> Rect {
    harness.get_by_role_and_label(Role::Button, "Start").rect()
}

#[test]
fn start_stays_where_it_is() {
    let app = app(RunStore::default(), Tab::Tune, Appearance::Dark);
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    wait_for(&mut harness, "2000 examples");
    let known = place(&harness);
    // Other data, which are read anew, and a value that cannot be run.
    harness.state_mut().state.draft.data.train_limit = Some(100);
    harness.step();
    assert_eq!(place(&harness), known);
    wait_for(&mut harness, "100 examples");
    assert_eq!(place(&harness), known);
    harness.state_mut().state.draft.training.warmup_steps = 500;
    harness.step();
    assert_eq!(place(&harness), known);
    harness.state_mut().state.draft.name = "a name that no folder can have ".repeat(9);
    harness.step();
    assert_eq!(place(&harness), known);
}
