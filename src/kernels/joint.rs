//! Tensors of a GPU that lie in one piece of memory, as a kernel binds them: as one.

use burn::tensor::{Device, Shape};
use burn_cubecl::tensor::CubeTensor;

use super::device;

/// Bytes that a kernel loads at once at most: where tensors begin is a multiple.
const AT_ONCE: u64 = 16;

/// Tensors in one piece of memory.
pub(crate) struct Joint {
    /// What lies between the first byte of the first and the last one of the last.
    pub whole: CubeTensor,
    /// Bytes of it in front of each tensor, in the order in which they were given.
    pub in_front: Vec<usize>,
}

impl Joint {
    /// Of contiguous tensors; none where they lie apart, are of different types, begin where
    /// a kernel could not load, or are together more than the device binds.
    pub fn of(tensors: &[&CubeTensor]) -> Option<Self> {
        let (first, others) = tensors.split_first()?;
        let is_beside = |other: &&CubeTensor| lie_together(first, other);
        let handles = || tensors.iter().map(|tensor| &tensor.handle);
        let starts = handles().map(|handle| handle.offset_start.unwrap_or(0));
        let start = starts.clone().min()?;
        let behind = handles()
            .map(|handle| handle.offset_end.unwrap_or(0))
            .min()?;
        let in_front = starts.map(|own| own - start);
        let mut handle = first.handle.clone();
        (handle.offset_start, handle.offset_end) = (Some(start), Some(behind));
        let n_bytes = handle.size_in_used();
        let may = others.iter().all(is_beside)
            && in_front.clone().all(|bytes| bytes.is_multiple_of(AT_ONCE))
            && n_bytes <= most_bytes(first);
        may.then(|| Self {
            whole: CubeTensor::new_contiguous(
                first.client.clone(),
                first.device.clone(),
                Shape::from([n_bytes as usize / first.dtype.size()]),
                handle,
                first.dtype,
            ),
            in_front: in_front.map(|bytes| bytes as usize).collect(),
        })
    }
}

/// Whether two tensors lie in one piece of memory and have numbers of one type.
pub(crate) fn lie_together(a: &CubeTensor, b: &CubeTensor) -> bool {
    let memory = |x: &CubeTensor| x.handle.memory.descriptor().id;
    memory(a) == memory(b) && a.dtype == b.dtype
}

/// Where tensors of so many bytes begin that lie together on the device of `like`, and how
/// many bytes that takes.
pub(crate) fn starts(like: &CubeTensor, sizes: &[u64]) -> (Vec<u64>, u64) {
    let alignment = like.client.properties().memory.alignment.max(AT_ONCE);
    let mut end: u64 = 0;
    let place = |size: &u64| {
        let start = end.next_multiple_of(alignment);
        end = start + size;
        start
    };
    let starts = sizes.iter().map(place).collect();
    (starts, end)
}

/// Bytes that the device of a tensor binds at once.
pub(crate) fn most_bytes(like: &CubeTensor) -> u64 {
    let opened = device::max_tensor_bytes(&Device::new(like.device.clone()));
    opened.unwrap_or_else(|| like.client.properties().memory.max_page_size)
}
