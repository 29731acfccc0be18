//! What a guide's choice among options is worth without moving a state.

use std::time::Instant;

use super::{Baselines, OnBaseline};
use crate::adapt::cost::Cost;
use crate::adapt::objective::option_rows;
use crate::adapt::option_losses::{distribution, likeliest};
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::question::Question;
use crate::data::{Item, Task};
use crate::error::Result;

/// How many votes a guide's choice counts for each vote of the model. Its probabilities
/// are what any number of its votes would come to; at one vote the guide decides alone.
const SHARES: [f64; 2] = [0.25, 0.5];

/// What a model finds of the options of every question.
struct Found<'f> {
    /// Whose it is, in the names of figures.
    name: &'f str,
    /// A distribution each.
    of: &'f [Vec<f64>],
    cost: Cost,
    secs: f64,
}

impl Baselines<'_> {
    /// Combinations of the guide's choices with what the model finds of the options.
    pub(super) fn guided_options(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.choice_in_front(done, progress)?;
        let of_base: Vec<Vec<f64>> = self.scores().iter().map(|of| distribution(of)).collect();
        let base = Found {
            name: "the base",
            of: &of_base,
            cost: self.of_base.cost,
            secs: 0.0,
        };
        self.with_choices(&base, done)?;
        let n = self.n_orders();
        let has_letters = self.questions.first().is_some_and(|of| of.has_letters());
        if !has_letters || n < 2 {
            return Ok(());
        }
        let name = format!("the vote over {n} orders");
        if (self.is_known)(&name_of(&name, SHARES[SHARES.len() - 1])) {
            return Ok(());
        }
        let views = self.mean_views(progress)?;
        let orders = Found {
            name: &name,
            of: &views.of,
            cost: views.cost,
            secs: views.secs,
        };
        self.with_choices(&orders, done)
    }

    /// The guide's choice as some votes, and where the model finds it likelier than
    /// chance.
    fn with_choices(&self, found: &Found<'_>, done: OnBaseline<'_>) -> Result<()> {
        let only = format!(
            "guide's answer where {} finds it likelier than chance",
            found.name
        );
        if !(self.is_known)(&only) {
            done(self.by_choice(found, &only, if_likely))?;
        }
        for share in SHARES {
            let name = name_of(found.name, share);
            if !(self.is_known)(&name) {
                done(self.by_choice(found, &name, |p, choice| with_votes(p, choice, share)))?;
            }
        }
        Ok(())
    }

    fn by_choice(
        &self,
        found: &Found<'_>,
        name: &str,
        choose: impl Fn(&[f64], usize) -> usize,
    ) -> Outcome {
        let pairs = self.questions.iter().zip(found.of).enumerate();
        let right = pairs.map(|(idx, (question, p))| {
            let option = match self.choice(question) {
                Some(choice) => choose(p, choice),
                None => likeliest(p),
            };
            self.exam.is_right_option(idx, option)
        });
        let cost = found.cost + self.guide_cost();
        let mut outcome = self.chosen(name, Kind::Baseline, right.collect(), 1.0, cost);
        outcome.secs = found.secs;
        outcome
    }

    /// The place of the option that the guide chose, where it chose one.
    fn choice(&self, question: &Question) -> Option<usize> {
        let answer = self.guide?.text(question)?.answer.as_ref()?;
        let choice: usize = answer.parse().ok()?;
        (choice < question.options().len()).then_some(choice)
    }

    /// The question with the guide's choice as if solved before, then the question
    /// again.
    fn choice_in_front(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        const NAME: &str = "the guide's answer in front";
        if (self.is_known)(NAME) {
            return Ok(());
        }
        let start = Instant::now();
        let (mut chosen, mut cost) = (Vec::new(), self.guide_cost());
        for part in self.questions.chunks(64) {
            progress()?;
            let rows = part.iter().map(|question| {
                let choice = self.choice(question);
                let solved = choice.map(|choice| as_if_solved(question.item(), choice));
                let solved: Vec<&Item> = solved.iter().collect();
                option_rows(self.prompts, question, &solved, 0)
            });
            let found = self.distributions(&rows.collect::<Vec<_>>(), &mut cost)?;
            chosen.extend(found.iter().map(|p| likeliest(p)));
        }
        let chosen = chosen.into_iter().enumerate();
        let right = chosen.map(|(idx, chosen)| self.exam.is_right_option(idx, chosen));
        let mut outcome = self.chosen(NAME, Kind::Baseline, right.collect(), 1.0, cost);
        outcome.secs = start.elapsed().as_secs_f64();
        done(outcome)
    }
}

fn name_of(found: &str, share: f64) -> String {
    format!("{found}, guide's answer as {share} of a vote")
}

/// The likeliest option where `share` of a vote for each of the model's goes to
/// `choice`.
fn with_votes(p: &[f64], choice: usize, share: f64) -> usize {
    let mut votes = p.to_vec();
    votes[choice] += share;
    likeliest(&votes)
}

/// The choice where it is likelier than chance, else the likeliest option.
fn if_likely(p: &[f64], choice: usize) -> usize {
    match p[choice] * p.len() as f64 > 1.0 {
        true => choice,
        false => likeliest(p),
    }
}

/// An item with `choice` as its answer, whatever is right.
fn as_if_solved(item: &Item, choice: usize) -> Item {
    let mut solved = item.clone();
    match &mut solved.task {
        // It has no options.
        Task::Generate { .. } => {}
        Task::Choose { gold, .. } | Task::ChooseLetter { gold, .. } | Task::FillIn { gold, .. } => {
            *gold = choice
        }
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model finds 0.55, 0.3, 0.1, 0.05. A choice of the second needs more than
    /// 0.25 of a vote, one of the last more than a half.
    #[test]
    fn a_choice_wins_by_its_votes_and_what_the_model_finds() {
        let p = [0.55, 0.3, 0.1, 0.05];
        assert_eq!(with_votes(&p, 1, 0.2), 0);
        assert_eq!(with_votes(&p, 1, 0.3), 1);
        assert_eq!(with_votes(&p, 3, 0.49), 0);
        assert_eq!(with_votes(&p, 3, 1.0), 3);
        // A quarter is chance.
        assert_eq!(if_likely(&p, 1), 1);
        assert_eq!(if_likely(&p, 2), 0);
        assert_eq!(if_likely(&[0.25; 4], 3), 0);
    }

    #[test]
    fn a_question_stands_there_solved_by_the_choice() {
        let item = Item {
            id: "x".into(),
            task: Task::ChooseLetter {
                subject: "s".into(),
                question: "?".into(),
                options: ["a", "b", "c", "d"].map(String::from),
                gold: 0,
            },
        };
        let Task::ChooseLetter { gold, .. } = as_if_solved(&item, 2).task else {
            panic!("another task");
        };
        assert_eq!(gold, 2);
    }
}
