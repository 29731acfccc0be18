//! The adapters of a LoRA run for other programs, from the dialog that exports.

use egui_kittest::kittest::Queryable as _;
use gosling::data::Benchmark;
use gosling::model::checkpoint::Checkpoint;
use gosling::model::mini;
use gosling::protocol::run_spec::DataSource;
use gosling::tuning::spec::{LoraSpec, Method};
use gosling::tuning::states::lift_bundle::read_tuned;
use gosling::tuning::states::lora_export::{read_peft, read_rwkv_peft};
use gosling::tuning::states::state_file::{LORA_FILE, locate_state};
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::pictures::wait_for;

fn outcome(app: &App) -> Option<Result<String, String>> {
    app.export
        .open
        .as_ref()
        .and_then(|asked| asked.outcome.clone())
}

#[test]
fn adapters_are_exported_in_every_format_and_read_back() {
    let runs = tempfile::tempdir().unwrap();
    let mut spec = small_spec();
    spec.data.source = DataSource::Mini(Benchmark::Arc);
    spec.data.train_limit = Some(8);
    spec.method = Method::Lora(LoraSpec {
        rank: 2,
        ..LoraSpec::default()
    });
    (spec.training.steps, spec.training.warmup_steps) = (2, 0);
    (spec.evaluation.before, spec.evaluation.after) = (false, false);
    let mut harness = window(runs.path(), spec);
    start(&mut harness);
    wait_until(&mut harness, "over", |run| run.status.is_over());
    wait(&mut harness, "exported", |app| {
        let folder = &app.workspace.store.runs()[0].folder;
        locate_state(folder).is_ok() && app.workspace.queue.is_idle()
    });
    let run = &harness.state().workspace.store.runs()[0];
    let (id, folder) = (run.id.clone(), run.folder.clone());
    let source = locate_state(&folder).unwrap();
    assert!(source.ends_with(LORA_FILE), "{}", source.display());
    let trained = read_tuned(&source, None).unwrap().0.lora.unwrap();
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenExport(id), &ctx);
    // There is no S_0 to choose instead.
    wait_for(&mut harness, "Export the adapters");
    assert!(harness.query_by_label("State S₀").is_none());

    let mut export = |format: &str, name: &str| {
        click(&mut harness, format);
        let path = runs.path().join(name);
        let asked = harness.state_mut().export.open.as_mut().unwrap();
        asked.path = path.display().to_string();
        harness.run_steps(2);
        click(&mut harness, "Export adapters");
        wait(&mut harness, "written", |app| {
            !app.export.is_working() && outcome(app).is_some()
        });
        (path, outcome(harness.state()).unwrap())
    };
    let (path, said) = export("PEFT folder, official names", "peft");
    assert!(said.unwrap().contains("rank 2"));
    assert_eq!(read_peft(&path).unwrap(), trained);
    let (path, said) = export("PEFT folder, names of fla", "fla");
    said.unwrap();
    assert_eq!(read_peft(&path).unwrap(), trained);
    let (path, said) = export("RWKV-PEFT, 32 bits (.pth)", "a.pth");
    said.unwrap();
    assert_eq!(read_rwkv_peft(&path, trained.alpha).unwrap(), trained);
    // What is there stays, unless it may be replaced.
    let (_, said) = export("Merged model (.pth)", "a.pth");
    let error = said.unwrap_err();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(read_rwkv_peft(&path, trained.alpha).unwrap(), trained);
    let (path, said) = export("Merged model (.safetensors)", "merged.safetensors");
    let said = said.unwrap();
    assert!(said.contains("the model with the adapters in it"), "{said}");
    let [base, merged] = [
        mini::checkpoint().unwrap(),
        Checkpoint::open(&path).unwrap(),
    ];
    assert_eq!(merged.names().len(), 204);
    let same = |name: &str| {
        let [was, is] = [&base, &merged].map(|of| of.tensor(name).unwrap().to_f32());
        was == is
    };
    assert!(same("emb.weight") && same("blocks.2.ln1.weight"));
    // Two steps of Adam at full rate are more than what rounding to 16 bits hides.
    assert!(!same("blocks.2.att.key.weight"));
    click(&mut harness, "Close");
    assert!(harness.state().export.open.is_none());
}
