//! IMA ADPCM as WAV packs it: four bits a sample, in blocks that each start afresh. Symphonia's decoder multiplies
//! where the standard (IMA Recommended Practices, 1992) adds shifted steps, and is up to 13 units of 16 bits off what
//! libsndfile and ffmpeg.

/// Frames in a block of so many bytes.
pub(crate) fn frames(block: usize, channels: usize) -> usize {
    // Each channel's header holds its first sample; every four bytes behind the headers hold eight of one channel.
    1 + block.saturating_sub(4 * channels) / (4 * channels) * 8
}

/// Appends what one block holds, or as much of it as is there.
pub(crate) fn decode(block: &[u8], planes: &mut [Vec<f32>]) {
    let channels = planes.len();
    let Some((headers, groups)) = block.split_at_checked(4 * channels) else {
        return;
    };
    let mut states: Vec<State> = headers.chunks_exact(4).map(State::new).collect();
    for (state, plane) in states.iter().zip(planes.iter_mut()) {
        plane.push(state.sample());
    }
    // Eight samples of one channel, eight of the next, and so on round.
    for groups in groups.chunks_exact(4 * channels) {
        for ((state, plane), group) in states.iter_mut().zip(planes.iter_mut()).zip(groups.chunks_exact(4)) {
            for byte in group {
                for nibble in [byte & 15, byte >> 4] {
                    state.step(nibble);
                    plane.push(state.sample());
                }
            }
        }
    }
}

struct State {
    predictor: i32,
    index: usize,
}

impl State {
    fn new(header: &[u8]) -> State {
        State {
            predictor: i16::from_le_bytes([header[0], header[1]]).into(),
            index: usize::from(header[2]).min(STEPS.len() - 1),
        }
    }

    fn sample(&self) -> f32 {
        self.predictor as f32 / 32768.0
    }

    fn step(&mut self, nibble: u8) {
        let step = STEPS[self.index];
        let mut difference = step >> 3;
        for (bit, shift) in [(4, 0), (2, 1), (1, 2)] {
            if nibble & bit != 0 {
                difference += step >> shift;
            }
        }
        if nibble & 8 != 0 {
            difference = -difference;
        }
        self.predictor = (self.predictor + difference).clamp(i16::MIN.into(), i16::MAX.into());
        self.index = match nibble & 7 {
            0..=3 => self.index.saturating_sub(1),
            large => (self.index + 2 * usize::from(large - 3)).min(STEPS.len() - 1),
        };
    }
}

#[rustfmt::skip]
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
];
