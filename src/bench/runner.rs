//! A model that scores and continues texts in batches: what a benchmark asks of
//! it. A recurrent model reads what texts share once and continues from the state
//! there: the solved questions in front of a subject's questions, and the
//! question in front of its options.
//!
//! | file | what |
//! |---|---|
//! | `questions.rs` | what texts share |
//! | `lengths.rs` | the few lengths and batch sizes that a device sees |
//! | `room.rs` | what one batch may take of the device's memory |
//! | `reading.rs` | texts of different lengths, each read exactly to its end |
//! | `scoring.rs`, `decoding.rs` | log-likelihoods and greedy continuations |

mod decoding;
pub(crate) mod lengths;
mod questions;
pub(crate) mod reading;
mod room;
mod scoring;

use burn::tensor::{Device, Int, Tensor};

use super::{LanguageModel, Request};
use crate::error::{Error, Result};
use crate::model::state::{ModelState, Start};
use crate::model::{Model, TextStart};
use lengths::BatchLayout;
use questions::{Cluster, Question, clusters};
use reading::{read, tokens};
use room::{BatchRoom, halving};

/// Texts that are continued side by side.
const BATCH_TEXTS: usize = 512;
/// Tokens of a shared beginning that are read at once.
const PREFIX_PART: usize = 2048;

/// A model on its device, and the state that it starts every text from.
pub struct Runner<'a> {
    model: &'a Model,
    device: &'a Device,
    /// The zero state if none.
    start: Option<Start>,
    text_start: TextStart,
    room: BatchRoom,
}

impl<'a> Runner<'a> {
    /// A runner of `model`, which lives on `device`, from the zero state and token 0.
    pub fn new(model: &'a Model, device: &'a Device) -> Self {
        Self {
            model,
            device,
            start: None,
            text_start: TextStart::Zero,
            room: BatchRoom::of(model, device, None),
        }
    }

    /// A runner that starts every text from `start`; what it begins with there is
    /// `text_start`.
    pub fn with_start(
        model: &'a Model,
        device: &'a Device,
        start: Start,
        text_start: TextStart,
    ) -> Self {
        Self {
            model,
            device,
            room: BatchRoom::of(model, device, Some(&start)),
            start: Some(start),
            text_start,
        }
    }

    /// The state before the first token of one text.
    fn start(&self) -> ModelState {
        let config = self.model.config();
        match &self.start {
            Some(start) => start.state(config, 1, self.device),
            None => ModelState::zero(config, 1, self.device),
        }
    }

    /// Reads what the texts of a cluster share; gives the state there.
    fn read_shared(&self, text: &[u32]) -> ModelState {
        text.chunks(PREFIX_PART).fold(self.start(), |state, part| {
            read(self.model, self.device, &[part], &state).state
        })
    }

    /// Takes texts through the model once and reads one number of each back:
    /// what scoring them is measured against.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn forward_only(&mut self, texts: &[Vec<u32>]) -> Result<()> {
        let mut texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        texts.sort_by_key(|text| text.len());
        let mut rest = &texts[..];
        while !rest.is_empty() {
            let sizes = rest.iter().map(|text| (text.len(), 1));
            let n = batch_len(sizes, self.room);
            let (batch, others) = rest.split_at(n);
            let longest = batch.last().map_or(1, |text| text.len());
            let ids = tokens(batch, longest, self.device);
            let (hidden, _) = self.model.hidden(ids, self.start().fork(batch.len()));
            let last = hidden.narrow(1, longest - 1, 1).squeeze_dim::<2>(1);
            read_floats(last.narrow(1, 0, 1).squeeze_dim(1))?;
            rest = others;
        }
        Ok(())
    }
}

impl LanguageModel for Runner<'_> {
    fn text_start(&self) -> Option<TextStart> {
        self.start.is_some().then_some(self.text_start)
    }

    fn log_likelihoods(
        &mut self,
        groups: &[Vec<Request>],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>> {
        let questions: Vec<Question> = groups
            .iter()
            .enumerate()
            .flat_map(|(idx, group)| Question::of(idx, group, self.text_start))
            .collect();
        let shared: Vec<&[u32]> = questions.iter().map(|q| q.shared.as_slice()).collect();
        let layout = BatchLayout::of(self.device);
        let mut scores: Vec<Vec<f64>> = groups.iter().map(|of| vec![0.0; of.len()]).collect();
        let mut n_done = 0;
        let n_tokens = |q: &Question| q.shared.len() + q.options.len() * q.n_inputs();
        let total: usize = questions.iter().map(n_tokens).sum();
        progress(0, total)?;
        for Cluster { n_shared, members } in clusters(&shared, layout.min_saved_by_short) {
            let prefix = self.read_shared(&shared[members[0]][..n_shared]);
            let mut members: Vec<&Question> = members.iter().map(|q| &questions[*q]).collect();
            members.sort_by_key(|q| (q.n_inputs() > 0, q.shared.len()));
            let mut rest = &members[..];
            while !rest.is_empty() {
                // What needs no option read is not held up by what does.
                let same = rest.partition_point(|q| (q.n_inputs() > 0) == (rest[0].n_inputs() > 0));
                let sizes = rest[..same].iter().map(|q| {
                    let n_tokens = q.shared.len() - n_shared + q.options.len() * q.n_inputs();
                    (n_tokens, q.options.len())
                });
                let n = batch_len(sizes, self.room);
                let score = |batch: &[&Question]| self.score(batch, n_shared, &prefix);
                let (n, of_batch) = halving(&rest[..n], self.device, score)?;
                let (batch, others) = rest.split_at(n);
                for (question, score) in batch.iter().zip(of_batch) {
                    scores[question.idx][question.first..][..score.len()].copy_from_slice(&score);
                }
                // What many share is read once, and counts for each of them.
                n_done += batch.iter().map(|q| n_tokens(q)).sum::<usize>();
                progress(n_done, total)?;
                rest = others;
            }
        }
        Ok(scores)
    }

    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        max_new_tokens: usize,
        stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let texts: Vec<Vec<u32>> = prompts
            .iter()
            .map(|prompt| self.text_start.with(prompt))
            .collect();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let mut outputs = vec![Vec::new(); prompts.len()];
        let mut n_before = 0;
        let work = |text: &&[u32]| text.len() + max_new_tokens;
        let total: usize = texts.iter().map(work).sum();
        progress(0, total)?;
        for Cluster {
            n_shared,
            mut members,
        } in clusters(&texts, BatchLayout::of(self.device).min_saved_by_short)
        {
            let prefix = self.read_shared(&texts[members[0]][..n_shared]);
            members.sort_by_key(|text| texts[*text].len());
            let mut rest = &members[..];
            while !rest.is_empty() {
                let n = self.room.rows.min(BATCH_TEXTS).min(rest.len());
                let write = |batch: &[usize]| {
                    let own = batch.iter().map(|text| &texts[*text][n_shared..]);
                    let own: Vec<&[u32]> = own.collect();
                    let mut progress = |n_done| progress(n_before + n_done, total);
                    self.decode(&own, &prefix, max_new_tokens, stop, &mut progress)
                };
                let (n, written) = halving(&rest[..n], self.device, write)?;
                let (batch, others) = rest.split_at(n);
                for (text, output) in batch.iter().zip(written) {
                    outputs[*text] = output;
                }
                n_before += batch.iter().map(|text| work(&texts[*text])).sum::<usize>();
                rest = others;
            }
        }
        progress(total, total)?;
        Ok(outputs)
    }
}

/// How many of the texts, of (tokens, rows) each, make one batch: at least one.
fn batch_len(sizes: impl Iterator<Item = (usize, usize)>, room: BatchRoom) -> usize {
    let (mut longest, mut n_rows) = (0, 0);
    let fits = |(idx, (n_tokens, rows)): (usize, (usize, usize))| {
        longest = longest.max(n_tokens);
        n_rows += rows;
        let n = idx + 1;
        (n * longest <= room.tokens && n_rows <= room.rows).then_some(n)
    };
    sizes.enumerate().map_while(fits).last().unwrap_or(1)
}

fn read_floats(tensor: Tensor<1>) -> Result<Vec<f32>> {
    let data = tensor.into_data();
    data.try_to_vec().map_err(|error| {
        Error::Device(tr!(
            "values could not be read back: {error}",
            error = format_args!("{error:?}")
        ))
    })
}

fn read_ints(tensor: Tensor<2, Int>) -> Result<Vec<u32>> {
    let data = tensor.into_data();
    Ok(data.iter::<u32>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;
    use crate::tuning::method::tuned::Tuned;
    use crate::tuning::states::state_file::TunedState;

    #[test]
    fn batches_are_bounded_by_tokens_and_by_rows() {
        let room = BatchRoom {
            tokens: 16_384,
            rows: 12,
        };
        let check = |sizes: &[(usize, usize)], want| {
            assert_eq!(batch_len(sizes.iter().copied(), room), want, "{sizes:?}");
        };
        check(&[(10, 4); 5], 3);
        check(&[(9000, 1), (9000, 1)], 1);
        check(&[(1, 1), (8000, 1), (8192, 1)], 2);
        check(&[(100_000, 40)], 1);
    }

    /// Options of several tokens, of one, with contexts of their own, of no
    /// context, and many questions behind two long beginnings.
    fn groups() -> Vec<Vec<Request>> {
        let mut groups: Vec<Vec<Request>> = (1..6_u32)
            .map(|n| {
                let context: Vec<u32> = (1..30).chain(100..100 + 3 * n).collect();
                let option =
                    |o: u32| (context.clone(), (0..o + n % 3).map(|t| 7 + t + o).collect());
                (1..5).map(option).collect()
            })
            .collect();
        groups.push(vec![(vec![9, 8, 7], vec![1]), (vec![9, 8, 7], vec![2])]);
        groups.push(vec![
            (vec![9, 8, 5, 5], vec![1, 3]),
            (vec![9, 8, 6], vec![1, 3]),
        ]);
        groups.push(vec![(vec![], vec![4]), (vec![], vec![5, 6])]);
        for n in 0..16_u32 {
            let mut context = vec![33 + n % 2; 60];
            context.extend(500..502 + n);
            groups.push(vec![(context.clone(), vec![3]), (context, vec![4])]);
        }
        groups
    }

    #[test]
    fn sharing_and_batching_change_no_result() {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        check_log_likelihoods(Runner::new(&model, &device), &groups());
        // From a state, straight: options that share no first token, and one behind
        // nothing, of which token 0 has to take the place.
        let mut groups = groups();
        groups.push(vec![(vec![7, 5], vec![3, 1]), (vec![9], vec![2])]);
        let start = start(&model, &device);
        check_log_likelihoods(
            Runner::with_start(&model, &device, start, TextStart::None),
            &groups,
        );
    }

    /// A state that is not zero.
    fn start(model: &Model, device: &Device) -> Start {
        let mut state = TunedState::zero(model.config());
        for (n, value) in state.layers.iter_mut().flatten().enumerate() {
            *value = 0.5 * (0.37 * n as f32).sin();
        }
        Tuned::from(state).start(device)
    }

    fn check_log_likelihoods(mut runner: Runner<'_>, groups: &[Vec<Request>]) {
        let (mut heard, mut totals) = (Vec::new(), Vec::new());
        let together = runner.log_likelihoods(groups, &mut |done, total| {
            heard.push(done);
            totals.push(total);
            Ok(())
        });
        let together = together.unwrap();
        assert!(
            heard.is_sorted() && heard.last() == totals.last() && totals[0] > groups.len(),
            "{heard:?} of {totals:?}"
        );
        let answer = |scores: &[f64]| {
            let places = scores.iter().enumerate();
            places.max_by(|a, b| a.1.total_cmp(b.1)).map(|(idx, _)| idx)
        };
        for (idx, group) in groups.iter().enumerate() {
            let of =
                |(context, continuation): &Request| log_likelihood(&runner, context, continuation);
            let want: Vec<f64> = group.iter().map(of).collect();
            assert_eq!(together[idx].len(), want.len(), "{idx}");
            for (got, want) in together[idx].iter().zip(&want) {
                assert!((got - want).abs() < 1e-4, "{idx}: {got}, not {want}");
            }
            assert_eq!(answer(&together[idx]), answer(&want), "{idx}");
        }
    }

    /// The definition: one text, every logit.
    fn log_likelihood(runner: &Runner<'_>, context: &[u32], continuation: &[u32]) -> f64 {
        let Runner { model, device, .. } = runner;
        let in_front: &[u32] = match (runner.text_start, context) {
            (TextStart::None, [_, ..]) => &[],
            (TextStart::None, []) | (TextStart::Zero, _) => &[0],
        };
        let text = [in_front, context, continuation].concat();
        let ids = tokens(&[&text], text.len(), device);
        let (logits, _) = model.forward(ids, runner.start());
        let n_vocab = model.config().vocab_size;
        let logits: Vec<f32> = logits.into_data().try_to_vec().unwrap();
        let of = |at: usize| {
            let row = &logits[(at - 1) * n_vocab..at * n_vocab];
            let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
            f64::from(row[text[at] as usize]) - sum.ln()
        };
        (in_front.len() + context.len()..text.len()).map(of).sum()
    }

    #[test]
    fn prompts_side_by_side_continue_as_alone() {
        let device = Device::flex();
        let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let mut runner = Runner::new(&model, &device);
        let prompts: Vec<Vec<u32>> = (1..18)
            .map(|n| (1..40).chain(100..100 + n * n % 60).collect())
            .collect();
        // Texts end at different times, so that the batch shrinks, some at the limit.
        let stop = |tokens: &[u32]| tokens.len() as u32 > 1 + tokens[0] % 11;
        let mut written = |prompts: &[Vec<u32>]| {
            let quiet = &mut |_, _| Ok(());
            runner.generate(prompts, 9, &stop, quiet).unwrap()
        };
        let together = written(&prompts);
        let lengths: std::collections::BTreeSet<usize> = together.iter().map(Vec::len).collect();
        assert!(lengths.len() > 3, "{lengths:?}");
        for n in [1, 5, 12] {
            let parts = prompts.chunks(n).flat_map(&mut written);
            for (alone, output) in parts.zip(&together) {
                assert_eq!(alone, *output, "{n} side by side");
            }
        }
        // The likeliest token after a prompt that nothing stands in front of.
        let from = start(&model, &device);
        let mut runner = Runner::with_start(&model, &device, from, TextStart::None);
        let stop = |_: &[u32]| true;
        let written = runner.generate(&prompts[..1], 1, &stop, &mut |_, _| Ok(()));
        let ids = tokens(&[&prompts[0]], prompts[0].len(), &device);
        let (logits, _) = model.forward(ids, runner.start());
        let last = logits.narrow(1, prompts[0].len() - 1, 1).squeeze_dim(1);
        assert_eq!(written.unwrap()[0], read_ints(last.argmax(1)).unwrap());
    }
}
