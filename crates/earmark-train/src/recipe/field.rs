use earmark_audio::Downmix;
use earmark_features::Resampler;

use crate::recipe::freeze::Freeze;
use crate::recipe::objective::{Check, ClassWeights, Sampling};
use crate::recipe::precision::Precision;
use crate::recipe::schedule::ScheduleKind;
use crate::recipe::split_by::SplitBy;
use crate::recipe::validation::ValFromTrain;

/// The type of a recipe's field, as text.
pub(crate) trait Field: Sized {
    /// `None` leaves the field out of the file.
    fn text(&self) -> Option<String>;

    /// `None` where the text is no such value.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! fields_that_display {
    ($($type:ty),+) => {
        $(impl Field for $type {
            fn text(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })+
    };
}

fields_that_display!(bool, u64, usize, f64, String, SplitBy, Precision, Resampler, Downmix);
fields_that_display!(Freeze, ScheduleKind, ClassWeights, Sampling, Check, ValFromTrain);

macro_rules! optional_numbers {
    ($($type:ty),+) => {
        $(impl Field for Option<$type> {
            fn text(&self) -> Option<String> {
                self.map(|number| number.to_string())
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok().map(Some)
            }
        })+
    };
}

optional_numbers!(f64, u64);

impl Field for Option<String> {
    fn text(&self) -> Option<String> {
        self.clone()
    }

    fn parse(text: &str) -> Option<Self> {
        Some(Some(text.to_owned()))
    }
}

impl Field for Option<[f64; 2]> {
    fn text(&self) -> Option<String> {
        self.and_then(|pair| pair.text())
    }

    fn parse(text: &str) -> Option<Self> {
        Field::parse(text).map(Some)
    }
}

impl Field for [f64; 2] {
    fn text(&self) -> Option<String> {
        let [first, second] = self;
        Some(format!("{first},{second}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, second) = text.split_once(',')?;
        Some([first.trim().parse().ok()?, second.trim().parse().ok()?])
    }
}
