//! What a model's folder holds.

pub(crate) mod pretrained; // Read first: the network, its labels and its extractor,
pub(crate) mod extractor; // where the extractor is found,
pub(crate) mod family; // and of which family the model is.
