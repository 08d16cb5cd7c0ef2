use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;

/// Where to compute.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: auto, cpu, libtorch, libtorch:cuda[:N], cuda[:N] or wgpu. `auto` takes the fastest that is
    /// built in and present.
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "Device")]
    pub(crate) device: String,
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
