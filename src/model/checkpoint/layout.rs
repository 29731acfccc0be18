//! From offset and strides to the bytes of one tensor.

use std::ops::Range;

use super::Place;

/// A tensor as a view into a storage, in elements. `shape` and `strides` have
/// the same length.
pub(super) struct StridedView<'a> {
    pub(super) element_bytes: usize,
    pub(super) offset: usize,
    pub(super) shape: &'a [usize],
    pub(super) strides: &'a [usize],
}

/// Finds the elements of `view` in the storage at `storage` in `file`.
///
/// A transposed view is put in order in memory and its size taken from
/// `budget` (bytes), so that a small file cannot ask for much memory.
pub(super) fn place(
    file: &[u8],
    storage: Range<usize>,
    view: &StridedView<'_>,
    budget: &mut usize,
) -> Result<Place, String> {
    let too_large = || tr!("has a size that no memory can hold");
    let n_elements = n_elements(view.shape).ok_or_else(too_large)?;
    if n_elements == 0 {
        return Ok(Place::InFile(storage.start..storage.start));
    }
    let n_stored = storage.len() / view.element_bytes;
    let last = last_index(view).ok_or_else(too_large)?;
    if last >= n_stored {
        return Err(tr!(
            "reaches element {last} of a storage of {n_stored}; the file is damaged",
            last,
            n_stored
        ));
    }
    if is_contiguous(view) {
        // Contiguous and inside the storage, so neither product overflows.
        let start = storage.start + view.offset * view.element_bytes;
        return Ok(Place::InFile(
            start..start + n_elements * view.element_bytes,
        ));
    }
    // The products cannot overflow where they are within the budget.
    let n_bytes = n_elements
        .checked_mul(view.element_bytes)
        .ok_or_else(too_large)?;
    *budget = budget.checked_sub(n_bytes).ok_or_else(|| {
        tr!(
            "is an expanded or transposed view of {}; save it after .contiguous()",
            format_args!("{:?}", view.shape)
        )
    })?;
    let gathered = gather(&file[storage], view, n_bytes);
    Ok(Place::Gathered(gathered.into(), 0..n_bytes))
}

/// Product of the sizes; `None` when it overflows.
pub(super) fn n_elements(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
}

/// The largest index that a view with elements reaches.
fn last_index(view: &StridedView<'_>) -> Option<usize> {
    let mut last = view.offset;
    for (size, stride) in view.shape.iter().zip(view.strides) {
        last = last.checked_add((size - 1).checked_mul(*stride)?)?;
    }
    Some(last)
}

fn is_contiguous(view: &StridedView<'_>) -> bool {
    let mut want = 1;
    for (size, stride) in view.shape.iter().zip(view.strides).rev() {
        // The stride of a dimension of one element is never used.
        if *size != 1 && *stride != want {
            return false;
        }
        want *= size;
    }
    true
}

fn gather(storage: &[u8], view: &StridedView<'_>, n_bytes: usize) -> Vec<u8> {
    let mut gathered = Vec::with_capacity(n_bytes);
    let mut position = vec![0; view.shape.len()];
    let mut index = view.offset;
    loop {
        let start = index * view.element_bytes;
        gathered.extend_from_slice(&storage[start..start + view.element_bytes]);
        let mut dim = view.shape.len();
        loop {
            let Some(inner) = dim.checked_sub(1) else {
                return gathered;
            };
            dim = inner;
            position[dim] += 1;
            index += view.strides[dim];
            if position[dim] < view.shape[dim] {
                break;
            }
            index -= view.strides[dim] * view.shape[dim];
            position[dim] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset: usize, shape: &[usize], strides: &[usize], want: Result<&[u8], &str>) {
        let file: Vec<u8> = (0..16).collect();
        let view = StridedView {
            element_bytes: 1,
            offset,
            shape,
            strides,
        };
        let mut budget = 16;
        let got = place(&file, 4..16, &view, &mut budget).map(|place| match place {
            Place::InFile(range) => file[range].to_vec(),
            Place::Gathered(bytes, range) => bytes[range].to_vec(),
        });
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
            (got, want) => panic!("{got:?} where {want:?} was wanted"),
        }
    }

    #[test]
    fn views_are_found_or_refused() {
        check(0, &[2, 3], &[3, 1], Ok(&[4, 5, 6, 7, 8, 9]));
        check(1, &[2, 1, 2], &[2, 99, 1], Ok(&[5, 6, 7, 8]));
        check(0, &[2, 3], &[1, 2], Ok(&[4, 6, 8, 5, 7, 9]));
        check(0, &[2, 2, 2], &[1, 4, 2], Ok(&[4, 6, 8, 10, 5, 7, 9, 11]));
        check(11, &[], &[], Ok(&[15]));
        check(99, &[0, 5], &[5, 1], Ok(&[]));
        check(12, &[], &[], Err("element 12 of a storage of 12"));
        check(0, &[13], &[1], Err("element 12"));
        check(0, &[usize::MAX, 2], &[1, 1], Err("no memory"));
        check(usize::MAX, &[2], &[1], Err("no memory"));
        check(0, &[2], &[usize::MAX], Err("reaches"));
        check(0, &[3], &[usize::MAX], Err("no memory"));
        check(0, &[1 << 40], &[0], Err(".contiguous()"));
    }
}
