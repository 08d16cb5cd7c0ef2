//! Which clips are trained on and which tested on: drawn clip by clip as `datasets` draws them, or whole groups at a time.

mod clips;
mod groups;
mod parts;
pub(crate) mod sizes;
mod stratified;

pub use clips::{published_split, shuffle, split_in_order, train_test_split};
pub use groups::{fold_split, group_split, k_folds};
pub use parts::Split;
pub use sizes::{PartSize, SplitSizes, TestSize};
pub use stratified::stratified_split;
