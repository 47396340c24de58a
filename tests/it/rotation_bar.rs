//! How far a rotation is, as somebody at a terminal sees it.

use std::io::Read;

use credence::types::clock::Clock;
use tempfile::TempDir;

use crate::support::keys::{add_credentials, change_keys};
use crate::support::process::{Place, Terminal, stderr, stdout};
use crate::support::{Server, text};
use crate::tool;

const ROWS: usize = 160;

#[tokio::test]
async fn a_rotation_draws_a_bar_on_a_terminal_and_nowhere_else() {
    if !tool::has("script", "bsdutils") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let owner = server.editor("alice").id().await;
    server.end().await;
    let place = Place {
        data: data.clone(),
        url: None,
    };
    let database = credence::store::connection::Database::Sqlite(data.join("credence.db"));
    add_credentials(&database, &data.join("master.key"), &owner, ROWS);
    let drawn = format!("of {ROWS} values");

    let line = format!(
        "exec '{}' keys rotate --activate-after 0s --data-dir '{}'",
        env!("CARGO_BIN_EXE_credence"),
        text(&data)
    );
    let mut terminal = Terminal::run(&line, |_command| {});
    let mut seen = String::new();
    terminal.seen.read_to_string(&mut seen).unwrap();
    assert!(seen.contains("sealing") && seen.contains(&drawn), "{seen}");
    assert!(
        seen.contains("0 are left under the old data key 1"),
        "{seen}"
    );

    let output = change_keys(&place, &["rotate", "--activate-after", "0s"]);
    let told = stderr(&output) + &stdout(&output);
    assert!(
        told.contains("0 are left under the old data key 5"),
        "{told}"
    );
    assert!(
        !told.contains("sealing") && !told.contains(&drawn),
        "{told}"
    );
    assert!(!told.contains('\u{1b}') && !told.contains('\r'), "{told}");
}
