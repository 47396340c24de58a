//! Lists of credentials: three orders, two directions, search by name.

use diesel::dsl::{AsExprOf, sql};
use diesel::expression::{SqlLiteral, UncheckedBind};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::connection::{DatabaseConnection, MultiBackend};
use super::credential::{CREDENTIAL_COLUMNS, CredentialColumns, CredentialRow, credential_of};
use super::error::StoreError;
use super::name_sample::{NameSample, Way};
use super::schema::{credentials, users};
use super::search;
use crate::types::credential::{Credential, CredentialOrder, CredentialPlace};
use crate::types::id::Id;
use crate::types::page::{Direction, Page, PageRequest};
use crate::types::user::User;

type Listed<'a> = diesel::helper_types::IntoBoxed<
    'a,
    diesel::helper_types::Select<
        diesel::helper_types::InnerJoin<credentials::table, users::table>,
        CredentialColumns,
    >,
    MultiBackend,
>;

/// Narrows a list of credentials.
#[derive(Clone, Debug, Default)]
pub struct CredentialFilter {
    /// Only those whose folded name contains this; empty for all.
    pub term: String,
    /// Only those of this owner.
    pub owner_id: Option<Id<User>>,
}

/// Only what matches. A page and the number of its list are queries of two types, which have only their words in common.
macro_rules! narrow {
    ($query:ident, $matching:expr) => {
        match $matching {
            None => {}
            Some(Matching::Walk(term)) => {
                $query = $query.filter(search::contains(credentials::name_key, &term));
            }
            Some(Matching::WalkNames(term)) => {
                $query = $query.filter(holds(&term));
            }
            Some(Matching::Candidates(term, candidates)) => {
                let is_candidate =
                    sql::<Bool>("credentials.sequence IN (SELECT value FROM json_each(")
                        .bind::<Text, _>(candidates)
                        .sql("))");
                $query = $query
                    .filter(search::contains(credentials::name_key, &term))
                    .filter(is_candidate);
            }
            Some(Matching::CandidateIds(term, ids)) => {
                let is_candidate = sql::<Bool>("credentials.id = ANY(CAST(")
                    .bind::<Text, _>(ids)
                    .sql(" AS bytea[]))");
                // A name may have been changed since.
                $query = $query.filter(is_candidate).filter(holds(&term));
            }
        }
    };
}

/// A page of credentials.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_credentials(
    connection: &mut DatabaseConnection,
    sample: &NameSample,
    filter: &CredentialFilter,
    (order, direction): (CredentialOrder, Direction),
    request: &PageRequest<CredentialPlace>,
) -> Result<Page<Credential>, StoreError> {
    let matching = Matching::choose(connection, sample, &filter.term)?;
    let mut query = credentials::table
        .inner_join(users::table)
        .select(CREDENTIAL_COLUMNS)
        .into_boxed::<MultiBackend>();
    if let Some(owner_id) = filter.owner_id {
        query = query.filter(credentials::owner_id.eq(owner_id.as_bytes().to_vec()));
    }
    if let Some(Matching::WalkNames(term)) = &matching
        && order == CredentialOrder::Name
        && filter.owner_id.is_none()
    {
        query = walked(query, term, direction, request);
    } else {
        narrow!(query, matching);
    }
    let (behind, before) = match direction {
        Direction::Ascending => (Bound::Above, Bound::Below),
        Direction::Descending => (Bound::Below, Bound::Above),
    };
    if let Some(place) = &request.after {
        query = bounded(query, order, behind, place);
    }
    if let Some(place) = &request.before {
        query = bounded(query, order, before, place);
    }
    let rows: Vec<CredentialRow> = ordered(query, order, direction.read_from(request.side))
        .limit(request.row_limit())
        .load(connection)?;
    let credentials: Result<Vec<Credential>, StoreError> =
        rows.into_iter().map(credential_of).collect();
    Ok(request.page(credentials?))
}

/// How many credentials a list has, on all pages together.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn count_credentials(
    connection: &mut DatabaseConnection,
    sample: &NameSample,
    filter: &CredentialFilter,
) -> Result<i64, StoreError> {
    let matching = Matching::choose(connection, sample, &filter.term)?;
    let mut query = credentials::table.count().into_boxed::<MultiBackend>();
    if let Some(owner_id) = filter.owner_id {
        query = query.filter(credentials::owner_id.eq(owner_id.as_bytes().to_vec()));
    }
    narrow!(query, matching);
    Ok(query.get_result(connection)?)
}

/// That a name holds a term.
fn holds(term: &str) -> Holds {
    sql::<Bool>("strpos(credentials.name_key, ")
        .bind::<Text, _>(search::without_nul(term))
        .sql(") > 0")
}

type Holds = SqlLiteral<Bool, UncheckedBind<SqlLiteral<Bool>, AsExprOf<String, Text>>>;

/// Only what a page of a list by name has. Its names are found in the index of names alone: to read a million rows for that takes
/// PostgreSQL five times as long.
fn walked<'a>(
    query: Listed<'a>,
    term: &str,
    direction: Direction,
    request: &PageRequest<CredentialPlace>,
) -> Listed<'a> {
    let name_of = |place: &Option<CredentialPlace>| match place {
        Some(CredentialPlace::Name(name_key)) => Some(name_key.clone()),
        _ => None,
    };
    let (after, before) = (name_of(&request.after), name_of(&request.before));
    let (above, below) = match direction {
        Direction::Ascending => (after, before),
        Direction::Descending => (before, after),
    };
    let order = match direction.read_from(request.side) {
        Direction::Ascending => ") ORDER BY walked.name_key ASC LIMIT ",
        Direction::Descending => ") ORDER BY walked.name_key DESC LIMIT ",
    };
    let is_last = below.is_none();
    query.filter(
        sql::<Bool>(
            "credentials.name_key IN (SELECT walked.name_key FROM credentials AS walked WHERE strpos(walked.name_key, ",
        )
        .bind::<Text, _>(search::without_nul(term))
        .sql(") > 0 AND walked.name_key > ")
        .bind::<Text, _>(above.unwrap_or_default())
        .sql(" AND (walked.name_key < ")
        .bind::<Text, _>(below.unwrap_or_default())
        .sql(" OR ")
        .bind::<Bool, _>(is_last)
        .sql(order)
        .bind::<BigInt, _>(request.row_limit())
        .sql(")"),
    )
}

/// How the names that contain a term are found.
enum Matching {
    /// By going through the list in its order.
    Walk(String),
    /// By going through the names, in PostgreSQL's index of them.
    WalkNames(String),
    /// Among these rows of SQLite, a JSON list of their numbers.
    Candidates(String, String),
    /// Among these rows of PostgreSQL, the text of an array of their IDs.
    CandidateIds(String, String),
}

impl Matching {
    /// The best way for a term; `None` when there is nothing to look for.
    fn choose(
        connection: &mut DatabaseConnection,
        sample: &NameSample,
        term: &str,
    ) -> Result<Option<Self>, StoreError> {
        if term.is_empty() {
            return Ok(None);
        }
        let way = sample.way(connection, term)?;
        let term = term.to_owned();
        Ok(Some(match (connection, way) {
            (DatabaseConnection::Sqlite(_), Way::Walk) => Self::Walk(term),
            (DatabaseConnection::Sqlite(sqlite), Way::Index(ngrams)) => {
                match search::candidates(sqlite, &ngrams)? {
                    Some(candidates) => Self::Candidates(term, candidates),
                    None => Self::Walk(term),
                }
            }
            (DatabaseConnection::Postgres(_), Way::Walk) => Self::WalkNames(term),
            (DatabaseConnection::Postgres(postgres), Way::Index(ngrams)) => {
                match search::candidate_ids(postgres, &term, &ngrams)? {
                    Some(ids) => Self::CandidateIds(term, ids),
                    None => Self::WalkNames(term),
                }
            }
        }))
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Above,
    Below,
}

/// Only what lies on one side of a place. The first comparison is what the index needs; the second breaks ties.
fn bounded<'a>(
    query: Listed<'a>,
    order: CredentialOrder,
    bound: Bound,
    place: &CredentialPlace,
) -> Listed<'a> {
    let (at, id) = match place {
        CredentialPlace::Name(name_key) => {
            let name_key = name_key.clone();
            return match bound {
                Bound::Above => query.filter(credentials::name_key.gt(name_key)),
                Bound::Below => query.filter(credentials::name_key.lt(name_key)),
            };
        }
        CredentialPlace::Time(at, id) => (at.0, id.as_bytes().to_vec()),
    };
    match (order, bound) {
        (CredentialOrder::UpdatedAt, Bound::Above) => query.filter(
            credentials::updated_at_us
                .ge(at)
                .and(credentials::updated_at_us.gt(at).or(credentials::id.gt(id))),
        ),
        (CredentialOrder::UpdatedAt, Bound::Below) => query.filter(
            credentials::updated_at_us
                .le(at)
                .and(credentials::updated_at_us.lt(at).or(credentials::id.lt(id))),
        ),
        (_, Bound::Above) => query.filter(
            credentials::created_at_us
                .ge(at)
                .and(credentials::created_at_us.gt(at).or(credentials::id.gt(id))),
        ),
        (_, Bound::Below) => query.filter(
            credentials::created_at_us
                .le(at)
                .and(credentials::created_at_us.lt(at).or(credentials::id.lt(id))),
        ),
    }
}

fn ordered(query: Listed<'_>, order: CredentialOrder, direction: Direction) -> Listed<'_> {
    match (order, direction) {
        (CredentialOrder::Name, Direction::Ascending) => query.order(credentials::name_key.asc()),
        (CredentialOrder::Name, Direction::Descending) => query.order(credentials::name_key.desc()),
        (CredentialOrder::CreatedAt, Direction::Ascending) => {
            query.order((credentials::created_at_us.asc(), credentials::id.asc()))
        }
        (CredentialOrder::CreatedAt, Direction::Descending) => {
            query.order((credentials::created_at_us.desc(), credentials::id.desc()))
        }
        (CredentialOrder::UpdatedAt, Direction::Ascending) => {
            query.order((credentials::updated_at_us.asc(), credentials::id.asc()))
        }
        (CredentialOrder::UpdatedAt, Direction::Descending) => {
            query.order((credentials::updated_at_us.desc(), credentials::id.desc()))
        }
    }
}
