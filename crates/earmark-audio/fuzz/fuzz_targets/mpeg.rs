//! MPEG layers 1 to 3. The container is recognised by its content, so the corpus is what makes this target its own.
#![no_main]

mod decode;

libfuzzer_sys::fuzz_target!(init: decode::guarded(), |file: &[u8]| decode::decode(file));
