//! The bare server: what the stock parts give in an afternoon. It reads the rows of Credence's database, and has no tokens, no
//! rules and no audit log.

use std::path::Path;

use async_graphql::{EmptySubscription, Schema};
use async_graphql_poem::GraphQL;
use credence::crypto::keyring::Keyring;
use credence::crypto::master_key::MasterKey;
use credence::crypto::wrapping::WrappingKey;
use credence::store::connection::Database;
use credence::store::keyring::find_keyring;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Route, Server, post};

use super::bare_schema::{Mutation, Query};

/// Makes this program the bare server of a data directory.
pub const DATA_DIRECTORY_VARIABLE: &str = "BARE_SERVER_DATA_DIRECTORY";

/// As many connections as Credence reads with.
const CONNECTIONS: u32 = 8;

/// Serves until the process is killed.
pub fn serve(data_directory: &Path) {
    let pool = pool(data_directory);
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .data(pool)
        .data(open_keyring(data_directory))
        .finish();
    let routes = Route::new().at("/graphql", post(GraphQL::new(schema)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .unwrap();
        let addresses = listener.local_addr();
        let address = addresses[0].as_socket_addr().unwrap();
        println!("http://{address}/graphql");
        Server::new_with_acceptor(listener)
            .run(routes)
            .await
            .unwrap();
    });
}

/// The pool, set up as Credence's is: a connection is not tested each time it is taken, for a file does not go away.
fn pool(data_directory: &Path) -> Pool<ConnectionManager<SqliteConnection>> {
    let database = data_directory.join("credence.db");
    Pool::builder()
        .max_size(CONNECTIONS)
        .test_on_check_out(false)
        .connection_customizer(Box::new(Settings))
        .build(ConnectionManager::new(database.to_str().unwrap()))
        .unwrap()
}

/// The settings of Credence's connections that reading depends on.
#[derive(Debug)]
struct Settings;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Settings {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        connection
            .batch_execute(
                "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;
                 PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
            )
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

fn open_keyring(data_directory: &Path) -> Keyring {
    let text = std::fs::read_to_string(data_directory.join("master.key")).unwrap();
    let master_key = MasterKey::parse(&text).unwrap();
    let database = Database::Sqlite(data_directory.join("credence.db"));
    let mut connection = database.connect_read_only().unwrap().unwrap();
    let stored = find_keyring(&mut connection).unwrap().unwrap();
    let wrapping_key = WrappingKey::of(&master_key).unwrap();
    Keyring::open(&stored, &[wrapping_key]).unwrap()
}
