//! A lifted run of a few steps, folded.

use super::*;
use crate::data::Benchmark;
use crate::kernels::device::DeviceChoice;
use crate::persist::spec_file::print_spec;
use crate::protocol::event::EvaluationSummary;
use crate::protocol::run_spec::{DataSource, EvaluationSpec, EvaluationSplit};
use crate::tuning::spec::{FeatureSpec, Gamma, Layers, LiftSpec, PaperLiteralSpec, SupportVectors};
use crate::tuning::states::lift_bundle::write_bundle;
use crate::tuning::states::state_file::{ExportFormat, PthDType, export, write_safetensors};

fn features() -> FeatureSpec {
    FeatureSpec {
        upscaled_size: 64,
        support_vectors: SupportVectors::Random,
        gamma: Gamma::Value(1.0),
    }
}

fn lifted() -> Method {
    Method::Lifted(LiftSpec {
        layers: Layers::All,
        features: features(),
        learning_rate_lift: 0.05,
        ..LiftSpec::default()
    })
}

fn spec(method: Method) -> RunSpec {
    let mut spec = RunSpec {
        device: DeviceChoice::Cpu,
        method,
        evaluation: EvaluationSpec {
            limit: Some(12),
            split: EvaluationSplit::Validation,
            ..EvaluationSpec::default()
        },
        ..RunSpec::default()
    };
    spec.data.source = DataSource::Mini(Benchmark::Arc);
    spec.data.train_limit = Some(48);
    spec.training.steps = 6;
    spec.training.batch = 8;
    spec.training.learning_rate = 0.05;
    spec.training.validation_limit = Some(16);
    spec
}

/// A run that took the steps of `spec`, as its folder keeps it.
fn run(spec: &RunSpec, folder: &Path) -> std::path::PathBuf {
    let mut session = Session::default();
    let (loaded, tokenizer) = session.load(spec, &mut |_| Ok(())).unwrap();
    let data = RunData::load(spec, &tokenizer).unwrap();
    let LoadedModel { model, device, .. } = loaded;
    let zero = TunedState::zero(model.config());
    let (training, leading) = (&spec.training, spec.data.leading_token);
    let mut trainer = Trainer::with_leading_token(
        model,
        device,
        &spec.method,
        training,
        &zero,
        &data.train,
        leading,
    )
    .unwrap();
    let order = DataOrder::new(data.train.len(), training.batch, training.seed);
    for step in 0..training.steps {
        trainer
            .step(&micro_batches(&order, &data.train, spec, step))
            .unwrap();
    }
    let tuned = trainer.tuned().unwrap();
    let metadata = Metadata {
        base_fingerprint: Some(loaded.fingerprint.clone()),
        data_fingerprint: Some(data_fingerprint(&data)),
        spec_ron: Some(print_spec(spec).unwrap()),
        ..Metadata::default()
    };
    match &tuned.lift {
        Some(_) => {
            let path = folder.join("lifted.safetensors");
            write_bundle(&tuned, &path, &metadata).unwrap();
            path
        }
        None => {
            let path = folder.join("state.safetensors");
            write_safetensors(&tuned.state, &path, &metadata).unwrap();
            path
        }
    }
}

#[test]
fn a_fold_comes_nearer_and_tells_both_accuracies() {
    let folder = tempfile::tempdir().unwrap();
    let path = run(&spec(lifted()), folder.path());
    let mut heard = Vec::new();
    let options = FoldOptions {
        steps: Some(12),
        learning_rate: None,
    };
    let folded = fold(folder.path(), options, &mut |news| {
        heard.push(news);
        Ok(())
    })
    .unwrap();
    let FoldReport {
        steps,
        divergence_before,
        divergence_after,
        checked_on,
        n_checked,
        figures,
        ..
    } = &folded.report;
    assert_eq!(
        (*steps, *checked_on, *n_checked),
        (12, "held-out examples", 16)
    );
    assert!(*divergence_before > 1e-3, "the branch does nothing");
    assert!(
        *divergence_after < 0.7 * divergence_before,
        "{divergence_before} to {divergence_after}"
    );
    let (tuned, _) = read_tuned(&path, None).unwrap();
    assert_ne!(folded.state, tuned.state);
    let of: Vec<_> = figures.iter().map(|figures| figures.of).collect();
    assert_eq!(of, [LIFTED, S0_ALONE, FOLDED]);
    let score = |idx: usize| {
        let evaluation: &EvaluationSummary = figures[idx].evaluation.as_ref().unwrap();
        assert_eq!(evaluation.benchmark, "arc-mini");
        evaluation.scores[0].n_items
    };
    assert!((0..3).all(|idx| score(idx) == 12));
    let last = heard.iter().rev().find_map(|news| match news {
        FoldNews::Step { step, steps, .. } => Some((*step, *steps)),
        FoldNews::Loading | FoldNews::Scoring { .. } => None,
    });
    assert_eq!(last, Some((11, 12)));
    // How far the scoring is, of each of the three.
    let scored = |of: &str| {
        heard.iter().rev().find_map(|news| match news {
            FoldNews::Scoring { of: own, tokens } if *own == of => *tokens,
            _ => None,
        })
    };
    for of in [LIFTED, S0_ALONE, FOLDED] {
        let (done, total) = scored(of).unwrap();
        // Every one of the twelve questions has several tokens.
        assert!(total > 12 && done <= total, "{of}: {done} of {total}");
    }
    // What tells can end the scoring too.
    let short = FoldOptions {
        steps: Some(1),
        ..options
    };
    let ended = fold(folder.path(), short, &mut |news| match news {
        FoldNews::Scoring {
            tokens: Some(_), ..
        } => Err(Error::Stopped),
        _ => Ok(()),
    });
    assert!(matches!(ended, Err(Error::Stopped)));
    // What leaves says both, too.
    let out = folder.path().join("folded.pth");
    let format = ExportFormat::Pth(PthDType::F32);
    export(&folded.state, &folded.metadata, format, &out, false).unwrap();
    let beside = std::fs::read(folder.path().join("folded.pth.json")).unwrap();
    let beside: serde_json::Value = serde_json::from_slice(&beside).unwrap();
    assert_eq!(beside["method"], "Lifted, folded");
    assert_eq!(beside["accuracy"][0]["n"], 12);
    let said = &beside["metrics"]["fold"]["figures"];
    assert_eq!(said[0]["of"], "lifted");
    assert_eq!(said[0]["evaluation"]["scores"][0]["n_items"], 12);
    assert_eq!(said[2]["of"], "folded");
}

#[test]
fn a_run_without_s0_is_folded_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let literal = Method::PaperLiteral(PaperLiteralSpec {
        features: features(),
        ..PaperLiteralSpec::default()
    });
    let mut spec = spec(literal);
    spec.training.steps = 2;
    run(&spec, folder.path());
    let folded = fold(folder.path(), FoldOptions::default(), &mut |_| Ok(())).unwrap();
    let of: Vec<_> = folded.report.figures.iter().map(|of| of.of).collect();
    assert_eq!(of, [LIFTED, FOLDED]);
    let report = &folded.report;
    assert!(
        report.divergence_after < report.divergence_before,
        "{report:?}"
    );
}

#[test]
fn what_cannot_be_folded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |options| {
        let error = fold(folder.path(), options, &mut |_| Ok(())).unwrap_err();
        error.to_string()
    };
    let plain = spec(Method::Standard(StandardSpec::default()));
    let plain_path = run(
        &RunSpec {
            training: TrainingSpec {
                steps: 1,
                ..plain.training.clone()
            },
            ..plain
        },
        folder.path(),
    );
    let message = refused(FoldOptions::default());
    assert!(message.contains("is a plain state"), "{message}");
    std::fs::remove_file(plain_path).unwrap();
    let mut lifted = spec(lifted());
    lifted.training.steps = 1;
    let path = run(&lifted, folder.path());
    let no_steps = FoldOptions {
        steps: Some(0),
        ..FoldOptions::default()
    };
    assert!(refused(no_steps).starts_with("--fold-steps"));
    let no_rate = FoldOptions {
        learning_rate: Some(f64::NAN),
        ..FoldOptions::default()
    };
    assert!(refused(no_rate).starts_with("--fold-rate"));
    // Other texts than those of the run.
    let (tuned, metadata) = read_tuned(&path, None).unwrap();
    let other = Metadata {
        data_fingerprint: Some("00".into()),
        ..metadata
    };
    write_bundle(&tuned, &path, &other).unwrap();
    let message = refused(FoldOptions::default());
    assert!(message.contains("have changed since the run"), "{message}");
}
