//! The stack machine's small moves: reading operands, pushing, popping,
//! remembering, and building containers. Every one is bounded.

use super::{MAX_VALUES, Machine, Value};
use crate::model::checkpoint::shown;

impl<'a> Machine<'a> {
    /// Counts `n_more` values against the limit of the whole pickle.
    pub(super) fn count(&mut self, n_more: usize) -> Result<(), String> {
        self.n_values = self.n_values.saturating_add(n_more);
        if self.n_values > MAX_VALUES {
            return Err(tr!(
                "makes more than {MAX_VALUES} values; refused as no table of tensors needs \
                 that",
                MAX_VALUES
            ));
        }
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        self.count(1)?;
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Value<'a>, String> {
        self.stack
            .pop()
            .ok_or_else(|| tr!("takes a value where there is none").into())
    }

    /// The stack's height at the last mark, which is taken away.
    pub(super) fn mark(&mut self) -> Result<usize, String> {
        // Values may have been popped past the mark, which Python refuses too.
        match self.marks.pop() {
            Some(height) if height <= self.stack.len() => Ok(height),
            Some(_) | None => Err(tr!("takes a mark where there is none").into()),
        }
    }

    pub(super) fn remember(&mut self, slot: u32) -> Result<(), String> {
        let value = *self
            .stack
            .last()
            .ok_or_else(|| tr!("remembers a value where there is none"))?;
        self.count(1)?;
        self.memo.insert(slot, value);
        Ok(())
    }

    pub(super) fn recall(&mut self, slot: u32) -> Result<(), String> {
        let value = *self
            .memo
            .get(&slot)
            .ok_or_else(|| tr!("recalls memo entry {slot}, which was never written", slot))?;
        self.push(value)
    }

    /// Makes the values from height `from` up into one tuple.
    pub(super) fn tuple(&mut self, from: usize) -> Result<(), String> {
        let len = self.stack.len() - from;
        self.count(len)?;
        let start = self.pool.len();
        self.pool.extend(self.stack.drain(from..));
        self.push(Value::Tuple { start, len })
    }

    /// The items of a tuple; `None` for any other value.
    pub(super) fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Tuple { start, len } => self.pool.get(start..start + len),
            Value::Plain
            | Value::Int(_)
            | Value::Str(_)
            | Value::List(_)
            | Value::Dict(_)
            | Value::Callable(_)
            | Value::Storage(_)
            | Value::Tensor(_) => None,
        }
    }

    pub(super) fn new_dict(&mut self) -> Result<(), String> {
        self.dicts.push(Vec::new());
        self.push(Value::Dict(self.dicts.len() - 1))
    }

    /// Puts the keys and values from height `from` up into the dict below them.
    pub(super) fn set_items(&mut self, from: usize) -> Result<(), String> {
        let n_values = self.stack.len() - from;
        let Some(Value::Dict(dict)) = from.checked_sub(1).map(|below| self.stack[below]) else {
            return Err(tr!("sets items of something other than a dict").into());
        };
        if !n_values.is_multiple_of(2) {
            return Err(tr!("a dict's last key has no value").into());
        }
        self.count(n_values)?;
        let pairs = self.stack[from..].chunks_exact(2);
        self.dicts[dict].extend(pairs.map(|pair| (pair[0], pair[1])));
        self.stack.truncate(from);
        Ok(())
    }

    pub(super) fn new_list(&mut self) -> Result<(), String> {
        self.lists.push(Vec::new());
        self.push(Value::List(self.lists.len() - 1))
    }

    /// Appends the values from height `from` up to the list below them.
    pub(super) fn append(&mut self, from: usize) -> Result<(), String> {
        let Some(Value::List(list)) = from.checked_sub(1).map(|below| self.stack[below]) else {
            return Err(tr!("appends to something other than a list").into());
        };
        self.count(self.stack.len() - from)?;
        self.lists[list].extend(self.stack.drain(from..));
        Ok(())
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .get(..len)
            .ok_or_else(|| tr!("the pickle ends in the middle; the file is damaged"))?;
        self.at += len;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], String> {
        let mut array = [0; LEN];
        array.copy_from_slice(self.take(LEN)?);
        Ok(array)
    }

    /// A length of 8 bytes.
    pub(super) fn long_length(&mut self) -> Result<usize, String> {
        let len = u64::from_le_bytes(self.array()?);
        // One that does not fit is longer than the pickle too.
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Text of `len` bytes. What is no UTF-8, as the paths of some systems are
    /// not, names no tensor.
    pub(super) fn text(&mut self, len: usize) -> Result<Value<'a>, String> {
        let text = std::str::from_utf8(self.take(len)?);
        Ok(text.map_or(Value::Plain, Value::Str))
    }

    /// A little-endian two's complement integer. One of more than 8 bytes, as
    /// seeds may be, is no size of anything.
    pub(super) fn long(&mut self, len: usize) -> Result<Value<'a>, String> {
        let bytes = self.take(len)?;
        if len > 8 {
            return Ok(Value::Plain);
        }
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..len].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    /// Text up to the next line feed.
    pub(super) fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let len = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| tr!("the pickle ends in the middle; the file is damaged"))?;
        let line = std::str::from_utf8(&rest[..len]).map_err(|_| {
            tr!(
                "the name {} is not UTF-8",
                shown(&rest[..len].escape_ascii().to_string())
            )
        })?;
        self.at += len + 1;
        Ok(line)
    }
}

pub(super) fn size_of_int(int: i64) -> Result<usize, String> {
    usize::try_from(int).map_err(|_| tr!("{int} is not a size", int))
}
