//! What a training set looks like in tokens, before anything is trained on it.

use std::fmt::Write as _;

use super::example::{Example, LossOn, Role};
use super::loaded::{BadLine, Loaded};
use crate::format::is_hidden;
use crate::model::tokenizer::{END_OF_DOCUMENT, Tokenizer};

/// The upper edge of the first length bucket; each next one is twice as wide.
const FIRST_EDGE: usize = 16;
/// How many characters the longest bar of the histogram has.
const BAR_WIDTH: usize = 40;
/// How many tokens of an example are shown, from its start and to its end.
const MAX_SHOWN: usize = 400;
/// How many bad lines are printed.
const MAX_BAD_PRINTED: usize = 10;

/// A summary of a training set. Lengths count tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// How many examples there are.
    pub n_examples: usize,
    /// Tokens in all.
    pub n_tokens: usize,
    /// Tokens that the loss counts.
    pub n_counted_tokens: usize,
    /// Length of the shortest example.
    pub shortest: usize,
    /// Length of the longest example.
    pub longest: usize,
    /// The limit that examples are compared with, in tokens.
    pub context_limit: usize,
    /// How many examples are longer than that.
    pub n_over_limit: usize,
    /// Largest length of each bucket: `[n_buckets]`.
    pub bucket_edges: Vec<usize>,
    /// Examples in each bucket: `[n_buckets]`.
    pub bucket_counts: Vec<usize>,
    /// The first examples, token by token.
    pub examples: Vec<Vec<ShownToken>>,
    /// Lines that were left out.
    pub bad_lines: Vec<BadLine>,
    /// How many lines were left out.
    pub n_bad_lines: usize,
    /// Other things the user should know, a sentence each.
    pub notes: Vec<String>,
}

/// One token of a shown example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownToken {
    /// The characters that begin in it, with control characters and broken UTF-8
    /// escaped; see [`Tokenizer::token_texts`].
    pub text: String,
    /// Its bytes as `e4 b8`, where they are not whole characters.
    pub bytes: Option<String>,
    /// Whether the loss counts it.
    pub is_counted: bool,
    /// Who begins to speak with it, in a chat.
    pub begins: Option<Role>,
}

/// How counted tokens are told from others in [`Preview::render`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// Counted tokens stand in brackets: reads everywhere.
    Brackets,
    /// They are also green and underlined, for terminals.
    Colour,
}

impl Preview {
    /// Measures a training set and shows its first `n_shown` examples.
    pub fn new(
        loaded: &Loaded<Example>,
        tokenizer: &Tokenizer,
        loss_on: LossOn,
        context_limit: usize,
        n_shown: usize,
    ) -> Self {
        let lengths: Vec<_> = loaded.items.iter().map(Example::n_tokens).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut bucket_edges = vec![FIRST_EDGE];
        let mut edge = FIRST_EDGE;
        while edge < longest {
            edge *= 2;
            bucket_edges.push(edge);
        }
        let mut bucket_counts = vec![0; bucket_edges.len()];
        for length in &lengths {
            bucket_counts[bucket_edges.partition_point(|edge| edge < length)] += 1;
        }
        let shown = loaded.items.iter().take(n_shown);
        Self {
            n_examples: lengths.len(),
            n_tokens: lengths.iter().sum(),
            n_counted_tokens: loaded.items.iter().map(|it| it.n_counted(loss_on)).sum(),
            shortest: lengths.iter().copied().min().unwrap_or(0),
            longest,
            context_limit,
            n_over_limit: lengths.iter().filter(|n| **n > context_limit).count(),
            bucket_edges,
            bucket_counts,
            examples: shown.map(|it| show(it, tokenizer, loss_on)).collect(),
            bad_lines: loaded.bad_lines.clone(),
            n_bad_lines: loaded.n_bad_lines,
            notes: loaded.notes.clone(),
        }
    }

    /// The summary as text for a terminal.
    pub fn render(&self, marking: Marking) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_numbers(&mut text);
        for (example_idx, tokens) in self.examples.iter().enumerate() {
            let n_tokens = tokens.len();
            let _ = write!(
                text,
                "{}",
                tr!(
                    "\nExample {}, {n_tokens} tokens\n",
                    example_idx + 1,
                    n_tokens
                )
            );
            text.push_str(&render_tokens(tokens, marking));
            text.push('\n');
        }
        text
    }

    fn write_numbers(&self, text: &mut String) -> std::fmt::Result {
        let Self {
            n_examples,
            n_tokens,
            n_counted_tokens,
            shortest,
            longest,
            context_limit,
            n_over_limit,
            ..
        } = self;
        writeln!(
            text,
            "{}",
            tr!(
                "{n_examples} examples, {n_tokens} tokens",
                n_examples,
                n_tokens
            )
        )?;
        writeln!(
            text,
            "{}",
            tr!(
                "{n_counted_tokens} of them are counted by the loss, shown as [counted]",
                n_counted_tokens
            )
        )?;
        writeln!(
            text,
            "{}",
            tr!(
                "shortest {shortest}, longest {longest} tokens",
                shortest,
                longest
            )
        )?;
        writeln!(
            text,
            "{}",
            tr!(
                "{n_over_limit} longer than the limit of {context_limit} tokens",
                n_over_limit,
                context_limit
            )
        )?;
        writeln!(text, "{}", tr!("\nLength in tokens"))?;
        let most = self.bucket_counts.iter().copied().max().unwrap_or(0).max(1);
        let mut first = 0;
        for (edge, count) in self.bucket_edges.iter().zip(&self.bucket_counts) {
            let bar = "#".repeat((count * BAR_WIDTH).div_ceil(most));
            writeln!(
                text,
                "{}",
                tr!(
                    "{first} to {edge} {count} {bar}",
                    first = format_args!("{first:>7}"),
                    edge = format_args!("{edge:<7}"),
                    count = format_args!("{count:>8}"),
                    bar
                )
            )?;
            first = edge + 1;
        }
        if self.n_bad_lines > 0 {
            writeln!(text, "{}", tr!("\n{} lines left out", self.n_bad_lines))?;
            for bad in self.bad_lines.iter().take(MAX_BAD_PRINTED) {
                writeln!(text, "  {bad}")?;
            }
            let n_more = self.n_bad_lines.saturating_sub(MAX_BAD_PRINTED);
            if n_more > 0 {
                writeln!(text, "{}", tr!("  and {n_more} more", n_more))?;
            }
        }
        for note in &self.notes {
            writeln!(text, "{}", tr!("\nnote: {note}", note))?;
        }
        Ok(())
    }
}

fn show(example: &Example, tokenizer: &Tokenizer, loss_on: LossOn) -> Vec<ShownToken> {
    let ids = &*example.tokens;
    let texts = tokenizer.token_texts(ids).into_iter().zip(ids);
    let shown = texts.map(|(of, id)| ShownToken {
        text: match *id {
            END_OF_DOCUMENT => "<token 0>".into(),
            _ => escape(&of.text),
        },
        bytes: of.bytes,
        is_counted: false,
        begins: None,
    });
    let mut tokens: Vec<ShownToken> = shown.collect();
    for place in example.counted(loss_on) {
        tokens[place].iter_mut().for_each(|it| it.is_counted = true);
    }
    let is_spoken = |role| matches!(role, Role::System | Role::User | Role::Assistant);
    if example.turns.iter().any(|turn| is_spoken(turn.role)) {
        for (turn, place) in example.places() {
            tokens[place.start].begins = Some(turn.role);
        }
    }
    tokens
}

/// Readable text that cannot drive a terminal.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match is_hidden(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped
}

/// Tokens with `|` between them and brackets around targets. Of a long example
/// the middle is left out.
fn render_tokens(tokens: &[ShownToken], marking: Marking) -> String {
    let half = MAX_SHOWN / 2;
    if tokens.len() <= MAX_SHOWN {
        return render_run(tokens, marking);
    }
    let n_hidden = tokens.len() - MAX_SHOWN;
    let start = render_run(&tokens[..half], marking);
    let end = render_run(&tokens[tokens.len() - half..], marking);
    tr!(
        "{start}\n… {n_hidden} tokens …\n{end}",
        start,
        n_hidden,
        end
    )
}

fn render_run(tokens: &[ShownToken], marking: Marking) -> String {
    let (open, close) = match marking {
        Marking::Brackets => ("[", "]"),
        Marking::Colour => ("\x1b[4;32m[", "]\x1b[0m"),
    };
    let mut text = String::new();
    let goes_on =
        |a: &ShownToken, b: &ShownToken| a.is_counted == b.is_counted && b.begins.is_none();
    for run in tokens.chunk_by(goes_on) {
        let words: Vec<_> = run.iter().map(|token| token.text.as_str()).collect();
        let words = words.join("|");
        let Some(first) = run.first() else { continue };
        if let Some(role) = first.begins {
            let line = if text.is_empty() { "" } else { "\n" };
            let _ = write!(text, "{line}{:>9}  ", role.name());
        }
        match first.is_counted {
            true => {
                text.push_str(open);
                text.push_str(&words);
                text.push_str(close);
            }
            false => text.push_str(&words),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(pairs: &[(&str, &str)]) -> (Loaded<Example>, Tokenizer) {
        let tokenizer = Tokenizer::mini().unwrap();
        let mut loaded = Loaded::default();
        for (context, target) in pairs {
            let (context, target) = (tokenizer.encode(context), tokenizer.encode(target));
            loaded.items.push(Example::new(context, target));
        }
        (loaded, tokenizer)
    }

    fn check_escape(text: &str, expected: &str) {
        assert_eq!(escape(text), expected);
    }

    #[test]
    fn tokens_cannot_drive_a_terminal() {
        check_escape("\n", "\\n");
        check_escape("\x1b[31m", "\\u{1b}[31m");
        check_escape("é", "é");
        check_escape("\u{202e}", "\\u{202e}");
    }

    #[test]
    fn lengths_fall_into_buckets() {
        let digits = "1".repeat(40);
        let (loaded, tokenizer) = loaded(&[("11", "2"), ("", &digits[..16]), ("", &digits)]);
        let preview = Preview::new(&loaded, &tokenizer, LossOn::Answer, 16, 0);
        assert_eq!(preview.bucket_edges, [16, 32, 64]);
        assert_eq!(preview.bucket_counts, [2, 0, 1]);
        assert_eq!((preview.shortest, preview.longest), (3, 40));
        assert_eq!((preview.n_tokens, preview.n_counted_tokens), (59, 57));
        assert_eq!(preview.n_over_limit, 1);
    }

    #[test]
    fn an_example_reads_in_a_plain_terminal() {
        let (mut loaded, tokenizer) = loaded(&[("1+1 =", " 2\n\n")]);
        loaded.reject(
            std::path::Path::new("set.jsonl"),
            7,
            "`text` is empty".into(),
        );
        loaded.items[0].append_end();
        loaded.notes.push("it is small".into());
        let preview = Preview::new(&loaded, &tokenizer, LossOn::Answer, 512, 3);
        let text = preview.render(Marking::Brackets);
        assert!(text.contains("\nnote: it is small\n"), "{text}");
        assert!(
            text.contains("\nExample 1, 8 tokens\n1|+|1| =[ |2|\\n\\n|<token 0>]\n"),
            "{text}"
        );
        assert!(text.contains("1 lines left out\n  set.jsonl: line 7: `text` is empty"));
        assert!(preview.render(Marking::Colour).contains("\x1b[4;32m["));
    }

    #[test]
    fn a_character_of_several_tokens_is_read_as_one() {
        let (loaded, tokenizer) = loaded(&[("天", "1")]);
        let preview = Preview::new(&loaded, &tokenizer, LossOn::Answer, 512, 1);
        let text = preview.render(Marking::Brackets);
        assert!(text.contains("\n天|·|·[1]\n"), "{text}");
        let first = &preview.examples[0][0];
        assert_eq!(first.bytes.as_deref(), Some("e5"));
    }

    #[test]
    fn the_turns_of_a_chat_have_a_line_each() {
        let tokenizer = Tokenizer::mini().unwrap();
        let mut loaded = Loaded::default();
        let turn = |text, role| (tokenizer.encode(text), role, None);
        loaded.items.push(Example::of_turns([
            turn("1+1", Role::User),
            turn(" 2", Role::Assistant),
            turn("3", Role::User),
        ]));
        let preview = Preview::new(&loaded, &tokenizer, LossOn::Answer, 512, 3);
        let text = preview.render(Marking::Brackets);
        let expected = "\n     user  1|+|1\nassistant  [ |2]\n     user  3\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn an_empty_set_has_a_preview() {
        let (loaded, tokenizer) = loaded(&[]);
        let preview = Preview::new(&loaded, &tokenizer, LossOn::Answer, 512, 3);
        assert!(preview.render(Marking::Brackets).starts_with("0 examples"));
    }

    #[test]
    fn the_middle_of_a_long_example_is_left_out() {
        let (loaded, tokenizer) = loaded(&[("", &"1".repeat(1_000))]);
        let text =
            Preview::new(&loaded, &tokenizer, LossOn::Answer, 512, 1).render(Marking::Brackets);
        assert!(text.contains("… 600 tokens …"));
    }
}
