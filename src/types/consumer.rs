//! Consumers: what needs the value of a credential.

use super::text;

/// The longest external ID or name of a consumer, in characters.
pub const CONSUMER_LIMIT_CHARACTERS: usize = 255;

/// The kinds of consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerKind {
    /// A model binding of a built-in AI action.
    AiModelBinding,
    /// An MCP server reached over HTTP.
    HttpMcpServer,
    /// A workflow that uses a credential outside of a model binding.
    Workflow,
    /// Any other integration.
    Integration,
}

impl ConsumerKind {
    /// The word that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AiModelBinding => "AI_MODEL_BINDING",
            Self::HttpMcpServer => "HTTP_MCP_SERVER",
            Self::Workflow => "WORKFLOW",
            Self::Integration => "INTEGRATION",
        }
    }

    /// Reads the word that the database keeps.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::AiModelBinding,
            Self::HttpMcpServer,
            Self::Workflow,
            Self::Integration,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// What is wrong with a text that was to name a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerProblem {
    /// The external ID is empty, or only white space.
    ExternalIdBlank,
    /// The external ID is longer than [`CONSUMER_LIMIT_CHARACTERS`].
    ExternalIdTooLong,
    /// The external ID has characters that are refused in names.
    ExternalIdInvalid,
    /// The name is longer than [`CONSUMER_LIMIT_CHARACTERS`].
    NameTooLong,
    /// The name has characters that are refused in names.
    NameInvalid,
}

/// Something that uses credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its identifier in the system it lives in: 1 to 255 characters.
    pub external_id: String,
    /// A name for people: up to 255 characters.
    pub name: Option<String>,
}

impl Consumer {
    /// Takes what a runtime says of a consumer. A blank name is none.
    ///
    /// # Errors
    /// A [`ConsumerProblem`] when a text is too long, has characters that are refused, or the external ID is blank.
    pub fn parse(
        kind: ConsumerKind,
        external_id: &str,
        name: Option<&str>,
    ) -> Result<Self, ConsumerProblem> {
        let external_id = external_id.trim();
        if external_id.is_empty() {
            return Err(ConsumerProblem::ExternalIdBlank);
        }
        if is_too_long(external_id) {
            return Err(ConsumerProblem::ExternalIdTooLong);
        }
        if !external_id.chars().all(text::is_nameable) {
            return Err(ConsumerProblem::ExternalIdInvalid);
        }
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        if name.is_some_and(is_too_long) {
            return Err(ConsumerProblem::NameTooLong);
        }
        if !name.unwrap_or_default().chars().all(text::is_nameable) {
            return Err(ConsumerProblem::NameInvalid);
        }
        Ok(Self {
            kind,
            external_id: external_id.to_owned(),
            name: name.map(str::to_owned),
        })
    }
}

fn is_too_long(text: &str) -> bool {
    text.chars().nth(CONSUMER_LIMIT_CHARACTERS).is_some()
}
