//! The search for a learning rate to begin with, on the configuration as it is.

pub(crate) mod view;

use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::tuning::spec::{DecorrelationRule, DecorrelationSpec, Method, TrainingSpec, TunedParts};
use crate::tuning::train::rate_finder::{RateFinding, RateRange};
use crate::ui::shared::notice::Notice;
use crate::ui::shared::workspace::Workspace;

/// A search that the user asked for, or is about to.
#[derive(Debug, Clone, PartialEq)]
pub struct RateSearch {
    /// What is trained, and on what.
    pub spec: RunSpec,
    /// The rates.
    pub range: RateRange,
    /// Its name, once it was started.
    pub name: Option<RunId>,
    /// Whether the worker has it, waiting or under way.
    pub is_on: bool,
    /// Whether it is looked at.
    pub is_open: bool,
    /// What came of it.
    pub outcome: Option<Result<RateFinding, String>>,
}

impl RateSearch {
    /// One that is not started.
    pub fn new(spec: RunSpec) -> Self {
        Self {
            spec,
            range: RateRange::default(),
            name: None,
            is_on: false,
            is_open: true,
            outcome: None,
        }
    }

    /// Whether what it tells is of this configuration.
    pub fn is_of(&self, draft: &RunSpec) -> bool {
        key(&self.spec) == key(draft)
    }

    /// What has to be chosen first, for rates of this configuration.
    pub fn problem(&self, draft: &RunSpec) -> Option<String> {
        if draft.method == Method::Base {
            return Some(
                tr!("Base trains nothing, so it has no rate; choose another method").into(),
            );
        }
        let wrong = self.range.check().and_then(|()| draft.check());
        wrong.err().map(|error| error.to_string())
    }
}

/// The configuration without what changes no step of a search.
fn key(spec: &RunSpec) -> RunSpec {
    let RunSpec {
        device,
        model,
        data,
        method,
        training,
        ..
    } = spec.clone();
    // The rate of a branch is tried in proportion to that of S_0.
    let has_other_rates = method.lifting().is_some() || method.lora().is_some();
    let rate = match has_other_rates {
        true => training.learning_rate,
        false => TrainingSpec::default().learning_rate,
    };
    let TrainingSpec {
        steps,
        schedule,
        warmup_steps,
        select_by,
        early_stopping,
        validate_every,
        validation_limit,
        ..
    } = TrainingSpec::default();
    RunSpec {
        device,
        model,
        data,
        method,
        training: TrainingSpec {
            learning_rate: rate,
            steps,
            schedule,
            warmup_steps,
            select_by,
            early_stopping,
            validate_every,
            validation_limit,
            ..training
        },
        ..RunSpec::default()
    }
}

/// Takes a rate that was found: the rates of a branch stay in proportion to that
/// of S_0, as they were tried.
fn take_rate(draft: &mut RunSpec, rate: f64) {
    let before = draft.training.learning_rate;
    let factor = if before > 0.0 { rate / before } else { 1.0 };
    draft.training.learning_rate = rate;
    let of_rule = |decorrelation: &mut Option<DecorrelationSpec>| {
        if let Some(DecorrelationSpec {
            rule: DecorrelationRule::Joint { learning_rate, .. },
            ..
        }) = decorrelation
        {
            *learning_rate = rounded(*learning_rate * factor);
        }
    };
    match &mut draft.method {
        Method::Base => {}
        Method::Standard(standard) => {
            // The rate of what is not trained stays as it is.
            if standard.tune == TunedParts::S0AndShift {
                standard.learning_rate_shift = rounded(standard.learning_rate_shift * factor);
            }
        }
        Method::Lifted(lift) => {
            lift.learning_rate_lift = rounded(lift.learning_rate_lift * factor);
            of_rule(&mut lift.decorrelation);
        }
        Method::Lora(lora) => {
            lora.learning_rate_lora = rounded(lora.learning_rate_lora * factor);
        }
        Method::PaperLiteral(literal) => {
            literal.learning_rate_lift = rounded(literal.learning_rate_lift * factor);
            of_rule(&mut literal.decorrelation);
        }
    }
}

/// Two digits are more than a search can tell.
pub fn rounded(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

/// The search for a learning rate.
#[derive(Debug, Default)]
pub struct RateSearches {
    /// The one that was asked for last.
    pub search: Option<RateSearch>,
    /// Searches that were asked for.
    n_asked: usize,
}

impl RateSearches {
    /// Whether one is on.
    pub(crate) fn is_on(&self) -> bool {
        self.search.as_ref().is_some_and(|of| of.is_on)
    }

    /// Whether one is looked at.
    pub(crate) fn is_open(&self) -> bool {
        self.search.as_ref().is_some_and(|of| of.is_open)
    }

    /// Shows the search: the one that is on, what came of the last one where it
    /// is of this configuration, or a new one.
    pub(crate) fn open(&mut self, draft: &RunSpec) {
        match &mut self.search {
            Some(search) if search.is_on || search.is_of(draft) => search.is_open = true,
            other => *other = Some(RateSearch::new(draft.clone())),
        }
    }

    /// Has the worker try rates, after what it does now.
    pub(crate) fn find(&mut self, workspace: &mut Workspace) {
        let Some(search) = &mut self.search else {
            return;
        };
        self.n_asked += 1;
        let name = RunId(format!("rates {}", self.n_asked));
        search.spec = workspace.draft.clone();
        search.name = Some(name.clone());
        search.is_on = true;
        search.outcome = None;
        let (spec, range) = (Box::new(search.spec.clone()), search.range);
        workspace.store.rate_search = None;
        workspace.send_other(Command::FindRate {
            run: name,
            spec,
            range,
        });
    }

    /// Ends the search, whether it is under way or waits.
    pub(crate) fn stop(&mut self, workspace: &mut Workspace) {
        let Some(search) = &mut self.search else {
            return;
        };
        search.is_on = false;
        if let Some(name) = search.name.clone() {
            let has_begun = workspace.store.rate_search.is_some();
            workspace.stop_job(&name, has_begun);
        }
    }

    /// Makes a rate that was found that of the configuration.
    pub(crate) fn use_rate(&mut self, rate: f64, draft: &mut RunSpec) {
        take_rate(draft, rate);
        if let Some(search) = &mut self.search {
            // What else was found is of the configuration that this makes.
            take_rate(&mut search.spec, rate);
            search.is_open = false;
        }
    }

    /// Takes in what a search found.
    pub(crate) fn take_found(&mut self, run: &RunId, store: &RunStore) {
        if let Some(search) = self.searched(run) {
            search.is_on = false;
        }
        let found = store.rate.clone();
        if let (Some(search), Some(found)) = (self.searched(run), found)
            && !found.points.is_empty()
        {
            search.outcome = Some(Ok(found));
        }
    }

    /// Takes in that something failed; whether it was a search that is looked at,
    /// which says so itself.
    pub(crate) fn take_unfound(&mut self, run: Option<&RunId>, message: &str) -> bool {
        let Some(search) = run.and_then(|run| self.searched(run)) else {
            return false;
        };
        search.is_on = false;
        search.outcome = Some(Err(message.to_owned()));
        search.is_open
    }

    /// Notes that the worker has nothing more to do, or is gone.
    pub(crate) fn none_is_on(&mut self, why: &str, workspace: &mut Workspace) {
        if let Some(search) = &mut self.search
            && search.is_on
        {
            search.is_on = false;
            search.outcome = Some(Err(why.to_owned()));
            if !search.is_open {
                workspace.notify(Notice::error(why.to_owned()));
            }
        }
    }

    fn searched(&mut self, run: &RunId) -> Option<&mut RateSearch> {
        let search = self.search.as_mut();
        search.filter(|search| search.name.as_ref() == Some(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::spec::LiftSpec;

    #[test]
    fn what_was_found_is_of_the_configuration_that_was_tried() {
        let draft = RunSpec::default();
        let search = RateSearch::new(draft.clone());
        let of = |change: &dyn Fn(&mut RunSpec)| {
            let mut other = draft.clone();
            change(&mut other);
            search.is_of(&other)
        };
        assert!(of(&|draft| draft.name = "b".into()));
        assert!(of(&|draft| draft.training.learning_rate = 0.3));
        assert!(of(&|draft| draft.training.steps = 7));
        assert!(!of(&|draft| draft.training.batch = 7));
        assert!(!of(&|draft| draft.data.context_length = 99));
        assert!(!of(
            &|draft| draft.method = Method::Lifted(LiftSpec::default())
        ));
    }

    #[test]
    fn the_rate_of_a_branch_stays_in_proportion() {
        let mut draft = RunSpec {
            method: Method::Lifted(LiftSpec::default()),
            ..RunSpec::default()
        };
        // 0.8 and 0.03 at first.
        take_rate(&mut draft, 0.2);
        assert_eq!(draft.training.learning_rate, 0.2);
        let Method::Lifted(lift) = &draft.method else {
            panic!("the method stays");
        };
        assert_eq!(lift.learning_rate_lift, 0.0075);
    }

    #[test]
    fn what_was_found_outlives_the_use_of_a_part_of_it() {
        let mut draft = RunSpec {
            method: Method::Lifted(LiftSpec::default()),
            ..RunSpec::default()
        };
        let mut searches = RateSearches::default();
        searches.open(&draft);
        searches.use_rate(0.2, &mut draft);
        let search = searches.search.as_ref().unwrap();
        assert!(!search.is_open && search.is_of(&draft));
    }

    #[test]
    fn a_rate_of_zero_leaves_that_of_a_branch() {
        let mut draft = RunSpec {
            method: Method::Lifted(LiftSpec::default()),
            ..RunSpec::default()
        };
        draft.training.learning_rate = 0.0;
        take_rate(&mut draft, 0.2);
        let Method::Lifted(lift) = &draft.method else {
            panic!("the method stays");
        };
        assert_eq!(
            lift.learning_rate_lift,
            LiftSpec::default().learning_rate_lift
        );
    }

    #[test]
    fn rates_are_rounded_to_two_digits() {
        for (rate, expected) in [(0.012_34, 0.012), (0.0999, 0.1), (3.16, 3.2), (1e-4, 1e-4)] {
            assert_eq!(rounded(rate), expected);
        }
    }

    #[test]
    fn a_method_without_a_rate_is_refused() {
        let mut draft = RunSpec::default();
        let mut search = RateSearch::new(draft.clone());
        assert_eq!(search.problem(&draft), None);
        search.range.last = 1e-9;
        let problem = search.problem(&draft);
        assert!(problem.is_some_and(|text| text.contains("rise")));
        search.range = RateRange::default();
        draft.method = Method::Base;
        assert!(search.problem(&draft).is_some());
    }
}
