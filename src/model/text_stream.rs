//! Text that is shown while it is written: tokens end in the middle of
//! characters, and what may be the beginning of a stop text is held back.

/// Turns the bytes of tokens into text as soon as it is certain.
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    stops: Vec<Vec<u8>>,
    /// Bytes that are not shown yet.
    held: Vec<u8>,
    is_stopped: bool,
}

impl TextStream {
    /// A stream that ends before the first of these texts. Empty ones are left out.
    pub fn new<'a>(stops: impl IntoIterator<Item = &'a str>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty());
        Self {
            stops: stops.map(|stop| stop.as_bytes().to_vec()).collect(),
            ..Self::default()
        }
    }

    /// Takes the bytes of a token and gives the text that can be shown now.
    /// Bytes that are not UTF-8 become U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.is_stopped {
            return String::new();
        }
        self.held.extend_from_slice(bytes);
        if let Some(end) = self.first_stop() {
            self.is_stopped = true;
            self.held.truncate(end);
            return self.rest();
        }
        let n_certain = self.held.len() - self.n_perhaps_stop();
        let n_shown = whole_characters(&self.held[..n_certain]);
        let shown: Vec<u8> = self.held.drain(..n_shown).collect();
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Whether a stop text was met.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What is still held back, at the end.
    pub fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held).into_owned()
    }

    /// Where the first stop text begins.
    fn first_stop(&self) -> Option<usize> {
        let find = |stop: &Vec<u8>| self.held.windows(stop.len()).position(|part| part == stop);
        self.stops.iter().filter_map(find).min()
    }

    /// How many of the last bytes may be the beginning of a stop text.
    fn n_perhaps_stop(&self) -> usize {
        let longest = |stop: &Vec<u8>| {
            let lengths = 1..stop.len();
            lengths.rev().find(|n| self.held.ends_with(&stop[..*n]))
        };
        self.stops.iter().filter_map(longest).max().unwrap_or(0)
    }
}

/// How many bytes come before a character whose end is still missing.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut start = 0;
    loop {
        match std::str::from_utf8(&bytes[start..]) {
            Ok(_) => return bytes.len(),
            Err(error) => match error.error_len() {
                // Wrong whatever follows.
                Some(n_wrong) => start += error.valid_up_to() + n_wrong,
                None => return start + error.valid_up_to(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stops: &[&str], pushed: &[&[u8]], shown: &[&str], rest: &str, is_stopped: bool) {
        let mut stream = TextStream::new(stops.iter().copied());
        let got: Vec<String> = pushed.iter().map(|bytes| stream.push(bytes)).collect();
        assert_eq!(got, shown, "{pushed:?}");
        assert_eq!(stream.rest(), rest, "{pushed:?}");
        assert_eq!(stream.is_stopped(), is_stopped, "{pushed:?}");
    }

    #[test]
    fn characters_are_shown_whole() {
        check(&[], &[b"a", b"b"], &["a", "b"], "", false);
        check(&[], &[b"\xe2\x82", b"\xac!"], &["", "€!"], "", false);
        check(&[], &[b"x\xf0\x9f", b"\xaa\xbf"], &["x", "🪿"], "", false);
        check(&[], &[b"\xe2\x82", b"a"], &["", "\u{fffd}a"], "", false);
        check(&[], &[b"\xff\xe2"], &["\u{fffd}"], "\u{fffd}", false);
    }

    #[test]
    fn a_stop_text_ends_the_stream_wherever_tokens_end() {
        check(&["\n\n"], &[b"a\n\nb", b"c"], &["a", ""], "", true);
        check(&["\n\n"], &[b"a\n", b"\nb"], &["a", ""], "", true);
        check(&["\n\n"], &[b"a\n", b"b"], &["a", "\nb"], "", false);
        check(&["\n\n"], &[b"a\n"], &["a"], "\n", false);
        check(&["END", "N"], &[b"E", b"N"], &["", "E"], "", true);
        check(&["abab"], &[b"aba", b"cabab"], &["", "abac"], "", true);
        check(&["€"], &[b"1\xe2\x82", b"\xac"], &["1", ""], "", true);
        check(&[""], &[b"a"], &["a"], "", false);
    }
}
