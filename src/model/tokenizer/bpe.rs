//! Byte pair encoding: a text is cut into pieces, and in every piece the two
//! neighbours whose merge was learnt first become one token, until none can.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use sha2::{Digest as _, Sha256};

use super::pieces::{Pieces, SPACE};
use super::trie::Trie;

/// Place in the order of merges and the token, of two neighbours.
pub(super) type Merges = HashMap<(u32, u32), (u32, u32)>;

/// A vocabulary of tokens that were merged from bytes or characters.
#[derive(Debug)]
pub(super) struct Bpe {
    /// Tokens that a text is searched for before all else, and their ids.
    pub added: (Trie, Vec<u32>),
    pub pieces: Pieces,
    pub symbols: Symbols,
    /// The token of every single byte.
    pub byte_ids: [u32; 256],
    pub merges: Merges,
    /// Where a piece that is a token as a whole is not merged: the tokens by their bytes.
    pub whole: Option<HashMap<Box<[u8]>, u32>>,
    /// The file as it was read, so that it can be written again.
    pub source: String,
}

/// What a piece is before anything is merged.
#[derive(Debug)]
pub(super) enum Symbols {
    /// Its bytes.
    Bytes,
    /// Its characters, those that are no token by their bytes. A space is [`SPACE`].
    Characters(HashMap<char, u32>),
}

/// A symbol of a piece, one of a chain.
struct Symbol {
    id: u32,
    before: Option<usize>,
    behind: Option<usize>,
    is_there: bool,
}

impl Bpe {
    /// The ids of `bytes`, which need not be UTF-8.
    pub fn encode(&self, bytes: &[u8]) -> Vec<u32> {
        let mut ids = Vec::with_capacity(bytes.len() / 3 + 1);
        let (mut from, mut at) = (0, 0);
        while at < bytes.len() {
            let (idx, n) = self.added.0.longest_match(&bytes[at..]);
            if n == 0 {
                at += 1;
                continue;
            }
            self.plain(&bytes[from..at], &mut ids);
            ids.push(self.added.1[usize::from(idx) - 1]);
            at += n;
            from = at;
        }
        self.plain(&bytes[from..], &mut ids);
        ids
    }

    /// What is between added tokens.
    fn plain(&self, bytes: &[u8], ids: &mut Vec<u32>) {
        for chunk in bytes.utf8_chunks() {
            self.pieces
                .of(chunk.valid(), &mut |piece| self.piece(piece, ids));
            ids.extend(chunk.invalid().iter().map(|byte| self.byte_id(*byte)));
        }
    }

    fn byte_id(&self, byte: u8) -> u32 {
        self.byte_ids[usize::from(byte)]
    }

    fn piece(&self, piece: &str, ids: &mut Vec<u32>) {
        if let Some(whole) = &self.whole
            && let Some(id) = whole.get(piece.as_bytes())
        {
            ids.push(*id);
            return;
        }
        let symbols: Vec<u32> = match &self.symbols {
            Symbols::Bytes => piece.bytes().map(|byte| self.byte_id(byte)).collect(),
            Symbols::Characters(known) => {
                let mut symbols = Vec::with_capacity(piece.len());
                let mut buffer = [0; 4];
                for c in piece.chars() {
                    match known.get(&if c == ' ' { SPACE } else { c }) {
                        Some(id) => symbols.push(*id),
                        None => {
                            let bytes = c.encode_utf8(&mut buffer).bytes();
                            symbols.extend(bytes.map(|byte| self.byte_id(byte)));
                        }
                    }
                }
                symbols
            }
        };
        self.merge(&symbols, ids);
    }

    /// Merges the first learnt of all pairs, the leftmost of several, until none is left.
    fn merge(&self, symbols: &[u32], ids: &mut Vec<u32>) {
        let n = symbols.len();
        let mut chain: Vec<Symbol> = (0..n)
            .map(|at| Symbol {
                id: symbols[at],
                before: at.checked_sub(1),
                behind: (at + 1 < n).then_some(at + 1),
                is_there: true,
            })
            .collect();
        // The order of the merge, where its left neighbour is, and the token it gives.
        let mut waiting = BinaryHeap::new();
        let found = |chain: &[Symbol], at: usize| {
            let behind = chain[at].behind?;
            let (order, id) = self.merges.get(&(chain[at].id, chain[behind].id))?;
            Some(Reverse((*order, at, *id)))
        };
        waiting.extend((0..n).filter_map(|at| found(&chain, at)));
        while let Some(Reverse((_, at, merged))) = waiting.pop() {
            // Its neighbours may have been merged with others since.
            let Some(behind) = chain[at].behind.filter(|_| chain[at].is_there) else {
                continue;
            };
            let now = self.merges.get(&(chain[at].id, chain[behind].id));
            if now.is_none_or(|(_, id)| *id != merged) {
                continue;
            }
            let next = chain[behind].behind;
            chain[behind].is_there = false;
            chain[at].id = merged;
            chain[at].behind = next;
            if let Some(next) = next {
                chain[next].before = Some(at);
            }
            let around = chain[at].before.into_iter().chain([at]);
            waiting.extend(around.filter_map(|at| found(&chain, at)));
        }
        ids.extend(chain.iter().filter(|of| of.is_there).map(|of| of.id));
    }

    /// Adds to a hash what texts become beside what the tokens stand for.
    pub fn hash_into(&self, hash: &mut Sha256) {
        hash.update(b"bpe");
        self.pieces.hash_into(hash);
        let of_bytes = matches!(self.symbols, Symbols::Bytes);
        hash.update([u8::from(of_bytes), u8::from(self.whole.is_some())]);
        for id in &self.added.1 {
            hash.update(id.to_le_bytes());
        }
        let mut merges: Vec<_> = self.merges.iter().collect();
        merges.sort_unstable_by_key(|(_, (order, _))| *order);
        for ((left, right), (_, id)) in merges {
            for id in [left, right, id] {
                hash.update(id.to_le_bytes());
            }
        }
    }
}
