//! Options without a step: other orders of them, and other scores.

use std::time::Instant;

use super::{Baselines, MeanViews, OnBaseline};
use crate::adapt::cost::Cost;
use crate::adapt::objective::{OptionRows, all_rows, distributions, mean_view, option_rows};
use crate::adapt::option_losses::{distribution, likeliest, mean};
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::rows::{Row, n_tokens};
use crate::bench::Answer;
use crate::error::Result;

impl Baselines<'_> {
    pub(super) fn of_options(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let has_letters = self.questions.first().is_some_and(|of| of.has_letters());
        if has_letters {
            self.orders(done, progress)?;
        } else {
            self.by_length(done)?;
            self.without_question(done, progress)?;
        }
        self.calibrated(done)
    }

    /// How many orders of lettered options are voted over.
    pub(super) fn n_orders(&self) -> usize {
        self.spec.baselines.orders.min(4)
    }

    /// The option that is likeliest in the mean over cyclic orders.
    fn orders(&self, done: OnBaseline<'_>, progress: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let n = self.n_orders();
        let name = format!("vote over {n} orders");
        if n < 2 || (self.is_known)(&name) {
            return Ok(());
        }
        let views = self.mean_views(progress)?;
        let chosen = views.of.iter().map(|view| likeliest(view)).enumerate();
        let right = chosen.map(|(idx, chosen)| self.exam.is_right_option(idx, chosen));
        let mut outcome = self.chosen(&name, Kind::Baseline, right.collect(), 1.0, views.cost);
        outcome.secs = views.secs;
        done(outcome)
    }

    /// The mean distribution over each question's options in [`Self::n_orders`] cyclic
    /// orders, measured once.
    pub(super) fn mean_views(
        &self,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<&MeanViews> {
        if let Some(views) = self.views.get() {
            return Ok(views);
        }
        let (start, n) = (Instant::now(), self.n_orders());
        let (mut means, mut cost) = (Vec::with_capacity(self.questions.len()), Cost::default());
        for part in self.questions.chunks(64) {
            progress()?;
            let turned = part
                .iter()
                .flat_map(|of| (0..n).map(|order| of.in_order(order)));
            let of: Vec<OptionRows> = turned
                .map(|question| option_rows(self.prompts, &question, &[], 0))
                .collect();
            let views = self.distributions(&of, &mut cost)?;
            means.extend(views.chunks(n).map(mean_view));
        }
        let views = MeanViews {
            of: means,
            cost,
            secs: start.elapsed().as_secs_f64(),
        };
        Ok(self.views.get_or_init(|| views))
    }

    pub(super) fn distributions(
        &self,
        of: &[OptionRows],
        cost: &mut Cost,
    ) -> Result<Vec<Vec<f64>>> {
        let rows = all_rows(of);
        *cost += Cost::forward(n_tokens(&rows));
        let scores = self.engine.scores(self.base, &rows, 1.0)?;
        Ok(distributions(of, &scores.log_p))
    }

    /// The scores of the base, as they were measured.
    pub(super) fn scores(&self) -> Vec<Vec<f64>> {
        let records = self.of_base.evaluation.records.iter();
        let scores = records.map(|record| match &record.answer {
            Answer::Chosen {
                log_likelihoods, ..
            } => log_likelihoods.clone(),
            Answer::Written { .. } => Vec::new(),
        });
        scores.collect()
    }

    fn by_scores(&self, name: &str, scores: &[Vec<f64>], more: Cost) -> Outcome {
        let marked = scores.iter().enumerate();
        let right = marked.map(|(idx, of)| self.exam.is_right_option(idx, likeliest(of)));
        let cost = self.of_base.cost + more;
        self.chosen(name, Kind::Baseline, right.collect(), 1.0, cost)
    }

    /// Every place's probability over its mean over the set: no place is preferred.
    fn calibrated(&self, done: OnBaseline<'_>) -> Result<()> {
        const NAME: &str = "calibrated over the set";
        if (self.is_known)(NAME) {
            return Ok(());
        }
        let of: Vec<Vec<f64>> = self.scores().iter().map(|of| distribution(of)).collect();
        let means = mean(&of);
        let divided = of.iter().map(|p| {
            let pairs = p.iter().zip(&means);
            pairs
                .map(|(p, mean)| p / mean.max(f64::MIN_POSITIVE))
                .collect()
        });
        let divided: Vec<Vec<f64>> = divided.collect();
        done(self.by_scores(NAME, &divided, Cost::default()))
    }

    /// The likeliest per character.
    fn by_length(&self, done: OnBaseline<'_>) -> Result<()> {
        const NAME: &str = "likeliest by length";
        if (self.is_known)(NAME) {
            return Ok(());
        }
        let scores = self.scores().into_iter().zip(self.questions);
        let scores: Vec<Vec<f64>> = scores
            .map(|(scores, question)| {
                let options = question.options();
                let pairs = scores.iter().zip(&options);
                pairs
                    .map(|(score, of)| score / of.chars().count().max(1) as f64)
                    .collect()
            })
            .collect();
        done(self.by_scores(NAME, &scores, Cost::default()))
    }

    /// The score less that without the question, behind "Answer:" alone.
    fn without_question(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        const NAME: &str = "likeliest against no question";
        if (self.is_known)(NAME) {
            return Ok(());
        }
        progress()?;
        let start = Instant::now();
        let context = self.prompts.tokenizer.encode("Answer:");
        let text_start = self.prompts.text_start;
        let rows: Vec<Row> = self
            .questions
            .iter()
            .flat_map(|question| self.prompts.options(question, &[]))
            .map(|(_, option)| Row::new(0, text_start, &context, &option))
            .collect();
        let scores = self.engine.scores(self.base, &rows, 1.0)?;
        let mut log_p = scores.log_p.iter();
        let mut alone = rows.iter().map(|row| {
            let own = log_p.by_ref().take(row.scored.len());
            own.map(|x| f64::from(*x)).sum::<f64>()
        });
        let mut scores = self.scores();
        for score in scores.iter_mut().flatten() {
            *score -= alone.next().unwrap_or(0.0);
        }
        let mut outcome = self.by_scores(NAME, &scores, Cost::forward(n_tokens(&rows)));
        outcome.secs = start.elapsed().as_secs_f64();
        done(outcome)
    }
}
