//! Training examples of the user's own, and which of them are held out.

use std::path::Path;

use crate::data::{Example, Loaded, LossOn, PromptFormat, endless_note, hold_out, load_text_set};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;
use crate::protocol::run_spec::{DataSpec, HeldOut, RunSpec};

/// The share of examples that is held out, and the fewest and the most.
const SHARE: f64 = 0.05;
const FEWEST: usize = 20;
const MOST: usize = 500;
/// From so many to so many examples the number of steps is cross-validated; of fewer
/// nothing can be said.
const SMALL: std::ops::RangeInclusive<usize> = 10..=50;
/// Runs of all seeds hold out the same examples.
const SEED: u64 = 0;

/// The sets of one source.
#[derive(Debug)]
pub(super) struct OwnData {
    /// The training examples, with what was left out of all files.
    pub train: Loaded<Example>,
    /// Empty where nothing is held out.
    pub validation: Vec<Example>,
    /// Those of its notes that say what became of examples longer than the context.
    pub of_length: Vec<String>,
    /// Whether there are so few that the number of steps is cross-validated.
    pub is_small: bool,
}

impl OwnData {
    /// Reads the files, and holds out what the specification says.
    ///
    /// # Errors
    /// As [`load_text_set`].
    pub fn load(
        (train, validation): (&Path, Option<&Path>),
        format: &PromptFormat,
        spec: &RunSpec,
        tokenizer: &Tokenizer,
    ) -> Result<Self> {
        let data = &spec.data;
        let mut train = load_text_set(train, format, tokenizer)?;
        if !data.append_end {
            let note = endless_note(&train.items, tokenizer);
            train.notes.extend(note);
        }
        let validation = match validation {
            Some(path) => {
                let loaded = load_text_set(path, format, tokenizer)?;
                train.n_bad_lines += loaded.n_bad_lines;
                train.bad_lines.extend(loaded.bad_lines);
                train.notes.extend(loaded.notes);
                Some(loaded.items)
            }
            None => None,
        };
        let mut own = Self {
            train,
            validation: validation.clone().unwrap_or_default(),
            of_length: Vec::new(),
            is_small: false,
        };
        if data.append_end {
            let all = own.train.items.iter_mut().chain(&mut own.validation);
            all.for_each(Example::append_end);
        }
        // Behind the end, which belongs to the last piece alone.
        own.cut(data)?;
        own.leave_out_uncounted(data.loss_on)?;
        // Nothing is given away that is never looked at.
        if validation.is_none() && spec.training.validate_every > 0 {
            own.hold_out(data.held_out);
        }
        Ok(own)
    }

    /// Long examples as the specification says, but for those that are left out.
    fn cut(&mut self, data: &DataSpec) -> Result<()> {
        // Room for token 0 in front.
        let longest = data.context_length.saturating_sub(1);
        let sets = [
            (tr!("training"), &mut self.train.items),
            (tr!("validation"), &mut self.validation),
        ];
        for (name, examples) in sets {
            let told = data.long_texts.apply(examples, longest, data.loss_on, name);
            if let (Some(told), true) = (&told, examples.is_empty()) {
                return Err(nothing_left(told));
            }
            self.of_length.extend(told.clone());
            self.train.notes.extend(told);
        }
        Ok(())
    }

    /// Leaves out examples of which the loss counts nothing.
    fn leave_out_uncounted(&mut self, loss_on: LossOn) -> Result<()> {
        for examples in [&mut self.train.items, &mut self.validation] {
            let n_before = examples.len();
            examples.retain(|example| example.n_counted(loss_on) > 0);
            let n_out = n_before - examples.len();
            if n_out > 0 {
                let reason = tr!(
                    "the loss counts nothing of {n_out} of {n_before} examples (data.loss_on is {loss_on})",
                    n_out,
                    n_before,
                    loss_on = format_args!("{loss_on:?}")
                );
                if examples.is_empty() {
                    let reason = tr!("{reason}; choose Answer", reason);
                    return Err(Error::spec("data.loss_on", reason));
                }
                self.train
                    .notes
                    .push(tr!("{reason}; they are left out", reason));
            }
        }
        Ok(())
    }

    fn hold_out(&mut self, held_out: HeldOut) {
        let n = self.train.items.len();
        let n_held_out = match held_out {
            HeldOut::None => 0,
            HeldOut::Share(share) => ((share * n as f64).round() as usize).clamp(1, n.max(2) - 1),
            HeldOut::Count(count) => count.min(n.saturating_sub(1)),
            HeldOut::Auto if SMALL.contains(&n) => {
                self.is_small = true;
                0
            }
            HeldOut::Auto if n < *SMALL.start() => 0,
            HeldOut::Auto => ((SHARE * n as f64).round() as usize).clamp(FEWEST, MOST),
        };
        if n_held_out == 0 {
            return;
        }
        self.validation = hold_out(&mut self.train.items, n_held_out, SEED);
        self.train.notes.push(match self.validation.len() {
            0 => tr!(
                "nearly all examples have the same prompt, so none can be held out; name a \
                  validation file"
            )
            .into(),
            n_held_out => tr!(
                "{n_held_out} of {n} examples are held out to choose the best state \
                 (data.held_out); examples with nearly the same prompt stay together",
                n_held_out,
                n
            ),
        });
    }
}

/// The refusal of a set of which nothing is left when long examples are cut; `told`
/// says so.
pub(super) fn nothing_left(told: &str) -> Error {
    let reason = tr!(
        "{told}; nothing is left, so raise data.context_length",
        told
    );
    Error::spec("data.long_texts", reason)
}
