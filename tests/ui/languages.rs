//! The window in Chinese: no text of it is English, nothing lies over another thing,
//! and another language is there at once. The language is that of the whole process,
//! in which other tests read English, so that this binary runs once more for it.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use eframe::egui::{Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use gosling::language::{Bilingual, Language, choose, in_english, text};
use gosling::protocol::event::RunId;
use gosling::report::page::Page;
use gosling::report::{SavedTable, TableFormat};
use gosling::runs::RunStore;
use gosling::sweep::results::tables::headline;
use gosling::tuning::spec::{DecorrelationSpec, LiftSpec, Method};
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::sweep::settings::ResultsView;
use regex::Regex;

use crate::fixtures;
use crate::measured::measured;
use crate::pictures::{DIALOGS, app, harness};
use crate::small::{buttons, check_apart_in};
use crate::sweep;

/// Set where this binary runs for this test alone.
const ALONE: &str = "GOSLING_TEST_IN_CHINESE";
const SMALL: Vec2 = vec2(1024.0, 700.0);

/// What comes from the runs of the test, from models and from files, and is data.
const DATA: [&str; 15] = [
    "cannot write runs/standard-0001/checkpoints: the disk is full; free some space and resume",
    "cannot write runs/standard-0001/checkpoints: the disk is full; free …",
    "the largest step takes about 252 MiB of memory",
    "layer 3, head 1, the state is not finite",
    "A processor, 8 threads (as requested)",
    "7.3 M parameters, 6 layers, 4 heads of 64",
    "Question: Mia collected 14 shells on Monday and 8 on Tuesday, then lost 3. How many shells remain?",
    "lost 3. How many shells remain?",
    "The apples are in the basket, and the man said",
    // Templates by their own names.
    "think a bit",
    "think a lot",
    // What is asked of programs, as it is typed.
    "gosling tune",
    // What the files of sweeps say of themselves.
    "M x gamma x learning rate x seed of the lifted state with decorrelation on gsm8k-mini, beside standard tuning over its rates, sized for one large GPU",
    "M x gamma x learning rate x seed of the lifted state with decor…",
    "Four short runs of the mini model on arc-mini, on a processor",
];

/// Draws until nothing is read or counted any more, and takes messages away.
fn settle(harness: &mut Harness<'_, App>) {
    let start = Instant::now();
    let mut n_still = 0;
    while n_still < 8 {
        let waits = harness.state().reads_evaluations();
        n_still = if waits { 0 } else { n_still + 1 };
        assert!(start.elapsed() < Duration::from_secs(60), "it waits");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    harness.state_mut().workspace.notices.clear();
    harness.run_steps(3);
}

/// The texts of a window that are English sentences and stand in no `items`.
fn english(harness: &Harness<'_, App>, items: &str) -> Vec<String> {
    let three_words = Regex::new(r"\b[A-Za-z][a-z']+( [a-z']{2,}){2,}").unwrap();
    let mut found = Vec::new();
    let mut n_seen = 0;
    for node in harness.root().children_recursive() {
        let of = node.accesskit_node();
        for text in [of.label(), of.value(), of.description()] {
            let mut text = text.unwrap_or_default();
            n_seen += usize::from(!text.is_empty());
            for data in DATA {
                text = text.replace(data, "");
            }
            let mut sentences = three_words.find_iter(&text);
            let is_english = sentences.any(|found| !items.contains(found.as_str()));
            if is_english && !found.contains(&text) {
                found.push(text);
            }
        }
    }
    assert!(n_seen > 20, "only {n_seen} texts");
    found
}

/// The English texts of a window, each with where it is.
fn check(name: &str, app: App, tab: Option<Tab>, items: &str) -> Vec<String> {
    let mut harness = harness(app, SMALL, Appearance::Dark);
    settle(&mut harness);
    let found = english(&harness, items);
    if let Some(tab) = tab {
        check_apart_in(&buttons(&harness, tab));
    }
    let named = found.into_iter().map(|text| format!("{name}: {text}"));
    named.collect()
}

/// The items of the evaluations of a run, as their files have them.
fn evaluated(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.collect()
}

fn check_views(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for tab in Tab::ALL {
        let mut app = app(fixtures::finished(folder), tab, Appearance::Dark);
        if tab == Tab::Sweep {
            // A form with every group of fields.
            app.workspace.draft.method = Method::Lifted(LiftSpec {
                decorrelation: Some(DecorrelationSpec::default()),
                ..LiftSpec::default()
            });
        }
        found.extend(check(tab.name(), app, Some(tab), ""));
        let empty = crate::pictures::app(RunStore::default(), tab, Appearance::Dark);
        found.extend(check(tab.name(), empty, Some(tab), ""));
        // Runs whose evaluations have items, which are compared.
        let mut with_items = crate::pictures::app(measured(folder), tab, Appearance::Dark);
        let selection = &mut with_items.workspace.selection;
        selection.select_only(&RunId("seed-0-0001".into()));
        let items = evaluated(&folder.join("seed-0-0001/eval"));
        found.extend(check(tab.name(), with_items, Some(tab), &items));
    }
    let sweeps = tempfile::tempdir().unwrap();
    for (view, name) in ResultsView::ALL {
        let mut with_sweep =
            crate::pictures::app(RunStore::default(), Tab::Sweep, Appearance::Dark);
        let own = sweeps.path().join(name);
        std::fs::create_dir(&own).unwrap();
        with_sweep.sweep.show(sweep::shown(&own, 8));
        with_sweep.sweep.look.view = view;
        found.extend(check(name, with_sweep, Some(Tab::Sweep), ""));
    }
    for store in [
        fixtures::running(),
        fixtures::diverged(),
        fixtures::failed(),
    ] {
        found.extend(check(
            "a run",
            app(store, Tab::Tune, Appearance::Dark),
            None,
            "",
        ));
    }
    found
}

fn check_dialogs(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for dialog in DIALOGS {
        let app = app(fixtures::finished(folder), Tab::Tune, Appearance::Dark);
        let action = dialog(&app);
        let name = format!("{action:?}");
        let mut harness = harness(app, SMALL, Appearance::Dark);
        harness.run_steps(4);
        let ctx = harness.ctx.clone();
        harness.state_mut().apply(action, &ctx);
        settle(&mut harness);
        let texts = english(&harness, "").into_iter();
        found.extend(texts.map(|text| format!("{name}: {text}")));
    }
    found
}

/// A window in which the language is changed.
fn check_change(folder: &Path) {
    let app = app(fixtures::finished(folder), Tab::Tune, Appearance::Dark);
    let mut harness = harness(app, SMALL, Appearance::Dark);
    settle(&mut harness);
    let chinese = text("Configuration");
    assert_ne!(chinese, "Configuration");
    let ctx = harness.ctx.clone();
    for (language, shown, gone) in [
        (Language::English, "Configuration", chinese),
        (Language::Chinese, chinese, "Configuration"),
    ] {
        let action = Action::SetLanguage(Some(language));
        harness.state_mut().apply(action, &ctx);
        harness.run_steps(3);
        assert!(harness.query_all_by_label(shown).next().is_some());
        assert!(harness.query_all_by_label(gone).next().is_none());
        assert_eq!(harness.state().saved().language, Some(language));
    }
}

/// What goes into files: English for programs, the language of the window for readers.
fn check_saved(folder: &Path) {
    let shown = sweep::shown(folder, 8);
    let saved = SavedTable::of(|| shown.results.runs_table(true));
    let written = |format: TableFormat| saved.in_format(format).render(format);
    let chinese = text("validation loss");
    assert_ne!(chinese, "validation loss");
    for format in TableFormat::ALL {
        let written = written(format);
        let (has, has_not) = match format {
            TableFormat::Csv | TableFormat::Json => ("validation loss", chinese),
            TableFormat::Text | TableFormat::Markdown | TableFormat::Latex => {
                (chinese, "validation loss")
            }
        };
        assert!(
            written.contains(has) && !written.contains(has_not),
            "{format:?}: {written}"
        );
    }
    // The files of a sweep are those of whoever reads the folder.
    let files = shown.results.write(&shown.plan, folder).unwrap();
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(!written.contains(chinese), "{}", file.display());
    }
    let label = Bilingual::of(|| text("Accuracy").to_owned());
    assert_eq!(label.text(), text("Accuracy"));
    assert_eq!(in_english(|| label.text().to_owned()), "Accuracy");
    let within = label.within(|of| format!("{of}, {}", text("tuned")));
    assert_eq!(in_english(|| within.text().to_owned()), "Accuracy, tuned");
    assert!(within.text().ends_with(text("tuned")));
    for line in headline(&shown.results) {
        assert!(!line.contains("Best"), "{line}");
    }
    let html = Page::default().html();
    assert!(html.contains("<html lang=\"zh\">"), "{html}");
}

#[test]
fn the_window_speaks_chinese() {
    if env::var_os(ALONE).is_none() {
        let this = "languages::the_window_speaks_chinese";
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{errors}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    choose(Language::Chinese);
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let mut found = check_views(folder.path());
    found.extend(check_dialogs(folder.path()));
    assert!(found.is_empty(), "{found:#?}");
    let sweeps = tempfile::tempdir().unwrap();
    check_saved(sweeps.path());
    check_change(folder.path());
}
