//! A server in local mode as a process, and the commands that are its clients.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{CREATE, ask, ask_all};
use super::database;
use super::process::{Place, ServerProcess, credence};

/// The server. What `command` makes reaches it.
pub struct Local {
    pub server: ServerProcess,
    pub place: Place,
    pub directory: TempDir,
    admin: String,
}

impl Local {
    pub fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let place = database::place(&directory.path().join("data"));
        let server = place.serve(Stdio::null(), &[]);
        let admin = place.token("alice", "admin");
        Self {
            server,
            place,
            directory,
            admin,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The command, with all it needs to reach the server in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = credence(arguments);
        self.point(&mut command);
        command
    }

    /// Puts what the command needs to reach the server into its environment.
    pub fn point(&self, command: &mut Command) {
        command.env("CREDENCE_URL", self.url());
        command.env("CREDENCE_DATA_DIR", &self.place.data);
        command.envs(
            self.place
                .url
                .iter()
                .map(|url| ("CREDENCE_DATABASE_URL", url)),
        );
    }

    /// Asks as an administrator.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        ask(&self.server, &self.admin, query, variables).await
    }

    /// Asks for several fields as an administrator.
    pub async fn ask_all(&self, query: &str, variables: Value) -> Value {
        ask_all(&self.server, &self.admin, query, variables).await
    }

    /// Creates a credential, and returns its ID.
    pub async fn create(&self, name: &str, value: &str) -> String {
        let created = self
            .ask(CREATE, json!({ "name": name, "value": value }))
            .await;
        let id = created["credential"]["id"].as_str();
        id.unwrap_or_else(|| panic!("{name} was not created: {created}"))
            .to_owned()
    }

    pub async fn delete(&self, id: &str) {
        let delete = "mutation($id: ID!) { deleteCredential(input: {credentialId: $id}) { userErrors { code } } }";
        let deleted = self.ask(delete, json!({ "id": id })).await;
        assert_eq!(deleted["userErrors"], json!([]));
    }
}
