//! The layers that networks are made of. Field names are the checkpoints', every new weight is zero until it is read or drawn,
//! and a new norm does nothing.

pub(crate) mod linear; // Read first: what all networks consist of,
pub(crate) mod layer_norm;
pub(crate) mod dropout;
pub(crate) mod residual;

pub(crate) mod attention; // what a transformer is,
pub(crate) mod mlp;
pub(crate) mod padding_mask;
pub(crate) mod weighted_sum;

pub(crate) mod conv1d; // and what comes before it.
pub(crate) mod weight_norm_conv1d;
pub(crate) mod conv_layer;
pub(crate) mod conv2d;
pub(crate) mod batch_norm;
