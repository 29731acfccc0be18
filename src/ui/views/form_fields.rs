//! The fields of the configuration, group by group.

use eframe::egui::{Align2, DragValue, TextEdit, Ui};

use super::super::action::Action;
use super::super::dialogs::PathFor;
use super::form_choices as choose;
use super::form_hints as hints;
use super::form_row::{NUMBER_SIZE, Problem, count, log_slider, optional, real, row};
use super::kernel_preview::Distances;
use crate::data::{Benchmark, MmluTemplate, Template};
use crate::kernels::device::AdapterSummary;
use crate::protocol::run_spec::{
    CheckpointSource, DataSource, DataSpec, EvaluationSpec, EvaluationSplit, Intervals, ModelSpec,
    Precision, RunSpec, VocabularySource,
};
use crate::tuning::spec::{EarlyStopping, LossOn, OptimizerSpec, Schedule, TrainingSpec};

/// What every group is drawn with.
pub struct Form<'a> {
    /// What is wrong, and at which field.
    pub problem: Option<&'a Problem>,
    /// The GPUs, once they are known.
    pub adapters: Option<&'a [AdapterSummary]>,
    /// How far receptance vectors and support vectors lie apart.
    pub distances: Distances<'a>,
    /// What people ask for.
    pub actions: Vec<Action>,
}

impl Form<'_> {
    /// The name and the device.
    pub fn run_ui(&mut self, ui: &mut Ui, spec: &mut RunSpec) {
        let Self {
            problem, adapters, ..
        } = self;
        row(ui, &hints::NAME, *problem, |ui| {
            ui.add(
                TextEdit::singleline(&mut spec.name)
                    .desired_width(f32::INFINITY)
                    .align(Align2::LEFT_CENTER),
            )
        });
        row(ui, &hints::DEVICE, *problem, |ui| {
            choose::device(ui, &mut spec.device, *adapters)
        });
    }

    /// The frozen model.
    pub fn model_ui(&mut self, ui: &mut Ui, model: &mut ModelSpec) {
        let Self {
            problem, actions, ..
        } = self;
        row(ui, &hints::MODEL_CHECKPOINT, *problem, |ui| {
            choose::checkpoint(ui, &mut model.checkpoint, actions)
        });
        if let CheckpointSource::File(path) = &model.checkpoint {
            row(ui, &hints::MODEL_CHECKPOINT_DETAIL, None, |ui| {
                choose::path(ui, path, PathFor::Checkpoint, actions)
            });
        }
        row(ui, &hints::MODEL_VOCABULARY, *problem, |ui| {
            choose::vocabulary(ui, &mut model.vocabulary, actions)
        });
        if let VocabularySource::File(path) = &model.vocabulary {
            row(ui, &hints::MODEL_VOCABULARY_DETAIL, None, |ui| {
                choose::path(ui, path, PathFor::Vocabulary, actions)
            });
        }
        let choices = [
            (Precision::F32, "32-bit floats"),
            (Precision::F16, "16-bit floats"),
        ];
        row(ui, &hints::MODEL_PRECISION, *problem, |ui| {
            choose::combo(ui, "precision", &mut model.precision, &choices)
        });
    }

    /// What it is tuned on.
    pub fn data_ui(&mut self, ui: &mut Ui, data: &mut DataSpec) {
        let Self {
            problem, actions, ..
        } = self;
        row(ui, &hints::DATA_SOURCE, *problem, |ui| {
            choose::source(ui, &mut data.source)
        });
        match &mut data.source {
            DataSource::Mini(_) => {}
            DataSource::Official { folder, .. } => {
                row(ui, &hints::SOURCE_FOLDER, *problem, |ui| {
                    choose::path(ui, folder, PathFor::BenchmarkFolder, actions)
                });
            }
            DataSource::Jsonl {
                train,
                validation,
                template,
            } => {
                row(ui, &hints::SOURCE_TRAIN, *problem, |ui| {
                    choose::path(ui, train, PathFor::Train, actions)
                });
                row(ui, &hints::SOURCE_VALIDATION, *problem, |ui| {
                    choose::optional_path(
                        ui,
                        hints::SOURCE_VALIDATION.name,
                        validation,
                        PathFor::Validation,
                        actions,
                    )
                });
                let choices = [
                    (Template::Plain, "Plain"),
                    (Template::UserAssistant, "User, Assistant"),
                ];
                row(ui, &hints::SOURCE_TEMPLATE, *problem, |ui| {
                    choose::combo(ui, "template", template, &choices)
                });
            }
        }
        row(ui, &hints::DATA_TRAIN_LIMIT, *problem, |ui| {
            optional(
                ui,
                hints::DATA_TRAIN_LIMIT.name,
                &mut data.train_limit,
                500,
                "all",
                count,
            )
        });
        let choices = [
            (LossOn::Answer, "The answer"),
            (LossOn::Everything, "Everything"),
        ];
        row(ui, &hints::DATA_LOSS_ON, *problem, |ui| {
            choose::combo(ui, "loss on", &mut data.loss_on, &choices)
        });
        row(ui, &hints::DATA_CONTEXT_LENGTH, *problem, |ui| {
            count(ui, &mut data.context_length)
        });
    }

    /// How it is trained: what people change most.
    pub fn training_ui(&mut self, ui: &mut Ui, training: &mut TrainingSpec) {
        let problem = self.problem;
        row(ui, &hints::TRAINING_STEPS, problem, |ui| {
            count(ui, &mut training.steps)
        });
        row(ui, &hints::TRAINING_BATCH, problem, |ui| {
            count(ui, &mut training.batch)
        });
        row(ui, &hints::TRAINING_ACCUMULATE, problem, |ui| {
            count(ui, &mut training.accumulate)
        });
        row(ui, &hints::TRAINING_LEARNING_RATE, problem, |ui| {
            log_slider(ui, &mut training.learning_rate, 1e-4..=2.0)
        });
        row(ui, &hints::TRAINING_SCHEDULE, problem, |ui| {
            choose::schedule(ui, &mut training.schedule)
        });
        if let Schedule::Cosine { last } | Schedule::Linear { last } = &mut training.schedule {
            row(ui, &hints::SCHEDULE_LAST, problem, |ui| real(ui, last));
        }
        row(ui, &hints::TRAINING_WARMUP_STEPS, problem, |ui| {
            count(ui, &mut training.warmup_steps)
        });
        row(ui, &hints::TRAINING_SEED, problem, |ui| {
            let seed = DragValue::new(&mut training.seed).speed(0.1);
            ui.add_sized(NUMBER_SIZE, seed)
        });
    }

    /// How it is trained: the rest.
    pub fn more_training_ui(&mut self, ui: &mut Ui, training: &mut TrainingSpec) {
        let problem = self.problem;
        row(ui, &hints::TRAINING_OPTIMIZER, problem, |ui| {
            choose::optimizer(ui, &mut training.optimizer)
        });
        optimizer_ui(ui, problem, &mut training.optimizer);
        row(ui, &hints::TRAINING_CLIP_NORM, problem, |ui| {
            optional(
                ui,
                hints::TRAINING_CLIP_NORM.name,
                &mut training.clip_norm,
                1.0,
                "off",
                real,
            )
        });
        row(ui, &hints::TRAINING_PULL_TO_START, problem, |ui| {
            real(ui, &mut training.pull_to_start)
        });
        row(ui, &hints::TRAINING_VALIDATE_EVERY, problem, |ui| {
            count(ui, &mut training.validate_every)
        });
        row(ui, &hints::TRAINING_VALIDATION_LIMIT, problem, |ui| {
            optional(
                ui,
                hints::TRAINING_VALIDATION_LIMIT.name,
                &mut training.validation_limit,
                100,
                "all",
                count,
            )
        });
        row(ui, &hints::TRAINING_SELECT_BY, problem, |ui| {
            choose::select_by(ui, &mut training.select_by)
        });
        row(ui, &hints::TRAINING_EARLY_STOPPING, problem, |ui| {
            let mut patience = training.early_stopping.map(|stopping| stopping.patience);
            let response = optional(
                ui,
                hints::TRAINING_EARLY_STOPPING.name,
                &mut patience,
                3,
                "off",
                count,
            );
            training.early_stopping = patience.map(|patience| EarlyStopping { patience });
            response
        });
        row(
            ui,
            &hints::TRAINING_ACTIVATION_CHECKPOINTING,
            problem,
            |ui| ui.checkbox(&mut training.activation_checkpointing, "activations"),
        );
        row(ui, &hints::TRAINING_L2WRAP, problem, |ui| {
            ui.checkbox(&mut training.l2wrap, "on")
        });
    }

    /// How accuracy is measured on a benchmark of `source`.
    pub fn evaluation_ui(
        &mut self,
        ui: &mut Ui,
        evaluation: &mut EvaluationSpec,
        source: &DataSource,
    ) {
        let problem = self.problem;
        row(ui, &hints::EVALUATION_BEFORE, problem, |ui| {
            ui.checkbox(&mut evaluation.before, "untuned")
        });
        row(ui, &hints::EVALUATION_AFTER, problem, |ui| {
            ui.checkbox(&mut evaluation.after, "tuned")
        });
        row(ui, &hints::EVALUATION_FEW_SHOT, problem, |ui| {
            count(ui, &mut evaluation.few_shot)
        });
        row(ui, &hints::EVALUATION_LIMIT, problem, |ui| {
            optional(
                ui,
                hints::EVALUATION_LIMIT.name,
                &mut evaluation.limit,
                200,
                "all",
                count,
            )
        });
        let choices = [
            (EvaluationSplit::Test, "Test"),
            (EvaluationSplit::Validation, "Validation"),
        ];
        row(ui, &hints::EVALUATION_SPLIT, problem, |ui| {
            choose::combo(ui, "split", &mut evaluation.split, &choices)
        });
        let (has_items, is_worded) = match source {
            DataSource::Mini(_) => (true, false),
            DataSource::Official { benchmark, .. } => (true, *benchmark == Benchmark::Mmlu),
            DataSource::Jsonl { .. } => (false, false),
        };
        if has_items {
            row(ui, &hints::EVALUATION_CONTEXT_LENGTH, problem, |ui| {
                optional(
                    ui,
                    hints::EVALUATION_CONTEXT_LENGTH.name,
                    &mut evaluation.context_length,
                    2048,
                    "unlimited",
                    count,
                )
            });
        }
        if is_worded {
            let choices = [
                (MmluTemplate::LmEval, "As lm-eval"),
                (MmluTemplate::Rwkv, "As RWKV-LM"),
            ];
            row(ui, &hints::EVALUATION_MMLU, problem, |ui| {
                choose::combo(ui, "mmlu", &mut evaluation.mmlu, &choices)
            });
        }
    }

    /// How often things are written down.
    pub fn intervals_ui(&mut self, ui: &mut Ui, intervals: &mut Intervals) {
        let problem = self.problem;
        row(ui, &hints::INTERVALS_LOG, problem, |ui| {
            count(ui, &mut intervals.log)
        });
        row(ui, &hints::INTERVALS_CHECKPOINT, problem, |ui| {
            count(ui, &mut intervals.checkpoint)
        });
        row(ui, &hints::INTERVALS_SNAPSHOT, problem, |ui| {
            count(ui, &mut intervals.snapshot)
        });
        row(ui, &hints::INTERVALS_SNAPSHOT_MIB, problem, |ui| {
            count(ui, &mut intervals.snapshot_mib)
        });
    }
}

fn optimizer_ui(ui: &mut Ui, problem: Option<&Problem>, optimizer: &mut OptimizerSpec) {
    match optimizer {
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        } => {
            row(ui, &hints::OPTIMIZER_BETA1, problem, |ui| real(ui, beta1));
            row(ui, &hints::OPTIMIZER_BETA2, problem, |ui| real(ui, beta2));
            row(ui, &hints::OPTIMIZER_EPSILON, problem, |ui| {
                real(ui, epsilon)
            });
        }
        OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } => {
            row(ui, &hints::OPTIMIZER_BETA1, problem, |ui| real(ui, beta1));
            row(ui, &hints::OPTIMIZER_BETA2, problem, |ui| real(ui, beta2));
            row(ui, &hints::OPTIMIZER_EPSILON, problem, |ui| {
                real(ui, epsilon)
            });
            row(ui, &hints::OPTIMIZER_WEIGHT_DECAY, problem, |ui| {
                real(ui, weight_decay)
            });
        }
        OptimizerSpec::Sgd { momentum } => row(ui, &hints::OPTIMIZER_MOMENTUM, problem, |ui| {
            real(ui, momentum)
        }),
    }
}
