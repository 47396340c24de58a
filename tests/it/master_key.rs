//! Where master keys come from: systemd, a file, a command, an environment variable.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::keys::{keys_refused, new_key};
use crate::support::process::{Place, ServerProcess, credence, stderr, stdout};
use crate::support::text;
use crate::tool;

/// A data directory of its own whose database is not there yet.
struct Fresh {
    directory: TempDir,
    place: Place,
}

impl Fresh {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        Self {
            directory,
            place: Place { data, url: None },
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let fixed = ["serve", "--listen", "127.0.0.1:0"];
        self.place.command(&[&fixed, arguments].concat())
    }

    /// The IDs of the master keys that the keyring is made for, by a server that starts with this command.
    fn served_with(&self, command: Command) -> String {
        drop(ServerProcess::spawn(command, std::process::Stdio::null()));
        let output = self.place.command(&["keys", "status"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, mut command: Command, code: i32, told: &str) {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(
            stderr(&output).contains(told),
            "{told}: {}",
            stderr(&output)
        );
        assert!(!self.place.data.join("credence.db").exists());
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn systemds_credential_comes_first_then_a_file_a_command_and_a_variable() {
    let fresh = Fresh::new();
    let (by_systemd, systemd_id) = new_key(fresh.path(), "kek");
    // What systemd makes is for the service alone by other means than its mode.
    mode(&by_systemd, 0o440);
    let (file, _) = new_key(fresh.path(), "file.key");
    let mut command = fresh.command(&["--master-key-file", text(&file)]);
    command.env("CREDENTIALS_DIRECTORY", fresh.path());
    assert!(fresh.served_with(command).contains(&systemd_id));

    let fresh = Fresh::new();
    let (file, file_id) = new_key(fresh.path(), "file.key");
    let mut command = fresh.command(&["--master-key-file", text(&file)]);
    // A directory without that credential is another service's business.
    command.env("CREDENTIALS_DIRECTORY", fresh.path());
    assert!(fresh.served_with(command).contains(&file_id));

    let fresh = Fresh::new();
    let (file, file_id) = new_key(fresh.path(), "file.key");
    let program = serde_json::json!(["/bin/cat", file]).to_string();
    let command = fresh.command(&["--master-key-command", &program]);
    assert!(fresh.served_with(command).contains(&file_id));

    let fresh = Fresh::new();
    let (file, file_id) = new_key(fresh.path(), "file.key");
    let log = fresh.path().join("log");
    let mut command = fresh.command(&["--master-key-variable", "THE_KEY"]);
    command.env("THE_KEY", std::fs::read_to_string(&file).unwrap().trim());
    let server = ServerProcess::spawn(command, std::fs::File::create(&log).unwrap().into());
    drop(server);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("WARN") && log.contains("THE_KEY"), "{log}");
    let key = std::fs::read_to_string(&file).unwrap();
    assert!(!log.contains(key.trim()));
    let output = fresh.place.command(&["keys", "status"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(&file_id));
}

#[test]
fn a_file_that_others_can_read_or_replace_is_refused() {
    let fresh = Fresh::new();
    let (file, _) = new_key(fresh.path(), "file.key");
    for bits in [0o640, 0o604, 0o644, 0o620, 0o602, 0o601, 0o610] {
        mode(&file, bits);
        let command = fresh.command(&["--master-key-file", text(&file)]);
        fresh.refused(command, 78, "chmod 600");
    }
    mode(&file, 0o600);
    let open = fresh.path().join("open");
    std::fs::create_dir(&open).unwrap();
    let (inside, _) = new_key(&open, "inside.key");
    mode(&open, 0o777);
    let link = fresh.path().join("link.key");
    symlink(&inside, &link).unwrap();
    let command = fresh.command(&["--master-key-file", text(&link)]);
    fresh.refused(command, 78, "where others can write");
    // As with a link, so without one, and with a link that lies there itself.
    let within = open.join("within.key");
    symlink(&file, &within).unwrap();
    for path in [&inside, &within] {
        let command = fresh.command(&["--master-key-file", text(path)]);
        fresh.refused(command, 78, "where others can write");
    }
    for bits in [0o775, 0o757] {
        mode(&open, bits);
        let command = fresh.command(&["--master-key-file", text(&inside)]);
        fresh.refused(command, 78, "where others can write");
    }
    // There, others can put nothing in the place of what is somebody else's.
    mode(&open, 0o1777);
    let key = Fresh::new();
    key.served_with(key.command(&["--master-key-file", text(&inside)]));
    mode(&open, 0o755);
    fresh.served_with(fresh.command(&["--master-key-file", text(&link)]));
}

#[test]
fn a_command_has_no_shell_no_environment_ten_seconds_and_4_kib() {
    let fresh = Fresh::new();
    let run = |program: serde_json::Value| {
        let program = program.to_string();
        let mut command = fresh.command(&["--master-key-command", &program]);
        command.env("A_KEY", "in the environment");
        command
    };
    let cases = [
        (serde_json::json!(["/bin/false"]), "failed"),
        (serde_json::json!(["/no/such/program"]), "cannot be started"),
        (
            serde_json::json!(["/bin/echo", "$(cat x) ; ls"]),
            "is not a master key",
        ),
        (serde_json::json!(["/usr/bin/env"]), "no master key in it"),
        (
            serde_json::json!(["/bin/dd", "if=/dev/zero", "bs=5000", "count=1"]),
            "more than 4 KiB",
        ),
        (serde_json::json!(["/bin/true"]), "no master key in it"),
    ];
    for (program, told) in cases {
        fresh.refused(run(program), 78, told);
    }
    for malformed in ["cat x", "[]", "[\"cat\", \"x\"]", "{}", "[1]"] {
        let command = fresh.command(&["--master-key-command", malformed]);
        fresh.refused(command, 64, "JSON array");
    }
    let both = [
        "--master-key-command",
        "[\"/bin/true\"]",
        "--master-key-file",
        "x",
    ];
    fresh.refused(fresh.command(&both), 64, "cannot be used with");
    let began_at = Instant::now();
    fresh.refused(
        run(serde_json::json!(["/bin/sleep", "60"])),
        78,
        "10 seconds",
    );
    assert!(began_at.elapsed() < Duration::from_secs(15));
    // Who has the output still open when the command has ended gets what is left of the ten seconds, and no ten more.
    let began_at = Instant::now();
    let leaves_one = serde_json::json!(["/bin/sh", "-c", "sleep 20 & sleep 6"]);
    fresh.refused(run(leaves_one), 78, "its output has not");
    let took = began_at.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_mistyped_key_is_told_from_a_wrong_one_and_more_than_four_are_refused() {
    let fresh = Fresh::new();
    let (file, _) = new_key(fresh.path(), "file.key");
    let key = std::fs::read_to_string(&file).unwrap();
    let position = key.len() - 10;
    let typed = if &key[position..=position] == "A" {
        "B"
    } else {
        "A"
    };
    let mut mistyped = key;
    mistyped.replace_range(position..=position, typed);
    std::fs::write(&file, &mistyped).unwrap();
    let command = fresh.command(&["--master-key-file", text(&file)]);
    fresh.refused(command, 78, "checksum does not fit");
    let five: String = (0..5)
        .map(|number| {
            let (path, _) = new_key(fresh.path(), &format!("{number}.key"));
            std::fs::read_to_string(path).unwrap()
        })
        .collect();
    std::fs::write(&file, five).unwrap();
    let command = fresh.command(&["--master-key-file", text(&file)]);
    fresh.refused(command, 78, "more than 4 master keys");
    std::fs::write(&file, "\n \n").unwrap();
    let command = fresh.command(&["--master-key-file", text(&file)]);
    fresh.refused(command, 78, "has no master key in it");
}

/// Where its place is to be named, the log would have it.
#[test]
fn a_master_key_in_the_place_of_its_name_is_refused_and_not_repeated() {
    let fresh = Fresh::new();
    let (file, _) = new_key(fresh.path(), "file.key");
    let key = std::fs::read_to_string(&file).unwrap();
    let key = key.trim();
    let printed = serde_json::json!(["/bin/echo", key]).to_string();
    let two = format!("{},{key}", text(&file));
    let by_option = [
        vec!["--master-key-file", key],
        vec!["--master-key-file", &two],
        vec!["--master-key-variable", key],
        vec!["--master-key-command", &printed],
        vec!["--master-key-command", key],
        vec![key],
        vec!["--session-ttl", key],
    ];
    let by_variable = [
        ("CREDENCE_MASTER_KEY_FILE", key),
        ("CREDENCE_MASTER_KEY_VARIABLE", key),
        ("CREDENCE_MASTER_KEY_COMMAND", &printed),
    ];
    let of_keys = [
        vec!["add-slot", key],
        vec!["promote", key],
        vec!["drop-slot", key],
        vec!["rotate", "--with-key-file", key],
        vec!["rotate", "--activate-after", key],
        vec!["status", key],
        vec![key],
    ];
    let mut commands: Vec<Command> = by_option.iter().map(|words| fresh.command(words)).collect();
    commands.extend(by_variable.iter().map(|(name, value)| {
        let mut command = fresh.command(&[]);
        command.env(name, value);
        command
    }));
    let of_keys = of_keys
        .iter()
        .map(|words| [&["keys"], words.as_slice()].concat());
    commands.extend(of_keys.map(|words| fresh.place.command(&words)));
    let mut generate = credence(&["keys", "generate", key]);
    // What it would make lies here.
    generate.current_dir(fresh.path());
    commands.push(generate);
    for mut command in commands {
        let output = command.output().unwrap();
        let (told, shown) = (stderr(&output), stdout(&output));
        assert_eq!(output.status.code(), Some(64), "{command:?}: {told}");
        for part in [&key[4..], &key[4..24]] {
            assert!(
                !told.contains(part) && !shown.contains(part),
                "{command:?}: {told}"
            );
        }
        assert!(told.contains("not repeated here"), "{command:?}: {told}");
    }
    assert!(!fresh.path().join(key).exists());
    // Nor does the help show what is set.
    let mut command = fresh.place.command(&["serve", "--help"]);
    command.env("CREDENCE_MASTER_KEY_FILE", key);
    assert!(!stdout(&command.output().unwrap()).contains(&key[4..24]));
}

#[test]
fn a_file_that_belongs_to_somebody_else_is_refused() {
    if !tool::may_give_files_away() {
        return;
    }
    let fresh = Fresh::new();
    let (file, id) = new_key(fresh.path(), "file.key");
    let give = |owner: u32| chown(&file, Some(owner), None).unwrap();
    give(65_534);
    let arguments = ["--master-key-file", text(&file)];
    fresh.refused(fresh.command(&arguments), 78, "belongs to another user");
    // Nor is it by a link of our own, nor added.
    let link = fresh.path().join("link.key");
    symlink(&file, &link).unwrap();
    let by_link = fresh.command(&["--master-key-file", text(&link)]);
    fresh.refused(by_link, 78, "belongs to another user");
    give(0);
    assert!(fresh.served_with(fresh.command(&arguments)).contains(&id));
    give(65_534);
    keys_refused(
        &fresh.place,
        &["add-slot", text(&file)],
        "belongs to another user",
    );
}
