//! Why a document cannot be read, in words of our own: those of the library may repeat what stands in the file.

use super::document::Place;

/// From where on a document is none that can be checked, and why.
#[derive(Clone, Copy)]
pub struct Problem {
    pub place: Place,
    pub reason: Reason,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NoUtf8,
    NoUtf16,
    SingleText,
    Character,
    Tab,
    Indentation,
    Bracket,
    Quote,
    Colon,
    Comment,
    DuplicateKey,
    UnknownAlias,
    RecursiveAlias,
    TooManyAliases,
    TooDeep,
    Behind,
    Other,
}

/// What the parser says, and what it means. Of several the first one counts.
const SAID: [(&str, Reason); 20] = [
    ("unknown anchor", Reason::UnknownAlias),
    ("recursion limit", Reason::TooDeep),
    ("unprintable", Reason::Character),
    ("byte order mark", Reason::Character),
    ("document start", Reason::Behind),
    ("document-start", Reason::Behind),
    ("found a tab", Reason::Tab),
    ("tabs disallowed", Reason::Tab),
    ("tab cannot", Reason::Tab),
    ("with a tab", Reason::Tab),
    ("quoted", Reason::Quote),
    ("indent", Reason::Indentation),
    ("block mapping", Reason::Indentation),
    ("block collection", Reason::Indentation),
    ("not allowed in this context", Reason::Indentation),
    ("flow", Reason::Bracket),
    ("node content", Reason::Bracket),
    ("bracket", Reason::Bracket),
    ("placement of ':'", Reason::Bracket),
    ("simple key", Reason::Colon),
];

impl Reason {
    /// What the parser means.
    pub fn of_parser(said: &str) -> Self {
        let known = SAID.iter().find(|(part, _)| said.contains(part));
        known.map_or(Self::Other, |(_, reason)| *reason)
    }

    /// What is told.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoUtf8 => {
                "from here on this is no text in UTF-8, and so no YAML: save the file in UTF-8"
            }
            Self::NoUtf16 => {
                "this file begins as one in UTF-16, and from here on is none: save it in UTF-8"
            }
            Self::SingleText => {
                "this is a single text: neither a workflow nor a list of MCP servers"
            }
            Self::Character => {
                "this character cannot stand in YAML: take it out, or save the file in UTF-8"
            }
            Self::Tab => "there is a tab where YAML wants spaces: it takes no tab for indentation",
            Self::Indentation => {
                "the indentation does not fit the lines above, or a text with a colon or a dash in it lacks its quotes"
            }
            Self::Bracket => {
                "a comma, a bracket or a brace is missing, or there is one too many, here or before"
            }
            Self::Quote => {
                "what stands in quotes does not end, or has an escape that YAML does not know, or more behind it"
            }
            Self::Colon => "a key lacks the colon behind it, here or in the line before",
            Self::Comment => {
                "this is a comment of JavaScript, which JSON and YAML do not have: take it out, or in YAML begin it with #"
            }
            Self::DuplicateKey => {
                "this key stands twice in its mapping: some readers take the first value, and some the last"
            }
            Self::UnknownAlias => "no anchor before it in its document has the name of this alias",
            Self::RecursiveAlias => "this alias stands within what it stands for",
            Self::TooManyAliases => {
                "the aliases up to here stand for more than 1,000,000 nodes: write what is meant with fewer"
            }
            Self::TooDeep => "this is nested more than 100 levels deep",
            Self::Behind => {
                "the document is at its end before this: indent it as what stands above, or, when it is a second document, put a line \
                 of --- between them; JSON has one alone"
            }
            Self::Other => "from here on this is neither YAML nor JSON",
        }
    }
}
