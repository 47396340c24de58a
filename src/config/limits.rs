//! The settings of limits, and of who is told apart by them.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use crate::domain::limit::Rate;

/// How often something may be asked for, and who asks.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// How often a client may resolve: a number for each second, or with a period, such as 100/1m. All of it may come at once. A client is
    /// what the token's `client_id` or `azp` names, or else its subject. Each server counts for itself; without it, nothing is limited
    #[arg(
        long,
        env = "CREDENCE_RESOLVE_RATE",
        value_name = "NUMBER[/PERIOD]",
        value_parser = parse_rate
    )]
    pub resolve_rate: Option<Rate>,
    /// The proxies in front, as addresses or networks; several are given with commas, or by several options. Who comes through them is the
    /// last address in X-Forwarded-For that is none of theirs. When 20 tokens, codes or sessions that are not valid came from one address
    /// within a minute, the next ones are refused unseen. There is no /metrics beside the API then: a proxy could lead anybody to it
    #[arg(
        long,
        env = "CREDENCE_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = parse_network
    )]
    pub trusted_proxy: Vec<IpNet>,
}

/// The shortest and the longest period of a rate.
const PERIODS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// How many there may be in a period.
const TIMES_LIMIT: u32 = 1_000_000;

/// Reads a rate: `50` in a second, `100/1m`, `100/m`.
fn parse_rate(text: &str) -> Result<Rate, String> {
    let (times, period) = text.split_once('/').unwrap_or((text, "1s"));
    let times: Option<NonZeroU32> = times.trim().parse().ok();
    let period = match period.trim() {
        unit if unit.starts_with(|c: char| c.is_ascii_alphabetic()) => format!("1{unit}"),
        period => period.to_owned(),
    };
    let period = humantime::parse_duration(&period).ok();
    let period = period.filter(|period| PERIODS.contains(period));
    times
        .filter(|times| times.get() <= TIMES_LIMIT)
        .zip(period)
        .and_then(|(times, period)| Rate::new(times, period))
        .ok_or_else(|| {
            "write a number from 1 to 1000000 for each second, or with a period of 1s to 24h, such as 100/1m".to_owned()
        })
}

/// Reads a network (RFC 4632), or an address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().ok();
    let address = || {
        text.parse()
            .ok()
            .map(|address: IpAddr| IpNet::from(address))
    };
    network.or_else(address).ok_or_else(|| {
        "write the address of the proxy, or its network, such as 10.0.0.0/8 or fd00::/8".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_for_each_second_or_for_a_period() {
        let rate = |times: u32, seconds: u64| {
            let times = NonZeroU32::new(times).unwrap();
            Ok(Rate::new(times, Duration::from_secs(seconds)).unwrap())
        };
        for (text, expected) in [
            ("50", rate(50, 1)),
            ("50/s", rate(50, 1)),
            ("50/1s", rate(50, 1)),
            ("100/1m", rate(100, 60)),
            ("100/m", rate(100, 60)),
            ("100 / minute", rate(100, 60)),
            ("1000/1h", rate(1_000, 3_600)),
            ("5/day", rate(5, 86_400)),
            ("1000000", rate(1_000_000, 1)),
        ] {
            assert_eq!(parse_rate(text), expected, "{text}");
        }
        for wrong in [
            "",
            "0",
            "0/1m",
            "-1",
            "1.5",
            "1000001",
            "many",
            "/1m",
            "1/",
            "1/0s",
            "1/500ms",
            "1/2d",
            "1/1m/1m",
            "1 per minute",
            "1/1x",
            "99999999999",
        ] {
            let told = parse_rate(wrong).unwrap_err();
            assert!(told.contains("100/1m"), "{wrong}: {told}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for (text, within, without) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::1", "::1", "::2"),
        ] {
            let network = parse_network(text).unwrap();
            let holds = |address: &str| network.contains(&address.parse::<IpAddr>().unwrap());
            assert!(holds(within) && !holds(without), "{text}");
        }
        for wrong in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0",
            "10.0.0.1:80",
            "::/129",
        ] {
            assert!(
                parse_network(wrong).unwrap_err().contains("10.0.0.0/8"),
                "{wrong}"
            );
        }
    }
}
