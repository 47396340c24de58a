//! The secret value of a credential, in plain and sealed.

use std::fmt;

use zeroize::Zeroizing;

/// The largest value, in bytes of UTF-8.
pub const VALUE_LIMIT_BYTES: usize = 64 * 1024;

/// The marks that forms show in place of a value.
const MASK_MARKS: [char; 3] = ['*', '•', '●'];

/// What is wrong with a text that was to be a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueProblem {
    /// It is empty.
    Blank,
    /// It is longer than [`VALUE_LIMIT_BYTES`].
    TooLong,
    /// It is made of mask marks alone: a form sent back what it showed.
    Masked,
}

/// A text that was sent as a value, before it is looked at. Wiped when dropped, shown nowhere.
pub struct UncheckedSecret(Zeroizing<String>);

impl UncheckedSecret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for UncheckedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UncheckedSecret(…)")
    }
}

/// A value in plain: 1 byte to 64 KiB of UTF-8, kept byte for byte, wiped when dropped.
///
/// It has no `Display`, `Clone`, `Serialize` or `Deref`, so that each place that reads it says [`Self::expose`].
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes a text as a value. What is refused is wiped.
    ///
    /// # Errors
    /// A [`ValueProblem`] when the text is empty, too long or a mask.
    pub fn parse(UncheckedSecret(text): UncheckedSecret) -> Result<Self, ValueProblem> {
        if text.is_empty() {
            Err(ValueProblem::Blank)
        } else if text.len() > VALUE_LIMIT_BYTES {
            Err(ValueProblem::TooLong)
        } else if text.chars().all(|mark| MASK_MARKS.contains(&mark)) {
            Err(ValueProblem::Masked)
        } else {
            Ok(Self(text))
        }
    }

    /// The value itself. Reviewed wherever it is called.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue(…)")
    }
}

/// A value as the database keeps it: a header, a nonce, the ciphertext and its tag (`crypto::seal`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// The number of the data key that sealed a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyId(pub i32);
