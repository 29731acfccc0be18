//! What is taken of a guide's text.

use super::*;
use crate::data::{Item, Protocol, Task};
use crate::model::TextStart;
use crate::model::tokenizer::Tokenizer;

fn written() -> Question {
    Question::of(&Item {
        id: "x".into(),
        task: Task::Generate {
            question: "1+1?".into(),
            answer: "#### 2".into(),
        },
    })
}

fn letters() -> Question {
    Question::of(&Item {
        id: "x".into(),
        task: Task::ChooseLetter {
            subject: "s".into(),
            question: "?".into(),
            options: ["a", "b", "c", "d"].map(String::from),
            gold: 0,
        },
    })
}

fn texts() -> Question {
    Question::of(&Item {
        id: "x".into(),
        task: Task::Choose {
            question: "?".into(),
            options: ["red", "red wine", "blue"].map(String::from).to_vec(),
            gold: 0,
        },
    })
}

fn check(question: &Question, text: &str, want: Result<(&str, &str), Unusable>) {
    let tokenizer = Tokenizer::mini().unwrap();
    let prompts = Prompts {
        tokenizer: &tokenizer,
        protocol: Protocol::Mini,
        text_start: TextStart::Zero,
        stops: &["\n\n"],
        max_new_tokens: 40,
    };
    let got = taken(&prompts, question, text);
    let got = got.map(|(text, answer, tokens)| {
        assert_eq!(prompts.tokenizer.decode(&tokens), format!(" {text}\n\n"));
        (text, answer.unwrap())
    });
    let want = want.map(|(text, answer)| (text.to_owned(), answer.to_owned()));
    assert_eq!(got, want, "{text:?}");
}

#[test]
fn a_written_answer_is_cut_where_it_ends() {
    check(
        &written(),
        " 1+1 = 2\r\n#### 2\r\n\r\nQuestion: more",
        Ok(("1+1 = 2\n#### 2", "2")),
    );
    check(&written(), "#### 1,000.", Ok(("#### 1,000.", "1000")));
    check(&written(), "", Err(Unusable::Empty));
    check(&written(), " \n\n", Err(Unusable::Empty));
    check(&written(), "Es sind zwei.", Err(Unusable::NoAnswer));
    let long = "word ".repeat(200) + "#### 2";
    check(&written(), &long, Err(Unusable::TooLong));
    let megabytes = "x".repeat(10 << 20) + "#### 2";
    check(&written(), &megabytes, Err(Unusable::TooLong));
}

/// Letters show what they stand for; other options are listed for a guide alone.
#[test]
fn a_guide_sees_the_options() {
    let shown = with_options(&texts(), "Question: ?\nAnswer:");
    assert_eq!(shown, "Question: ?\nOptions: red; red wine; blue\nAnswer:");
    for question in [letters(), written()] {
        let text = "Question: ?\nAnswer:";
        assert_eq!(with_options(&question, text), text);
    }
}

#[test]
fn an_option_is_known_by_its_letter_or_its_text() {
    check(&letters(), " B\n\n", Ok(("B", "1")));
    check(&letters(), "(C) because", Ok(("C", "2")));
    check(&letters(), "D. d", Ok(("D", "3")));
    check(&letters(), "Because", Err(Unusable::NoAnswer));
    check(&letters(), "E", Err(Unusable::NoAnswer));
    check(&texts(), "Red wine.", Ok(("red wine", "1")));
    check(&texts(), "red", Ok(("red", "0")));
    check(&texts(), "reddish", Err(Unusable::NoAnswer));
}
