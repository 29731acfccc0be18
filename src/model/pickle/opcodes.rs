//! What each opcode does to the stack.

use super::{Callable, Machine, Value};

impl<'a> Machine<'a> {
    pub(super) fn literal(&mut self, op: u8) -> Result<bool, String> {
        let value = match op {
            b'N' | 0x88 | 0x89 => Value::Plain,
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a => {
                let len = self.byte()?;
                self.long(len.into())?
            }
            0x8b => {
                let len = u32::from_le_bytes(self.array()?);
                self.long(len as usize)?
            }
            b'G' => {
                self.take(8)?;
                Value::Plain
            }
            b'X' | b'T' => {
                let len = u32::from_le_bytes(self.array()?);
                self.text(len as usize)?
            }
            0x8c | b'U' => {
                let len = self.byte()?;
                self.text(len.into())?
            }
            0x8d => {
                let len = self.long_length()?;
                self.text(len)?
            }
            b'C' => {
                let len = self.byte()?;
                self.take(len.into())?;
                Value::Plain
            }
            b'B' => {
                let len = u32::from_le_bytes(self.array()?);
                self.take(len as usize)?;
                Value::Plain
            }
            // Bytes and a bytearray of protocols 4 and 5.
            0x8e | 0x96 => {
                let len = self.long_length()?;
                self.take(len)?;
                Value::Plain
            }
            _ => return Ok(false),
        };
        self.push(value)?;
        Ok(true)
    }

    pub(super) fn memo_op(&mut self, op: u8) -> Result<bool, String> {
        match op {
            b'q' => {
                let slot = self.byte()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot)?;
            }
            0x94 => {
                // At most MAX_VALUES entries, so the length fits.
                let slot = self.memo.len() as u32;
                self.remember(slot)?;
            }
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }
            // PROTO and FRAME frame the program and do nothing to its values.
            0x80 => match self.byte()? {
                0..=5 => {}
                protocol => return Err(tr!("pickle protocol {protocol} is not known", protocol)),
            },
            0x95 => {
                self.take(8)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn container_op(&mut self, op: u8) -> Result<bool, String> {
        match op {
            b'(' => {
                self.count(1)?;
                self.marks.push(self.stack.len());
            }
            b')' => self.tuple(self.stack.len())?,
            b't' => {
                let from = self.mark()?;
                self.tuple(from)?;
            }
            0x85..=0x87 => {
                let n_items = usize::from(op - 0x84);
                let from = self.stack.len().checked_sub(n_items);
                self.tuple(from.ok_or_else(|| tr!("takes more values than there are"))?)?;
            }
            b']' => self.new_list()?,
            b'}' => self.new_dict()?,
            b'a' => {
                let from = self.stack.len().checked_sub(1);
                self.append(from.ok_or_else(|| tr!("takes a value where there is none"))?)?;
            }
            b'e' => {
                let from = self.mark()?;
                self.append(from)?;
            }
            b's' => {
                let from = self.stack.len().checked_sub(2);
                self.set_items(from.ok_or_else(|| tr!("takes more values than there are"))?)?;
            }
            b'u' => {
                let from = self.mark()?;
                self.set_items(from)?;
            }
            // EMPTY_SET, ADDITEMS and FROZENSET: no set holds a tensor.
            0x8f => self.push(Value::Plain)?,
            0x90 => {
                let from = self.mark()?;
                self.stack.truncate(from);
                match self.stack.last() {
                    Some(Value::Plain) => {}
                    _ => return Err(tr!("adds to something other than a set").into()),
                }
            }
            0x91 => {
                let from = self.mark()?;
                self.stack.truncate(from);
                self.push(Value::Plain)?;
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                let from = self.mark()?;
                self.stack.truncate(from);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn object_op(&mut self, op: u8) -> Result<bool, String> {
        match op {
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let value = Callable::named(module, name)?;
                if op == b'i' {
                    return Err(tr!("calls a Python class by INST; refused").into());
                }
                self.push(value)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Str(name), Value::Str(module)) => {
                    let value = Callable::named(module, name)?;
                    self.push(value)?;
                }
                _ => return Err(tr!("a callable's name is not text").into()),
            },
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            b'b' => {
                let attributes = self.pop()?;
                match (self.stack.last(), attributes) {
                    // Attributes of an OrderedDict (`_metadata`) or of a plain value.
                    (Some(Value::Dict(_) | Value::Plain), _) => {}
                    // Attributes of a tensor. Anything else would be its elements.
                    (Some(Value::Tensor(_)), Value::Dict(_) | Value::Plain) => {}
                    _ => return Err(tr!("sets attributes of something other than a dict").into()),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
