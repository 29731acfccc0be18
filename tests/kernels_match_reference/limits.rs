//! What is larger than a device binds as one buffer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Tensor;
use gosling::kernels::device::{list_adapters, says_out_of_memory, says_too_large};
use gosling::kernels::matrix::Matrix;
use gosling::kernels::product::{Finish, Start, Stored, product};

use crate::support::values;
use crate::{software_gpu, u};

/// A kernel that would write past what is bound gives wrong numbers and says
/// nothing, so that it is not launched at all.
#[test]
fn an_output_that_cannot_be_bound_is_refused_before_it_is_computed() {
    let device = software_gpu();
    let pipe = list_adapters().into_iter().find(|a| !a.kind.is_real());
    let most = pipe.unwrap().max_storage_bytes;
    let n_columns = 4096;
    let fitting = (most / (4 * n_columns)) as usize;
    assert!(fitting < 1 << 20, "a limit that no test reaches: {most}");
    let run = |n_rows: usize| {
        let a = Tensor::<2>::ones([n_rows, 4], &device);
        let b = u::<2>(0.0, 1.0, 0.0, [4, n_columns as usize], &device);
        let b = Matrix::from(b);
        product(a, &b, Stored::Plain, Start::Plain, Finish::Plain, None)
    };
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(fitting + 4))) else {
        panic!("not refused")
    };
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        says_too_large(message) && says_out_of_memory(message),
        "{message}"
    );
    assert!(message.contains("product needs a tensor of"), "{message}");
    // What fits is computed, on the device as it was.
    let last = values(run(fitting).narrow(0, fitting - 1, 1));
    let b = values(u::<2>(0.0, 1.0, 0.0, [4, n_columns as usize], &device));
    for (column, got) in last.iter().enumerate() {
        let want: f32 = (0..4).map(|row| b[row * n_columns as usize + column]).sum();
        assert!((got - want).abs() < 1e-5, "{column}: {got}, not {want}");
    }
}
