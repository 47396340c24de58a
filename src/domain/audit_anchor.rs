//! Anchors: where all chains of the audit log end. They stand in the log itself, so that the chains hold each other, and in a second place,
//! so that nobody can cut off all of them unnoticed.

use std::fmt::Write;
use std::time::Duration;

use super::Domain;
use super::error::Error;
use crate::crypto::audit_key::audit_signer;
use crate::store::Written;
use crate::store::audit::has_event_behind;
use crate::store::audit_point::list_authentic_ends;
use crate::store::error::StoreError;
use crate::types::audit::{AuditEntry, ChainPoint, Mac, Signer};
use crate::types::clock::Timestamp;
use crate::types::hex::hex;

/// After how many events an anchor is written.
const ANCHOR_EVENTS: i64 = 1_000;
/// After what time, when there is any event.
const ANCHOR_INTERVAL: Duration = Duration::from_mins(1);

const LINE_DOMAIN: &[u8] = b"credence/audit/anchor/v1";
/// What a line begins with, whatever the log of a server has before it.
const LINE_START: &str = "credence-anchor-1 ";

/// What is remembered from one anchor to the next.
#[derive(Default)]
pub struct Anchoring {
    /// Where the chains ended.
    heads: Vec<ChainPoint>,
    /// Since when it is waited for the next one.
    since: Option<Timestamp>,
    /// Whether an end was not authentic the last time: that is said once, until all are again.
    is_broken: bool,
}

impl Anchoring {
    /// An anchor says that the log was as it is: nobody can say that of an end that is not authentic.
    fn tell_broken(&mut self, error: &StoreError) {
        let StoreError::ChainBroken(chain) = error else {
            return;
        };
        if !self.is_broken {
            tracing::error!(
                chain,
                "the audit log does not end where it ended: somebody cut or changed it, and no anchor is written. `credence audit verify` \
                 shows what there is to see"
            );
        }
        self.is_broken = true;
    }
}

impl Domain {
    /// Writes an anchor, when it is time for one or `is_last`. Returns the line for the second place.
    ///
    /// # Errors
    /// That it could not be done now: the next time it is.
    pub async fn anchor(
        &self,
        anchoring: &mut Anchoring,
        is_last: bool,
    ) -> Result<Option<String>, Error> {
        let keyring = self.keyring.present();
        let signer = audit_signer(&keyring);
        let present = match self.heads(&signer).await {
            Ok(present) => {
                anchoring.is_broken = false;
                present
            }
            Err(error) => {
                anchoring.tell_broken(&error);
                return Err(error.into());
            }
        };
        let now = self.clock.now();
        let since = *anchoring.since.get_or_insert(now);
        let count = event_count(&present) - event_count(&anchoring.heads);
        let is_due = count >= ANCHOR_EVENTS || is_over(since, now);
        if count == 0 || !(is_due || is_last) {
            return Ok(None);
        }
        // Anchors of other instances are no reason for another one: they would answer each other for ever.
        if !self.has_event_behind(&anchoring.heads, &present).await? {
            anchoring.heads = present;
            return Ok(None);
        }
        let (ids, clock, inside) = (self.ids.clone(), self.clock.clone(), signer.clone());
        self.store
            .write_changes(move |connection| {
                let heads = list_authentic_ends(connection, &inside)?;
                let anchor = AuditEntry::Anchor {
                    id: ids.next(),
                    at: clock.now(),
                    heads,
                };
                Ok::<_, Error>(Written {
                    answer: (),
                    changes: Vec::new(),
                    entries: vec![anchor],
                })
            })
            .await?;
        // With the anchor itself, and what has come since.
        let heads = self.heads(&signer).await?;
        let now = self.clock.now();
        let text = line(&signer, keyring.deployment_id(), now, &heads);
        *anchoring = Anchoring {
            heads,
            since: Some(now),
            is_broken: false,
        };
        Ok(Some(text))
    }

    async fn heads(&self, signer: &Signer) -> Result<Vec<ChainPoint>, StoreError> {
        let signer = signer.clone();
        self.store
            .read(move |connection| list_authentic_ends(connection, &signer))
            .await
    }

    /// Whether there is anything but anchors between these ends of the chains.
    async fn has_event_behind(
        &self,
        before: &[ChainPoint],
        present: &[ChainPoint],
    ) -> Result<bool, StoreError> {
        let known = |chain: i32| before.iter().find(|head| head.chain == chain);
        let places: Vec<(i32, i64)> = present
            .iter()
            .map(|head| {
                (
                    head.chain,
                    known(head.chain).map_or(0, |head| head.sequence),
                )
            })
            .collect();
        self.store
            .read(move |connection| {
                for (chain, sequence) in &places {
                    if has_event_behind(connection, *chain, *sequence)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }
}

/// Whether it was waited for long enough; where the clock was set back, too.
fn is_over(since: Timestamp, now: Timestamp) -> bool {
    let waited = u64::try_from(now.0.saturating_sub(since.0)).ok();
    waited.is_none_or(|waited| Duration::from_micros(waited) >= ANCHOR_INTERVAL)
}

fn event_count(heads: &[ChainPoint]) -> i64 {
    heads.iter().map(|head| head.sequence).sum()
}

/// An anchor as a line of text: `credence-anchor-1`, the deployment, the time, the ends of the chains and what authenticates all of it.
fn line(signer: &Signer, deployment_id: &[u8; 16], at: Timestamp, heads: &[ChainPoint]) -> String {
    let mut text = format!(
        "{LINE_START}{:032x} {} ",
        u128::from_be_bytes(*deployment_id),
        at.to_rfc3339()
    );
    for (number, head) in heads.iter().enumerate() {
        let separator = if number == 0 { "" } else { "," };
        let mac = hex(&head.mac);
        let _written = write!(text, "{separator}{}:{}:{mac}", head.chain, head.sequence);
    }
    let tag = signer(&[LINE_DOMAIN, text.as_bytes()]);
    format!("{text} {}", hex(&tag))
}

/// A line of the second place, read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorLine {
    /// It is no anchor, such as other lines of a server's log.
    Other,
    /// It is one, and not as it was written, or of another deployment.
    Damaged,
    /// The ends of the chains.
    Heads(Vec<ChainPoint>),
}

/// Reads a line, wherever in it the anchor stands.
#[must_use]
pub fn parse_line(signer: &Signer, deployment_id: &[u8; 16], line: &str) -> AnchorLine {
    let Some(start) = line.find(LINE_START) else {
        return AnchorLine::Other;
    };
    let text = line.get(start..).unwrap_or_default();
    parse(signer, deployment_id, text).map_or(AnchorLine::Damaged, AnchorLine::Heads)
}

fn parse(signer: &Signer, deployment_id: &[u8; 16], text: &str) -> Option<Vec<ChainPoint>> {
    let mut words = text.split(' ');
    let (_start, deployment, _at, heads) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    let last = words.next()?;
    // In a log of JSON a quotation mark follows.
    let tag = parse_mac(last.get(..64)?)?;
    let signed_length = text.find(last)?.checked_sub(1)?;
    let signed = text.get(..signed_length)?;
    if signer(&[LINE_DOMAIN, signed.as_bytes()]) != tag
        || deployment != format!("{:032x}", u128::from_be_bytes(*deployment_id))
    {
        return None;
    }
    heads.split(',').map(parse_head).collect()
}

fn parse_head(text: &str) -> Option<ChainPoint> {
    let mut parts = text.split(':');
    Some(ChainPoint {
        chain: parts.next()?.parse().ok()?,
        sequence: parts.next()?.parse().ok()?,
        mac: parse_mac(parts.next()?)?,
    })
}

fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = Mac::default();
    if text.len() != 2 * mac.len() || !text.is_ascii() {
        return None;
    }
    for (number, byte) in mac.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * number..2 * number + 2)?, 16).ok()?;
    }
    Some(mac)
}
