//! The fields of the configuration, group by group.

use eframe::egui::{Align2, TextEdit, Ui};

use super::choices as choose;
use super::hints;
use super::kernel_preview::Distances;
use super::names;
use super::training_hints as training;
use crate::data::Benchmark;
use crate::kernels::device::AdapterSummary;
use crate::protocol::run_spec::{
    CheckpointSource, DataSource, DataSpec, EvaluationSpec, Intervals, ModelSpec, RunSpec,
    VocabularySource,
};
use crate::tuning::spec::{EarlyStopping, OptimizerSpec, Schedule, TrainingSpec};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::widgets::choices;
use crate::ui::widgets::field_row::{
    FieldContext, count, log_slider, optional, real, row, seed, within,
};

/// What every group is drawn with.
pub struct Form<'a> {
    /// What is known of the fields besides their values.
    pub beside: FieldContext<'a>,
    /// The GPUs, once they are known.
    pub adapters: Option<&'a [AdapterSummary]>,
    /// How far receptance vectors and support vectors lie apart.
    pub distances: Distances<'a>,
    /// Whether a learning rate is being looked for.
    pub searches: bool,
    /// What the user asks for.
    pub actions: Vec<Action>,
}

impl Form<'_> {
    /// The name and the device.
    pub fn run_ui(&mut self, ui: &mut Ui, spec: &mut RunSpec) {
        let Self {
            beside, adapters, ..
        } = self;
        row(ui, &hints::NAME, *beside, |ui, _| {
            ui.add(
                TextEdit::singleline(&mut spec.name)
                    .desired_width(f32::INFINITY)
                    .align(Align2::LEFT_CENTER),
            )
        });
        row(ui, &hints::DEVICE, *beside, |ui, _| {
            choose::device(ui, &mut spec.device, *adapters)
        });
    }

    /// The frozen model.
    pub fn model_ui(&mut self, ui: &mut Ui, model: &mut ModelSpec) {
        let Self {
            beside, actions, ..
        } = self;
        row(ui, &hints::MODEL_CHECKPOINT, *beside, |ui, _| {
            choose::checkpoint(ui, &mut model.checkpoint, actions)
        });
        let what = match names::checkpoint(&model.checkpoint) {
            2 => PathFor::CheckpointFolder,
            _ => PathFor::Checkpoint,
        };
        if let CheckpointSource::File(path) = &model.checkpoint {
            row(
                ui,
                &hints::MODEL_CHECKPOINT_DETAIL,
                beside.within(),
                |ui, _| choices::path(ui, path, what, actions),
            );
        }
        row(ui, &hints::MODEL_VOCABULARY, *beside, |ui, _| {
            choose::vocabulary(ui, &mut model.vocabulary, actions)
        });
        if let VocabularySource::File(path) = &model.vocabulary {
            row(
                ui,
                &hints::MODEL_VOCABULARY_DETAIL,
                beside.within(),
                |ui, _| choices::path(ui, path, PathFor::Vocabulary, actions),
            );
        }
        row(ui, &hints::MODEL_PRECISION, *beside, |ui, _| {
            choices::combo(ui, "precision", &mut model.precision, &names::PRECISIONS)
        });
    }

    /// What it is tuned on.
    pub fn data_ui(&mut self, ui: &mut Ui, data: &mut DataSpec) {
        let Self {
            beside, actions, ..
        } = self;
        row(ui, &hints::DATA_SOURCE, *beside, |ui, _| {
            choose::source(ui, &mut data.source)
        });
        match &mut data.source {
            DataSource::Mini(_) => {}
            DataSource::Official { folder, .. } => {
                row(ui, &hints::SOURCE_FOLDER, *beside, |ui, _| {
                    choices::path(ui, folder, PathFor::BenchmarkFolder, actions)
                });
            }
            DataSource::Jsonl {
                train,
                validation,
                template,
            } => {
                row(ui, &hints::SOURCE_TRAIN, *beside, |ui, _| {
                    choices::path(ui, train, PathFor::Train, actions)
                });
                row(ui, &hints::SOURCE_VALIDATION, *beside, |ui, field| {
                    choices::optional_path(ui, field.name, validation, PathFor::Validation, actions)
                });
                row(ui, &hints::SOURCE_TEMPLATE, *beside, |ui, _| {
                    choices::combo(ui, "template", template, &names::TEMPLATES)
                });
                row(ui, &hints::DATA_APPEND_END, *beside, |ui, _| {
                    ui.checkbox(&mut data.append_end, "on")
                });
            }
        }
        within(ui, |ui| {
            let hint = "Reads the training data and shows it as the model sees it: lengths, the first examples in tokens, and what is left out";
            if ui.button("Preview data…").on_hover_text(hint).clicked() {
                actions.push(Action::LookAtData);
            }
        });
        row(ui, &hints::DATA_TRAIN_LIMIT, *beside, |ui, field| {
            optional(ui, field, &mut data.train_limit, 500, count)
        });
        row(ui, &hints::DATA_LOSS_ON, *beside, |ui, _| {
            choices::combo(ui, "loss on", &mut data.loss_on, &names::LOSS_ON)
        });
        row(ui, &hints::DATA_LEADING_TOKEN, *beside, |ui, _| {
            let chosen = &mut data.leading_token;
            choices::combo(ui, "leading token", chosen, &names::LEADING_TOKENS)
        });
        row(ui, &hints::DATA_CONTEXT_LENGTH, *beside, |ui, field| {
            count(ui, field, &mut data.context_length)
        });
    }

    /// How it is trained: what users change most.
    pub fn training_ui(&mut self, ui: &mut Ui, training: &mut TrainingSpec) {
        let beside = self.beside;
        row(ui, &training::TRAINING_STEPS, beside, |ui, field| {
            count(ui, field, &mut training.steps)
        });
        row(ui, &training::TRAINING_BATCH, beside, |ui, field| {
            count(ui, field, &mut training.batch)
        });
        row(ui, &training::TRAINING_ACCUMULATE, beside, |ui, field| {
            count(ui, field, &mut training.accumulate)
        });
        row(
            ui,
            &training::TRAINING_LEARNING_RATE,
            beside,
            |ui, field| log_slider(ui, field, &mut training.learning_rate, 1e-4..=2.0),
        );
        within(ui, |ui| {
            let text = match self.searches {
                true => "Finding learning rate…",
                false => "Find learning rate…",
            };
            let hint = "Tries increasing rates on this configuration when the worker is free and plots the loss; nothing is written";
            if ui.button(text).on_hover_text(hint).clicked() {
                self.actions.push(Action::OpenRateSearch);
            }
        });
        row(ui, &training::TRAINING_SCHEDULE, beside, |ui, _| {
            choose::schedule(ui, &mut training.schedule)
        });
        if let Schedule::Cosine { last } | Schedule::Linear { last } = &mut training.schedule {
            row(ui, &training::SCHEDULE_LAST, beside, |ui, field| {
                real(ui, field, last)
            });
        }
        row(ui, &training::TRAINING_WARMUP_STEPS, beside, |ui, field| {
            count(ui, field, &mut training.warmup_steps)
        });
        row(ui, &training::TRAINING_SEED, beside, |ui, field| {
            seed(ui, field, &mut training.seed)
        });
    }

    /// How it is trained: the rest.
    pub fn more_training_ui(&mut self, ui: &mut Ui, training: &mut TrainingSpec) {
        let beside = self.beside;
        row(ui, &training::TRAINING_OPTIMIZER, beside, |ui, _| {
            choose::optimizer(ui, &mut training.optimizer)
        });
        optimizer_ui(ui, beside, &mut training.optimizer);
        row(ui, &training::TRAINING_CLIP_NORM, beside, |ui, field| {
            optional(ui, field, &mut training.clip_norm, 1.0, real)
        });
        row(
            ui,
            &training::TRAINING_PULL_TO_START,
            beside,
            |ui, field| real(ui, field, &mut training.pull_to_start),
        );
        row(
            ui,
            &training::TRAINING_VALIDATE_EVERY,
            beside,
            |ui, field| count(ui, field, &mut training.validate_every),
        );
        row(
            ui,
            &training::TRAINING_VALIDATION_LIMIT,
            beside,
            |ui, field| optional(ui, field, &mut training.validation_limit, 100, count),
        );
        row(ui, &training::TRAINING_SELECT_BY, beside, |ui, _| {
            choices::combo(ui, "select_by", &mut training.select_by, &names::SELECT_BY)
        });
        row(
            ui,
            &training::TRAINING_EARLY_STOPPING,
            beside,
            |ui, field| {
                let mut patience = training.early_stopping.map(|stopping| stopping.patience);
                let response = optional(ui, field, &mut patience, 3, count);
                training.early_stopping = patience.map(|patience| EarlyStopping { patience });
                response
            },
        );
        row(
            ui,
            &training::TRAINING_ACTIVATION_CHECKPOINTING,
            beside,
            |ui, _| ui.checkbox(&mut training.activation_checkpointing, "activations"),
        );
        row(ui, &training::TRAINING_L2WRAP, beside, |ui, _| {
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
        let beside = self.beside;
        row(ui, &training::EVALUATION_BEFORE, beside, |ui, _| {
            ui.checkbox(&mut evaluation.before, "untuned")
        });
        row(ui, &training::EVALUATION_AFTER, beside, |ui, _| {
            ui.checkbox(&mut evaluation.after, "tuned")
        });
        row(ui, &training::EVALUATION_FEW_SHOT, beside, |ui, field| {
            count(ui, field, &mut evaluation.few_shot)
        });
        row(ui, &training::EVALUATION_LIMIT, beside, |ui, field| {
            optional(ui, field, &mut evaluation.limit, 200, count)
        });
        row(ui, &training::EVALUATION_SPLIT, beside, |ui, _| {
            choices::combo(ui, "split", &mut evaluation.split, &names::SPLITS)
        });
        let benchmark = match source {
            DataSource::Mini(benchmark) | DataSource::Official { benchmark, .. } => {
                Some(*benchmark)
            }
            DataSource::Jsonl { .. } => None,
        };
        let is_official = matches!(source, DataSource::Official { .. });
        let is_worded = is_official && benchmark == Some(Benchmark::Mmlu);
        let has_items = benchmark.is_some();
        if has_items {
            row(
                ui,
                &training::EVALUATION_CONTEXT_LENGTH,
                beside,
                |ui, field| optional(ui, field, &mut evaluation.context_length, 2048, count),
            );
        }
        if benchmark == Some(Benchmark::Gsm8k) {
            row(
                ui,
                &training::EVALUATION_MAX_NEW_TOKENS,
                beside,
                |ui, field| optional(ui, field, &mut evaluation.max_new_tokens, 256, count),
            );
        }
        if is_worded {
            row(ui, &training::EVALUATION_MMLU, beside, |ui, _| {
                choices::combo(ui, "mmlu", &mut evaluation.mmlu, &names::MMLU)
            });
        }
    }

    /// How often things are written down.
    pub fn intervals_ui(&mut self, ui: &mut Ui, intervals: &mut Intervals) {
        let beside = self.beside;
        row(ui, &training::INTERVALS_LOG, beside, |ui, field| {
            count(ui, field, &mut intervals.log)
        });
        row(ui, &training::INTERVALS_CHECKPOINT, beside, |ui, field| {
            count(ui, field, &mut intervals.checkpoint)
        });
        row(ui, &training::INTERVALS_SNAPSHOT, beside, |ui, field| {
            count(ui, field, &mut intervals.snapshot)
        });
        row(
            ui,
            &training::INTERVALS_SNAPSHOT_MIB,
            beside,
            |ui, field| count(ui, field, &mut intervals.snapshot_mib),
        );
    }
}

fn optimizer_ui(ui: &mut Ui, beside: FieldContext<'_>, optimizer: &mut OptimizerSpec) {
    let moments = |ui: &mut Ui, beta1: &mut f64, beta2: &mut f64, epsilon: &mut f64| {
        for (hint, value) in [
            (&training::OPTIMIZER_BETA1, beta1),
            (&training::OPTIMIZER_BETA2, beta2),
            (&training::OPTIMIZER_EPSILON, epsilon),
        ] {
            row(ui, hint, beside, |ui, field| real(ui, field, value));
        }
    };
    match optimizer {
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        } => moments(ui, beta1, beta2, epsilon),
        OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } => {
            moments(ui, beta1, beta2, epsilon);
            row(
                ui,
                &training::OPTIMIZER_WEIGHT_DECAY,
                beside,
                |ui, field| real(ui, field, weight_decay),
            );
        }
        OptimizerSpec::Sgd { momentum } => {
            row(ui, &training::OPTIMIZER_MOMENTUM, beside, |ui, field| {
                real(ui, field, momentum)
            })
        }
    }
}
