//! Which examples are held out, so that none of them is all but in training.

use std::collections::HashMap;

use super::example::{Example, Role};
use crate::random::SplitMix64;

/// Tokens of a prompt that are compared.
const COMPARED: usize = 512;
/// Tokens of the pieces that two prompts share or do not.
const PIECE: usize = 3;
/// Hashes a prompt is known by (Broder 1997), in bands of which one has to be alike.
const N_HASHES: usize = 32;
const BAND: usize = 4;
/// The share of equal hashes, an estimate of the share of equal pieces, from which
/// two prompts are near-duplicates.
const ALIKE: f64 = 0.7;
/// The largest share of all examples that one group of near-duplicates may add to
/// what is held out beyond what is asked for.
const MAX_EXTRA: f64 = 0.02;

/// What each example is asked: the tokens up to its first answer, without the
/// system's turn, which many share; of a text the text.
fn prompt(example: &Example) -> Vec<u32> {
    let mut prompt = Vec::new();
    for (turn, place) in example.places() {
        match turn.role {
            Role::System => {}
            Role::Given | Role::User => prompt.extend_from_slice(&example.tokens[place]),
            Role::Text | Role::Assistant if prompt.is_empty() => {
                prompt.extend_from_slice(&example.tokens[place]);
                break;
            }
            Role::Text | Role::Assistant => break,
        }
    }
    prompt.truncate(COMPARED);
    prompt
}

/// The least hash of all pieces of a prompt, for each of several hash functions.
fn sketch(prompt: &[u32]) -> [u64; N_HASHES] {
    let mut least = [u64::MAX; N_HASHES];
    for piece in prompt.windows(PIECE.min(prompt.len()).max(1)) {
        let hash = piece.iter();
        let hash = hash.fold(0, |hash, token| SplitMix64::mix(hash, u64::from(*token)));
        let mut random = SplitMix64::new(hash);
        for least in &mut least {
            *least = random.next().min(*least);
        }
    }
    least
}

/// The number of the group of each example, from 0 in order of their first examples.
/// Examples with the same prompt or with nearly the same are in one group.
pub fn groups(examples: &[Example]) -> Vec<usize> {
    let sketches: Vec<_> = examples.iter().map(|it| sketch(&prompt(it))).collect();
    let mut parents: Vec<usize> = (0..examples.len()).collect();
    for band in 0..N_HASHES / BAND {
        // The first example of every group of each band: groups of thousands of equal
        // prompts take no thousands of comparisons for each of them.
        let mut seen: HashMap<&[u64], Vec<usize>> = HashMap::new();
        for (idx, sketch) in sketches.iter().enumerate() {
            let key = &sketch[band * BAND..(band + 1) * BAND];
            let others = seen.entry(key).or_default();
            let like = others.iter().copied().find(|other| {
                let equal = std::iter::zip(sketch, &sketches[*other]).filter(|(a, b)| a == b);
                equal.count() as f64 >= ALIKE * N_HASHES as f64
            });
            match like {
                Some(other) => join(&mut parents, idx, other),
                None if others.len() < COMPARED => others.push(idx),
                None => {}
            }
        }
    }
    let mut numbers = HashMap::new();
    (0..examples.len())
        .map(|idx| {
            let root = root(&mut parents, idx);
            let n_known = numbers.len();
            *numbers.entry(root).or_insert(n_known)
        })
        .collect()
}

fn root(parents: &mut [usize], mut idx: usize) -> usize {
    while parents[idx] != idx {
        parents[idx] = parents[parents[idx]];
        idx = parents[idx];
    }
    idx
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b)] = a.min(b);
}

/// The examples of every group, in an order that `seed` alone decides.
fn shuffled(groups: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let n_groups = groups.iter().max().map_or(0, |last| last + 1);
    let mut members = vec![Vec::new(); n_groups];
    for (idx, group) in groups.iter().enumerate() {
        members[*group].push(idx);
    }
    let mut random = SplitMix64::new(seed);
    for last in (1..members.len()).rev() {
        members.swap(last, random.below(last + 1));
    }
    members
}

/// Takes about `n_held_out` examples out of `examples`, whole groups of them. What is
/// left stays in its order. Nothing is taken where that cannot be done: where one
/// group is nearly all there is.
pub fn hold_out(examples: &mut Vec<Example>, n_held_out: usize, seed: u64) -> Vec<Example> {
    let n_most = n_held_out + (MAX_EXTRA * examples.len() as f64) as usize;
    let mut is_held_out = vec![false; examples.len()];
    let mut n_taken = 0;
    for members in shuffled(&groups(examples), seed) {
        if n_taken < n_held_out && n_taken + members.len() <= n_most {
            n_taken += members.len();
            members.iter().for_each(|idx| is_held_out[*idx] = true);
        }
    }
    let mut places = is_held_out.into_iter();
    examples
        .extract_if(.., |_| places.next().unwrap_or_default())
        .collect()
}

/// The fold of each example, of `n_folds` of nearly equal size; groups stay whole.
pub fn folds(examples: &[Example], n_folds: usize, seed: u64) -> Vec<usize> {
    let mut folds = vec![0; examples.len()];
    let mut sizes = vec![0; n_folds.max(1)];
    let mut members = shuffled(&groups(examples), seed);
    members.sort_by_key(|members| std::cmp::Reverse(members.len()));
    for members in members {
        let smallest = sizes.iter().enumerate().min_by_key(|(_, size)| **size);
        let fold = smallest.map_or(0, |(fold, _)| fold);
        sizes[fold] += members.len();
        members.iter().for_each(|idx| folds[*idx] = fold);
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tokenizer::Tokenizer;

    fn question(text: &str, answer: &str) -> Example {
        let tokenizer = Tokenizer::mini().unwrap();
        let encode = |text: &str| tokenizer.encode(text);
        Example::of_turns([
            (encode("System: You are kind.\n\n"), Role::System, None),
            (
                encode(&format!("User: {text}\n\nAssistant:")),
                Role::User,
                None,
            ),
            (encode(&format!(" {answer}\n\n")), Role::Assistant, None),
        ])
    }

    fn distinct(n: usize) -> Vec<Example> {
        let words = [
            "river", "stone", "window", "garden", "letter", "engine", "candle",
        ];
        let word = |idx: usize| words[idx % words.len()];
        (0..n)
            .map(|idx| {
                let text = format!(
                    "{} {} {} number {} of the {}?",
                    word(idx),
                    word(idx / 7),
                    word(idx / 49),
                    idx * 7919,
                    word(idx / 3)
                );
                question(&text, "yes")
            })
            .collect()
    }

    #[test]
    fn equal_and_nearly_equal_prompts_are_one_group() {
        let long = "Tell me in a few short words what the weather will be like in the old town \
                    by the river tomorrow morning, and whether I need a coat";
        let examples = [
            question("What is 2+3?", "5"),
            question(long, "Rain"),
            question("What is 2+3?", "five"),
            question(&format!("{long}!"), "Sun"),
            question("Who wrote Emma, and when did she do that?", "Austen"),
        ];
        assert_eq!(groups(&examples), [0, 1, 0, 1, 2]);
        assert_eq!(groups(&[]), [0; 0]);
        let texts = ["a b c d e", "a b c d e", "f g h"]
            .map(|text| Example::new(vec![], Tokenizer::mini().unwrap().encode(text)));
        assert_eq!(groups(&texts), [0, 0, 1]);
    }

    #[test]
    fn what_is_held_out_is_nowhere_in_training() {
        let mut examples = distinct(90);
        // Every prompt twice, with two answers.
        let twice = examples.clone().into_iter().map(|mut it| {
            it.append_end();
            it
        });
        examples.extend(twice.collect::<Vec<_>>());
        let all = examples.clone();
        let held_out = hold_out(&mut examples, 20, 3);
        assert!((20..=23).contains(&held_out.len()), "{}", held_out.len());
        assert_eq!(examples.len() + held_out.len(), 180);
        let prompts: Vec<_> = examples.iter().map(prompt).collect();
        assert!(held_out.iter().all(|it| !prompts.contains(&prompt(it))));
        // The order stays, and the seed alone decides.
        let mut again = all.clone();
        assert_eq!(hold_out(&mut again, 20, 3), held_out);
        assert_eq!(again, examples);
        let mut other = all.clone();
        assert_ne!(hold_out(&mut other, 20, 4), held_out);
        // Where all are alike nothing can be held out.
        let mut alike = vec![all[0].clone(); 40];
        assert_eq!(hold_out(&mut alike, 10, 0), []);
        assert_eq!(alike.len(), 40);
    }

    #[test]
    fn folds_are_of_one_size_and_keep_groups_together() {
        let mut examples = distinct(30);
        examples.extend(distinct(2));
        let folds = folds(&examples, 4, 0);
        let size = |fold| folds.iter().filter(|it| **it == fold).count();
        assert!((0..4).all(|fold| size(fold) == 8), "{folds:?}");
        assert_eq!((folds[0], folds[1]), (folds[30], folds[31]));
    }
}
