use anyhow::{Context as _, Result, bail};
use burn::tensor::{Device, FloatDType, IntDType};
use clap::{Args, ValueEnum};

/// Where to compute.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: auto, cpu, libtorch, libtorch:cuda[:N], cuda[:N] or wgpu. `auto` takes the fastest that is
    /// built in and present.
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Device")]
    pub(crate) device: String,
}

/// Where to compute, and with what numbers: for models that are only asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct ComputeArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// The model's numbers. Half precision takes half the memory and moves scores, f16 by up to 0.01, bf16 by up to 0.1; a CPU is
    /// slower with it.
    #[arg(long, value_name = "TYPE", default_value = "f32", help_heading = "Device")]
    dtype: Dtype,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    F16,
    Bf16,
}

/// The devices that exist at all, and the cargo feature each needs; `None` is always there.
const KNOWN: &[(&str, Option<&str>)] =
    &[("cpu", None), ("libtorch", Some("libtorch")), ("cuda", Some("cuda")), ("wgpu", Some("wgpu"))];

impl DeviceArgs {
    /// The device and its full name. Never burn's own default, which changes with what is compiled in.
    pub(crate) fn open(&self) -> Result<(Device, &'static str)> {
        let kind = self.device.split(':').next().unwrap_or_default();
        match (kind, KNOWN.iter().find(|(name, _)| *name == kind)) {
            ("auto" | "cpu", _) => Ok((Device::flex(), "cpu")),
            (_, Some((name, Some(feature)))) => bail!(
                "the device `{name}` is not built in: this version computes on the cpu only (the cargo feature `{feature}` is not there yet)"
            ),
            _ => bail!("there is no device `{}`: choose one of auto, cpu, libtorch, cuda, wgpu", self.device),
        }
    }
}

impl ComputeArgs {
    /// As [`DeviceArgs::open`]; every tensor made on the device from now on is of the type asked for.
    pub(crate) fn open(&self) -> Result<(Device, &'static str)> {
        let (mut device, name) = self.device.open()?;
        let dtype = match self.dtype {
            Dtype::F32 => return Ok((device, name)),
            Dtype::F16 => FloatDType::F16,
            Dtype::Bf16 => FloatDType::BF16,
        };
        device.configure((dtype, IntDType::I32)).context("the device cannot compute with this --dtype")?;
        Ok((device, name))
    }

    /// What of this changes the results, for a job's journal.
    pub(crate) fn changes(&self) -> &'static str {
        match self.dtype {
            Dtype::F32 => "",
            Dtype::F16 => " f16",
            Dtype::Bf16 => " bf16",
        }
    }
}
