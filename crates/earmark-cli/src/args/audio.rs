//! How sound files are decoded for a model.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use earmark_audio::{DecodeOptions, Downmix, UnknownName, Warning};
use earmark_features::Resampler;
use earmark_pipeline::AudioOptions;

use crate::output::messages;

/// How sound files are decoded for a model.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AudioArgs {
    /// Resampling: hq (higher quality) or torchaudio (as in transformers) [default: hq].
    #[arg(long, value_name = "NAME", value_parser = one_of::<Resampler>(Resampler::ALL.iter().map(|it| it.name())), help_heading = "Audio")]
    resampler: Option<Resampler>,

    /// Mixing channels down to mono: mean, sqrt2 (0.7071 × their sum, as ffmpeg does for the transformers pipeline), left or
    /// right [default: mean].
    #[arg(long, value_name = "NAME", value_parser = one_of::<Downmix>(Downmix::ALL.iter().map(|it| it.name())), help_heading = "Audio")]
    downmix: Option<Downmix>,

    /// Match another tool's preprocessing: transformers is --resampler torchaudio --downmix sqrt2.
    #[arg(long, value_name = "TOOL", help_heading = "Audio")]
    compat: Option<Compat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compat {
    Transformers,
}

/// Reports what was wrong with a sound file, with the flag that helps where there is one.
pub(crate) fn warn(name: &str, warnings: &[Warning]) {
    for warning in warnings {
        let advice = match warning {
            Warning::Cancelled => ": take one of them by --downmix left or --downmix right",
            _ => "",
        };
        messages::warning(format_args!("`{name}`: {warning}{advice}"));
    }
}

impl AudioArgs {
    /// Both, with the default cap on duration.
    pub(crate) fn hearing(&self) -> AudioOptions {
        let decode = DecodeOptions { downmix: self.downmix(), ..DecodeOptions::default() };
        AudioOptions { decode, resampler: self.resampler() }
    }

    /// What of this changes the results, each by its flag.
    pub(crate) fn settings(&self) -> [(String, String); 2] {
        [
            ("--resampler".to_owned(), self.resampler().to_string()),
            ("--downmix".to_owned(), self.downmix().to_string()),
        ]
    }

    /// What the flags say, or else the default.
    pub(crate) fn resampler(&self) -> Resampler {
        self.chosen_resampler().unwrap_or_default()
    }

    /// What the flags say, or else the default.
    pub(crate) fn downmix(&self) -> Downmix {
        self.chosen_downmix().unwrap_or_default()
    }

    /// What the flags say.
    pub(crate) fn chosen_resampler(&self) -> Option<Resampler> {
        self.resampler.or(self.compat.map(|Compat::Transformers| Resampler::Torchaudio))
    }

    /// What the flags say.
    pub(crate) fn chosen_downmix(&self) -> Option<Downmix> {
        self.downmix.or(self.compat.map(|Compat::Transformers| Downmix::Sqrt2))
    }
}

/// Reads one of `names` as the value of that name; the names are listed in the help and in the error of a wrong one.
pub(crate) fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownName> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}
