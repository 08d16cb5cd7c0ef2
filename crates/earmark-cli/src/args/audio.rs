use clap::{Args, ValueEnum};
use earmark_audio::{DecodeOptions, Warning};
use earmark_pipeline::Hearing;
use earmark_train::{DownmixName, ResamplerName};

/// How files become what a model hears.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HearingArgs {
    /// How clips get to the model's rate: hq is the cleaner one, torchaudio the reference's.
    #[arg(long, value_name = "NAME", help_heading = "Hearing")]
    resampler: Option<ResamplerArg>,

    /// How channels become one: their mean, sqrt2 (0.7071 × their sum, as ffmpeg in the reference's pipeline), or one of
    /// them.
    #[arg(long, value_name = "NAME", help_heading = "Hearing")]
    downmix: Option<DownmixArg>,

    /// Do as another tool where we differ on purpose: `transformers` means --resampler torchaudio --downmix sqrt2.
    #[arg(long, value_name = "TOOL", help_heading = "Hearing")]
    compat: Option<Compat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResamplerArg {
    Hq,
    Torchaudio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DownmixArg {
    Mean,
    Sqrt2,
    Left,
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compat {
    Transformers,
}

/// A warning about a file, and which of these flags helps.
pub(crate) fn advised(warning: &Warning) -> String {
    match warning {
        Warning::Cancelled => {
            format!("{warning}: take one of them by --downmix left or --downmix right")
        }
        _ => warning.to_string(),
    }
}

impl HearingArgs {
    /// Both, and the usual cap on duration.
    pub(crate) fn hearing(&self) -> Hearing {
        let decode = DecodeOptions { downmix: self.downmix().into(), ..DecodeOptions::default() };
        Hearing { decode, resampler: self.resampler().into() }
    }

    /// What of this changes the results, each by its flag.
    pub(crate) fn settings(&self) -> [(String, String); 2] {
        let value = |name: String| name.to_lowercase();
        [
            ("--resampler".to_owned(), value(format!("{:?}", self.resampler()))),
            ("--downmix".to_owned(), value(format!("{:?}", self.downmix()))),
        ]
    }

    /// What the flags say, or the default.
    pub(crate) fn resampler(&self) -> ResamplerName {
        self.asked_resampler().unwrap_or(ResamplerName::Hq)
    }

    /// What the flags say, or the default.
    pub(crate) fn downmix(&self) -> DownmixName {
        self.asked_downmix().unwrap_or(DownmixName::Mean)
    }

    /// What the flags say, if they do.
    pub(crate) fn asked_resampler(&self) -> Option<ResamplerName> {
        match (self.resampler, self.compat) {
            (Some(ResamplerArg::Hq), _) => Some(ResamplerName::Hq),
            (Some(ResamplerArg::Torchaudio), _) | (None, Some(Compat::Transformers)) => {
                Some(ResamplerName::Torchaudio)
            }
            (None, None) => None,
        }
    }

    /// What the flags say, if they do.
    pub(crate) fn asked_downmix(&self) -> Option<DownmixName> {
        match (self.downmix, self.compat) {
            (Some(DownmixArg::Mean), _) => Some(DownmixName::Mean),
            (Some(DownmixArg::Sqrt2), _) | (None, Some(Compat::Transformers)) => Some(DownmixName::Sqrt2),
            (Some(DownmixArg::Left), _) => Some(DownmixName::Left),
            (Some(DownmixArg::Right), _) => Some(DownmixName::Right),
            (None, None) => None,
        }
    }
}
