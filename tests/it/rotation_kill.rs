//! Commands that are killed at any point of their work, and a server beside them: the keyring opens, the log verifies, every value resolves,
//! and the same command ends what was begun.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use credence::data_directory::write_secret_file;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::audit::Numbers;
use crate::support::busy::processors;
use crate::support::client::{CREATE, RESOLVE, ask};
use crate::support::database::part_of;
use crate::support::keys::new_key;
use crate::support::process::{Place, ServerProcess, stderr, stdout};
use crate::support::{database, secret, tell, text};

const CREDENTIALS: usize = 40;

/// A deployment, whose master key is replaced again and again.
struct Deployment {
    place: Place,
    server_file: PathBuf,
    server: ServerProcess,
    credentials: Vec<(String, String)>,
    kills: usize,
    hits: usize,
    /// What says when it is killed: at the same parts of what it takes in every run.
    numbers: Numbers,
    /// How often what was killed had been committed, of those that are done once.
    done: usize,
}

/// A step of an operator: a command, and what it says when it has been done already.
struct Step<'a> {
    words: Vec<&'a str>,
    done_already: &'a str,
}

impl Deployment {
    async fn start(directory: &Path, first: &Path) -> Self {
        let server_file = directory.join("server.key");
        std::fs::copy(first, &server_file).unwrap();
        let place = database::place(&directory.join("data"));
        let server = place.serve(Stdio::null(), &["--master-key-file", text(&server_file)]);
        let mut deployment = Self {
            place,
            server_file,
            server,
            credentials: Vec::new(),
            kills: 0,
            hits: 0,
            done: 0,
            numbers: Numbers(7),
        };
        let admin = deployment.place.token("alice", "admin");
        for number in 0..CREDENTIALS {
            let name = format!("kept {number}");
            let variables = json!({ "name": name, "value": secret(&name) });
            let created = ask(&deployment.server, &admin, CREATE, variables).await;
            let id = created["credential"]["id"].as_str().unwrap().to_owned();
            deployment.credentials.push((id, name));
        }
        deployment
    }

    fn spawn(&self, step: &Step<'_>) -> Child {
        let mut command = self.place.command(&step.words);
        command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// How long a step takes that nobody kills.
    fn measure(&self, step: &Step<'_>) -> Duration {
        let began_at = Instant::now();
        assert!(
            self.spawn(step).wait().unwrap().success(),
            "{:?}",
            step.words
        );
        began_at.elapsed()
    }

    /// Does a step: kills it within the time that it takes, looks at what there is then, and does it again to its end.
    async fn kill_and_end(
        &mut self,
        step: &Step<'_>,
        takes: &mut Duration,
        with_server: bool,
        keys: &str,
    ) {
        let mut child = self.spawn(step);
        let after = *takes * u32::try_from(self.numbers.below(1_000)).unwrap() / 1_000;
        thread::sleep(after);
        if with_server {
            self.server.child.kill().unwrap();
        }
        child.kill().unwrap();
        self.kills += 1;
        if child.wait().unwrap().signal() == Some(9) {
            self.hits += 1;
            *takes = *takes * 21 / 20;
        } else {
            // It had ended by itself: it takes less time than it took when it was measured. The last moments are to be among those that are
            // hit, too.
            *takes = (*takes + after) / 2;
        }
        if with_server {
            self.server.child.wait().unwrap();
            let words = ["--master-key-file", text(&self.server_file)];
            self.server = self.place.serve(Stdio::null(), &words);
        }
        self.look(keys).await;
        let output = self.place.command(&step.words).output().unwrap();
        let told = stderr(&output);
        if !output.status.success() {
            assert!(
                told.contains(step.done_already),
                "{:?} after {after:?}: {told}",
                step.words
            );
            self.done += 1;
        }
    }

    /// The keyring opens and says what it said, the log verifies, and every value resolves.
    async fn look(&self, keys: &str) {
        let shown = self.status(keys);
        let active = shown["dataKeys"].as_array().unwrap().iter();
        let active = active.filter(|key| key["purpose"] == "VALUE" && key["state"] == "ACTIVE");
        assert_eq!(
            (active.count(), &shown["isChecked"]),
            (1, &json!(true)),
            "{shown}"
        );
        let words = ["audit", "verify", "--master-key-file", keys];
        let output = self.place.command(&words).output().unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            stdout(&output),
            stderr(&output)
        );
        let runtime = self.place.token("runtime", "runtime");
        for (id, name) in &self.credentials {
            let resolved = ask(&self.server, &runtime, RESOLVE, json!({ "id": id })).await;
            assert_eq!(resolved["value"], secret(name));
        }
    }

    fn status(&self, keys: &str) -> Value {
        let words = ["keys", "status", "--json", "--master-key-file", keys];
        let output = self.place.command(&words).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[tokio::test]
async fn a_command_that_is_killed_at_any_point_loses_nothing_and_is_ended_by_the_next_one() {
    let _alone = processors().await;
    let rounds = part_of(50, 3);
    let directory = TempDir::new().unwrap();
    let (mut old, mut old_id) = new_key(directory.path(), "0.key");
    let mut deployment = Deployment::start(directory.path(), &old).await;
    let mut takes: Vec<Duration> = Vec::new();
    for round in 0..=rounds {
        let (new, new_id) = new_key(directory.path(), &format!("{}.key", round + 1));
        let both = format!("{},{}", text(&old), text(&new));
        let file = std::fs::read(&old).unwrap();
        let next = deployment.server_file.with_extension("next");
        write_secret_file(&next, &[file, std::fs::read(&new).unwrap()].concat()).unwrap();
        std::fs::rename(&next, &deployment.server_file).unwrap();
        let given = ["--master-key-file", both.as_str()];
        let step = |words: &[&'static str], id: Option<&str>, done_already: &'static str| {
            let id = id.map(str::to_owned);
            let words: Vec<String> = words
                .iter()
                .map(|word| (*word).to_owned())
                .chain(id)
                .collect();
            (words, done_already)
        };
        let steps = [
            step(
                &["keys", "add-slot"],
                Some(text(&new)),
                "has a slot already",
            ),
            step(
                &["keys", "promote"],
                Some(&new_id),
                "no way to be done already",
            ),
            step(&["keys", "drop-slot"], Some(&old_id), "has no slot"),
            step(
                &["keys", "rotate", "--activate-after", "0s"],
                None,
                "no way to be done already",
            ),
            step(
                &["audit", "prune", "--before", "2099-01-01"],
                None,
                "no way to be done already",
            ),
        ];
        for (number, (words, done_already)) in steps.iter().enumerate() {
            let words = words.iter().map(String::as_str).chain(given).collect();
            let step = Step {
                words,
                done_already,
            };
            // The first round measures.
            if round == 0 {
                takes.push(deployment.measure(&step));
            } else {
                let with_server = step.words[1] == "rotate";
                deployment
                    .kill_and_end(&step, &mut takes[number], with_server, &both)
                    .await;
            }
        }
        let shown = deployment.status(text(&new));
        assert_eq!(shown["valuesUnderOldKeys"], 0);
        assert_eq!(shown["masterKeys"].as_array().unwrap().len(), 1);
        (old, old_id) = (new, new_id);
    }
    deployment.look(text(&old)).await;
    tell(&format!(
        "{} commands killed, {} before they ended by themselves; {} slots were added or dropped by then; they take {takes:.1?}",
        deployment.kills, deployment.hits, deployment.done
    ));
    assert!(
        4 * deployment.hits >= deployment.kills,
        "of {} kills, {} hit",
        deployment.kills,
        deployment.hits
    );
}
