//! Guides that give nothing that can be used: each has its sentence, and what came is
//! kept.

use super::*;
use crate::adapt::guide::played::{Behave, always, play, send};
use crate::adapt::spec::AdaptSpec;
use crate::data::{Benchmark, Protocol, Split, mini};
use crate::model::TextStart;
use crate::model::tokenizer::Tokenizer;

/// Asks a server three questions; the error, and the lines that are in `guide.jsonl`.
fn refused(behave: Box<Behave>, changes: impl Fn(&mut HttpSpec)) -> (String, Vec<GuideText>) {
    let (asked, texts) = asked(Benchmark::Gsm8k, false, behave, changes);
    let Err(error) = asked else {
        panic!("there is a guide");
    };
    (error, texts)
}

/// Asks a server three questions: how many have a text, or the error; and the lines that
/// are in `guide.jsonl`.
fn asked(
    benchmark: Benchmark,
    needs_shares: bool,
    behave: Box<Behave>,
    changes: impl Fn(&mut HttpSpec),
) -> (Result<usize, String>, Vec<GuideText>) {
    let tokenizer = Tokenizer::mini().unwrap();
    let prompts = Prompts {
        tokenizer: &tokenizer,
        protocol: Protocol::Mini,
        text_start: TextStart::Zero,
        stops: &["\n\n"],
        max_new_tokens: 60,
    };
    let items = mini(benchmark, Split::Validation).unwrap();
    let questions: Vec<Question> = items[..3].iter().map(Question::of).collect();
    let asking = GuideQuestions {
        prompts: &prompts,
        questions: &questions,
        limit: None,
        solved: &[],
        seed: 0,
        needs_texts: true,
        needs_shares,
    };
    let played = play(behave);
    let mut spec = HttpSpec {
        base_url: played.url,
        examples: 0,
        retries: 0,
        timeout_secs: 10.0,
        ..HttpSpec::default()
    };
    changes(&mut spec);
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(&place.path().join("a"), &AdaptSpec::default()).unwrap();
    let guide = asking.guide(
        GuideSource::Http(&spec),
        &folder,
        &mut |_| Ok(()),
        &mut || Ok(()),
    );
    let asked = match guide {
        Ok(guide) => Ok(guide.texts().count()),
        Err(error) => Err(error.to_string()),
    };
    (asked, folder.guide_texts().unwrap())
}

fn saying(text: &str) -> Box<Behave> {
    always(serde_json::json!({"choices": [{"text": text}]}).to_string())
}

#[test]
fn a_guide_that_gives_nothing_ends_in_its_sentence() {
    let check = |behave: Box<Behave>, want: &str, n_kept: usize| {
        let (error, kept) = refused(behave, |_| ());
        assert!(
            error.contains("none of its texts can be used: 3 questions"),
            "{error}"
        );
        assert!(error.contains(want), "{error}");
        // What it wrote is there to be looked at, and is not asked for again.
        assert_eq!(kept.len(), n_kept, "{want}");
    };
    check(saying(""), "its text is empty", 3);
    check(saying("qwx zzz ####"), "its text has no answer", 3);
    // Another language, without a number in the form that is asked for.
    check(
        saying("Пять да два будет семь."),
        "its text has no answer",
        3,
    );
    check(
        saying(&("la ".repeat(400) + "#### 7")),
        "its text is longer than an answer may be",
        3,
    );
    // 10 MB.
    check(
        saying(&"x".repeat(10 << 20)),
        "answers with more than 4 MiB",
        0,
    );
    check(always("<html>no</html>"), "answers with no JSON", 0);
}

/// Ten minutes are no other than half a second.
#[test]
fn a_guide_that_takes_too_long_ends_in_its_sentence() {
    let stalls: Box<Behave> = Box::new(|_, _, _| {
        std::thread::sleep(std::time::Duration::from_secs(20));
    });
    let (error, kept) = refused(stalls, |spec| spec.timeout_secs = 0.5);
    assert!(error.contains("gave no answer in 0.5 s"), "{error}");
    assert!(kept.is_empty());
}

#[test]
fn a_guide_that_is_not_there_ends_in_its_sentence() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (error, _) = refused(saying("#### 7"), |spec| {
        spec.base_url = format!("http://{nobody}/v1");
    });
    assert!(
        error.contains("cannot be reached; is the server running?"),
        "{error}"
    );
}

/// Three quarters of A, a quarter of B, as a server says them that is asked for them; one
/// that does not is told what it lacks.
#[test]
fn the_letters_of_a_server_are_asked_for_where_it_gives_them() {
    let (a, b) = (0.6_f64.ln(), 0.2_f64.ln());
    let says: Box<Behave> = Box::new(move |_, request, stream| {
        let wants = request.contains("\"logprobs\":20");
        let list = match wants {
            true => serde_json::json!([
                {"token": " A", "logprob": a}, {"token": " B", "logprob": b}
            ]),
            false => serde_json::json!([{"token": " A", "logprob": a}]),
        };
        let logprobs = serde_json::json!({"content": [
            {"token": " A", "logprob": a, "top_logprobs": list}
        ]});
        let reply = serde_json::json!({"choices": [{"text": " A", "logprobs": logprobs}]});
        send(stream, "200 OK", &reply.to_string());
    });
    let (found, texts) = asked(Benchmark::Mmlu, true, says, |_| ());
    assert_eq!(found, Ok(3));
    for text in texts {
        assert_eq!(text.answer.as_deref(), Some("0"));
        let want = [0.75, 0.25, 0.0, 0.0];
        let gap = text
            .shares
            .iter()
            .zip(want)
            .map(|(got, want)| (got - want).abs());
        assert!(
            text.shares.len() == 4 && gap.sum::<f64>() < 1e-9,
            "{text:?}"
        );
    }
    let silent = || saying(" A");
    let (found, _) = asked(Benchmark::Mmlu, true, silent(), |_| ());
    assert!(
        found
            .unwrap_err()
            .contains("does not say how likely it finds each option")
    );
    // The text alone is enough for others.
    assert_eq!(asked(Benchmark::Mmlu, false, silent(), |_| ()).0, Ok(3));
}
