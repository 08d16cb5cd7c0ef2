use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::layers::conv2d::Conv2d;
use crate::layers::layer_norm::LayerNorm;
use crate::networks::clap::audio::config::{ClapAudioConfig, NORM_EPSILON};
use crate::networks::clap::audio::fusion::Fusion;

/// Image to patches, and for longer clips the fusion of their views.
#[derive(Module, Debug)]
pub(crate) struct PatchEmbed {
    proj: Conv2d,
    norm: Option<LayerNorm>,
    fusion_model: Option<Fusion>,
    mel_conv2d: Option<Conv2d>,
}

impl PatchEmbed {
    pub(super) fn zeros(config: &ClapAudioConfig, device: &Device) -> Self {
        let width = config.patch_embeds_hidden_size;
        // A patch of a local view is three times as wide: the three views together have as many patches as the global one.
        let conv = |times: usize| {
            let wide = |[height, width]: [usize; 2]| [height, width * times];
            let (kernel, stride) = (config.patch_size.pair(), config.patch_stride.pair());
            Conv2d::new([1, width], wide(kernel), wide(stride), config.padding(), device)
        };
        PatchEmbed {
            proj: conv(1),
            norm: config.enable_patch_layer_norm.then(|| LayerNorm::new(width, NORM_EPSILON, device)),
            fusion_model: config.enable_fusion.then(|| Fusion::zeros(width, config.aff_block_r, device)),
            mel_conv2d: config.enable_fusion.then(|| conv(3)),
        }
    }

    /// Images `[B, V, S, S]` to patches `[B, S' * S', C]`.
    pub(crate) fn forward(&self, image: Tensor<4>, is_longer: &[bool]) -> Tensor<3> {
        let mut patches = self.proj.forward(image.clone().narrow(1, 0, 1)); // [B, C, S', S']
        if let (Some(fusion), Some(conv)) = (&self.fusion_model, &self.mel_conv2d) {
            let longer: Vec<usize> = (0..is_longer.len()).filter(|&clip| is_longer[clip]).collect();
            if !longer.is_empty() {
                patches = fuse_some(fusion, conv, patches, image, &longer);
            }
        }
        let patches = patches.flatten::<3>(2, 3).swap_dims(1, 2);
        match &self.norm {
            Some(norm) => norm.forward(patches),
            None => patches,
        }
    }
}

/// Replaces the patches of the clips named in `longer` by what the fusion makes of them and of the clips' other views.
fn fuse_some(
    fusion: &Fusion,
    conv: &Conv2d,
    patches: Tensor<4>,
    image: Tensor<4>,
    longer: &[usize],
) -> Tensor<4> {
    let ([batch, channels, height, width], size) = (patches.dims(), image.dims()[3]);
    let count = longer.len();
    let views = pick(image, longer).narrow(1, 1, 3).reshape([count * 3, 1, size, size]);
    let local = conv.forward(views); // [count * 3, C, S', s]
    let part = local.dims()[3];
    let local = local
        .reshape([count, 3, channels, height, part])
        .permute([0, 2, 3, 1, 4])
        .reshape([count, channels, height, 3 * part])
        .pad([(0, width - 3 * part)], 0.0); // [count, C, S', S']
    let fused = fusion.forward(pick(patches.clone(), longer), local);
    // Clips as they were, then the fused ones: each clip takes its row of whichever it is.
    let row = |clip| longer.iter().position(|&it| it == clip).map_or(clip, |place| batch + place);
    pick(Tensor::cat(vec![patches, fused], 0), &(0..batch).map(row).collect::<Vec<_>>())
}

/// These rows of a batch.
fn pick(x: Tensor<4>, rows: &[usize]) -> Tensor<4> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let count = rows.len();
    let rows: Tensor<1, Int> = Tensor::from_data(TensorData::new(rows, [count]), &x.device());
    x.select(0, rows)
}
