use std::fmt;
use std::str::FromStr;

use earmark_audio::UnknownName;

/// How the learning rate goes on after its rise, by the names of the reference's `SchedulerType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleKind {
    /// Down to 0 in a straight line.
    Linear,
    /// Down to 0 along half a cosine.
    Cosine,
    /// The same rate from the first step to the last; it does not rise.
    Constant,
    /// The same rate once it has risen.
    ConstantWithWarmup,
}

impl ScheduleKind {
    /// Every one of them.
    pub const ALL: &[ScheduleKind] = &[
        ScheduleKind::Linear,
        ScheduleKind::Cosine,
        ScheduleKind::Constant,
        ScheduleKind::ConstantWithWarmup,
    ];

    /// As recipes write it, and as `lr_scheduler_type` of the reference.
    pub const fn name(self) -> &'static str {
        match self {
            ScheduleKind::Linear => "linear",
            ScheduleKind::Cosine => "cosine",
            ScheduleKind::Constant => "constant",
            ScheduleKind::ConstantWithWarmup => "constant_with_warmup",
        }
    }
}

impl fmt::Display for ScheduleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ScheduleKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<ScheduleKind, UnknownName> {
        UnknownName::find(text, ScheduleKind::ALL, ScheduleKind::name)
    }
}
