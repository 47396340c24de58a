//! The keys that verify tokens. Each key fixes its algorithm; strength is checked when a key is loaded (RFC 8725,
//! sections 3.1 to 3.5).

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use pkcs1::der::Decode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use spki::der::DecodePem;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoOwned};

use super::token_algorithm::TokenAlgorithm;

const HMAC_SECRET_MINIMUM_BYTES: usize = 32;
const RSA_MINIMUM_BITS: usize = 2048;
const RSA_LIMIT_BITS: usize = 8192;
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
const KEY_SET_LIMIT: usize = 50;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const CURVE_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const CURVE_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The algorithm of RSA keys: the key alone does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl RsaAlgorithm {
    const fn algorithm(self) -> TokenAlgorithm {
        match self {
            Self::Rs256 => TokenAlgorithm::Rs256,
            Self::Ps256 => TokenAlgorithm::Ps256,
        }
    }
}

/// Why keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKeyProblem {
    /// The HMAC secret is shorter than 32 bytes, or one byte repeated.
    WeakSecret,
    /// The file was to hold a shared secret, and holds a key in another form.
    NotASecret,
    /// The RSA key has fewer than 2048 or more than 8192 bits, or an exponent other than 65537.
    WeakRsaKey,
    /// The file holds a private key.
    PrivateKey,
    /// It is no public key that can be read.
    Malformed,
    /// It is a public key of a kind that is not supported.
    Unsupported,
    /// The key set is not a JSON object with a list `keys`, or a key in it lacks a member.
    MalformedSet,
    /// The key set holds a symmetric key.
    SymmetricKeyInSet,
    /// Two keys of the set have one ID, or several have none.
    AmbiguousKeyIds,
    /// The set has no key that verifies signatures.
    EmptySet,
    /// The set has more than 50 keys.
    TooManyKeys,
}

impl TokenKeyProblem {
    /// What is to be said of the keys, behind where they are.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WeakSecret => {
                "is too weak a secret: 32 random bytes or more are needed (openssl rand 32 > FILE)"
            }
            Self::NotASecret => {
                "is no shared secret but a key in another form: name a key set with --jwks-file, and a public key in PEM form"
            }
            Self::WeakRsaKey => {
                "is a weak RSA key: 2048 to 8192 bits and the exponent 65537 are needed"
            }
            Self::PrivateKey => "holds a private key: the server needs the public one only",
            Self::Malformed => "is no public key in PEM form (-----BEGIN PUBLIC KEY-----)",
            Self::Unsupported => {
                "is a key of another kind: RSA, P-256, P-384 and Ed25519 are supported"
            }
            Self::MalformedSet => "is no JSON Web Key Set (RFC 7517, section 5)",
            Self::SymmetricKeyInSet => "has a symmetric key in it: a key set holds public keys",
            Self::AmbiguousKeyIds => {
                "has two keys with one `kid`, or several without: a token could not name its key"
            }
            Self::EmptySet => "has no key that verifies signatures",
            Self::TooManyKeys => "has more than 50 keys",
        }
    }
}

impl fmt::Display for TokenKeyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A key and the one algorithm that it is used with.
pub struct TokenKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: TokenAlgorithm,
    pub(super) key: DecodingKey,
}

impl TokenKey {
    /// The bytes that make it what it is.
    pub(super) fn material(&self) -> [&[u8]; 2] {
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => [bytes, &[]],
            DecodingKeyKind::RsaModulusExponent { n, e } => [n, e],
        }
    }
}

/// The keys of the issuer.
pub struct TokenKeys(Vec<TokenKey>);

impl TokenKeys {
    /// A secret shared with the issuer: HS256.
    ///
    /// # Errors
    /// [`TokenKeyProblem::WeakSecret`] below 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, TokenKeyProblem> {
        let repeated = secret
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a == b));
        if secret.len() < HMAC_SECRET_MINIMUM_BYTES || repeated {
            return Err(TokenKeyProblem::WeakSecret);
        }
        Ok(Self::one(
            TokenAlgorithm::Hs256,
            DecodingKey::from_secret(secret),
        ))
    }

    /// The secret in a file. When it is a text, the line end behind it is not part of it; of random bytes, each one is.
    ///
    /// A public key is no secret: whoever knows it could sign tokens. What looks like one in any form is refused.
    ///
    /// # Errors
    /// [`TokenKeyProblem::WeakSecret`] below 32 bytes; [`TokenKeyProblem::NotASecret`] for a key in another form.
    pub fn from_secret_file(file: &[u8]) -> Result<Self, TokenKeyProblem> {
        let text = trim_line_end(file);
        let is_text = text.iter().all(|byte| matches!(byte, 0x20..=0x7e));
        let is_json = file.trim_ascii_start().starts_with(b"{")
            && serde_json::from_slice::<IgnoredAny>(file).is_ok();
        let is_der = SubjectPublicKeyInfoOwned::from_der(file).is_ok();
        let is_ssh = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|prefix| file.starts_with(prefix.as_bytes()));
        if is_json || is_der || is_ssh {
            return Err(TokenKeyProblem::NotASecret);
        }
        Self::from_secret(if is_text { text } else { file })
    }

    /// A public key as PEM (RFC 7468, section 13).
    ///
    /// # Errors
    /// A [`TokenKeyProblem`] when it is no public key, or too weak a one.
    pub fn from_pem(pem: &str, rsa: RsaAlgorithm) -> Result<Self, TokenKeyProblem> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(TokenKeyProblem::PrivateKey);
        }
        let info = SubjectPublicKeyInfoOwned::from_pem(pem.trim())
            .map_err(|_malformed| TokenKeyProblem::Malformed)?;
        let bytes = info
            .subject_public_key
            .as_bytes()
            .ok_or(TokenKeyProblem::Malformed)?;
        match info.algorithm.oid {
            RSA_ENCRYPTION => {
                let key = pkcs1::RsaPublicKey::from_der(bytes)
                    .map_err(|_malformed| TokenKeyProblem::Malformed)?;
                let (modulus, exponent) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
                check_rsa(modulus, exponent)?;
                let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
                Ok(Self::one(rsa.algorithm(), key))
            }
            EC_PUBLIC_KEY => {
                let curve = info
                    .algorithm
                    .parameters
                    .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
                let algorithm = match curve {
                    Some(CURVE_P256) => TokenAlgorithm::Es256,
                    Some(CURVE_P384) => TokenAlgorithm::Es384,
                    _ => return Err(TokenKeyProblem::Unsupported),
                };
                Ok(Self::one(algorithm, DecodingKey::from_ec_der(bytes)))
            }
            ED25519 => Ok(Self::one(
                TokenAlgorithm::EdDsa,
                DecodingKey::from_ed_der(bytes),
            )),
            _ => Err(TokenKeyProblem::Unsupported),
        }
    }

    /// Whether there is PEM in a file: it is then taken for nothing else.
    #[must_use]
    pub fn is_pem(file: &[u8]) -> bool {
        let begin = b"-----BEGIN";
        file.windows(begin.len()).any(|window| window == begin)
    }

    /// A JSON Web Key Set (RFC 7517, section 5). Keys for other uses are passed over.
    ///
    /// # Errors
    /// A [`TokenKeyProblem`] when the set cannot be read, is ambiguous, or holds a symmetric or weak key.
    pub fn from_key_set(json: &[u8], rsa: RsaAlgorithm) -> Result<Self, TokenKeyProblem> {
        let set: KeySetFile =
            serde_json::from_slice(json).map_err(|_malformed| TokenKeyProblem::MalformedSet)?;
        if set.keys.len() > KEY_SET_LIMIT {
            return Err(TokenKeyProblem::TooManyKeys);
        }
        let mut keys = Vec::new();
        for entry in set.keys {
            keys.extend(entry.into_key(rsa)?);
        }
        let ids: HashSet<&Option<String>> = keys.iter().map(|key| &key.id).collect();
        if ids.len() < keys.len() {
            return Err(TokenKeyProblem::AmbiguousKeyIds);
        }
        if keys.is_empty() {
            return Err(TokenKeyProblem::EmptySet);
        }
        Ok(Self(keys))
    }

    /// All of them.
    pub(super) fn into_vec(self) -> Vec<TokenKey> {
        self.0
    }

    fn one(algorithm: TokenAlgorithm, key: DecodingKey) -> Self {
        Self(vec![TokenKey {
            id: None,
            algorithm,
            key,
        }])
    }
}

#[derive(Deserialize)]
struct KeySetFile {
    keys: Vec<KeySetEntry>,
}

/// A JSON Web Key (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2).
#[derive(Deserialize)]
struct KeySetEntry {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    intended_use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    // The private half.
    d: Option<IgnoredAny>,
}

impl KeySetEntry {
    fn into_key(self, rsa: RsaAlgorithm) -> Result<Option<TokenKey>, TokenKeyProblem> {
        if self.kty == "oct" {
            return Err(TokenKeyProblem::SymmetricKeyInSet);
        }
        if self.d.is_some() {
            return Err(TokenKeyProblem::PrivateKey);
        }
        let verifies = self
            .intended_use
            .as_deref()
            .is_none_or(|name| name == "sig")
            && self
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        if !verifies {
            return Ok(None);
        }
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => match self.alg.as_deref() {
                Some("PS256") => TokenAlgorithm::Ps256,
                Some("RS256") => TokenAlgorithm::Rs256,
                _ => rsa.algorithm(),
            },
            ("EC", Some("P-256")) => TokenAlgorithm::Es256,
            ("EC", Some("P-384")) => TokenAlgorithm::Es384,
            ("OKP", Some("Ed25519")) => TokenAlgorithm::EdDsa,
            _ => return Ok(None),
        };
        let is_of_another = |alg: &str| alg != algorithm.as_str();
        if self.alg.as_deref().is_some_and(is_of_another) {
            return Ok(None);
        }
        let key = match algorithm {
            TokenAlgorithm::Rs256 | TokenAlgorithm::Ps256 => {
                let (modulus, exponent) = (member(self.n.as_ref())?, member(self.e.as_ref())?);
                check_rsa(&modulus, &exponent)?;
                DecodingKey::from_rsa_raw_components(&modulus, &exponent)
            }
            TokenAlgorithm::EdDsa => DecodingKey::from_ed_der(&coordinate(self.x.as_ref(), 32)?),
            _ => {
                let length = if algorithm == TokenAlgorithm::Es384 {
                    48
                } else {
                    32
                };
                let (x, y) = (
                    coordinate(self.x.as_ref(), length)?,
                    coordinate(self.y.as_ref(), length)?,
                );
                // An uncompressed point (SEC 1, section 2.3.3).
                DecodingKey::from_ec_der(&[[4].as_slice(), &x, &y].concat())
            }
        };
        Ok(Some(TokenKey {
            id: self.kid,
            algorithm,
            key,
        }))
    }
}

fn member(encoded: Option<&String>) -> Result<Vec<u8>, TokenKeyProblem> {
    let encoded = encoded.ok_or(TokenKeyProblem::MalformedSet)?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_malformed| TokenKeyProblem::MalformedSet)
}

/// A coordinate of a point: all of its bytes are there, zeros in front too (RFC 7518, section 6.2.1.2).
fn coordinate(encoded: Option<&String>, length_bytes: usize) -> Result<Vec<u8>, TokenKeyProblem> {
    let bytes = member(encoded)?;
    if bytes.len() == length_bytes {
        Ok(bytes)
    } else {
        Err(TokenKeyProblem::MalformedSet)
    }
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), TokenKeyProblem> {
    let first = modulus.iter().position(|byte| *byte != 0).unwrap_or(0);
    let significant = modulus.get(first..).unwrap_or_default();
    let leading_zeros = significant
        .first()
        .map_or(0, |byte| usize::try_from(byte.leading_zeros()).unwrap_or(0));
    let bits = (significant.len() * 8).saturating_sub(leading_zeros);
    if (RSA_MINIMUM_BITS..=RSA_LIMIT_BITS).contains(&bits) && exponent == RSA_EXPONENT {
        Ok(())
    } else {
        Err(TokenKeyProblem::WeakRsaKey)
    }
}

fn trim_line_end(file: &[u8]) -> &[u8] {
    let file = file.strip_suffix(b"\n").unwrap_or(file);
    file.strip_suffix(b"\r").unwrap_or(file)
}
