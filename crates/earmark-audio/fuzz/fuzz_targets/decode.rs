// What every target does: decode to the end, and check the promises about each block.

use std::time::Duration;

use earmark_audio::{DecodeOptions, Decoder};

/// Removes libFuzzer's panic hook, which ends the process at once: a panic that the crate catches is not a finding. libFuzzer
/// detects one that gets past the crate by itself.
pub fn guarded() {
    std::panic::set_hook(Box::new(|_| ()));
}

pub fn decode(file: &[u8]) {
    let options = DecodeOptions { max_duration: Duration::from_secs(20), ..DecodeOptions::default() };
    let Ok(mut decoder) = Decoder::from_bytes(file, &options) else { return };
    while let Ok(Some(block)) = decoder.next_block() {
        assert!(!block.is_empty() && block.iter().all(|x| x.is_finite()));
    }
}
