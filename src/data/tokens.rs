//! The tokens of examples: in memory, or in a scratch file where a set is larger
//! than what should be held.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use memmap2::Mmap;

use crate::model::tokenizer::END_OF_DOCUMENT;

/// Tokens of one set that stay in memory, 256 MB of them; those beyond go to files.
const HELD_TOKENS: usize = 64 << 20;
/// Tokens that are written at once, 64 MB of them.
const SEGMENT_TOKENS: usize = 16 << 20;
/// What is left free on the disk.
const SPARE_BYTES: u64 = 512 << 20;

/// Tokens, `[n_tokens]`. Clones and parts of stored ones share the file.
#[derive(Clone)]
pub struct Tokens(Place);

#[derive(Clone)]
enum Place {
    Held(Vec<u32>),
    Stored(Arc<Segment>, Range<usize>),
}

/// What is written to one file, and read from it by the system as it is needed.
#[derive(Default)]
struct Segment {
    content: OnceLock<Content>,
}

enum Content {
    Mapped(Mmap),
    /// What could not be written; whoever reads the set is told so.
    Held(Vec<u32>),
}

impl Segment {
    fn tokens(&self) -> &[u32] {
        match self.content.get() {
            // Pages begin at multiples of four, and so many were written.
            Some(Content::Mapped(map)) => bytemuck::cast_slice(map),
            Some(Content::Held(tokens)) => tokens,
            // Only while the set is being read, which looks at no example twice.
            None => &[],
        }
    }
}

impl Tokens {
    /// The tokens at `place`.
    #[must_use]
    pub fn part(&self, place: Range<usize>) -> Self {
        match &self.0 {
            Place::Held(tokens) => tokens[place].to_vec().into(),
            Place::Stored(segment, all) => {
                assert!(place.start <= place.end && place.end <= all.len());
                let place = all.start + place.start..all.start + place.end;
                Self(Place::Stored(segment.clone(), place))
            }
        }
    }

    /// Puts more of them behind.
    pub(super) fn extend(&mut self, more: &[u32]) {
        match &mut self.0 {
            Place::Held(tokens) => tokens.extend_from_slice(more),
            Place::Stored(segment, place) => {
                // One end of a document lies behind every example, so that those of
                // a set that is given ends stay where they are.
                let longer = place.start..place.end + more.len();
                if segment.tokens().get(place.end..longer.end) == Some(more) {
                    *place = longer;
                } else {
                    self.0 = Place::Held([&**self, more].concat());
                }
            }
        }
    }

    /// Leaves the first `n_tokens`.
    pub(super) fn truncate(&mut self, n_tokens: usize) {
        match &mut self.0 {
            Place::Held(tokens) => tokens.truncate(n_tokens),
            Place::Stored(_, place) => place.end = place.end.min(place.start + n_tokens),
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<u32>> for Tokens {
    fn from(tokens: Vec<u32>) -> Self {
        Self(Place::Held(tokens))
    }
}

impl Deref for Tokens {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        match &self.0 {
            Place::Held(tokens) => tokens,
            Place::Stored(segment, place) => segment.tokens().get(place.clone()).unwrap_or(&[]),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Tokens {}

impl PartialEq<Vec<u32>> for Tokens {
    fn eq(&self, other: &Vec<u32>) -> bool {
        **self == **other
    }
}

/// Takes the tokens of a set as it is read, and has those beyond the first 256 MB in
/// files that end with the last example of them.
pub(super) struct TokenStore {
    folder: PathBuf,
    n_free: usize,
    segment_tokens: usize,
    segment: Arc<Segment>,
    pending: Vec<u32>,
    failed: Option<io::Error>,
}

impl TokenStore {
    /// One whose files lie among what programs keep for a while.
    pub fn new() -> Self {
        let folder = dirs::cache_dir().filter(|it| it.is_absolute());
        let folder = folder.map_or_else(std::env::temp_dir, |it| it.join("gosling"));
        Self::at(folder, HELD_TOKENS, SEGMENT_TOKENS)
    }

    fn at(folder: PathBuf, held_tokens: usize, segment_tokens: usize) -> Self {
        Self {
            folder,
            n_free: held_tokens,
            segment_tokens,
            segment: Arc::default(),
            pending: Vec::new(),
            failed: None,
        }
    }

    /// The same tokens, which may be read once the store is closed.
    pub fn keep(&mut self, tokens: &mut Tokens) {
        let Place::Held(held) = &mut tokens.0 else {
            return;
        };
        if self.failed.is_some() {
            // The set is given up; none of it may fill the memory meanwhile.
            *held = Vec::new();
        } else if let Some(n_free) = self.n_free.checked_sub(held.len()) {
            self.n_free = n_free;
        } else {
            self.n_free = 0;
            let start = self.pending.len();
            self.pending.append(held);
            let place = start..self.pending.len();
            self.pending.push(END_OF_DOCUMENT);
            tokens.0 = Place::Stored(self.segment.clone(), place);
            if self.pending.len() >= self.segment_tokens {
                self.write();
            }
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Where a file could not be written: the folder, and the reason.
    pub fn close(mut self) -> Result<(), (PathBuf, io::Error)> {
        self.write();
        match self.failed.take() {
            Some(error) => Err((self.folder.clone(), error)),
            None => Ok(()),
        }
    }

    fn write(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let segment = std::mem::take(&mut self.segment);
        if pending.is_empty() {
            return;
        }
        let content = match self.written(&pending) {
            Ok(map) => Content::Mapped(map),
            Err(error) => {
                self.failed.get_or_insert(error);
                Content::Held(pending)
            }
        };
        // A segment is written once.
        let _ = segment.content.set(content);
    }

    /// A file of these tokens that has no name and goes with the last who reads it.
    fn written(&self, tokens: &[u32]) -> io::Result<Mmap> {
        fs::create_dir_all(&self.folder)?;
        let bytes: &[u8] = bytemuck::cast_slice(tokens);
        let n_left = fs4::available_space(&self.folder)?.checked_sub(bytes.len() as u64);
        if n_left.is_none_or(|left| left < SPARE_BYTES) {
            let reason = tr!(
                "the training set is larger than what is held in memory, and the disk has no room for its tokens; free some, or use fewer examples"
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, reason));
        }
        let mut file: File = tempfile::tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        file.flush()?;
        // SAFETY: nobody else can open the file, which has no name, and nothing here
        // writes to it again.
        unsafe { Mmap::map(&file) }
    }
}

impl Drop for TokenStore {
    /// No example stays without its tokens.
    fn drop(&mut self) {
        self.write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(store: &mut TokenStore, tokens: &[u32]) -> Tokens {
        let mut tokens = tokens.to_vec().into();
        store.keep(&mut tokens);
        tokens
    }

    fn is_stored(tokens: &Tokens) -> bool {
        matches!(tokens.0, Place::Stored(..))
    }

    #[test]
    fn what_is_beyond_the_first_goes_to_files_and_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = TokenStore::at(folder.path().join("new"), 5, 8);
        let sets: Vec<Vec<u32>> = (0..20).map(|n| (n..n + n % 4 + 1).collect()).collect();
        let all: Vec<Tokens> = sets.iter().map(|set| kept(&mut store, set)).collect();
        store.close().unwrap();
        assert_eq!(all, sets);
        let stored: Vec<bool> = all.iter().map(is_stored).collect();
        // One and two tokens fit into five, the next three do not any more.
        assert_eq!(stored[..2], [false; 2]);
        assert_eq!(stored[2..], [true; 18]);
        // Files without a name leave nothing behind.
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn stored_tokens_change_as_held_ones_do() {
        let folder = tempfile::tempdir().unwrap();
        let change = |tokens: &Tokens| {
            let mut ended = tokens.clone();
            ended.extend(&[END_OF_DOCUMENT]);
            let mut longer = tokens.clone();
            longer.extend(&[7, 8]);
            let mut shorter = ended.clone();
            shorter.truncate(2);
            let mut same = tokens.clone();
            same.truncate(100);
            [
                ended,
                longer,
                shorter,
                same,
                tokens.part(1..3),
                tokens.part(2..2),
            ]
        };
        let mut store = TokenStore::at(folder.path().into(), 0, 4);
        let (first, second) = (kept(&mut store, &[4, 5, 6]), kept(&mut store, &[9, 9, 9]));
        store.close().unwrap();
        for (stored, held) in [(&first, [4, 5, 6]), (&second, [9, 9, 9])] {
            assert!(is_stored(stored));
            let [ended, longer, ..] = change(stored);
            assert!(is_stored(&ended));
            assert!(!is_stored(&longer));
            assert_eq!(change(stored), change(&held.to_vec().into()));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let mut store = TokenStore::at(file.join("inside"), 0, 4);
        let first = kept(&mut store, &[1, 2, 3, 4]);
        let second = kept(&mut store, &[5]);
        let (told, _) = store.close().unwrap_err();
        assert_eq!(told, file.join("inside"));
        assert_eq!(first, vec![1, 2, 3, 4]);
        assert_eq!(second.len(), 0);
    }
}
