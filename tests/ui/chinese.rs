//! Views with Chinese data: names, notes, prompts and answers, with letters of a font
//! that has these and no others, so that the pictures are alike on every machine.

use std::path::Path;

use eframe::egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use eframe::egui::{FontData, FontFamily, Key, Modifiers, Vec2, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::bench::{self, Conditions, Evaluation, ItemRecord};
use gosling::data::{Benchmark, Protocol, Split, Template};
use gosling::persist::evaluation_file::{Scored, write_evaluation};
use gosling::persist::run_labels::RunLabels;
use gosling::protocol::event::{
    Answer, AnswerEnd, EvaluationPhase, Event, JobEvent, RunId, RunOutcome,
};
use gosling::protocol::run_spec::DataSource;
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures::Told;
use crate::pictures::{app, harness, settle, wait_for};
use crate::sheets::{Painted, check_sheet};

/// The characters of this file and no others; see the notice beside it.
const FONT: &[u8] = include_bytes!("fonts/chinese.ttf");
/// A window that is as small as it has to be, and one as it opens.
const WINDOWS: [(Vec2, Appearance); 2] = [
    (vec2(1024.0, 700.0), Appearance::Dark),
    (vec2(1280.0, 800.0), Appearance::Light),
];

const TITLES: [&str; 3] = [
    "小学应用题，标准调优",
    "小学应用题，提升特征",
    "中文问答，去相关",
];
const QUESTIONS: [(&str, &str, &str); 4] = [
    (
        "小明有三个苹果，又买了五个。他现在一共有几个苹果？",
        "先数原来的苹果，再加上新买的：三加五等于八。",
        "8",
    ),
    (
        "书店上午卖出二十四本书，下午卖出的是上午的一半。全天卖出几本书？",
        "下午卖出十二本，二十四加十二等于三十六。",
        "36",
    ),
    (
        "一条路长九百米，每天修三十米。修完要几天？",
        "九百除以三十等于三十。",
        "30",
    ),
    (
        "老师把四十八支铅笔平均分给六个同学，每人得到几支？",
        "四十八除以六等于八。",
        "8",
    ),
];

/// A window that has the letters, before anything in it needs them.
fn with_letters<'a>(tab: Tab, size: Vec2, look: Appearance) -> Harness<'a, App> {
    let app = app(RunStore::default(), tab, look);
    let harness = harness(app, size, look);
    let families = [FontFamily::Proportional, FontFamily::Monospace];
    let families = families.map(|family| InsertFontFamily {
        family,
        priority: FontPriority::Lowest,
    });
    let data = FontData::from_static(FONT);
    let font = FontInsert::new("Chinese characters", data, families.to_vec());
    harness.ctx.add_font(font);
    harness
}

/// The questions as an evaluation in a run's folder; the first `n_right` are right.
fn write_items(folder: &Path, name: &str, is_tuned: bool, n_right: usize) {
    let record = |idx: usize| {
        let (question, steps, gold) = QUESTIONS[idx % QUESTIONS.len()];
        let correct = idx < n_right;
        let number = if correct { gold } else { "7" };
        ItemRecord {
            id: format!("小学/{}", idx + 1),
            subject: None,
            prompt: format!("问题：{question}\n答案："),
            answer: bench::Answer::Written {
                output: format!("{steps}\n#### {number}"),
                extracted: number.into(),
                extracted_flexible: number.into(),
                gold: gold.into(),
                correct_flexible: correct,
                ended: Some(true),
            },
            n_steps: Some(1),
            correct,
        }
    };
    let evaluation = Evaluation {
        conditions: Conditions {
            benchmark: Benchmark::Gsm8k,
            protocol: Protocol::Mini,
            split: Split::Test,
            few_shot: 0,
            few_shot_order: None,
            leading_token: None,
            max_new_tokens: Some(140),
            n_total: 20,
            left_out: Vec::new(),
        },
        records: (0..20).map(record).collect(),
    };
    let scored = Scored {
        model: "rwkv7-mini-7m-f16.pth".into(),
        fingerprint: "0".into(),
        start: "untuned".into(),
        is_tuned,
        secs: 8.0,
    };
    std::fs::create_dir_all(folder.join("eval")).unwrap();
    write_evaluation(&folder.join("eval").join(name), &evaluation, &scored).unwrap();
}

/// Three finished runs with Chinese titles, notes and questions.
fn runs(folder: &Path) -> RunStore {
    let mut store = RunStore::default();
    for (idx, title) in TITLES.into_iter().enumerate() {
        let name = format!("中文-{:04}", idx + 1);
        let folder = folder.join(&name);
        let mut told = Told::begin(&mut store, &name, &folder);
        told.change_spec(|spec| spec.training.seed = idx as u64);
        told.steps(200);
        told.score(EvaluationPhase::After, 300 + 20 * idx);
        told.export(200);
        told.end(RunOutcome::Finished);
        write_items(&folder, "before.jsonl", false, 4);
        write_items(&folder, "after.jsonl", true, 12 + idx);
        let mut labels = RunLabels {
            title: title.into(),
            note: format!("# 笔记\n\n- **基线**：学习率没有变\n- {title}"),
            ..RunLabels::default()
        };
        labels.set_tags("基线, 中文");
        store.label(&RunId(name), labels);
    }
    store
}

/// Both answers to a Chinese prompt.
fn answer(app: &mut App) {
    let run = RunId("prompt 1".into());
    let (question, steps, gold) = QUESTIONS[0];
    app.playground.settings.prompt = format!("问题：{question}\n答案：");
    let texts = [
        (Answer::Untuned, "苹果在树上，小明很高兴。".to_owned()),
        (Answer::Tuned, format!("{steps}\n#### {gold}")),
    ];
    for (answer, text) in texts {
        let store = &mut app.workspace.store;
        store.apply(Event::Job(JobEvent::Generated {
            name: run.clone(),
            answer,
            text,
        }));
        store.apply(Event::Job(JobEvent::GenerationEnded {
            name: run.clone(),
            answer,
            n_tokens: 24,
            secs: 0.25,
            end: AnswerEnd::EndOfDocument,
        }));
    }
    app.playground.playing = Some(run);
    app.playground.plays_tuned = true;
}

/// Draws a view with the runs in `folder` in both windows, after `set_up` and once
/// `label` can be read.
fn check(name: &str, tab: Tab, label: &str, set_up: fn(&mut App)) {
    // Where the files lie can be read in a picture.
    let store = runs(&Path::new("target/chinese-runs").join(name));
    let row = WINDOWS.map(|(size, look)| {
        let mut harness = with_letters(tab, size, look);
        wait_for(&mut harness, "2000 examples");
        let app = harness.state_mut();
        app.workspace.store = store.clone();
        let newest = app.workspace.store.runs().iter().skip(1);
        app.workspace.selection.selected = newest.map(|run| run.id.clone()).collect();
        set_up(app);
        harness.run_steps(2);
        painted(&mut harness, label, size, look)
    });
    let mut results = SnapshotResults::new();
    let row = row.into_iter().collect();
    check_sheet(&mut results, &format!("chinese_{name}"), &[row], 2);
}

fn painted(harness: &mut Harness<'_, App>, label: &str, size: Vec2, look: Appearance) -> Painted {
    wait_for(harness, label);
    settle(harness);
    // Every letter has a shape: else the window says which package has it.
    assert!(
        harness
            .query_all_by_label_contains("are shown as boxes")
            .next()
            .is_none(),
        "a letter is not in the font: make it again"
    );
    let look = format!("{look:?}").to_lowercase();
    Painted::of(harness, format!("{} x {}, {look}", size.x, size.y))
}

#[test]
fn curves_and_legends() {
    check("tune", Tab::Tune, "去相关", |_| ());
}

#[test]
fn the_table_of_runs() {
    check("table", Tab::Table, "Row of 小学应用题，标准调优", |_| ());
}

#[test]
fn comparisons() {
    check("compare", Tab::Compare, "gsm8k-mini, test", |_| ());
}

#[test]
fn items() {
    check("items", Tab::Items, "Fixed", |_| ());
}

#[test]
fn prompts_and_answers() {
    check("playground", Tab::Playground, "the model ended it", answer);
}

/// The page of a run: its note in Markdown, its files, its log.
#[test]
fn the_details_of_a_run() {
    use gosling::ui::shared::action::Action;
    check("details", Tab::Tune, "Settings that differ", |app| {
        let run = RunId("中文-0002".into());
        app.apply(Action::OpenDetails(run), &Default::default());
    });
}

#[test]
fn a_look_at_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chinese.jsonl");
    let lines = QUESTIONS.map(|(question, steps, gold)| {
        format!("{{\"prompt\": \"问题：{question}\", \"completion\": \" {steps} {gold}\"}}\n")
    });
    std::fs::write(&path, lines.concat().repeat(20)).unwrap();
    let row = WINDOWS.map(|(size, look)| {
        let mut harness = with_letters(Tab::Tune, size, look);
        harness.state_mut().workspace.draft.data.source = DataSource::Jsonl {
            train: path.clone(),
            validation: None,
            template: Template::default(),
        };
        wait_for(&mut harness, "held out");
        harness.get_by_label("Preview data…").click_accesskit();
        harness.run_steps(2);
        let painted = painted(&mut harness, "Example 1 of the first", size, look);
        harness.key_press_modifiers(Modifiers::NONE, Key::Escape);
        painted
    });
    let mut results = SnapshotResults::new();
    let row = row.into_iter().collect();
    check_sheet(&mut results, "chinese_data", &[row], 2);
}
