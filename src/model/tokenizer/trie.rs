//! A trie over bytes, packed so that a step costs two dependent loads.

use std::ops::Range;

/// The tokens of a vocabulary as a trie; node 0 is the root.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// Node indices, one block per node; 0 stands for no child.
    children: Vec<u32>,
}

/// One prefix. Its children are a block that spans its smallest to its largest
/// next byte, so a node with one child takes one slot.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Where the block starts in `children`.
    children: u32,
    /// The token that ends here, or 0.
    token: u16,
    first_byte: u8,
    /// Largest minus smallest next byte.
    span: u8,
}

/// A node without children: its block is the empty slot 0, so every byte fails.
const LEAF: Node = Node {
    children: 0,
    token: 0,
    first_byte: 0,
    span: 0,
};

impl Trie {
    /// Builds the trie of `tokens` (bytes, id), which are sorted by their
    /// bytes, distinct and not empty.
    pub(super) fn new(tokens: &[(&[u8], u16)]) -> Self {
        let mut trie = Self {
            nodes: vec![LEAF],
            children: vec![0],
        };
        // Each entry is a node, the tokens below it, and its depth in bytes.
        let mut pending: Vec<(usize, Range<usize>, usize)> = vec![(0, 0..tokens.len(), 0)];
        while let Some((node_idx, mut range, depth)) = pending.pop() {
            if let Some((bytes, id)) = tokens.get(range.start)
                && bytes.len() == depth
            {
                trie.nodes[node_idx].token = *id;
                range.start += 1;
            }
            if range.is_empty() {
                continue;
            }
            let first_byte = tokens[range.start].0[depth];
            let span = tokens[range.end - 1].0[depth] - first_byte;
            let block = trie.children.len();
            trie.nodes[node_idx].children = block as u32;
            trie.nodes[node_idx].first_byte = first_byte;
            trie.nodes[node_idx].span = span;
            trie.children.resize(block + usize::from(span) + 1, 0);
            while !range.is_empty() {
                let byte = tokens[range.start].0[depth];
                let n_same = tokens[range.clone()].partition_point(|token| token.0[depth] <= byte);
                let child_idx = trie.nodes.len();
                trie.nodes.push(LEAF);
                trie.children[block + usize::from(byte - first_byte)] = child_idx as u32;
                pending.push((child_idx, range.start..range.start + n_same, depth + 1));
                range.start += n_same;
            }
        }
        trie
    }

    /// The longest token that `bytes` starts with, as (id, length in bytes), or
    /// (0, 0) where there is none.
    #[inline]
    pub(super) fn longest_match(&self, bytes: &[u8]) -> (u16, usize) {
        let mut node = self.nodes[0];
        let mut longest = (0, 0);
        for (depth, byte) in bytes.iter().enumerate() {
            // A byte below the block wraps around and fails the same test.
            let slot = byte.wrapping_sub(node.first_byte);
            if slot > node.span {
                break;
            }
            let child = self.children[node.children as usize + usize::from(slot)];
            if child == 0 {
                break;
            }
            node = self.nodes[child as usize];
            if node.token != 0 {
                longest = (node.token, depth + 1);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: (u16, usize)) {
        let trie = Trie::new(&[
            (b"\0", 6),
            (b"a", 1),
            (b"abcd", 2),
            (b"abd", 3),
            (b"b", 4),
            (b"\xff\xfe", 5),
        ]);
        assert_eq!(trie.longest_match(text), expected, "{text:?}");
    }

    #[test]
    fn the_longest_token_wins_and_prefixes_that_are_no_token_do_not() {
        check(b"", (0, 0));
        check(b"a", (1, 1));
        check(b"abc", (1, 1));
        check(b"abcd", (2, 4));
        check(b"abcde", (2, 4));
        check(b"abdx", (3, 3));
        check(b"ba", (4, 1));
        check(b"c", (0, 0));
        check(b"\xff", (0, 0));
        check(b"\xff\xfe", (5, 2));
        check(b"\0\0", (6, 1));
    }

    #[test]
    fn an_empty_trie_matches_nothing() {
        assert_eq!(Trie::new(&[]).longest_match(b"a"), (0, 0));
    }
}
