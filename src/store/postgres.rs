//! PostgreSQL: where it is, how a connection to it is set up, and what a database must have.

use std::fmt;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _};

use super::error::StoreError;
use super::postgres_route::{self, Protection, split_query};

/// What stands in every connection string before the operator's own options, which win. A server that does not answer is given up
/// after seconds, not minutes.
const DEFAULT_OPTIONS: &str = "connect_timeout=2&keepalives_idle=5&keepalives_interval=2&keepalives_count=2\
                               &tcp_user_timeout=5000&fallback_application_name=credence";

/// Set on every connection. An answer that is sent says that its event is durable: a role or a database that turned that off does not
/// change it. Where commits wait for standbys, they still do.
const SETTINGS: &str = "
    SET statement_timeout = '5s';
    SET lock_timeout = '2s';
    SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local');
";

/// The key of the advisory lock that a starting instance holds: the bytes of `Credence`.
const START_LOCK: i64 = i64::from_be_bytes(*b"Credence");

/// The URL of a server, with any options of libpq (PostgreSQL documentation, section 34.1). `Debug` shows nothing of it: it may hold a
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PostgresUrl(…)")
    }
}

impl PostgresUrl {
    /// Takes over a URL of one of the schemes `postgres` and `postgresql`; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = ["postgres://", "postgresql://"];
        known
            .iter()
            .any(|scheme| text.starts_with(scheme))
            .then(|| Self(text.to_owned()))
    }

    fn with_defaults(&self) -> String {
        match split_query(&self.0) {
            (server, Some(options)) => format!("{server}?{DEFAULT_OPTIONS}&{options}"),
            (server, None) => format!("{server}?{DEFAULT_OPTIONS}"),
        }
    }

    /// What protects what is sent to the server, by the URL and the environment that libpq reads.
    #[must_use]
    pub fn protection(&self) -> Protection {
        postgres_route::protection(&self.0, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Why there is none.
    pub fn connect(&self) -> Result<PgConnection, ConnectProblem> {
        let mut connection = PgConnection::establish(&self.with_defaults())
            .map_err(|error| ConnectProblem::of(&error.to_string()))?;
        connection
            .batch_execute(SETTINGS)
            .map_err(|_lost| ConnectProblem::Unreachable)?;
        Ok(connection)
    }
}

/// Why there is no connection. The text of libpq names hosts and users; this does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProblem {
    /// The URL is none that libpq understands.
    Malformed,
    /// There is no host of the name.
    UnknownHost,
    /// The server wants another password, or another user.
    Refused,
    /// There is no database, or no role, of the name.
    Unknown,
    /// The certificate of the server is not the one that is wanted, or there is none.
    Certificate,
    /// No host takes writes, and `target_session_attrs` wants one that does.
    NotWritable,
    /// The server has no room for another connection.
    Full,
    /// Nobody answers, or what answers is starting or stopping.
    Unreachable,
}

impl ConnectProblem {
    fn of(library_text: &str) -> Self {
        // Where the server speaks another language than English, it is `Unreachable`.
        const KNOWN: [(&str, ConnectProblem); 22] = [
            ("invalid connection option", ConnectProblem::Malformed),
            ("invalid URI", ConnectProblem::Malformed),
            ("invalid port", ConnectProblem::Malformed),
            ("invalid percent-encoded", ConnectProblem::Malformed),
            ("invalid integer value", ConnectProblem::Malformed),
            ("key/value separator", ConnectProblem::Malformed),
            (" value: \"", ConnectProblem::Malformed),
            (
                "unrecognized configuration parameter",
                ConnectProblem::Malformed,
            ),
            ("translate host name", ConnectProblem::UnknownHost),
            ("authentication failed", ConnectProblem::Refused),
            ("no pg_hba.conf entry", ConnectProblem::Refused),
            ("pg_hba.conf rejects", ConnectProblem::Refused),
            ("is not permitted to log in", ConnectProblem::Refused),
            ("permission denied for database", ConnectProblem::Refused),
            ("no password supplied", ConnectProblem::Refused),
            ("certificate", ConnectProblem::Certificate),
            ("does not support SSL", ConnectProblem::Certificate),
            ("SSL error", ConnectProblem::Certificate),
            ("session is read-only", ConnectProblem::NotWritable),
            ("too many c", ConnectProblem::Full),
            ("remaining connection slots", ConnectProblem::Full),
            ("does not exist", ConnectProblem::Unknown),
        ];
        // The name is the operator's: whatever else it says.
        let is_missing = ["FATAL:  database \"", "FATAL:  role \""]
            .iter()
            .any(|noun| library_text.contains(noun))
            && library_text.trim_end().ends_with("does not exist");
        if is_missing {
            return Self::Unknown;
        }
        let known = KNOWN.iter().find(|(text, _)| library_text.contains(text));
        known.map_or(Self::Unreachable, |(_, problem)| *problem)
    }
}

impl fmt::Display for ConnectProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => {
                "the database URL has a part or an option that libpq does not know; what is no letter or digit in a name or a password is \
                 percent-encoded"
            }
            Self::UnknownHost => "there is no host of the name in the database URL",
            Self::Refused => {
                "PostgreSQL refuses the user or the password of the database URL, or does not let them connect to the database (LOGIN, \
                 GRANT CONNECT, pg_hba.conf)"
            }
            Self::Unknown => "PostgreSQL has no such database, or no such role",
            Self::Certificate => {
                "TLS with PostgreSQL failed: the certificate is not the one that `sslmode` and `sslrootcert` want, or there is none"
            }
            Self::NotWritable => {
                "no host of the database URL takes writes: is the primary down, and no standby promoted?"
            }
            Self::Full => "PostgreSQL has no room for more connections: raise its max_connections",
            Self::Unreachable => {
                "PostgreSQL cannot be reached: is it running, and are host and port right?"
            }
        })
    }
}

/// What a database lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Its encoding is another one than UTF-8: this one.
    Encoding(String),
    /// The role may not create tables.
    Privilege {
        /// The role and the schema, as SQL writes them.
        role: String,
        /// See `role`.
        schema: String,
    },
    /// The role may not use a schema of its `search_path`.
    Usage {
        /// The role and the schema, as SQL writes them.
        role: String,
        /// See `role`.
        schema: String,
    },
    /// The connection looks into no schema.
    Schema {
        /// Its `search_path`.
        search_path: String,
        /// The role, as SQL writes it.
        role: String,
    },
    /// The server speaks another language than English.
    Language {
        /// Its `lc_messages`.
        locale: String,
        /// The role and the database, as SQL writes them.
        role: String,
        /// See `role`.
        database: String,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding(encoding) => write!(
                formatter,
                "the database has the encoding {encoding}, and names may be in any script: create one with ENCODING 'UTF8' TEMPLATE template0"
            ),
            Self::Schema { search_path, role } => write!(
                formatter,
                "the search_path ({search_path}) names no schema that is there and that the role {role} may use: let an administrator run, \
                 in this database, `CREATE SCHEMA credence AUTHORIZATION {role}; ALTER ROLE {role} SET search_path = credence;`"
            ),
            Self::Language {
                locale,
                role,
                database,
            } => write!(
                formatter,
                "PostgreSQL's messages come in the language of {locale}, and a deadlock is told by its English message: let an administrator \
                 run `ALTER ROLE {role} IN DATABASE {database} SET lc_messages = 'C';`"
            ),
            Self::Privilege { role, schema } => write!(
                formatter,
                "the database is to be migrated, and the role {role} may not create tables: run `credence migrate` with a role that may, or \
                 let an administrator run, in this database, `GRANT CREATE, USAGE ON SCHEMA {schema} TO {role};`"
            ),
            Self::Usage { role, schema } => write!(
                formatter,
                "the role {role} may not use the schema {schema}: let an administrator run, in this database, \
                 `GRANT USAGE ON SCHEMA {schema} TO {role};`"
            ),
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    answer: bool,
}

const ROLE: &str = "SELECT quote_ident(current_user) AS line";

fn line(connection: &mut PgConnection, query: &str) -> Result<String, StoreError> {
    let row: Line = diesel::sql_query(query).get_result(connection)?;
    Ok(row.line)
}

fn holds(connection: &mut PgConnection, query: &str) -> Result<bool, StoreError> {
    let row: Answer = diesel::sql_query(query).get_result(connection)?;
    Ok(row.answer)
}

/// What every start needs of a connection, also when there is nothing to migrate.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_session_lack(connection: &mut PgConnection) -> Result<Option<Lack>, StoreError> {
    const DATABASE: &str = "SELECT quote_ident(current_database()) AS line";
    if holds(connection, "SELECT current_schema() IS NULL AS answer")? {
        let schema = "SELECT coalesce(min(quote_ident(nspname)), '') AS line FROM pg_namespace
             WHERE NOT has_schema_privilege(oid, 'USAGE')
             AND nspname = ANY (string_to_array(replace(current_setting('search_path'), ' ', ''), ','))";
        let schema = line(connection, schema)?;
        if !schema.is_empty() {
            let role = line(connection, ROLE)?;
            return Ok(Some(Lack::Usage { role, schema }));
        }
        return Ok(Some(Lack::Schema {
            search_path: line(connection, "SELECT current_setting('search_path') AS line")?,
            role: line(connection, ROLE)?,
        }));
    }
    let locale = line(connection, "SELECT current_setting('lc_messages') AS line")?;
    if is_english(&locale) {
        return Ok(None);
    }
    Ok(Some(Lack::Language {
        locale,
        role: line(connection, ROLE)?,
        database: line(connection, DATABASE)?,
    }))
}

/// Whether messages come in English with this `lc_messages`. An empty one is that of the server's environment, which nobody can ask for.
fn is_english(locale: &str) -> bool {
    let is_untranslated = ["", "C", "POSIX"].contains(&locale) || locale.starts_with("C.");
    is_untranslated || locale.starts_with("en") || locale.starts_with("English")
}

/// Makes a connection ready to migrate, and looks for what a database must have for that.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn prepare(connection: &mut PgConnection) -> Result<Option<Lack>, StoreError> {
    // An index over many rows takes longer than any request may.
    connection.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
    let encoding = line(
        connection,
        "SELECT current_setting('server_encoding') AS line",
    )?;
    if encoding != "UTF8" {
        return Ok(Some(Lack::Encoding(encoding)));
    }
    if !holds(
        connection,
        "SELECT has_schema_privilege(current_schema(), 'CREATE') AS answer",
    )? {
        return Ok(Some(Lack::Privilege {
            role: line(connection, ROLE)?,
            schema: line(connection, "SELECT quote_ident(current_schema()) AS line")?,
        }));
    }
    Ok(None)
}

/// Whether no other instance is starting on the database. Whoever was told so is the only one until the connection is closed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be reached.
pub fn try_lock_for_start(connection: &mut PgConnection) -> Result<bool, StoreError> {
    holds(
        connection,
        &format!("SELECT pg_try_advisory_lock({START_LOCK}) AS answer"),
    )
}

/// Whether a copy may read here. Nobody else may write here then, as a copy does, until the connection is closed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be reached.
pub fn try_lock_for_reading_copy(connection: &mut PgConnection) -> Result<bool, StoreError> {
    holds(connection, &copy_lock("pg_try_advisory_lock_shared"))
}

/// Whether a copy may write here: no other one reads or writes here until the connection is closed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be reached.
pub fn try_lock_for_writing_copy(connection: &mut PgConnection) -> Result<bool, StoreError> {
    holds(connection, &copy_lock("pg_try_advisory_lock"))
}

/// The schema of the tables of Credence, as an expression: each of one database may have some. Where there are none yet, it is the one in
/// which they would be made.
pub(super) const SCHEMA: &str = "coalesce((SELECT relnamespace::text FROM pg_class WHERE oid = to_regclass('credentials')), \
     (SELECT oid::text FROM pg_namespace WHERE nspname = current_schema()), '')";

/// Advisory locks are those of one database.
fn copy_lock(function: &str) -> String {
    format!("SELECT {function}(hashtextextended('credence copy ' || {SCHEMA}, 0)) AS answer")
}
