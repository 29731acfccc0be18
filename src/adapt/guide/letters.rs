//! How likely a server finds each letter at the place of its answer.
//!
//! | route | where the likeliest tokens stand |
//! |---|---|
//! | chat; completions of llama.cpp | `choices[0].logprobs.content[].top_logprobs[]` |
//! | completions of vLLM | `choices[0].logprobs.top_logprobs[]`, maps; `tokens[]` |
//! | Ollama | `logprobs[].top_logprobs[]` |
//! | responses | `output[].content[].logprobs[].top_logprobs[]` |

use serde_json::Value;

/// Probabilities that come to more than this are none.
const MOST: f64 = 1.01;
/// The least that the letters come to; below it the answer is something else.
const LEAST: f64 = 0.05;

/// A token and its log-probability.
pub(super) type Likely = (String, f64);

/// The likeliest tokens at the place of the answer: the first one that is more than
/// white space. None where the reply does not say.
pub(super) fn likeliest(reply: &Value) -> Vec<Likely> {
    let logprobs = &reply["choices"][0]["logprobs"];
    let contents = || {
        let outputs = reply["output"].as_array().into_iter().flatten();
        let mut parts = outputs.flat_map(|of| of["content"].as_array().into_iter().flatten());
        parts.find_map(|part| part["logprobs"].as_array())
    };
    let listed = logprobs["content"]
        .as_array()
        .or_else(|| reply["logprobs"].as_array())
        .or_else(contents);
    match listed {
        Some(places) => {
            let place = places.iter().find(|place| !is_blank(&word(place)));
            place.map(of_place).unwrap_or_default()
        }
        None => of_maps(logprobs),
    }
}

/// Of a place with its list.
fn of_place(place: &Value) -> Vec<Likely> {
    let entry = |of: &Value| of["logprob"].as_f64().map(|log_p| (word(of), log_p));
    let list = place["top_logprobs"].as_array().into_iter().flatten();
    let found: Vec<Likely> = list.filter_map(entry).collect();
    match found.is_empty() {
        // The token alone, where no list was given.
        true => entry(place).into_iter().collect(),
        false => found,
    }
}

/// Of lists that are maps from tokens.
fn of_maps(logprobs: &Value) -> Vec<Likely> {
    let tokens = logprobs["tokens"].as_array().into_iter().flatten();
    let mut tokens = tokens.map(|token| token.as_str().unwrap_or_default());
    let Some(place) = tokens.position(|token| !is_blank(token)) else {
        return Vec::new();
    };
    let map = logprobs["top_logprobs"][place].as_object();
    let entries = map.into_iter().flatten();
    let entries = entries.filter_map(|(token, log_p)| Some((token.clone(), log_p.as_f64()?)));
    entries.collect()
}

/// A token as text: its bytes, where they are given.
fn word(of: &Value) -> String {
    let bytes: Option<Vec<u8>> = of["bytes"].as_array().and_then(|bytes| {
        let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok());
        bytes.collect()
    });
    match bytes {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => of["token"].as_str().unwrap_or_default().to_owned(),
    }
}

/// The text without the space in front, which some vocabularies write as a letter.
fn bare(token: &str) -> &str {
    token.trim().trim_start_matches(['\u{2581}', '\u{120}'])
}

fn is_blank(token: &str) -> bool {
    bare(token).is_empty()
}

/// The share of each of the first `n` letters among them; what other tokens have is left
/// out. None where letters are not what is likely.
pub(super) fn shares(likeliest: &[Likely], n: usize) -> Vec<f64> {
    let mut found = vec![0.0; n];
    for (token, log_p) in likeliest {
        let mut chars = bare(token).chars();
        let (Some(letter), None) = (chars.next(), chars.next()) else {
            continue;
        };
        let place = super::LETTERS.iter().position(|of| *of == letter);
        if let Some(share) = place.and_then(|place| found.get_mut(place)) {
            *share += log_p.exp();
        }
    }
    let total: f64 = found.iter().sum();
    // Comparisons are false for what is not a number.
    if !(LEAST..=MOST).contains(&total) {
        return Vec::new();
    }
    found.iter().map(|share| share / total).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Half A, a quarter B, an eighth on something else; as every route gives it.
    #[test]
    fn every_route_gives_the_same_letters() {
        let (a, b, other) = (0.5_f64.ln(), 0.25_f64.ln(), 0.125_f64.ln());
        let list = json!([
            {"token": " A", "logprob": a, "bytes": [32, 65]},
            {"token": "\u{2581}B", "logprob": b},
            {"token": " The", "logprob": other},
        ]);
        let places = json!([
            {"token": "\n", "logprob": -0.1, "top_logprobs": [{"token": "C", "logprob": -0.1}]},
            {"token": " A", "logprob": a, "top_logprobs": list},
        ]);
        let maps = json!([{"C": -0.1}, {" A": a, " B": b, " The": other}]);
        let replies = [
            json!({"choices": [{"text": " A", "logprobs": {"content": places}}]}),
            json!({"choices": [{"logprobs": {"tokens": [" ", " A"], "top_logprobs": maps}}]}),
            json!({"response": " A", "logprobs": places}),
            json!({"output": [{"type": "reasoning"}, {"content": [{"text": "A", "logprobs": places}]}]}),
        ];
        for reply in replies {
            let found = shares(&likeliest(&reply), 4);
            let want = [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0];
            assert_eq!(found.len(), 4, "{reply}");
            for (got, want) in found.iter().zip(want) {
                assert!((got - want).abs() < 1e-12, "{reply}: {found:?}");
            }
        }
    }

    #[test]
    fn what_is_no_distribution_of_letters_is_left_out() {
        let of = |list: &[(&str, f64)]| {
            let list: Vec<Likely> = list.iter().map(|(t, p)| ((*t).into(), p.ln())).collect();
            shares(&list, 2)
        };
        assert_eq!(of(&[]), Vec::<f64>::new());
        // Almost all is on words, or on letters that no option has.
        assert_eq!(of(&[("The", 0.9), ("A", 0.01)]), Vec::<f64>::new());
        assert_eq!(of(&[("C", 0.9)]), Vec::<f64>::new());
        // A server that lies.
        assert_eq!(of(&[("A", 3.0)]), Vec::<f64>::new());
        assert_eq!(of(&[("A", f64::NAN)]), Vec::<f64>::new());
        assert_eq!(of(&[("A", 0.2), (" A", 0.2), ("B", 0.4)]), [0.5, 0.5]);
        assert!(likeliest(&json!({"choices": [{"text": "A"}]})).is_empty());
        assert!(likeliest(&json!("nonsense")).is_empty());
    }
}
