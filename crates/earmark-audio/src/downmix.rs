use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, UnknownName};

/// How several channels are mixed to mono. A mono file is never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Downmix {
    /// The mean of all channels: `librosa.to_mono`, and so `datasets` before 4.0.
    #[default]
    Mean,
    /// `√½·(L + R)`, √2 times the mean: what ffmpeg's `-ac 1` does to float stereo, and so what transformers'
    /// `pipeline` reads when it is given a path. Stereo only.
    Sqrt2,
    /// The left channel alone. Stereo only.
    Left,
    /// The right channel alone. Stereo only.
    Right,
}

impl Downmix {
    /// Every choice, the default first.
    pub const ALL: &[Downmix] = &[Downmix::Mean, Downmix::Sqrt2, Downmix::Left, Downmix::Right];

    /// Its name, as recipes and flags write it.
    pub const fn name(self) -> &'static str {
        match self {
            Downmix::Mean => "mean",
            Downmix::Sqrt2 => "sqrt2",
            Downmix::Left => "left",
            Downmix::Right => "right",
        }
    }

    /// Refuses a number of channels that this choice is not defined for, before any sample is decoded.
    pub(crate) fn check(self, channels: usize) -> Result<(), ErrorKind> {
        match self {
            Downmix::Mean => Ok(()),
            Downmix::Sqrt2 | Downmix::Left | Downmix::Right if channels <= 2 => Ok(()),
            Downmix::Sqrt2 | Downmix::Left | Downmix::Right => Err(ErrorKind::Downmix { channels }),
        }
    }

    /// Replaces `mono` by the mix of `planes`, which [`check`](Self::check) has accepted.
    pub(crate) fn mix(self, planes: &[Vec<f32>], mono: &mut Vec<f32>) {
        mono.clear();
        match (self, planes) {
            (_, []) => {}
            (_, [only]) => mono.extend_from_slice(only),
            (Downmix::Mean, [left, right]) => mono.extend(left.iter().zip(right).map(|(l, r)| (l + r) / 2.0)),
            (Downmix::Mean, [first, rest @ ..]) => {
                // The order numpy adds in, one channel after another, so that the rounding is the same too.
                mono.extend_from_slice(first);
                for plane in rest {
                    mono.iter_mut().zip(plane).for_each(|(sum, x)| *sum += x);
                }
                let channels = planes.len() as f32;
                mono.iter_mut().for_each(|sum| *sum /= channels);
            }
            (Downmix::Sqrt2, [left, right, ..]) => {
                let half = std::f32::consts::FRAC_1_SQRT_2;
                mono.extend(left.iter().zip(right).map(|(l, r)| half * l + half * r));
            }
            (Downmix::Left, [left, ..]) => mono.extend_from_slice(left),
            (Downmix::Right, [_, right, ..]) => mono.extend_from_slice(right),
        }
    }
}

impl fmt::Display for Downmix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Downmix {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Downmix, UnknownName> {
        UnknownName::find(text, Downmix::ALL, Downmix::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(how: Downmix, planes: &[Vec<f32>]) -> Vec<f32> {
        let mut mono = vec![9.0];
        how.mix(planes, &mut mono);
        mono
    }

    #[test]
    fn each_choice_does_what_its_name_says() {
        let stereo = [vec![0.5, 1.0], vec![0.25, -1.0]];
        assert_eq!(mixed(Downmix::Mean, &stereo), [0.375, 0.0]);
        assert_eq!(mixed(Downmix::Left, &stereo), [0.5, 1.0]);
        assert_eq!(mixed(Downmix::Right, &stereo), [0.25, -1.0]);
        let sqrt2 = mixed(Downmix::Sqrt2, &stereo);
        assert!((sqrt2[0] - 0.375 * std::f32::consts::SQRT_2).abs() < 1e-7, "{sqrt2:?}");
        assert_eq!(mixed(Downmix::Mean, &[vec![1.0], vec![2.0], vec![6.0]]), [3.0]);
    }

    #[test]
    fn a_name_is_read_back_and_is_that_of_serde() {
        for &downmix in Downmix::ALL {
            assert_eq!(downmix.to_string().parse(), Ok(downmix));
            assert_eq!(serde_json::to_value(downmix).unwrap(), downmix.name());
        }
        let error = "stereo".parse::<Downmix>().unwrap_err();
        assert_eq!(error.to_string(), "unknown value `stereo`: expected one of mean, sqrt2, left, right");
    }

    #[test]
    fn mono_is_never_changed() {
        for how in [Downmix::Mean, Downmix::Sqrt2, Downmix::Left, Downmix::Right] {
            assert_eq!(mixed(how, &[vec![0.1, -0.7]]), [0.1, -0.7]);
        }
    }

    #[test]
    fn only_the_mean_is_defined_beyond_stereo() {
        assert!(Downmix::Mean.check(6).is_ok());
        for how in [Downmix::Sqrt2, Downmix::Left, Downmix::Right] {
            assert!(matches!(how.check(6), Err(ErrorKind::Downmix { channels: 6 })));
        }
    }
}
