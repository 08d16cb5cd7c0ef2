//! What a layer computes on which device: the one place that asks.

pub(crate) mod cpu;
pub(crate) mod cpu_autodiff;
