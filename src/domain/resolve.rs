//! Resolving: the one way by which a value leaves. Its audit event is durable before the value goes.

use std::sync::Arc;

use super::Domain;
use super::audit::{Recorder, Subject};
use super::caller::Caller;
use super::credential::missing;
use super::error::{Denial, Error, Problem};
use super::keyring::LiveKeyring;
use super::limit::TooOften;
use crate::crypto::digest::{HASH_LENGTH_BYTES, hmac_sha256};
use crate::store::connection::DatabaseConnection;
use crate::store::credential;
use crate::types::audit::AuditAction;
use crate::types::consumer::{Consumer, ConsumerKind};
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::scope::Scope;
use crate::types::secret::SecretValue;

/// What a resolve may come to, as it is counted.
pub(super) const RESOLVE_OUTCOMES: [&str; 12] = [
    "resolved",
    "not_modified",
    "bad_input",
    "not_found",
    "deleted",
    "unauthenticated",
    "forbidden",
    "unreadable",
    "rate_limited",
    "overloaded",
    "unavailable",
    "failed",
];

/// What a resolve came to: one of [`RESOLVE_OUTCOMES`].
fn resolve_outcome(resolved: &Result<Resolved, Error>) -> &'static str {
    match resolved {
        Ok(Resolved { value: Some(_), .. }) => "resolved",
        Ok(Resolved { value: None, .. }) => "not_modified",
        Err(Error::Rejected(problems)) => match problems.as_slice() {
            [Problem::CredentialDeleted { .. }] => "deleted",
            [Problem::CredentialNotFound] => "not_found",
            _ => "bad_input",
        },
        Err(Error::Unauthenticated) => "unauthenticated",
        Err(Error::Forbidden(_)) => "forbidden",
        Err(Error::Unreadable) => "unreadable",
        Err(Error::RateLimited(_)) => "rate_limited",
        Err(Error::Overloaded) => "overloaded",
        Err(Error::Unavailable) => "unavailable",
        Err(
            Error::BadArgument(_) | Error::EventsMissed | Error::Overtaken | Error::Internal(_),
        ) => "failed",
    }
}

/// What a runtime asks for.
#[derive(Clone, Debug)]
pub struct ResolveRequest {
    /// The credential.
    pub credential_id: Id<Credential>,
    /// What kind of consumer needs the value.
    pub consumer_kind: ConsumerKind,
    /// Its identifier in the system it lives in.
    pub consumer_external_id: String,
    /// Its name for people.
    pub consumer_name: Option<String>,
    /// The version that it holds already.
    pub held_version: Option<i32>,
}

/// What a runtime gets.
#[derive(Debug)]
pub struct Resolved {
    /// The credential.
    pub credential: Credential,
    /// The value; `None` when the consumer holds it already.
    pub value: Option<SecretValue>,
}

impl Domain {
    /// Hands the value of a credential to a runtime. Who may not, and what cannot be resolved, is audited too.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:resolve`, when the token was given to no program that may resolve, or when its
    /// `credential_ids` leave the credential out;
    /// [`Error::Rejected`] for an ID that is none's or a consumer that cannot be named so; [`Error::Unreadable`] when the
    /// stored value does not open; [`Error::RateLimited`] for a client that asks too often.
    pub async fn resolve_credential(
        &self,
        caller: &Caller,
        request: ResolveRequest,
    ) -> Result<Resolved, Error> {
        let resolved = self.resolve(caller, request).await;
        self.metrics
            .operations
            .count_resolve(resolve_outcome(&resolved));
        resolved
    }

    async fn resolve(&self, caller: &Caller, request: ResolveRequest) -> Result<Resolved, Error> {
        // What is refused here is recorded with what was asked for.
        let allowed = caller.check_resolving();
        self.limit_resolves(caller, allowed.is_ok())?;
        let consumer = Consumer::parse(
            request.consumer_kind,
            &request.consumer_external_id,
            request.consumer_name.as_deref(),
        );
        let consumer = match (&allowed, consumer) {
            (Ok(()), Err(problem)) => return Err(Problem::Consumer(problem).into()),
            (_, consumer) => consumer.ok(),
        };
        let (asked, held_version) = (request.credential_id, request.held_version);
        let id = allowed.and_then(|()| caller.allowed_id(asked));
        let keyring = Arc::clone(&self.keyring);
        let (refusals, actor) = (self.refusals.clone(), caller.user.key.clone());
        let outcome = self.change(caller, move |connection, recorder| {
            let opened = match &id {
                Ok(id) => open(connection, &keyring, *id, held_version)?,
                Err(error) => Err(Refusal::without_credential(error.clone())),
            };
            let resolved = match opened {
                Ok(resolved) => resolved,
                Err(Refusal { error, credential }) => {
                    let subject = Subject {
                        reason: Some(error.audit_reason()),
                        ..refused_subject(asked, credential.as_ref(), consumer.as_ref())
                    };
                    // A flood of them is counted instead.
                    if refusals.admits_resolve(&actor, error.audit_reason()) {
                        recorder.record(AuditAction::CredentialResolveRefused, &subject);
                    }
                    // The event is to be kept: the refusal is what the transaction returns, and no error of its own.
                    return Ok(Err(error));
                }
            };
            record(recorder, &resolved, consumer.as_ref());
            Ok(Ok(resolved))
        });
        outcome.await?
    }

    /// Lets pass a client that asks no more often than it may. Each time counts, however it ends; what is refused here is counted only. Who
    /// may not resolve takes nothing from who may.
    fn limit_resolves(&self, caller: &Caller, may_resolve: bool) -> Result<(), Error> {
        let Some(resolves) = &self.resolves else {
            return Ok(());
        };
        let key = if may_resolve {
            caller.client_key()
        } else {
            caller.refused_key()
        };
        resolves.take(key).map_err(|TooOften(wait)| {
            let error = Error::RateLimited(wait);
            self.refusals
                .note_resolve(&caller.user.key, error.audit_reason());
            error
        })
    }
}

/// What a client is known by where its resolves are counted.
pub(super) type ClientKey = [u8; HASH_LENGTH_BYTES];

impl Caller {
    /// The program that the token was issued to, or, when it does not say so, the user.
    fn client_key(&self) -> ClientKey {
        let key = &self.user.key;
        match &self.client {
            Some(client) => hmac_sha256(b"client", &[client.as_bytes()]),
            None => hmac_sha256(b"user", &[key.issuer.as_bytes(), key.subject.as_bytes()]),
        }
    }

    /// One who may not resolve, by whatever program they came.
    fn refused_key(&self) -> ClientKey {
        let key = &self.user.key;
        let user = [key.issuer.as_bytes(), key.subject.as_bytes()];
        hmac_sha256(b"refused", &user)
    }

    /// Lets pass whose token may resolve at all.
    fn check_resolving(&self) -> Result<(), Error> {
        if !self.has(Scope::CredentialsResolve) {
            return Err(Denial::NeedsScope(vec![Scope::CredentialsResolve]).into());
        }
        if !self.is_for_resolving {
            return Err(Denial::ClientNotNamed.into());
        }
        Ok(())
    }

    /// The ID that the token lets be resolved.
    fn allowed_id(&self, id: Id<Credential>) -> Result<Id<Credential>, Error> {
        if self.is_limited_from(id) {
            return Err(Denial::TokenLimited.into());
        }
        Ok(id)
    }
}

/// Why a value does not leave, and of which credential.
struct Refusal {
    error: Error,
    credential: Option<Credential>,
}

impl Refusal {
    const fn without_credential(error: Error) -> Self {
        Self {
            error,
            credential: None,
        }
    }
}

/// Opens a value, or says why it is refused. The outer error is of the database: nothing is known then.
fn open(
    connection: &mut DatabaseConnection,
    keyring: &LiveKeyring,
    id: Id<Credential>,
    held_version: Option<i32>,
) -> Result<Result<Resolved, Refusal>, Error> {
    let Some((credential, stored)) = credential::find_credential_with_value(connection, id)? else {
        let error = missing(connection, id)?;
        return Ok(Err(Refusal::without_credential(error)));
    };
    if held_version == Some(credential.value_version) {
        return Ok(Ok(Resolved {
            credential,
            value: None,
        }));
    }
    match keyring.open_value(connection, &credential, &stored) {
        Ok(value) => Ok(Ok(Resolved {
            credential,
            value: Some(value),
        })),
        Err(error @ Error::Unreadable) => Ok(Err(Refusal {
            error,
            credential: Some(credential),
        })),
        Err(error) => Err(error),
    }
}

fn record(recorder: &mut Recorder, resolved: &Resolved, consumer: Option<&Consumer>) {
    let action = match &resolved.value {
        Some(_) => AuditAction::CredentialResolved,
        None => AuditAction::CredentialNotModified,
    };
    let subject = Subject {
        consumer,
        ..Subject::credential(&resolved.credential)
    };
    recorder.record(action, &subject);
}

fn refused_subject<'a>(
    asked: Id<Credential>,
    found: Option<&'a Credential>,
    consumer: Option<&'a Consumer>,
) -> Subject<'a> {
    Subject {
        credential: found,
        credential_id: Some(asked).filter(|id| *id != Id::NIL),
        consumer,
        ..Subject::default()
    }
}
