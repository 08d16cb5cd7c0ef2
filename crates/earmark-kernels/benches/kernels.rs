//! The kernels on the shapes of DistilHuBERT (clips of 5 and 30 s) and of AST.
//!
//! `cargo bench -p earmark-kernels`. Items are floating-point operations for what is bound by them ("Gitem/s" is
//! GFLOP/s); what is bound by memory counts the bytes it reads and writes.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use earmark_kernels::{
    Activation, Attended, Attention, Conv1d, Epilogue, Matrix, attention, attention_backward, column_sums,
    conv1d, conv1d_input_gradient, conv1d_weight_gradient, dropout, gelu_backward, layer_norm,
    layer_norm_into, linear, pack_conv1d, softmax, softmax_backward, unpack_conv1d, weight_norm,
    weight_norm_backward,
};

fn main() {
    divan::main();
}

/// Frames of a clip of 5 s and of 30 s, and AST's patches.
const LENGTHS: [usize; 3] = [249, 1499, 1214];

fn numbers(length: usize) -> Vec<f32> {
    (0..length).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

/// What the others are measured against.
#[divan::bench]
fn product_2048(bencher: Bencher) {
    product(bencher, 2048, 2048, 2048, false, Epilogue::default());
}

fn product(bencher: Bencher, m: usize, k: usize, n: usize, transposed: bool, epilogue: Epilogue) {
    let (x, weight, mut out) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
    let x = Matrix::row_major(&x, m, k);
    let weight = if transposed {
        Matrix::row_major(&weight, n, k).transposed()
    } else {
        Matrix::row_major(&weight, k, n)
    };
    bencher
        .counter(ItemsCount::new(2 * m * k * n))
        .bench_local(|| linear(black_box(x), black_box(weight), epilogue, &mut out));
}

mod linear_layers {
    use super::*;

    #[divan::bench(args = [1, 50, 249, 1499, 1214])]
    fn projection(bencher: Bencher, m: usize) {
        let bias = numbers(768);
        product(bencher, m, 768, 768, false, Epilogue { bias: Some(&bias), ..Epilogue::default() });
    }

    #[divan::bench(args = [1, 50, 249, 1499, 1214])]
    fn projection_transposed(bencher: Bencher, m: usize) {
        let bias = numbers(768);
        product(bencher, m, 768, 768, true, Epilogue { bias: Some(&bias), ..Epilogue::default() });
    }

    #[divan::bench(args = [1, 50, 249, 1499, 1214])]
    fn intermediate_gelu(bencher: Bencher, m: usize) {
        let bias = numbers(3072);
        let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Gelu, accumulate: false };
        product(bencher, m, 768, 3072, false, epilogue);
    }

    #[divan::bench(args = [1, 50, 249, 1499, 1214])]
    fn output_residual(bencher: Bencher, m: usize) {
        let bias = numbers(768);
        let epilogue = Epilogue { bias: Some(&bias), activation: Activation::None, accumulate: true };
        product(bencher, m, 3072, 768, false, epilogue);
    }
}

mod convolutions {
    use super::*;

    const FIRST: Conv1d =
        Conv1d { in_channels: 1, out_channels: 512, kernel: 10, stride: 5, padding: 0, groups: 1 };
    const LATER: Conv1d =
        Conv1d { in_channels: 512, out_channels: 512, kernel: 3, stride: 2, padding: 0, groups: 1 };
    const LAST: Conv1d = Conv1d { kernel: 2, ..LATER };
    const POSITIONAL: Conv1d =
        Conv1d { in_channels: 768, out_channels: 768, kernel: 128, stride: 1, padding: 64, groups: 16 };

    fn convolution(bencher: Bencher, shape: Conv1d, frames: usize, drop_last: bool) {
        let x = numbers(frames * shape.in_channels);
        let weight = numbers(shape.out_channels * shape.in_channels / shape.groups * shape.kernel);
        let packed = pack_conv1d(shape, &weight);
        let out_frames = shape.out_frames(frames) - usize::from(drop_last);
        let mut out = vec![0.0; out_frames * shape.out_channels];
        let epilogue = Epilogue { activation: Activation::Gelu, ..Epilogue::default() };
        bencher
            .counter(ItemsCount::new(2 * out_frames * weight.len()))
            .bench_local(|| conv1d(shape, black_box(&x), black_box(&packed), epilogue, &mut out));
    }

    #[divan::bench(args = [80_000, 480_000])]
    fn first(bencher: Bencher, frames: usize) {
        convolution(bencher, FIRST, frames, false);
    }

    #[divan::bench(args = [15_999, 95_999, 1_999])]
    fn kernel_3(bencher: Bencher, frames: usize) {
        convolution(bencher, LATER, frames, false);
    }

    #[divan::bench(args = [999, 499, 5_999, 2_999])]
    fn kernel_2(bencher: Bencher, frames: usize) {
        convolution(bencher, LAST, frames, false);
    }

    #[divan::bench(args = [249, 1499])]
    fn positional(bencher: Bencher, frames: usize) {
        convolution(bencher, POSITIONAL, frames, true);
    }

    fn weight_gradient(bencher: Bencher, shape: Conv1d, frames: usize, drop_last: bool) {
        let x = numbers(frames * shape.in_channels);
        let out_frames = shape.out_frames(frames) - usize::from(drop_last);
        let gradient = numbers(out_frames * shape.out_channels);
        let weights = shape.out_channels * shape.in_channels / shape.groups * shape.kernel;
        bencher
            .counter(ItemsCount::new(2 * out_frames * weights))
            .bench_local(|| conv1d_weight_gradient(shape, black_box(&x), black_box(&gradient)));
    }

    fn input_gradient(bencher: Bencher, shape: Conv1d, frames: usize, drop_last: bool) {
        let mut out = numbers(frames * shape.in_channels);
        let out_frames = shape.out_frames(frames) - usize::from(drop_last);
        let gradient = numbers(out_frames * shape.out_channels);
        let packed = numbers(shape.out_channels * shape.in_channels / shape.groups * shape.kernel);
        bencher
            .counter(ItemsCount::new(2 * out_frames * packed.len()))
            .bench_local(|| conv1d_input_gradient(shape, black_box(&packed), black_box(&gradient), &mut out));
    }

    #[divan::bench(args = [80_000])]
    fn first_weight_gradient(bencher: Bencher, frames: usize) {
        weight_gradient(bencher, FIRST, frames, false);
    }

    #[divan::bench(args = [15_999, 1_999])]
    fn kernel_3_weight_gradient(bencher: Bencher, frames: usize) {
        weight_gradient(bencher, LATER, frames, false);
    }

    #[divan::bench(args = [15_999, 1_999])]
    fn kernel_3_input_gradient(bencher: Bencher, frames: usize) {
        input_gradient(bencher, LATER, frames, false);
    }

    #[divan::bench(args = [999, 5_999])]
    fn kernel_2_weight_gradient(bencher: Bencher, frames: usize) {
        weight_gradient(bencher, LAST, frames, false);
    }

    #[divan::bench(args = [999, 5_999])]
    fn kernel_2_input_gradient(bencher: Bencher, frames: usize) {
        input_gradient(bencher, LAST, frames, false);
    }

    #[divan::bench(args = [249, 1499])]
    fn positional_weight_gradient(bencher: Bencher, frames: usize) {
        weight_gradient(bencher, POSITIONAL, frames, true);
    }

    #[divan::bench(args = [249, 1499])]
    fn positional_input_gradient(bencher: Bencher, frames: usize) {
        input_gradient(bencher, POSITIONAL, frames, true);
    }

    #[divan::bench]
    fn unpack_kernel_3(bencher: Bencher) {
        let packed = numbers(512 * 512 * 3);
        bencher
            .counter(BytesCount::new(8 * packed.len()))
            .bench_local(|| unpack_conv1d(LATER, black_box(&packed)));
    }

    #[divan::bench]
    fn unpack_positional(bencher: Bencher) {
        let packed = numbers(768 * 48 * 128);
        bencher
            .counter(BytesCount::new(8 * packed.len()))
            .bench_local(|| unpack_conv1d(POSITIONAL, black_box(&packed)));
    }

    #[divan::bench]
    fn pack_kernel_3(bencher: Bencher) {
        let weight = numbers(512 * 512 * 3);
        bencher
            .counter(BytesCount::of_slice(&[weight.as_slice(); 2].concat()))
            .bench_local(|| pack_conv1d(LATER, black_box(&weight)));
    }

    #[divan::bench]
    fn pack_positional(bencher: Bencher) {
        let weight = numbers(768 * 48 * 128);
        bencher
            .counter(BytesCount::of_slice(&[weight.as_slice(); 2].concat()))
            .bench_local(|| pack_conv1d(POSITIONAL, black_box(&weight)));
    }
}

#[divan::bench(args = LENGTHS)]
fn attention_of_12_heads(bencher: Bencher, t: usize) {
    let [q, k, v] = [(); 3].map(|()| numbers(t * 768));
    let mut out = vec![0.0; t * 768];
    let shape = Attention { batch: 1, queries: t, keys: t, heads: 12, width: 64, scale: 0.125 };
    bencher
        .counter(ItemsCount::new(4 * t * t * 768))
        .bench_local(|| attention(shape, black_box(attended(&q, &k, &v)), &mut out));
}

#[divan::bench(args = LENGTHS)]
fn gradients_of_attention_of_12_heads(bencher: Bencher, t: usize) {
    let [q, k, v, out, gradient] = [(); 5].map(|()| numbers(t * 768));
    let shape = Attention { batch: 1, queries: t, keys: t, heads: 12, width: 64, scale: 0.125 };
    bencher
        .counter(ItemsCount::new(10 * t * t * 768))
        .bench_local(|| attention_backward(shape, black_box(attended(&q, &k, &v)), &out, &gradient));
}

fn attended<'a>(q: &'a [f32], k: &'a [f32], v: &'a [f32]) -> Attended<'a> {
    Attended { q, k, v, bias: None, dropout: None }
}

mod bound_by_memory {
    use super::*;

    #[divan::bench(args = [249 * 3072, 16_000 * 512, 96_000 * 512])]
    fn copy(bencher: Bencher, length: usize) {
        use rayon::prelude::*;
        let (x, mut y) = (numbers(length), vec![0.0; length]);
        bencher.counter(BytesCount::new(8 * length)).bench_local(|| {
            y.par_chunks_mut(1 << 14)
                .zip(black_box(&x).par_chunks(1 << 14))
                .for_each(|(y, x)| y.copy_from_slice(x));
        });
    }

    // Fresh numbers each time: GELU of GELU of GELU ends in subnormal numbers, which are slow.
    #[divan::bench(args = [249 * 3072, 16_000 * 512, 96_000 * 512])]
    fn gelu(bencher: Bencher, length: usize) {
        bencher
            .counter(BytesCount::new(8 * length))
            .with_inputs(|| numbers(length))
            .bench_local_refs(|x| Activation::Gelu.apply(x));
    }

    #[divan::bench(args = [249 * 3072, 16_000 * 512])]
    fn slope_of_gelu(bencher: Bencher, length: usize) {
        let x = numbers(length);
        bencher
            .counter(BytesCount::new(12 * length))
            .with_inputs(|| numbers(length))
            .bench_local_refs(|gradient| gelu_backward(black_box(&x), gradient));
    }

    #[divan::bench(args = LENGTHS)]
    fn norm(bencher: Bencher, rows: usize) {
        let (mut x, gamma, beta) = (numbers(rows * 768), numbers(768), numbers(768));
        bencher
            .counter(BytesCount::new(8 * x.len()))
            .bench_local(|| layer_norm(black_box(&mut x), &gamma, &beta, 1e-5));
    }

    #[divan::bench(args = LENGTHS)]
    fn norm_into(bencher: Bencher, rows: usize) {
        let (x, gamma, beta) = (numbers(rows * 768), numbers(768), numbers(768));
        let mut out = vec![0.0; x.len()];
        bencher
            .counter(BytesCount::new(8 * x.len()))
            .bench_local(|| layer_norm_into(black_box(&x), &gamma, &beta, 1e-5, &mut out));
    }

    #[divan::bench(args = [(249, 3072), (1499, 768), (16_000, 512), (36_864, 128)])]
    fn sums_of_columns(bencher: Bencher, (rows, width): (usize, usize)) {
        let x = numbers(rows * width);
        bencher.counter(BytesCount::new(4 * x.len())).bench_local(|| column_sums(black_box(&x), width));
    }

    #[divan::bench]
    fn weight_norm_positional(bencher: Bencher) {
        let (v, g) = (numbers(36_864 * 128), numbers(128));
        let mut out = vec![0.0; v.len()];
        bencher
            .counter(BytesCount::new(12 * v.len()))
            .bench_local(|| weight_norm(black_box(&v), &g, &mut out));
    }

    #[divan::bench]
    fn weight_norm_positional_backward(bencher: Bencher) {
        let (v, g) = (numbers(36_864 * 128), numbers(128));
        bencher
            .counter(BytesCount::new(24 * v.len()))
            .with_inputs(|| numbers(36_864 * 128))
            .bench_local_refs(|gradient| weight_norm_backward(black_box(&v), &g, gradient));
    }

    #[divan::bench(args = [(12 * 249, 249), (12 * 1499, 1499)])]
    fn softmax_of_attention(bencher: Bencher, (rows, width): (usize, usize)) {
        bencher
            .counter(BytesCount::new(8 * rows * width))
            .with_inputs(|| numbers(rows * width))
            .bench_local_refs(|x| softmax(x, width));
    }

    #[divan::bench(args = [(12 * 249, 249), (12 * 1499, 1499)])]
    fn softmax_of_attention_backward(bencher: Bencher, (rows, width): (usize, usize)) {
        let y = numbers(rows * width);
        bencher
            .counter(BytesCount::new(12 * rows * width))
            .with_inputs(|| numbers(rows * width))
            .bench_local_refs(|gradient| softmax_backward(black_box(&y), gradient, width));
    }

    #[divan::bench(args = [249 * 3072, 16_000 * 512])]
    fn dropping_out(bencher: Bencher, length: usize) {
        bencher
            .counter(BytesCount::new(8 * length))
            .with_inputs(|| numbers(length))
            .bench_local_refs(|x| dropout(x, 0.9, black_box(42)));
    }
}
