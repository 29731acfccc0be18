//! What is learnt of examples that nothing stands in front of.

use super::example::{Example, Role, Turn};
use super::loaded::Loaded;
use crate::model::{LeadingToken, TextStart};

impl Example {
    /// The example as it is learnt from behind this: a first token that nothing stands
    /// in front of is read and not predicted, so it is no part of what is learnt.
    #[must_use]
    pub fn behind(&self, start: TextStart) -> Self {
        let mut learnt = self.clone();
        let is_learnt = |turn: &Turn| matches!(turn.role, Role::Text | Role::Assistant);
        if let (TextStart::None, Some(first)) = (start, learnt.turns.first_mut())
            && is_learnt(first)
        {
            first.n_tokens -= 1;
            let read = Turn {
                n_tokens: 1,
                role: Role::Given,
                mark: Some(false),
            };
            learnt.turns.insert(0, read);
            learnt.turns.retain(|turn| turn.n_tokens > 0);
        }
        learnt
    }
}

/// Leaves out examples of one token where nothing may stand in front of it, since
/// nothing can be learnt of them; what there is to say of that. `of` is what the
/// examples are, such as "training".
pub(crate) fn leave_out_single_tokens(
    examples: &mut Vec<Example>,
    leading: LeadingToken,
    of: &str,
) -> Option<String> {
    let n_before = examples.len();
    match leading {
        LeadingToken::Zero => {}
        LeadingToken::None | LeadingToken::Both => {
            examples.retain(|example| example.n_tokens() > 1);
        }
    }
    let n = n_before - examples.len();
    (n > 0).then(|| {
        tr!(
            "{n} of {n_before} {of} examples have a single token and nothing to predict \
             with data.leading_token {}",
            leading.name(),
            n,
            n_before,
            of
        )
    })
}

impl Loaded<Example> {
    /// The examples as they are learnt from with this in front: those of which nothing
    /// can be learnt are left out, which is noted, and a first token that is never
    /// predicted is no part of what is learnt. Where token 0 stands in front of some,
    /// every token may be predicted.
    pub fn learn_behind(&mut self, leading: LeadingToken) {
        let left_out = leave_out_single_tokens(&mut self.items, leading, tr!("training"));
        self.notes
            .extend(left_out.map(|reason| reason + tr!(", and are left out")));
        if leading == LeadingToken::None {
            for example in &mut self.items {
                *example = example.behind(TextStart::None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_stands_in_front_of_is_not_learnt() {
        let example =
            |context: &[u32], target: &[u32]| Example::new(context.to_vec(), target.to_vec());
        let (whole, answer) = (example(&[], &[5, 6, 7]), example(&[4], &[8]));
        assert_eq!(whole.behind(TextStart::Zero), whole);
        let cut = |first, rest: &[u32]| {
            let first = (vec![first], Role::Given, Some(false));
            Example::of_turns([first, (rest.to_vec(), Role::Text, None)])
        };
        assert_eq!(whole.behind(TextStart::None), cut(5, &[6, 7]));
        assert_eq!(answer.behind(TextStart::None), answer);
        let learnt = |leading| {
            let mut loaded = Loaded {
                items: vec![whole.clone(), answer.clone(), example(&[], &[9])],
                ..Loaded::default()
            };
            loaded.learn_behind(leading);
            (loaded.items, loaded.notes)
        };
        let all = vec![whole.clone(), answer.clone(), example(&[], &[9])];
        assert_eq!(learnt(LeadingToken::Zero), (all, Vec::new()));
        let note = |form: &str| {
            format!(
                "1 of 3 training examples have a single token and nothing to predict with \
                 data.leading_token {form}, and are left out"
            )
        };
        assert_eq!(
            learnt(LeadingToken::None),
            (vec![cut(5, &[6, 7]), answer.clone()], vec![note("Nothing")])
        );
        assert_eq!(
            learnt(LeadingToken::Both),
            (vec![whole.clone(), answer.clone()], vec![note("Both")])
        );
    }
}
