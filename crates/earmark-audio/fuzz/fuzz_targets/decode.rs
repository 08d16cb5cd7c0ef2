// What every target does: decode to the end, and hold the crate to what it says about each block.

use std::time::Duration;

use earmark_audio::{DecodeOptions, Decoder};

pub fn decode(file: &[u8]) {
    let options = DecodeOptions { max_duration: Duration::from_secs(20), ..DecodeOptions::default() };
    let Ok(mut decoder) = Decoder::from_bytes(file, &options) else { return };
    while let Ok(Some(block)) = decoder.next_block() {
        assert!(!block.is_empty() && block.iter().all(|x| x.is_finite()));
    }
}
