//! What every process tells of itself, by the names that all client libraries of Prometheus use. Read when somebody asks, from the kernel;
//! what cannot be read is left out.

use std::fmt;
use std::fs;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::types::clock::Clock;

/// Reads what the kernel knows of this process.
#[derive(Debug)]
pub struct ProcessCollector {
    /// In seconds since 1970.
    started_at: f64,
}

impl Default for ProcessCollector {
    fn default() -> Self {
        let now_us = u64::try_from(Clock::system().now().0).unwrap_or(0);
        Self {
            started_at: Duration::from_micros(now_us).as_secs_f64(),
        }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let processor = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = ConstCounter::new(
            Duration::try_from(processor)
                .unwrap_or_default()
                .as_secs_f64(),
        );
        let metric = encoder.encode_descriptor(
            "process_cpu_seconds",
            "Time of processors that the process took, user and system together",
            None,
            seconds.metric_type(),
        )?;
        seconds.encode(metric)?;
        for (name, help, value) in self.gauges() {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

impl ProcessCollector {
    fn gauges(&self) -> [(&'static str, &'static str, Option<f64>); 6] {
        let [total, resident] = memory_pages().unwrap_or_default();
        let page = u32::try_from(page_size()).map_or(0.0, f64::from);
        [
            (
                "process_start_time_seconds",
                "When the process began, in seconds since 1970",
                Some(self.started_at),
            ),
            (
                "process_resident_memory_bytes",
                "Memory of the machine that the process holds",
                resident.map(|pages| pages * page),
            ),
            (
                "process_virtual_memory_bytes",
                "Addresses that the process has mapped",
                total.map(|pages| pages * page),
            ),
            (
                "process_open_fds",
                "File descriptors that are open",
                open_descriptors(),
            ),
            (
                "process_max_fds",
                "How many file descriptors may be open",
                getrlimit(Resource::Nofile).current.and_then(number),
            ),
            ("process_threads", "Threads of the process", threads()),
        ]
    }
}

fn number(number: u64) -> Option<f64> {
    u32::try_from(number).ok().map(f64::from)
}

/// The pages that are mapped, and those of them that are in memory (proc(5), `statm`).
fn memory_pages() -> Option<[Option<f64>; 2]> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut words = text.split(' ').map(|word| word.parse().ok());
    Some([words.next()?, words.next()?])
}

fn open_descriptors() -> Option<f64> {
    // Reading the directory takes one of them.
    let open = fs::read_dir("/proc/self/fd")
        .ok()?
        .count()
        .saturating_sub(1);
    u32::try_from(open).ok().map(f64::from)
}

fn threads() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}
