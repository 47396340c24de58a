//! `cargo bench --bench throughput`: how many requests Credence answers, beside a bare server that answers the same from the
//! same rows.
//!
//! The bare server ([`bare_server`]) is made of the stock parts: poem's server, async-graphql's endpoint, diesel and r2d2. It has
//! no tokens, no rules and no audit log. Both are processes of their own, on a copy each of one SQLite file, and are asked by
//! turns over keep-alive connections, each of which sends its next request when it has the answer to the last one. Every
//! answer is compared, byte by byte, with one that was looked through before anything was measured.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that goes wrong has to end at once, and its outcome is what is printed"
)]

mod bare_schema;
mod bare_server;
mod client;
mod connection;
mod load;
mod process;
mod report;
mod seed;
mod workload;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use client::Client;
use load::Load;
use process::ServerProcess;
use report::Comparison;
use tokio::signal::unix::{SignalKind, signal};
use workload::Workload;

/// Measures Credence beside a bare server, and ends with 1 when an aim is missed.
#[derive(Parser)]
struct Options {
    /// How often each server is measured
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long it is measured each time
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    round: Duration,
    /// Measure only what has this in its name
    #[arg(default_value = "")]
    filter: String,
    /// What `cargo bench` says, and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn workloads(&self) -> Vec<Workload> {
        let wanted = |workload: &Workload| workload.name().contains(&self.filter);
        Workload::ALL.into_iter().filter(wanted).collect()
    }
}

fn main() -> ExitCode {
    if let Some(data_directory) = std::env::var_os(bare_server::DATA_DIRECTORY_VARIABLE) {
        bare_server::serve(Path::new(&data_directory));
        return ExitCode::SUCCESS;
    }
    let options = Options::parse();
    if !options.bench {
        println!("Nothing is measured in a test run: use `cargo bench --bench throughput`.");
        return ExitCode::SUCCESS;
    }
    if options.workloads().is_empty() {
        println!("No workload has {:?} in its name.", options.filter);
        return ExitCode::FAILURE;
    }
    // One thread sends everything: what the load costs is taken from the servers.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all_met = runtime.block_on(async {
        tokio::select! {
            all_met = measure(&options) => all_met,
            // Ending in good order stops the servers and removes their data.
            () = stop_signal() => false,
        }
    });
    if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures and prints. Returns whether all aims are met.
async fn measure(options: &Options) -> bool {
    // Beside the build: the directory for temporary files may be memory, to which a commit costs nothing.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (own_directory, bare_directory) =
        (directory.path().join("own"), directory.path().join("bare"));
    show_progress("creating the credentials");
    let credentials = seed::create_credentials(&own_directory).await;
    seed::copy(&own_directory, &bare_directory);
    let own = ServerProcess::start_credence(&own_directory);
    let bare = ServerProcess::start_bare(&bare_directory);

    println!("{}", report::heading(options, credentials.len()));
    let mut all_met = true;
    for workload in options.workloads() {
        let token = process::token(&own_directory, "caller", workload.role());
        let own_client = Client::new(&own.address, Some(&token));
        let bare_client = Client::new(&bare.address, None);
        let own_exchanges = workload.exchanges(&own_client, &credentials).await;
        let bare_exchanges = workload.exchanges(&bare_client, &credentials).await;
        workload::compare(&own_exchanges, &bare_exchanges);
        let mut own_load = Load::open(&own.address, own_exchanges).await;
        let mut bare_load = Load::open(&bare.address, bare_exchanges).await;
        let comparison = take_turns(options, workload, &mut own_load, &mut bare_load).await;
        println!("{comparison}");
        all_met &= comparison.is_aim_met();
    }
    all_met
}

async fn take_turns(
    options: &Options,
    workload: Workload,
    own: &mut Load,
    bare: &mut Load,
) -> Comparison {
    show_progress(&format!("{}: warming up", workload.name()));
    own.run(options.round).await;
    bare.run(options.round).await;
    let mut comparison = Comparison::new(workload);
    for round in 1..=options.rounds {
        show_progress(&format!(
            "{}: round {round} of {}",
            workload.name(),
            options.rounds
        ));
        let own_round = own.run(options.round).await;
        comparison.add(own_round, bare.run(options.round).await);
    }
    show_progress("");
    comparison
}

async fn stop_signal() {
    let mut interrupt = signal(SignalKind::interrupt()).unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Replaces the line that tells a person who waits what is going on.
fn show_progress(text: &str) {
    let mut output = std::io::stderr().lock();
    if output.is_terminal() {
        // Nothing depends on its being seen.
        let _shown = write!(output, "\r\x1b[K{text}").and_then(|()| output.flush());
    }
}
