//! What a group of answers agrees on.

use std::collections::BTreeMap;

use super::prompts::Prompts;
use super::rollout::Rollout;
use crate::bench::written_answer;

/// An answer and what is read out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ballot {
    /// The answer, in the form in which two of them are compared; none where there is
    /// none, or where the text was cut.
    pub answer: Option<String>,
    /// The mean log-probability of its tokens.
    pub mean_log_p: f64,
}

/// What most of a group say.
#[derive(Debug, Clone, PartialEq)]
pub struct Majority {
    /// The answer.
    pub answer: String,
    /// How many of the group have it.
    pub n_votes: usize,
    /// The likeliest of those that have it.
    pub first: usize,
}

impl Ballot {
    /// What is read out of a written answer.
    pub fn of(rollout: &Rollout, prompts: &Prompts<'_>) -> Self {
        let text = prompts.answer_text(&rollout.tokens);
        Self {
            answer: written_answer(&text).filter(|_| rollout.ended),
            mean_log_p: rollout.mean_log_p(),
        }
    }
}

/// The most frequent answer; none where nobody has one. Of equally frequent ones
/// that with the larger sum of mean log-probabilities, then the smaller text.
pub fn majority(ballots: &[Ballot]) -> Option<Majority> {
    let mut tally: BTreeMap<&str, (usize, f64, usize)> = BTreeMap::new();
    for (idx, ballot) in ballots.iter().enumerate() {
        let Some(answer) = &ballot.answer else {
            continue;
        };
        let (n, sum, first) = tally.entry(answer).or_insert((0, 0.0, idx));
        *n += 1;
        *sum += ballot.mean_log_p;
        if ballot.mean_log_p > ballots[*first].mean_log_p {
            *first = idx;
        }
    }
    let mut best: Option<(&str, (usize, f64, usize))> = None;
    for (answer, tallied) in tally {
        let (n, sum, _) = tallied;
        // Texts ascend, so that the first of equal ones stays.
        if best.is_none_or(|(_, (most, largest, _))| n > most || (n == most && sum > largest)) {
            best = Some((answer, tallied));
        }
    }
    best.map(|(answer, (n_votes, _, first))| Majority {
        answer: answer.to_owned(),
        n_votes,
        first,
    })
}

/// How many different answers a group has.
pub fn n_different(ballots: &[Ballot]) -> usize {
    let answers = ballots.iter().filter_map(|ballot| ballot.answer.as_deref());
    answers.collect::<std::collections::BTreeSet<_>>().len()
}

/// How many of the group have the answer of each; 0 without one.
pub fn n_alike(ballots: &[Ballot]) -> Vec<usize> {
    let alike = |of: &Ballot| match &of.answer {
        None => 0,
        Some(_) => ballots
            .iter()
            .filter(|other| other.answer == of.answer)
            .count(),
    };
    ballots.iter().map(alike).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Protocol;
    use crate::model::TextStart;
    use crate::model::tokenizer::Tokenizer;

    fn ballots(of: &[(&str, f64)]) -> Vec<Ballot> {
        let ballot = |(answer, mean_log_p): &(&str, f64)| Ballot {
            answer: (!answer.is_empty()).then(|| (*answer).to_owned()),
            mean_log_p: *mean_log_p,
        };
        of.iter().map(ballot).collect()
    }

    fn check(of: &[(&str, f64)], want: Option<(&str, usize, usize)>) {
        let got = majority(&ballots(of));
        let got = got
            .as_ref()
            .map(|of| (of.answer.as_str(), of.n_votes, of.first));
        assert_eq!(got, want, "{of:?}");
    }

    #[test]
    fn the_most_frequent_answer_wins_and_ties_are_broken() {
        check(&[("7", -1.0), ("8", -0.1), ("7", -0.5)], Some(("7", 2, 2)));
        // Equally many: the larger sum of log-probabilities.
        check(&[("7", -1.0), ("8", -0.9)], Some(("8", 1, 1)));
        check(
            &[("8", -0.1), ("7", -0.6), ("8", -1.5), ("7", -0.7)],
            Some(("7", 2, 1)),
        );
        // Equal in all: the smaller text.
        check(&[("9", -1.0), ("10", -1.0)], Some(("10", 1, 1)));
        // No answer never votes, however many have none.
        check(&[("", -0.1), ("", -0.1), ("3", -9.0)], Some(("3", 1, 2)));
        check(&[("", -0.1), ("", -0.1)], None);
        check(&[], None);
    }

    /// However a number is written, and only of an answer that came to its end.
    #[test]
    fn ballots_are_compared_by_their_numbers() {
        let tokenizer = Tokenizer::mini().unwrap();
        let prompts = Prompts {
            tokenizer: &tokenizer,
            protocol: Protocol::Mini,
            text_start: TextStart::Zero,
            stops: &["\n\n"],
            max_new_tokens: 40,
        };
        let ballot = |text: &str, ended: bool| {
            let tokens = tokenizer.encode(text);
            let log_p = vec![-0.5; tokens.len()];
            let rollout = Rollout {
                tokens,
                log_p,
                ended,
            };
            Ballot::of(&rollout, &prompts)
        };
        let texts = [" #### 1,000\n\n", " 500 + 500\n#### 1000.\n\n", " 7\n\n"];
        let of = [
            ballot(texts[0], true),
            ballot(texts[1], true),
            ballot(texts[2], true),
            ballot(texts[0], false),
        ];
        let answers: Vec<Option<&str>> = of.iter().map(|of| of.answer.as_deref()).collect();
        assert_eq!(answers, [Some("1000"), Some("1000"), None, None]);
        assert_eq!(majority(&of).unwrap().n_votes, 2);
        assert_eq!(of[0].mean_log_p, -0.5);
    }

    #[test]
    fn answers_are_counted_by_what_they_say() {
        let of = ballots(&[("7", 0.0), ("8", 0.0), ("7", 0.0), ("", 0.0)]);
        assert_eq!(n_alike(&of), [2, 1, 2, 0]);
        assert_eq!(n_different(&of), 2);
    }
}
