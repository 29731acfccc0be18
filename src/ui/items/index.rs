//! The items that match the filter: computed when the filter changes, not in every
//! frame.

use std::sync::Arc;

use crate::bench::{Answer, Change, Comparison, ItemRecord};
use crate::ui::shared::evaluations::EvaluationPair;

/// The items that are listed.
#[derive(Default)]
pub(crate) struct ItemIndex {
    key: Option<IndexKey>,
    listed: Vec<usize>,
}

#[derive(PartialEq)]
struct IndexKey {
    /// Where the comparison lies; it is held, so that no other can lie there.
    at: usize,
    change: Option<Change>,
    search: String,
    held: Arc<Comparison>,
}

impl ItemIndex {
    /// Places of the items with that `change`, or of all, whose texts have
    /// `search` in them.
    pub fn listed(
        &mut self,
        pair: &EvaluationPair,
        comparison: &Arc<Comparison>,
        change: Option<Change>,
        search: &str,
    ) -> &[usize] {
        let at = Arc::as_ptr(comparison) as usize;
        let is_same = self
            .key
            .as_ref()
            .is_some_and(|key| key.at == at && key.change == change && key.search == search);
        if !is_same {
            let before = &pair.first.evaluation.records;
            let after = &pair.second.evaluation.records;
            let search_lower = search.to_lowercase();
            let is_listed = |idx: &usize| {
                let is_kind = change.is_none_or(|change| comparison.changes[*idx] == change);
                is_kind
                    && (search.is_empty()
                        || has(&before[*idx], &search_lower)
                        || has(&after[*idx], &search_lower))
            };
            self.listed = (0..comparison.changes.len()).filter(is_listed).collect();
            self.key = Some(IndexKey {
                at,
                change,
                search: search.to_owned(),
                held: Arc::clone(comparison),
            });
        }
        &self.listed
    }
}

/// Whether a record has the text, which is in lower case.
fn has(record: &ItemRecord, text: &str) -> bool {
    let is_in = |of: &str| of.to_lowercase().contains(text);
    is_in(&record.id)
        || is_in(&record.prompt)
        || match &record.answer {
            Answer::Written { output, .. } => is_in(output),
            Answer::Chosen { options, .. } => options.iter().any(|option| is_in(option)),
        }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::bench::{Conditions, Evaluation, Rule, compare};
    use crate::data::{Benchmark, Protocol, Split};
    use crate::persist::evaluation_file::{EvaluationFile, Scored};

    fn file(right: [bool; 3]) -> Arc<EvaluationFile> {
        let words = ["Apples", "pears", "plums"];
        let record = |(idx, correct): (usize, bool)| ItemRecord {
            id: format!("test/{idx}"),
            subject: None,
            prompt: format!("Question: {}?\nAnswer:", words[idx]),
            n_steps: None,
            answer: Answer::Written {
                output: format!(" {correct}"),
                extracted: String::new(),
                extracted_flexible: String::new(),
                gold: "1".into(),
                correct_flexible: correct,
                ended: None,
            },
            correct,
        };
        Arc::new(EvaluationFile {
            path: PathBuf::from("x.jsonl"),
            scored: Scored {
                model: "m".into(),
                fingerprint: "f".into(),
                start: "untuned".into(),
                is_tuned: false,
                secs: 1.0,
            },
            evaluation: Evaluation {
                conditions: Conditions {
                    benchmark: Benchmark::Gsm8k,
                    protocol: Protocol::Mini,
                    split: Split::Test,
                    few_shot: 0,
                    few_shot_order: None,
                    leading_token: None,
                    max_new_tokens: None,
                    n_total: 3,
                    left_out: Vec::new(),
                },
                records: right.into_iter().enumerate().map(record).collect(),
            },
        })
    }

    #[test]
    fn items_are_found_by_what_became_of_them_and_by_their_text() {
        let pair = EvaluationPair {
            first: file([false, true, true]),
            second: file([true, true, false]),
            rule: Rule::Headline,
        };
        let comparison = compare(&pair.first.evaluation, &pair.second.evaluation, pair.rule);
        let comparison = Arc::new(comparison.unwrap());
        let mut index = ItemIndex::default();
        let mut check = |change, search, expected: &[usize]| {
            assert_eq!(index.listed(&pair, &comparison, change, search), expected);
        };
        check(None, "", &[0, 1, 2]);
        check(Some(Change::Fixed), "", &[0]);
        check(Some(Change::Broken), "PLUMS", &[2]);
        check(Some(Change::Broken), "pears", &[]);
        check(None, "TEST/1", &[1]);
        check(None, "false", &[0, 2]);
    }
}
