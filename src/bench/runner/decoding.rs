//! Greedy continuations of a batch of prompts.

use burn::tensor::Tensor;

use super::lengths::BatchLayout;
use super::reading::{ReadTexts, indices, read, step};
use super::room::BatchRoom;
use super::{Runner, batch_len, read_ints};
use crate::error::{Error, Result};
use crate::model::state::ModelState;
use crate::model::tokenizer::END_OF_DOCUMENT;

impl Runner<'_> {
    /// Continues one batch of prompts, sorted by length, from the state `prefix`. `progress`
    /// hears, before every token, how many tokens are read and written; those that a
    /// complete text had room for count too.
    pub(super) fn decode(
        &self,
        prompts: &[&[u32]],
        prefix: &ModelState,
        max_new_tokens: usize,
        stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let mut outputs = vec![Vec::new(); prompts.len()];
        // The text of each row of the batch, and whether it still continues.
        let mut rows: Vec<(usize, bool)> = (0..prompts.len()).map(|text| (text, true)).collect();
        let ReadTexts {
            mut hidden,
            mut state,
        } = self.read_prompts(prompts, prefix, progress)?;
        let layout = BatchLayout::of(self.device);
        let n_read: usize = prompts.iter().map(|prompt| prompt.len()).sum();
        for n_written in 1..=max_new_tokens {
            let next = self.likeliest(hidden)?;
            for ((text, is_live), token) in rows.iter_mut().zip(next) {
                if *is_live {
                    let output: &mut Vec<u32> = &mut outputs[*text];
                    output.push(token);
                    *is_live = token != END_OF_DOCUMENT && !stop(output);
                }
            }
            let n_live = rows.iter().filter(|(_, is_live)| *is_live).count();
            let n_complete = prompts.len() - n_live;
            progress(n_read + n_complete * max_new_tokens + n_live * n_written)?;
            if n_live == 0 || n_written == max_new_tokens {
                break;
            }
            // Texts that have ended ride along until there are enough of them.
            let size = layout.kept(rows.len(), n_live);
            if size < rows.len() {
                let mut kept: Vec<usize> = (0..rows.len()).collect();
                kept.sort_by_key(|row| !rows[*row].1);
                kept.truncate(size);
                state = state.select(indices(&kept, self.device));
                rows = kept.iter().map(|row| rows[*row]).collect();
            }
            let last: Vec<&[u32]> = rows
                .iter()
                .map(|(text, _)| outputs[*text].last_chunk::<1>().map_or(&[][..], |t| t))
                .collect();
            ReadTexts { hidden, state } = step(self.model, self.device, &last, state);
        }
        Ok(outputs)
    }

    /// Where the prompts, sorted by length, end.
    fn read_prompts(
        &self,
        prompts: &[&[u32]],
        prefix: &ModelState,
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<ReadTexts> {
        let mut reached: Option<ReadTexts> = None;
        let mut rest = prompts;
        let mut n_read = 0;
        while !rest.is_empty() {
            progress(n_read)?;
            let sizes = rest.iter().map(|prompt| (prompt.len(), 1));
            // The rows are those of the whole batch.
            let room = BatchRoom {
                rows: usize::MAX,
                ..self.room
            };
            let (part, others) = rest.split_at(batch_len(sizes, room));
            let of_part = read(self.model, self.device, part, prefix);
            n_read += part.iter().map(|prompt| prompt.len()).sum::<usize>();
            reached = Some(match reached {
                Some(before) => before.behind(of_part),
                None => of_part,
            });
            rest = others;
        }
        reached.ok_or_else(|| Error::Device(tr!("there is no prompt to read").into()))
    }

    /// The likeliest token after each position: [B, C] → `[B]`.
    fn likeliest(&self, hidden: Tensor<2>) -> Result<Vec<u32>> {
        read_ints(self.model.logits(hidden).argmax(1))
    }
}
