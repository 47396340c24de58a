//! What a release is made of beside the binary: the unit of systemd, the image, and what stands in the lock file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::process::{ServerProcess, credence, run, stderr, stdout};
use crate::support::text;
use crate::tool;

/// The exposure that `systemd-analyze security` gives the unit is at most this, in tenths: 100 is no protection at all.
const EXPOSURE_LIMIT: &str = "--threshold=13";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The unit, which starts the command that these tests are built with.
fn unit(directory: &Path) -> PathBuf {
    let unit = read("packaging/credence.service");
    let installed = "ExecStart=/usr/bin/credence ";
    assert!(unit.contains(installed));
    let built = format!("ExecStart={} ", env!("CARGO_BIN_EXE_credence"));
    let path = directory.join("credence.service");
    std::fs::write(&path, unit.replace(installed, &built)).unwrap();
    path
}

#[test]
fn systemd_understands_the_whole_unit_and_finds_it_well_protected() {
    if !tool::has("systemd-analyze", "systemd") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let unit = unit(directory.path());
    for arguments in [
        &["verify", "--man=no"][..],
        &["security", "--offline=true", "--no-pager", EXPOSURE_LIMIT],
    ] {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&unit)
            .output()
            .unwrap();
        let told = format!("{}{}", stdout(&output), stderr(&output));
        assert!(output.status.success(), "{arguments:?}: {told}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn every_setting_that_the_packaging_names_is_one_of_serve() {
    let help = stdout(&run(&["help", "serve"]));
    for file in [
        "packaging/credence.service",
        "packaging/credence.env",
        "Dockerfile",
    ] {
        let content = read(file);
        let names = content.match_indices("CREDENCE_").map(|(at, _)| {
            let name = &content[at..];
            let end =
                name.find(|character: char| !character.is_ascii_uppercase() && character != '_');
            &name[..end.unwrap_or(name.len())]
        });
        for name in names {
            let is_known = ["=", "]"].map(|end| help.contains(&format!("[env: {name}{end}")));
            assert!(is_known.contains(&true), "{file}: {name}");
        }
    }
}

/// Newer ones of systemd give the service its credentials by an access control list, whose mask stands where the rights of the group do.
#[test]
fn a_secret_that_systemd_hands_on_is_taken_whatever_its_mode_says() {
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("jwt-secret");
    std::fs::write(&secret, "an issuer's secret of more than 32 bytes").unwrap();
    std::fs::set_permissions(&secret, Permissions::from_mode(0o440)).unwrap();
    let key = directory.path().join("kek");
    assert!(run(&["keys", "generate", text(&key)]).status.success());
    std::fs::set_permissions(&key, Permissions::from_mode(0o440)).unwrap();
    let data = directory.path().join("data");
    let start = || {
        let mut command = credence(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--jwt-issuer", "i", "--data-dir", text(&data)]);
        command.args(["--jwt-key-file", text(&secret)]);
        command
    };
    let refused = start().output().unwrap();
    assert_eq!(refused.status.code(), Some(78));
    assert!(stderr(&refused).contains("jwt-secret can be read by others"));
    let mut handed_on = start();
    handed_on.env("CREDENTIALS_DIRECTORY", directory.path());
    let _server = ServerProcess::spawn(handed_on, Stdio::null());
}

/// The bases of the image have the compilers that the sources ask for, and none is whatever is newest.
#[test]
fn the_image_is_built_with_the_versions_that_the_sources_ask_for() {
    let dockerfile = read("Dockerfile");
    let bases: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next())
        .collect();
    assert_eq!(bases.len(), 3);
    for base in &bases {
        let (_, tag) = base.split_once(':').unwrap();
        assert!(tag.contains("bookworm"), "{base}");
    }
    let manifest = read("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).unwrap();
    let version = version.split('"').next().unwrap();
    assert!(bases.contains(&format!("rust:{version}-bookworm").as_str()));
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
}

/// RUSTSEC-2023-0071: its private keys can be found out by timing. Nothing here needs it.
#[test]
fn the_crate_rsa_is_not_in_the_lock_file_and_is_banned() {
    let lock = read("Cargo.lock");
    assert!(lock.contains("\nname = \"aws-lc-rs\"\n"));
    assert!(!lock.contains("\nname = \"rsa\"\n"));
    assert!(read("deny.toml").contains("name = \"rsa\""));
}

/// What is taken from a registry is taken from the one that everybody has, with its checksum.
#[test]
fn every_crate_comes_from_the_registry_with_its_checksum() {
    let lock = read("Cargo.lock");
    for package in lock.split("[[package]]").skip(1) {
        let is_own = package.contains("\nname = \"credence\"\n");
        let is_registered = package
            .contains("\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n")
            && package.contains("\nchecksum = \"");
        assert!(is_own || is_registered, "{package}");
    }
}
