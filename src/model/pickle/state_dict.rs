//! From what a pickle holds to the tensors in it, by name.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{MAX_TENSORS, Machine, PickledTensor, Value, size_of_int};
use crate::model::checkpoint::shown;

/// Keys under which trainers keep the state dict in a larger dict, the surest
/// first: Lightning's, DeepSpeed's, and those of other programs.
const WRAPPERS: [&str; 6] = [
    "state_dict",
    "module",
    "model",
    "model_state_dict",
    "state",
    "weights",
];

/// How many dicts are looked into for a state dict.
const MAX_DICTS: usize = 64;

/// A tensor's name, and its index.
type Named<'a> = (Cow<'a, str>, usize);

impl<'a> Machine<'a> {
    /// The named tensors of the dict or list `top`, or of the one wrapped in it.
    pub(super) fn state_dict(&self, top: Value<'a>) -> Result<Vec<PickledTensor<'a>>, String> {
        let named = self.named_tensors(top, &mut HashSet::new())?;
        let Some(named) = named else {
            return Err(match top {
                Value::List(_) | Value::Tuple { .. } => {
                    tr!(
                        "holds a list of something other than tensors; in Python torch.save the \
                         state dict in it"
                    )
                }
                _ => tr!("holds no dict of named tensors; save model.state_dict()"),
            }
            .into());
        };
        if named.len() > MAX_TENSORS {
            return Err(tr!("names more than {MAX_TENSORS} tensors", MAX_TENSORS));
        }
        let described = named
            .into_iter()
            .map(|(name, idx)| self.described(name, idx));
        described.collect()
    }

    /// The tensors in `value`; none where it is no dict, and no list of tensors.
    /// `seen` are the dicts that were looked into, for one may hold itself.
    fn named_tensors(
        &self,
        value: Value<'a>,
        seen: &mut HashSet<usize>,
    ) -> Result<Option<Vec<Named<'a>>>, String> {
        let items = match value {
            Value::Dict(dict) if seen.len() < MAX_DICTS && seen.insert(dict) => &self.dicts[dict],
            Value::Dict(_) => return Ok(None),
            Value::List(list) => return Ok(numbered(&self.lists[list])),
            Value::Tuple { start, len } => {
                return Ok(numbered(&self.pool[start..start + len]));
            }
            Value::Tensor(tensor) => return Ok(Some(vec![("0".into(), tensor)])),
            Value::Plain
            | Value::Int(_)
            | Value::Str(_)
            | Value::Callable(_)
            | Value::Storage(_) => return Ok(None),
        };
        for wrapper in WRAPPERS {
            // As in Python, a key that is set twice keeps its last value.
            let inner = items.iter().rev().find_map(|(key, inner)| match key {
                Value::Str(key) if *key == wrapper => Some(*inner),
                _ => None,
            });
            // A lone tensor of that name is one of the dict's own.
            let Some(inner @ (Value::Dict(_) | Value::List(_) | Value::Tuple { .. })) = inner
            else {
                continue;
            };
            match self.named_tensors(inner, seen)? {
                Some(named) if !named.is_empty() => return Ok(Some(named)),
                Some(_) | None => {}
            }
        }
        let mut named = Vec::new();
        for (key, value) in items {
            let Value::Tensor(tensor) = value else {
                continue;
            };
            let name = match key {
                Value::Str(name) => Cow::Borrowed(*name),
                Value::Int(number) => number.to_string().into(),
                _ => return Err(tr!("a tensor's name is not text").into()),
            };
            if named.len() == MAX_TENSORS {
                return Err(tr!("names more than {MAX_TENSORS} tensors", MAX_TENSORS));
            }
            named.push((name, *tensor));
        }
        Ok(Some(named))
    }

    fn described(&self, name: Cow<'a, str>, idx: usize) -> Result<PickledTensor<'a>, String> {
        let tensor = &self.tensors[idx];
        let sizes = |range| {
            self.sizes(range)
                .map_err(|reason| tr!("tensor {}: {reason}", shown(&name), reason))
        };
        let (shape, strides) = (sizes(tensor.shape)?, sizes(tensor.strides)?);
        Ok(PickledTensor {
            storage: self.storages[tensor.storage.0],
            offset: tensor.offset,
            shape,
            strides,
            name,
        })
    }

    fn sizes(&self, (start, len): (usize, usize)) -> Result<Vec<usize>, String> {
        let int = |value: &Value<'_>| match value {
            Value::Int(int) => size_of_int(*int),
            _ => Err(tr!("a size or stride is not a number").into()),
        };
        self.pool[start..start + len].iter().map(int).collect()
    }
}

/// The tensors of a list, named by their places; none where it has no tensor.
fn numbered<'a>(items: &[Value<'a>]) -> Option<Vec<Named<'a>>> {
    let tensors = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| match item {
            Value::Tensor(tensor) => Some((at.to_string().into(), *tensor)),
            _ => None,
        });
    // One more than is allowed shows that there are too many.
    let named: Vec<_> = tensors.take(MAX_TENSORS + 1).collect();
    (!named.is_empty()).then_some(named)
}
