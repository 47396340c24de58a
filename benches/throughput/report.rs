//! What is printed: medians.

use std::fmt;
use std::time::Duration;

use super::Options;
use super::load::{CONNECTIONS, Round};
use super::workload::Workload;

/// What was measured, and how to read it.
pub fn heading(options: &Options, credentials: usize) -> String {
    format!(
        "{CONNECTIONS} keep-alive connections, {} credentials; medians of {} rounds of {}, Credence and a bare server by turns.\n\n\
         {:20}{:>12}{:>12}{:>11}  {:18}aim",
        grouped(credentials),
        options.rounds,
        humantime::format_duration(options.round),
        "requests/s",
        "Credence",
        "bare",
        "ratio",
        "lowest, highest"
    )
}

/// The two servers under one workload.
pub struct Comparison {
    workload: Workload,
    own: Measured,
    bare: Measured,
}

impl Comparison {
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            own: Measured::default(),
            bare: Measured::default(),
        }
    }

    /// Adds a round of each, one measured right after the other.
    pub fn add(&mut self, own: Round, bare: Round) {
        self.own.add(own);
        self.bare.add(bare);
    }

    pub fn is_aim_met(&self) -> bool {
        median(&self.ratios_percent()) >= f64::from(self.workload.aim_percent())
    }

    /// The ratios of neighbouring rounds, sorted: what disturbs the machine for longer than a round disturbs both.
    fn ratios_percent(&self) -> Vec<f64> {
        let pairs = self.own.rates.iter().zip(&self.bare.rates);
        let mut ratios: Vec<f64> = pairs.map(|(own, bare)| 100.0 * own / bare).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios = self.ratios_percent();
        let range = format!("{:.1}, {:.1} %", ratios[0], ratios[ratios.len() - 1]);
        let met = if self.is_aim_met() { "met" } else { "MISSED" };
        writeln!(
            formatter,
            "{:20}{:>12}{:>12}{:>9.1} %  {range:18}{} %: {met}",
            self.workload.name(),
            self.own.rate(),
            self.bare.rate(),
            median(&ratios),
            self.workload.aim_percent(),
        )?;
        for (name, percent) in [("  latency p50", 50), ("  latency p99", 99)] {
            let (own, bare) = (self.own.within(percent), self.bare.within(percent));
            writeln!(formatter, "{name:20}{own:>9.2} ms{bare:>9.2} ms")?;
        }
        Ok(())
    }
}

/// What was measured of one server.
#[derive(Default)]
struct Measured {
    // Of each round, in requests per second.
    rates: Vec<f64>,
    latencies: Vec<Duration>,
}

impl Measured {
    fn add(&mut self, round: Round) {
        let answers = u32::try_from(round.latencies.len()).unwrap();
        self.rates
            .push(f64::from(answers) / round.elapsed.as_secs_f64());
        self.latencies.extend(round.latencies);
    }

    fn rate(&self) -> String {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        format!("{:.0}", median(&rates))
    }

    /// How long, in milliseconds, this many per cent of the answers took at most.
    fn within(&self, percent: usize) -> f64 {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1_000.0
    }
}

fn median(sorted: &[f64]) -> f64 {
    let (lower, upper) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    f64::midpoint(sorted[lower], sorted[upper])
}

fn grouped(number: usize) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", number / 1_000, number % 1_000)
}
