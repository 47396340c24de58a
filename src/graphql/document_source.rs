//! The text of a document, before and after it is parsed. apollo-parser passes over some of what is no GraphQL, and does not know some of
//! what is: both are mended here, token by token. Places stay where they are, since what is taken out is filled with spaces.

use apollo_compiler::ast::Document;
use apollo_parser::{Lexer, TokenKind};

/// How many tokens a document may have.
pub const TOKEN_LIMIT: usize = 2_000;
/// How many there may be with the white space, the comments and the commas between them.
pub const LEXEME_LIMIT: usize = 4 * TOKEN_LIMIT;

/// How long a document may be beside the texts in it, one of which may be a value, in bytes.
pub const LENGTH_LIMIT_BYTES: usize = 64 * 1024;

/// Why a text is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceProblem {
    /// It has too many tokens.
    TooManyTokens,
    /// It has too many tokens and pieces of what stands between them.
    TooManyLexemes,
    /// It is too long beside its texts.
    TooLong,
    /// Something is no token, at this byte.
    NoToken(usize),
}

/// A token that means something (GraphQL specification, section 2.1.6).
#[derive(Clone, Copy)]
struct Token<'a> {
    kind: TokenKind,
    text: &'a str,
    index: usize,
}

/// Makes a text that apollo-parser understands: without commas, which mean nothing, and without descriptions of operations, fragments
/// and variables (specification of September 2025), which mean nothing to a server.
///
/// # Errors
/// A [`SourceProblem`].
pub fn prepare(source: &str) -> Result<String, SourceProblem> {
    let mut commas = Vec::new();
    let tokens = lex(source, &mut commas)?;
    if tokens.len() > TOKEN_LIMIT {
        return Err(SourceProblem::TooManyTokens);
    }
    let is_text = |token: &&Token<'_>| token.kind == TokenKind::StringValue;
    let texts_bytes: usize = tokens
        .iter()
        .filter(is_text)
        .map(|token| token.text.len())
        .sum();
    if source.len().saturating_sub(texts_bytes) > LENGTH_LIMIT_BYTES {
        return Err(SourceProblem::TooLong);
    }
    let mut text = source.as_bytes().to_vec();
    for comma in commas {
        blank(&mut text, comma, 1);
    }
    for token in descriptions(&tokens) {
        blank(&mut text, token.index, token.text.len());
    }
    // Only whole tokens were replaced, by characters of one byte.
    String::from_utf8(text).map_err(|_no_text| SourceProblem::NoToken(0))
}

/// Finds what the parser has passed over: what it made of a text, written down again, has the same tokens. Returns where the first one
/// stands that has not.
pub fn first_lost(prepared: &str, parsed: &Document) -> Option<usize> {
    let written = parsed.serialize().no_indent().to_string();
    let (Ok(before), Ok(after)) = (
        lex(prepared, &mut Vec::new()),
        lex(&written, &mut Vec::new()),
    ) else {
        return Some(0);
    };
    let (before, after) = (without_shorthand(&before), without_shorthand(&after));
    // One text can be written in several ways.
    let same = |one: &Token<'_>, other: &Token<'_>| {
        one.kind == other.kind && (one.kind == TokenKind::StringValue || one.text == other.text)
    };
    let lost = before
        .iter()
        .enumerate()
        .find(|(number, token)| !after.get(*number).is_some_and(|other| same(token, other)));
    match lost {
        Some((_, token)) => Some(token.index),
        None => (after.len() > before.len()).then_some(0),
    }
}

fn lex<'a>(source: &'a str, commas: &mut Vec<usize>) -> Result<Vec<Token<'a>>, SourceProblem> {
    let mut tokens = Vec::new();
    for (count, lexed) in Lexer::new(source).enumerate() {
        if count > LEXEME_LIMIT {
            return Err(SourceProblem::TooManyLexemes);
        }
        let lexed = lexed.map_err(|error| SourceProblem::NoToken(error.index()))?;
        match lexed.kind() {
            TokenKind::Whitespace | TokenKind::Comment | TokenKind::Eof => {}
            TokenKind::Comma => commas.push(lexed.index()),
            kind => {
                let (text, index) = (lexed.data(), lexed.index());
                let is_block = text.starts_with("\"\"\"");
                if kind == TokenKind::StringValue && !is_block && text.contains(['\n', '\r']) {
                    return Err(SourceProblem::NoToken(index));
                }
                tokens.push(Token { kind, text, index });
            }
        }
    }
    Ok(tokens)
}

fn blank(text: &mut [u8], index: usize, length: usize) {
    let bytes = text.iter_mut().skip(index).take(length);
    for byte in bytes.filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}

/// The texts that stand before a definition, or before a variable where variables are defined and not as a default.
fn descriptions<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut found = Vec::new();
    let (mut braces, mut others) = (0_usize, 0_usize);
    let mut before = None;
    for (number, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::LCurly => braces += 1,
            TokenKind::RCurly => braces = braces.saturating_sub(1),
            TokenKind::LParen | TokenKind::LBracket => others += 1,
            TokenKind::RParen | TokenKind::RBracket => others = others.saturating_sub(1),
            TokenKind::StringValue if braces == 0 => {
                let next = tokens.get(number + 1);
                let defines = next.is_some_and(|next| match others {
                    0 => ["query", "mutation", "subscription", "fragment"].contains(&next.text),
                    1 => next.kind == TokenKind::Dollar && before != Some(TokenKind::Eq),
                    _ => false,
                });
                if defines {
                    found.push(*token);
                }
            }
            _ => {}
        }
        before = Some(token.kind);
    }
    found
}

/// The tokens, with `query { … }` written as `{ … }`.
fn without_shorthand<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut braces = 0_usize;
    let mut kept = Vec::with_capacity(tokens.len());
    for (number, token) in tokens.iter().enumerate() {
        let is_shorthand = braces == 0
            && token.text == "query"
            && tokens
                .get(number + 1)
                .is_some_and(|next| next.kind == TokenKind::LCurly);
        match token.kind {
            TokenKind::LCurly => braces += 1,
            TokenKind::RCurly => braces = braces.saturating_sub(1),
            _ => {}
        }
        if !is_shorthand {
            kept.push(*token);
        }
    }
    kept
}
