//! A linear probe: a multinomial logistic regression on the embeddings of a frozen encoder.

pub(crate) mod fit; // Read first: the regression,
mod standardise; // on columns of mean 0 and variance 1,
mod objective; // what it minimises,
mod lbfgs; // and how;
pub(crate) mod strength; // how strongly it is regularised;
pub(crate) mod draw; // and which clips of a class it learns from.
