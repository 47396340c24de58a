//! Builds the pages of `web` with npm, when their sources have changed, so that the binary has them embedded.
//!
//! `WEB_BUILD=required` makes it an error when that cannot be done; `WEB_BUILD=skip` takes the pages as they are. Without either, a server
//! that is built without npm has no pages, says so here and there, and is complete otherwise.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What stands in `web` and is no source of the pages: what a build makes, and what tests and measures them.
const NO_SOURCES: [&str; 9] = [
    "dist",
    "generated",
    "node_modules",
    "test",
    "test-results",
    "measure",
    "screenshots",
    LOCK,
    STAMP,
];
/// What the names of the settings of browser tests begin with.
const TEST_SETTINGS: &str = "playwright";
/// How many lines of what npm says are shown.
const SHOWN_LINES: usize = 12;
/// Keeps two builds from working in `web` at once.
const LOCK: &str = ".build-lock";
/// Holds the hash of the sources that `dist` was made of.
const STAMP: &str = ".built-from";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WEB_BUILD");
    if env::var_os("CARGO_FEATURE_SERVER").is_none() {
        return ExitCode::SUCCESS;
    }
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let choice = env::var("WEB_BUILD").unwrap_or_default();
    if !["", "required", "skip"].contains(&choice.as_str()) {
        println!("cargo::error=WEB_BUILD is `required`, `skip` or not set");
        return ExitCode::FAILURE;
    }
    match build(&web, choice == "skip") {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) if choice == "required" => {
            println!("cargo::error=the pages cannot be built: {why}");
            ExitCode::FAILURE
        }
        Err(why) => {
            println!(
                "cargo::warning=the server is built without its pages, or with old ones: {why}. When that is mended, build again with \
                 `WEB_BUILD=required cargo build`: without it, cargo sees nothing that has changed"
            );
            ExitCode::SUCCESS
        }
    }
}

fn build(web: &Path, is_skipped: bool) -> Result<(), String> {
    // A path that does not exist counts as changed each time, and what is embedded must be somewhere.
    fs::create_dir_all(web.join("dist")).map_err(|error| format!("web/dist: {error}"))?;
    let sources = sources(web).map_err(|error| format!("web: {error}"))?;
    for source in &sources {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    if is_skipped {
        return Ok(());
    }
    if !web.join("package.json").exists() {
        return Err("web/package.json is missing".to_owned());
    }
    let lock = File::create(web.join(LOCK)).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("web/{LOCK}: {error}"))?;
    let hash = hash(&sources).map_err(|error| format!("web: {error}"))?;
    let is_built = fs::read_to_string(web.join(STAMP)).is_ok_and(|stamp| stamp == hash)
        && web.join("dist/credentials.html").exists();
    if is_built {
        return Ok(());
    }
    let (wanted, installed) = (
        web.join("package-lock.json"),
        web.join("node_modules/.package-lock.json"),
    );
    if !is_up_to_date(&installed, &wanted) {
        npm(web, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    }
    // A build that fails leaves `dist` half made: it is what no sources make, and is built again next time.
    match fs::remove_file(web.join(STAMP)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("web/{STAMP}: {error}"));
        }
        _ => {}
    }
    npm(web, &["run", "build"])?;
    fs::write(web.join(STAMP), hash).map_err(|error| format!("web/{STAMP}: {error}"))
}

/// The files that the pages are made of, the schema among them, in a fixed order.
fn sources(web: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![web.with_file_name("schema.graphql")];
    let mut folders = vec![web.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_source = folder != web
                || !NO_SOURCES.contains(&name.as_str()) && !name.starts_with(TEST_SETTINGS);
            if !is_source {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
            // A folder too: a file that comes or goes changes it.
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// A hash of the names and contents of all sources. It decides nothing but whether to build again.
fn hash(sources: &[PathBuf]) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in sources.iter().filter(|source| source.is_file()) {
        hasher.write(source.as_os_str().as_encoded_bytes());
        let content = fs::read(source)?;
        hasher.write_usize(content.len());
        hasher.write(&content);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Whether a file is there, and not older than another one.
fn is_up_to_date(file: &Path, source: &Path) -> bool {
    let changed_at = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    match (changed_at(file), changed_at(source)) {
        (Ok(made), Ok(changed)) => made >= changed,
        _ => false,
    }
}

fn npm(web: &Path, arguments: &[&str]) -> Result<(), String> {
    let said = format!("`npm {}` in web", arguments.join(" "));
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(web)
        .output()
        .map_err(|error| format!("{said}: {error}. Install Node.js 20.19 or later with npm"))?;
    if output.status.success() {
        return Ok(());
    }
    // The last lines say what went wrong; cargo takes one line.
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(SHOWN_LINES)..)
        .unwrap_or_default();
    Err(format!("{said} failed: {}", last.join(" | ")))
}
