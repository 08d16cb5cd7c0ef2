//! Where to compute: which devices this build has, which are there, and what to do about those that are not.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use burn::tensor::{Device, FloatDType, IntDType};
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};

use crate::args::parse::Suggested;
use crate::exit::usage;

/// Where to compute.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArgs {
    /// Device to compute on: auto, cpu, libtorch, libtorch:cuda[:N], cuda[:N] or wgpu. auto takes the fastest that is built in
    /// and present.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device(), hide_possible_values = true, help_heading = "Device")]
    pub(crate) device: Choice,
}

/// Where to compute, and with what numbers: for models that are only asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct ComputeArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Precision of weights and arithmetic. f16 and bf16 halve the memory and change scores, by up to 0.01 and 0.1; they are
    /// slower on a CPU.
    #[arg(long, value_name = "TYPE", default_value = "f32", help_heading = "Device")]
    dtype: Dtype,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dtype {
    #[value(alias = "fp32")]
    F32,
    #[value(alias = "fp16")]
    F16,
    Bf16,
}

/// Reads a device; shells complete the names.
fn device() -> impl TypedValueParser<Value = Choice> {
    let names = ["auto", "cpu", "libtorch", "libtorch:cuda", "cuda", "wgpu"];
    Suggested::new(|text| text.parse::<Choice>(), names)
}

/// A device by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Auto,
    Cpu,
    Libtorch,
    LibtorchCuda(usize),
    Cuda(usize),
    Wgpu,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Cpu => f.write_str("cpu"),
            Choice::Libtorch => f.write_str("libtorch"),
            Choice::LibtorchCuda(card) => write!(f, "libtorch:cuda:{card}"),
            Choice::Cuda(card) => write!(f, "cuda:{card}"),
            Choice::Wgpu => f.write_str("wgpu"),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        let card = |rest: &str| match rest.strip_prefix(':') {
            Some(number) => number.parse().map_err(|_| format!("`{number}` is not the number of a card")),
            None => Ok(0),
        };
        if let Some(rest) =
            text.strip_prefix("libtorch:cuda").filter(|rest| rest.is_empty() || rest.starts_with(':'))
        {
            return Ok(Choice::LibtorchCuda(card(rest)?));
        }
        if let Some(rest) = text.strip_prefix("cuda").filter(|rest| rest.is_empty() || rest.starts_with(':'))
        {
            return Ok(Choice::Cuda(card(rest)?));
        }
        match text {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            "libtorch" | "libtorch:cpu" => Ok(Choice::Libtorch),
            "wgpu" => Ok(Choice::Wgpu),
            _ => Err(format!(
                "no device `{text}`: choose one of auto, cpu, libtorch, libtorch:cuda[:N], cuda[:N], wgpu"
            )),
        }
    }
}

impl Choice {
    /// The cargo feature it needs.
    fn feature(self) -> Option<&'static str> {
        match self {
            Choice::Auto | Choice::Cpu => None,
            Choice::Libtorch | Choice::LibtorchCuda(_) => Some("libtorch"),
            Choice::Cuda(_) => Some("cuda"),
            Choice::Wgpu => Some("wgpu"),
        }
    }

    /// The device itself.
    fn open(self) -> Result<Device> {
        match self {
            Choice::Auto | Choice::Cpu => Ok(Device::flex()),
            #[cfg(feature = "libtorch")]
            #[allow(deprecated, reason = "deprecated upstream, and what its users ask for")]
            Choice::Libtorch => Ok(Device::libtorch()),
            #[cfg(feature = "libtorch")]
            Choice::LibtorchCuda(card) => libtorch_cuda(card),
            #[cfg(feature = "cuda")]
            Choice::Cuda(card) => {
                let cards = enumerated(burn::tensor::DeviceType::Cuda);
                match card < cards {
                    true => Ok(Device::cuda(card)),
                    false => {
                        anyhow::bail!(
                            "no device `{self}`: CUDA finds {cards} cards; is NVIDIA's driver installed?"
                        )
                    }
                }
            }
            #[cfg(feature = "wgpu")]
            Choice::Wgpu => match enumerated(burn::tensor::DeviceType::Wgpu) {
                0 => anyhow::bail!(
                    "no graphics adapter found: install a Vulkan driver (mesa-vulkan-drivers has one that needs no card), or pass --device cpu"
                ),
                _ => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            },
            #[allow(unreachable_patterns, reason = "of a build with every feature")]
            other => {
                let feature = other.feature().unwrap_or_default();
                let how = match feature {
                    "libtorch" => "set it up with `cargo xtask libtorch`, and build and run with `cargo xtask run --device libtorch …`".to_owned(),
                    _ => format!("build with `cargo build --release -p earmark-cli --features {feature}`"),
                };
                Err(usage(format_args!("the device `{other}` is not built in: {how}")))
            }
        }
    }
}

#[cfg(feature = "libtorch")]
fn libtorch_cuda(card: usize) -> Result<Device> {
    let cards = tch::Cuda::device_count();
    if !tch::Cuda::is_available() {
        anyhow::bail!(
            "libtorch finds no CUDA here: NVIDIA's driver is missing, or this libtorch was made without CUDA; \
             --device libtorch computes on the CPU"
        );
    }
    if usize::try_from(cards).is_ok_and(|cards| card >= cards) {
        anyhow::bail!(
            "libtorch finds {cards} CUDA cards, numbered from 0, so there is no `libtorch:cuda:{card}`"
        );
    }
    #[allow(deprecated, reason = "deprecated upstream, and what its users ask for")]
    Ok(Device::libtorch_cuda(card))
}

/// How many devices of a kind there are. A driver that is missing makes cubecl panic, which means none.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn enumerated(kind: burn::tensor::DeviceType) -> usize {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let count = std::panic::catch_unwind(|| Device::enumerate(kind).into_vec().len()).unwrap_or(0);
    std::panic::set_hook(quiet);
    count
}

/// The devices that are built in, fastest first.
const BUILT_IN: &[Choice] = &[
    #[cfg(feature = "libtorch")]
    Choice::LibtorchCuda(0),
    #[cfg(feature = "cuda")]
    Choice::Cuda(0),
    #[cfg(feature = "wgpu")]
    Choice::Wgpu,
    Choice::Cpu,
];

impl DeviceArgs {
    /// As [`choose`](Self::choose), and says what `auto` took where there was a choice.
    fn open(&self) -> Result<(Device, String)> {
        let (device, name) = self.choose()?;
        if self.device == Choice::Auto && BUILT_IN.len() > 1 {
            crate::output::messages::note(format_args!("device   {name}"));
        }
        Ok((device, name))
    }

    /// The device and its full name. Never burn's own default, which changes with what is compiled in.
    pub(crate) fn choose(&self) -> Result<(Device, String)> {
        if self.device != Choice::Auto {
            return Ok((self.device.open()?, self.device.to_string()));
        }
        let found = BUILT_IN.iter().find_map(|choice| Some((choice.open().ok()?, choice.to_string())));
        found.context("no device can be used")
    }
}

impl ComputeArgs {
    /// As [`DeviceArgs::open`]; every tensor made on the device from now on is of the type asked for.
    pub(crate) fn open(&self) -> Result<(Device, String)> {
        let (mut device, name) = self.device.open()?;
        let dtype = match self.dtype {
            Dtype::F32 => return Ok((device, name)),
            Dtype::F16 => FloatDType::F16,
            Dtype::Bf16 => FloatDType::BF16,
        };
        device.configure((dtype, IntDType::I32)).context("the device does not support this --dtype")?;
        Ok((device, name))
    }

    /// The device's full name.
    pub(crate) fn device_name(&self) -> Result<String> {
        Ok(self.device.choose()?.1)
    }

    /// What of this changes the results.
    pub(crate) fn dtype(&self) -> &'static str {
        match self.dtype {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn refusal(choice: Choice) -> String {
        choice.open().expect_err("it is not here").to_string()
    }

    #[test]
    fn a_device_that_is_not_built_in_says_what_builds_it() {
        let devices = [
            (Choice::Libtorch, cfg!(feature = "libtorch"), "cargo xtask run --device libtorch"),
            (Choice::LibtorchCuda(0), cfg!(feature = "libtorch"), "cargo xtask libtorch"),
            (Choice::Cuda(0), cfg!(feature = "cuda"), "--features cuda"),
            (Choice::Wgpu, cfg!(feature = "wgpu"), "--features wgpu"),
        ];
        for (choice, _, how) in devices.into_iter().filter(|(_, built_in, _)| !built_in) {
            let said = refusal(choice);
            assert!(said.contains(&format!("`{choice}` is not built in")) && said.contains(how), "{said}");
        }
    }

    #[cfg(feature = "libtorch")]
    #[test]
    fn libtorch_without_a_driver_and_a_card_that_is_not_there_are_errors_and_no_crash() {
        if !tch::Cuda::is_available() {
            assert!(refusal(Choice::LibtorchCuda(0)).contains("NVIDIA's driver is missing"));
        } else {
            assert!(refusal(Choice::LibtorchCuda(99)).contains("there is no `libtorch:cuda:99`"));
        }
    }

    #[cfg(feature = "wgpu")]
    #[test]
    fn without_a_graphics_adapter_wgpu_says_what_to_install() {
        if super::enumerated(burn::tensor::DeviceType::Wgpu) == 0 {
            assert!(refusal(Choice::Wgpu).contains("install a Vulkan driver"));
        } else {
            assert!(Choice::Wgpu.open().is_ok());
        }
    }

    #[test]
    fn devices_have_names_and_cards_numbers() {
        let named = |text: &str| text.parse::<Choice>().map(|choice| choice.to_string());
        assert_eq!(named("libtorch:cuda").unwrap(), "libtorch:cuda:0");
        assert_eq!(named("libtorch:cuda:3").unwrap(), "libtorch:cuda:3");
        assert_eq!(named("cuda:1").unwrap(), "cuda:1");
        for bad in ["toaster", "cuda:x", "cudas", "libtorch:rocm", ""] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
