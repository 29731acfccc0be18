//! From requests to questions whose options share what they begin with, and from
//! questions to clusters that share what comes before: what is alike is read once.

use super::super::Request;
use crate::model::TextStart;

/// Tokens that a cluster of its own has to save.
const MIN_SAVED: usize = 256;
/// A shorter beginning has to save more to be worth a pass of its own.
const MIN_SHARED: usize = 32;

/// A group of requests, or one of it, as texts that begin alike.
pub(super) struct Question {
    /// Where the group stands among the others.
    pub idx: usize,
    /// Where the first of the requests stands in the group.
    pub first: usize,
    /// What texts begin with and then all contexts; never empty.
    pub shared: Vec<u32>,
    /// What follows, of each request.
    pub options: Vec<Continuation>,
}

/// What follows the shared part of a question for one request.
pub(super) struct Continuation {
    /// What the model reads after the shared part; the last scored token is not read.
    pub inputs: Vec<u32>,
    /// The scored tokens. The first is expected after `n_unscored` inputs, each
    /// of the others after one more.
    pub targets: Vec<u32>,
    /// The rest of the context.
    pub n_unscored: usize,
}

impl Question {
    /// The group as one question; as one a request where the texts share no token.
    pub fn of(idx: usize, group: &[Request], start: TextStart) -> Vec<Self> {
        let contexts = group.iter().map(|(context, _)| context.as_slice());
        let n_shared = common_prefix(contexts);
        if n_shared > 0 || start == TextStart::Zero {
            return vec![Self::new(idx, 0, group, n_shared, start)];
        }
        let requests = group.iter().enumerate();
        requests
            .map(|(first, request)| {
                let n_context = request.0.len();
                Self::new(idx, first, std::slice::from_ref(request), n_context, start)
            })
            .collect()
    }

    /// Requests whose contexts share `n_shared` tokens.
    fn new(idx: usize, first: usize, group: &[Request], n_shared: usize, start: TextStart) -> Self {
        let options = group.iter().map(|(context, targets)| {
            let rest = &context[n_shared..];
            let mut inputs = [rest, targets].concat();
            inputs.truncate((rest.len() + targets.len()).saturating_sub(1));
            Continuation {
                inputs,
                targets: targets.clone(),
                n_unscored: rest.len(),
            }
        });
        let shared = group
            .first()
            .map_or(&[][..], |(context, _)| &context[..n_shared]);
        Self {
            idx,
            first,
            shared: start.with(shared),
            options: options.collect(),
        }
    }

    /// Tokens of the longest option that are read.
    pub fn n_inputs(&self) -> usize {
        let options = self.options.iter();
        options.map(|option| option.inputs.len()).max().unwrap_or(0)
    }
}

/// Texts that begin alike.
#[derive(Debug, PartialEq)]
pub(super) struct Cluster {
    /// Tokens that all begin with; each text is longer.
    pub n_shared: usize,
    /// Places of the texts.
    pub members: Vec<usize>,
}

/// Groups `texts`, none of them empty: those that share much more than all of
/// them do stand in clusters of their own, such as the subjects of a benchmark
/// behind their solved questions. A short beginning of all is one only if it
/// saves `min_saved_by_short` tokens.
pub(super) fn clusters(texts: &[&[u32]], min_saved_by_short: usize) -> Vec<Cluster> {
    if texts.is_empty() {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|text| texts[*text]);
    let n_common = common_start(texts.iter().copied());
    // Neighbours in this order share the most, and what the first and the last
    // of a stretch share all of it shares.
    let is_alike = |a: &usize, b: &usize| {
        common_prefix([texts[*a], texts[*b]].into_iter()) > 2 * n_common.max(1)
    };
    let mut others = Vec::new();
    let mut all = Vec::new();
    for members in order.chunk_by(is_alike) {
        let n_shared = common_start(members.iter().map(|text| texts[*text]));
        let n_saved = (members.len() - 1) * (n_shared - n_common);
        if n_saved >= MIN_SAVED {
            all.push(Cluster {
                n_shared,
                members: members.to_vec(),
            });
        } else {
            others.extend_from_slice(members);
        }
    }
    if !others.is_empty() {
        let mut n_shared = common_start(others.iter().map(|text| texts[*text]));
        let n_saved = (others.len() - 1) * n_shared;
        if n_shared < MIN_SHARED && n_saved < min_saved_by_short {
            n_shared = 0;
        }
        all.push(Cluster {
            n_shared,
            members: others,
        });
    }
    all
}

/// Tokens that all texts begin with, one of each left over.
fn common_start<'a>(texts: impl Iterator<Item = &'a [u32]> + Clone) -> usize {
    let shortest = texts.clone().map(<[u32]>::len).min().unwrap_or(0);
    common_prefix(texts).min(shortest.saturating_sub(1))
}

/// Tokens that all texts begin with.
fn common_prefix<'a>(mut texts: impl Iterator<Item = &'a [u32]>) -> usize {
    let Some(first) = texts.next() else { return 0 };
    let common = |len: usize, text: &[u32]| {
        let same = first[..len].iter().zip(text).take_while(|(a, b)| a == b);
        same.count()
    };
    texts.fold(first.len(), common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_share_their_context_and_no_more() {
        // Letters: the context is all that is read.
        let letters = [(vec![5, 6], vec![7]), (vec![5, 6], vec![8])];
        let one = |idx, group: &[Request], start| {
            let mut questions = Question::of(idx, group, start);
            assert_eq!(questions.len(), 1);
            questions.remove(0)
        };
        let (zero, none) = (TextStart::Zero, TextStart::None);
        assert_eq!(one(0, &letters, none).shared, [5, 6]);
        let question = one(3, &letters, zero);
        assert_eq!((question.idx, &question.shared[..]), (3, &[0, 5, 6][..]));
        assert_eq!(question.n_inputs(), 0);
        assert_eq!(question.options[1].targets, [8]);
        // Contexts that end in their option, as a sentence with a blank does.
        let blanks = [(vec![5, 6, 1], vec![7, 8]), (vec![5, 6, 2, 3], vec![7, 8])];
        assert_eq!(one(0, &blanks, none).shared, [5, 6]);
        let question = one(0, &blanks, zero);
        assert_eq!(question.shared, [0, 5, 6]);
        assert_eq!(question.options[0].inputs, [1, 7]);
        assert_eq!(question.options[1].inputs, [2, 3, 7]);
        assert_eq!(question.options[1].n_unscored, 2);
        // Nothing in front, nothing to score.
        let empty = one(0, &[(vec![], vec![])], zero);
        assert_eq!((&empty.shared[..], empty.n_inputs()), (&[0][..], 0));
    }

    #[test]
    fn texts_that_share_no_token_are_questions_of_their_own() {
        let names = [
            (vec![5, 6], vec![7, 8]),
            (vec![4, 6], vec![7, 8]),
            (vec![], vec![7, 8]),
        ];
        let questions = Question::of(2, &names, TextStart::None);
        let seen = questions.iter().map(|of| {
            let [option] = &of.options[..] else {
                panic!("one option");
            };
            assert_eq!((of.idx, option.n_unscored), (2, 0));
            assert_eq!(
                (&option.inputs[..], &option.targets[..]),
                (&[7][..], &[7, 8][..])
            );
            (of.first, of.shared.as_slice())
        });
        // What has nothing in front is read behind token 0.
        let expected = [(0, &[5, 6][..]), (1, &[4, 6]), (2, &[0])];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
        assert_eq!(Question::of(2, &names, TextStart::Zero).len(), 1);
    }

    #[test]
    fn texts_that_share_much_stand_together() {
        let subject = |name: u32, question: u32| {
            let mut text = vec![0, 1];
            text.extend([name; 100]);
            text.extend([900 + question; 5]);
            text
        };
        let texts: Vec<Vec<u32>> = [
            (7, 1),
            (8, 2),
            (7, 3),
            (9, 4),
            (8, 5),
            (7, 6),
            (8, 1),
            (8, 7),
        ]
        .map(|(name, question)| subject(name, question))
        .to_vec();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let got = clusters(&texts, 8192);
        let of = |n_shared, members: &[usize]| Cluster {
            n_shared,
            members: members.to_vec(),
        };
        // 7 has three members that save 200 tokens: too few for its own, and
        // the two tokens that the others share are too few for a pass.
        let mut all: Vec<usize> = got
            .iter()
            .flat_map(|cluster| cluster.members.clone())
            .collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(got[0], of(102, &[6, 1, 4, 7]));
        assert_eq!((got.len(), got[1].n_shared), (2, 0));
        assert_eq!(clusters(&[], 0), []);
        assert_eq!(clusters(&[&[0]], 1), [of(0, &[0])]);
        // Each text keeps a token of its own.
        let long: &[u32] = &[7; 40];
        assert_eq!(clusters(&[long, &long[..39]], 8192), [of(38, &[1, 0])]);
        assert_eq!(clusters(&[long; 3], 8192), [of(39, &[0, 1, 2])]);
        // A short beginning counts where a device saves by it.
        let short = [&[0, 5, 1][..], &[0, 5, 2]];
        assert_eq!(clusters(&short, 3), [of(0, &[0, 1])]);
        assert_eq!(clusters(&short, 2), [of(2, &[0, 1])]);
    }
}
