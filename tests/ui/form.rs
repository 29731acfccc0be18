//! The configuration: fields that stand there only where they matter, and what
//! does not move.

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers, Rect, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::data::{Benchmark, MmluTemplate};
use gosling::kernels::device::DeviceChoice;
use gosling::protocol::run_spec::{DataSource, EvaluationSpec, Precision, RunSpec};
use gosling::runs::RunStore;
use gosling::tuning::spec::{Layers, Method, StandardSpec, StartState};
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::click;
use crate::pictures::{app, harness, picture, wait_for};

/// A window that is high enough for every field.
fn form<'a>(source: DataSource) -> Harness<'a, App> {
    let mut app = app(RunStore::default(), Tab::Tune, Appearance::Dark);
    app.workspace.draft.data.source = source;
    let mut harness = harness(app, vec2(1280.0, 1800.0), Appearance::Dark);
    harness.run_steps(4);
    harness
}

fn evaluation<'a>(harness: &'a Harness<'_, App>) -> &'a EvaluationSpec {
    &harness.state().workspace.draft.evaluation
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
        assert!(harness.query_by_label("MMLU prompt").is_none());
    }
    let mut harness = form(official(Benchmark::Mmlu));
    let wording = harness.get_by_role_and_label(Role::ComboBox, "MMLU prompt");
    wording.click();
    harness.run_steps(4);
    click(&mut harness, "RWKV-LM");
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
    harness
        .state_mut()
        .workspace
        .draft
        .evaluation
        .context_length = Some(0);
    wait_for(&mut harness, "× must be None or at least 1");
    click(&mut harness, "Longest item, set a value");
    assert_eq!(evaluation(&harness).context_length, None);
}

#[test]
fn texts_can_end_in_token_0() {
    let mut harness = form(DataSource::Jsonl {
        train: "texts.jsonl".into(),
        validation: None,
        template: gosling::data::Template::default(),
    });
    assert!(!harness.state().workspace.draft.data.append_end);
    wait_for(&mut harness, "End token");
    click(&mut harness, "End token");
    assert!(harness.state().workspace.draft.data.append_end);
    let benchmark = form(DataSource::Mini(Benchmark::Gsm8k));
    assert!(benchmark.query_by_label("End token").is_none());
}

#[test]
fn half_precision_is_chosen_for_every_device() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    harness
        .get_by_role_and_label(Role::ComboBox, "Weight precision")
        .click();
    harness.run_steps(4);
    click(&mut harness, "16-bit floats");
    let model = |harness: &Harness<'_, App>| harness.state().workspace.draft.model.precision;
    assert_eq!(model(&harness), Precision::F16);
    // The window of the tests computes on the processor, which takes it too.
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        harness.state_mut().workspace.draft.device = device;
        harness.run_steps(4);
        let refused = harness.query_by_label_contains("which needs a GPU");
        assert!(refused.is_none());
    }
}

#[test]
fn a_held_out_file_can_be_taken_out_again() {
    let mut harness = form(DataSource::Jsonl {
        train: "texts.jsonl".into(),
        validation: Some("held-out.jsonl".into()),
        template: gosling::data::Template::default(),
    });
    wait_for(&mut harness, "held-out.jsonl");
    click(&mut harness, "Remove Validation file");
    let DataSource::Jsonl {
        train, validation, ..
    } = &harness.state().workspace.draft.data.source
    else {
        panic!("the data are still texts");
    };
    assert_eq!((train.to_str(), validation), (Some("texts.jsonl"), &None));
    assert!(harness.query_by_label("Remove Validation file").is_none());
}

#[test]
fn a_field_that_is_not_as_by_default_goes_back_by_its_button() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    let training = |harness: &Harness<'_, App>| harness.state().workspace.draft.training.clone();
    // The steps of the tests are not those of the default run, the seed is.
    assert!(
        harness
            .query_by_label("Seed, back to the default")
            .is_none()
    );
    assert_ne!(training(&harness).steps, RunSpec::default().training.steps);
    click(&mut harness, "Steps, back to the default");
    assert_eq!(training(&harness).steps, RunSpec::default().training.steps);
    assert!(
        harness
            .query_by_label("Steps, back to the default")
            .is_none()
    );
}

#[test]
fn changes_of_the_configuration_are_undone_and_redone() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    let draft = |harness: &Harness<'_, App>| harness.state().workspace.draft.clone();
    let keys = |harness: &mut Harness<'_, App>, modifiers: Modifiers| {
        harness.key_press_modifiers(modifiers, Key::Z);
        harness.run_steps(2);
    };
    let undo = |harness: &mut Harness<'_, App>| keys(harness, Modifiers::COMMAND);
    let redo = |harness: &mut Harness<'_, App>| {
        keys(harness, Modifiers::COMMAND | Modifiers::SHIFT);
    };
    let first = draft(&harness);
    let ctx = harness.ctx.clone();
    let preset = Action::UsePreset("lifted");
    harness.state_mut().apply(preset, &ctx);
    harness.run_steps(2);
    let lifted = draft(&harness);
    assert_ne!(lifted, first);
    click(&mut harness, "Method Standard");
    let standard = draft(&harness);
    assert_ne!(standard, lifted);
    undo(&mut harness);
    assert_eq!(draft(&harness), lifted);
    undo(&mut harness);
    assert_eq!(draft(&harness), first);
    redo(&mut harness);
    assert_eq!(draft(&harness), lifted);
    redo(&mut harness);
    assert_eq!(draft(&harness), standard);
    // By the menu too.
    click(&mut harness, "More");
    harness.run_steps(4);
    harness.get_by_label_contains("Undo").click();
    harness.run_steps(4);
    assert_eq!(draft(&harness), lifted);
}

#[test]
fn a_slider_that_is_dragged_is_undone_at_once_and_a_text_keeps_its_own_keys() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    let draft = |harness: &Harness<'_, App>| harness.state().workspace.draft.clone();
    let first = draft(&harness);
    let slider = harness.get_by_role_and_label(Role::Slider, "Learning rate");
    let rect = slider.rect();
    let at = |share: f32| pos2(rect.left() + share * rect.width(), rect.center().y);
    harness.drag_at(at(0.5));
    for n in 0..8 {
        harness.hover_at(at(0.5 + 0.02 * n as f32));
        harness.step();
    }
    harness.drop_at(at(0.64));
    harness.run_steps(4);
    assert_ne!(
        draft(&harness).training.learning_rate,
        first.training.learning_rate
    );
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(draft(&harness), first);

    // In a text field the keys are those of its own text.
    click(&mut harness, "Method Base, untuned");
    let base = draft(&harness);
    harness
        .get_by_role_and_label(Role::TextInput, "Name")
        .focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(draft(&harness), base);
}

#[test]
fn what_is_pointed_at_tells_its_default_and_its_range() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    harness.get_by_label("Context length").hover();
    harness.run_steps(60);
    let told = "data.context_length\nDefault 512, 2 to 1048576.";
    wait_for(&mut harness, told);
}

#[test]
fn what_is_typed_is_kept_within_the_range_and_what_was_opened_is_told() {
    let mut harness = form(DataSource::Mini(Benchmark::Gsm8k));
    let length = |harness: &Harness<'_, App>| harness.state().workspace.draft.data.context_length;
    harness.state_mut().workspace.draft.data.context_length = 1;
    wait_for(&mut harness, "× must be at least 2, is 1");
    assert_eq!(length(&harness), 1);
    let field = harness.get_by_role_and_label(Role::SpinButton, "Context length");
    field.click();
    harness.run_steps(2);
    harness.event(Event::Text("9999999".into()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    assert_eq!(length(&harness), 1_048_576);
}

#[test]
fn fields_within_others_have_names() {
    let mut app = app(RunStore::default(), Tab::Tune, Appearance::Dark);
    app.workspace.draft.method = Method::Standard(StandardSpec {
        layers: Layers::Only(vec![1]),
        start: StartState::Text("Once".into()),
        ..StandardSpec::default()
    });
    let mut harness = harness(app, vec2(1280.0, 2000.0), Appearance::Dark);
    harness.run_steps(4);
    click(&mut harness, "Optimizer and early stopping");
    harness.run_steps(30);
    for (role, name) in [
        (Role::TextInput, "Layer numbers"),
        (Role::MultilineTextInput, "Start text"),
        (Role::SpinButton, "Beta 1"),
        (Role::SpinButton, "Beta 2"),
        (Role::SpinButton, "Epsilon"),
    ] {
        assert!(
            harness.query_by_role_and_label(role, name).is_some(),
            "{name}"
        );
    }
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
    harness.state_mut().workspace.draft.data.train_limit = Some(100);
    harness.step();
    assert_eq!(place(&harness), known);
    wait_for(&mut harness, "100 examples");
    assert_eq!(place(&harness), known);
    harness.state_mut().workspace.draft.training.warmup_steps = 500;
    harness.step();
    assert_eq!(place(&harness), known);
    harness.state_mut().workspace.draft.name = "a name that no folder can have ".repeat(9);
    harness.step();
    assert_eq!(place(&harness), known);
}

#[test]
fn a_value_that_cannot_be_run_is_said_at_its_field() {
    let look = Appearance::Dark;
    let mut app = app(RunStore::default(), Tab::Tune, look);
    app.workspace.draft.training.warmup_steps = 500;
    let mut harness = harness(app, vec2(1000.0, 620.0), look);
    wait_for(&mut harness, "must be below Steps, 200");
    picture(&mut harness, "invalid_dark");
}
