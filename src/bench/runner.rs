//! A model that scores and continues texts in batches: what a benchmark asks of it.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};

use super::LanguageModel;
use crate::error::{Error, Result};
use crate::model::Rwkv7;
use crate::model::state::{ModelState, Start};

/// Tokens of one batch, padding included: bounds the memory of an evaluation.
const BATCH_TOKENS: usize = 16_384;
/// Logits that are held at once: no device holds those of a whole batch and a
/// large vocabulary.
const MAX_LOGITS: usize = 1 << 24;
/// Texts that are continued side by side.
const BATCH_TEXTS: usize = 256;
/// Stands before every document and ends it.
const END_OF_DOCUMENT: u32 = 0;

/// A model on its device, and the state that it starts every text from.
pub struct Runner<'a> {
    model: &'a Rwkv7,
    device: &'a Device,
    /// The zero state if none.
    start: Option<Start>,
}

impl<'a> Runner<'a> {
    /// A runner of `model`, which lives on `device`, from the zero state.
    pub fn new(model: &'a Rwkv7, device: &'a Device) -> Self {
        Self {
            model,
            device,
            start: None,
        }
    }

    /// A runner that starts every text from `start`.
    pub fn with_start(model: &'a Rwkv7, device: &'a Device, start: Start) -> Self {
        Self {
            model,
            device,
            start: Some(start),
        }
    }

    /// The state before the first token of `n_batch` texts.
    fn start(&self, n_batch: usize) -> ModelState {
        let config = self.model.config();
        match &self.start {
            Some(start) => start.state(config, n_batch, self.device),
            None => ModelState::zero(config, n_batch, self.device),
        }
    }

    /// Reads the first `len` tokens of a text; gives the state there.
    fn read_prefix(&self, text: &[u32], len: usize) -> ModelState {
        let start = self.start(1);
        if len == 0 {
            return start;
        }
        self.model
            .hidden(self.tokens(&[&text[..len]], len), start)
            .1
    }

    /// Texts as one tensor [B, T], zeros behind the shorter ones.
    fn tokens(&self, texts: &[&[u32]], n_tokens: usize) -> Tensor<2, Int> {
        let mut ids = vec![0_i32; texts.len() * n_tokens];
        for (row, text) in ids.chunks_exact_mut(n_tokens).zip(texts) {
            for (id, token) in row.iter_mut().zip(*text) {
                *id = token.cast_signed();
            }
        }
        let data = TensorData::new(ids, [texts.len(), n_tokens]);
        Tensor::from_data(data, self.device)
    }

    fn indices(&self, indices: &[usize]) -> Tensor<1, Int> {
        let indices: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
        let len = indices.len();
        Tensor::from_data(TensorData::new(indices, [len]), self.device)
    }

    /// Summed log-likelihoods of one batch of (whole text, first scored
    /// position), whose first `n_read` tokens led to the state `prefix`.
    fn score(
        &self,
        batch: &[(Vec<u32>, usize)],
        n_read: usize,
        prefix: &ModelState,
    ) -> Result<Vec<f64>> {
        let inputs: Vec<&[u32]> = batch
            .iter()
            .map(|(text, _)| &text[n_read..text.len() - 1])
            .collect();
        let n_tokens = inputs.iter().map(|text| text.len()).max().unwrap_or(1);
        let state = prefix.fork(batch.len());
        let (hidden, _) = self.model.hidden(self.tokens(&inputs, n_tokens), state);
        let [n_batch, _, n_embd] = hidden.dims();
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for (text_idx, (text, from)) in batch.iter().enumerate() {
            let first = text_idx * n_tokens + from - 1 - n_read;
            rows.extend(first..first + text.len() - from);
            targets.extend(text[*from..].iter().map(|token| *token as usize));
        }
        let hidden = hidden.reshape([n_batch * n_tokens, n_embd]);
        let per_part = (MAX_LOGITS / self.model.config().vocab_size).max(1);
        let parts = rows.chunks(per_part).zip(targets.chunks(per_part));
        let parts = parts.map(|(rows, targets)| {
            let logits = self
                .model
                .logits(hidden.clone().select(0, self.indices(rows)));
            let targets = self.indices(targets).unsqueeze_dim(1);
            log_softmax(logits, 1).gather(1, targets)
        });
        let picked = read(Tensor::cat(parts.collect(), 0))?;
        let mut picked = picked.into_iter();
        let sums = batch.iter().map(|(text, from)| {
            let of_text = picked.by_ref().take(text.len() - from);
            of_text.map(f64::from).sum()
        });
        Ok(sums.collect())
    }

    /// Continues one batch of prompts from the state `prefix`. `progress`
    /// hears, before every token, how many are complete.
    fn decode(
        &self,
        prompts: &[&[u32]],
        prefix: &ModelState,
        max_new_tokens: usize,
        stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let mut outputs = vec![Vec::new(); prompts.len()];
        let mut live: Vec<usize> = (0..prompts.len()).collect();
        let (mut logits, mut state) = self.read_prompts(prompts, prefix, progress)?;
        for _ in 0..max_new_tokens {
            progress(prompts.len() - live.len())?;
            let next = read_ints(logits.argmax(1))?;
            let mut kept = Vec::new();
            for (row, (text_idx, token)) in live.iter().zip(next).enumerate() {
                let output: &mut Vec<u32> = &mut outputs[*text_idx];
                output.push(token);
                if token != END_OF_DOCUMENT && !stop(output) {
                    kept.push(row);
                }
            }
            if kept.is_empty() {
                break;
            }
            if kept.len() < live.len() {
                state = state.select(self.indices(&kept));
                live = kept.iter().map(|row| live[*row]).collect();
            }
            let last: Vec<&[u32]> = live
                .iter()
                .map(|text_idx| outputs[*text_idx].last_chunk::<1>().map_or(&[][..], |t| t))
                .collect();
            let (hidden, after) = self.model.hidden(self.tokens(&last, 1), state);
            (logits, state) = (self.model.logits(hidden.squeeze_dim(1)), after);
        }
        Ok(outputs)
    }

    /// The logits [B, V] after each prompt, and the state there. Prompts of one
    /// length are read together, so that no padding reaches the state.
    fn read_prompts(
        &self,
        prompts: &[&[u32]],
        prefix: &ModelState,
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<(Tensor<2>, ModelState)> {
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|text_idx| prompts[*text_idx].len());
        let (mut logits, mut states) = (Vec::new(), Vec::new());
        for group in order.chunk_by(|a, b| prompts[*a].len() == prompts[*b].len()) {
            progress(0)?;
            let texts: Vec<&[u32]> = group.iter().map(|i| prompts[*i]).collect();
            let n_tokens = texts[0].len();
            let start = prefix.fork(texts.len());
            let (hidden, state) = self.model.hidden(self.tokens(&texts, n_tokens), start);
            let last = hidden.narrow(1, n_tokens - 1, 1).squeeze_dim(1);
            logits.push(self.model.logits(last));
            states.push(state);
        }
        let mut back = vec![0; order.len()];
        for (row, text_idx) in order.iter().enumerate() {
            back[*text_idx] = row;
        }
        let back = self.indices(&back);
        let state = ModelState::concatenate(states).select(back.clone());
        Ok((Tensor::cat(logits, 0).select(0, back), state))
    }
}

impl LanguageModel for Runner<'_> {
    fn log_likelihoods(
        &mut self,
        requests: &[(Vec<u32>, Vec<u32>)],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<f64>> {
        let mut texts: Vec<(usize, Vec<u32>, usize)> = requests
            .iter()
            .enumerate()
            .map(|(i, (context, continuation))| {
                let text = [&[END_OF_DOCUMENT], &context[..], continuation].concat();
                (i, text, 1 + context.len())
            })
            .collect();
        texts.sort_by_key(|(_, text, _)| text.len());
        let contexts = texts.iter().map(|(_, text, from)| &text[..*from]);
        let n_read = common_prefix(contexts);
        let prefix = match texts.first() {
            Some((_, text, _)) => self.read_prefix(text, n_read),
            None => return Ok(Vec::new()),
        };
        let mut scores = vec![0.0; requests.len()];
        let mut done = 0;
        while done < texts.len() {
            progress(done, texts.len())?;
            let rest = &texts[done..];
            // The batch is as wide as its last text, the longest.
            let fits = |n: &usize| *n * (rest[n - 1].1.len() - n_read) <= BATCH_TOKENS;
            let n = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
            let batch: Vec<_> = rest[..n]
                .iter()
                .map(|(_, t, from)| (t.clone(), *from))
                .collect();
            for ((i, _, _), score) in rest.iter().zip(self.score(&batch, n_read, &prefix)?) {
                scores[*i] = score;
            }
            done += n;
        }
        progress(texts.len(), texts.len())?;
        Ok(scores)
    }

    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        max_new_tokens: usize,
        stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let prompts: Vec<Vec<u32>> = prompts
            .iter()
            .map(|prompt| [&[END_OF_DOCUMENT], &prompt[..]].concat())
            .collect();
        let n_read = common_prefix(prompts.iter().map(Vec::as_slice));
        let prefix = match prompts.first() {
            Some(prompt) => self.read_prefix(prompt, n_read),
            None => return Ok(Vec::new()),
        };
        let mut outputs = Vec::with_capacity(prompts.len());
        for batch in prompts.chunks(BATCH_TEXTS) {
            let n_before = outputs.len();
            let batch: Vec<&[u32]> = batch.iter().map(|prompt| &prompt[n_read..]).collect();
            let mut progress = |n_done| progress(n_before + n_done, prompts.len());
            outputs.extend(self.decode(&batch, &prefix, max_new_tokens, stop, &mut progress)?);
        }
        progress(prompts.len(), prompts.len())?;
        Ok(outputs)
    }
}

/// Tokens that all texts begin with, one of each left over. The solved questions
/// in front of every prompt are read once for all of them.
fn common_prefix<'a>(mut texts: impl Iterator<Item = &'a [u32]>) -> usize {
    let Some(first) = texts.next() else { return 0 };
    let common = |len: usize, text: &[u32]| {
        let same = first[..len].iter().zip(text).take_while(|(a, b)| a == b);
        same.count().min(text.len().saturating_sub(1))
    };
    texts.fold(first.len().saturating_sub(1), common)
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>> {
    let data = tensor.into_data();
    data.try_to_vec()
        .map_err(|error| Error::Device(format!("values could not be read back: {error:?}")))
}

fn read_ints(tensor: Tensor<2, Int>) -> Result<Vec<u32>> {
    let data = tensor.into_data();
    Ok(data.iter::<u32>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;

    #[test]
    fn a_prefix_leaves_every_text_a_token() {
        let check = |texts: &[&[u32]], want| {
            assert_eq!(common_prefix(texts.iter().copied()), want, "{texts:?}");
        };
        check(&[], 0);
        check(&[&[0, 1, 2]], 2);
        check(&[&[0, 1, 2], &[0, 1, 3, 4]], 2);
        check(&[&[0, 1, 2, 3], &[0, 1]], 1);
        check(&[&[0], &[0, 1]], 0);
    }

    #[test]
    fn a_shared_prefix_changes_no_result() {
        let device = Device::flex();
        let model = Rwkv7::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
        let mut runner = Runner::new(&model, &device);
        let requests: Vec<(Vec<u32>, Vec<u32>)> = (1..6)
            .map(|n| ((1..40).chain(100..100 + n).collect(), vec![7, 8 + n]))
            .collect();
        let together = runner
            .log_likelihoods(&requests, &mut |_, _| Ok(()))
            .unwrap();
        let prompts: Vec<_> = requests
            .iter()
            .map(|(context, _)| context.clone())
            .collect();
        let never = |_: &[u32]| false;
        let outputs = runner
            .generate(&prompts, 5, &never, &mut |_, _| Ok(()))
            .unwrap();
        for (idx, request) in requests.iter().enumerate() {
            let alone = runner
                .log_likelihoods(std::slice::from_ref(request), &mut |_, _| Ok(()))
                .unwrap();
            assert!((alone[0] - together[idx]).abs() < 1e-3, "{idx}");
            let prompt = std::slice::from_ref(&prompts[idx]);
            let alone = runner
                .generate(prompt, 5, &never, &mut |_, _| Ok(()))
                .unwrap();
            assert_eq!(alone[0], outputs[idx]);
        }
    }
}
