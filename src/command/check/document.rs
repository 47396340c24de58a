//! A tree of YAML, and of JSON with it, whose nodes know their places. An alias is the node that it stands for, and not a copy of it.

use std::collections::HashSet;

use super::problem::Problem;
use super::reading::Reading;

/// The plain text that is a merge key.
pub(super) const MERGE_KEY: &str = "<<";

/// A place in a file. Both count from 1, and the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// The documents of a file.
#[derive(Default)]
pub struct Documents {
    pub(super) nodes: Vec<Stored>,
    pub(super) roots: Vec<usize>,
}

pub(super) struct Stored {
    pub place: Place,
    pub content: Content,
    /// How many nodes it stands for, with all below it and what aliases stand for.
    pub weight: usize,
}

pub(super) enum Content {
    Null,
    Text(String),
    /// A key under which stands what a mapping takes entries from.
    MergeKey,
    List(Vec<usize>),
    /// Keys and values by turns.
    Mapping(Vec<usize>),
}

/// A node of a document.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    documents: &'a Documents,
    stored: &'a Stored,
}

impl Documents {
    /// Reads a file: the documents that can be read, and what is wrong with the others.
    pub fn parse(text: &str) -> (Self, Vec<Problem>) {
        Reading::default().read(text)
    }

    /// The root of each document that has something in it.
    pub fn roots(&self) -> impl Iterator<Item = Node<'_>> {
        self.roots.iter().filter_map(|&at| self.node(at))
    }

    fn node(&self, at: usize) -> Option<Node<'_>> {
        let stored = self.nodes.get(at)?;
        Some(Node {
            documents: self,
            stored,
        })
    }
}

impl<'a> Node<'a> {
    /// Where it begins.
    pub fn place(self) -> Place {
        self.stored.place
    }

    /// Whether it stands for nothing.
    pub fn is_null(self) -> bool {
        matches!(self.stored.content, Content::Null)
    }

    /// Its text, when it is one. Numbers and booleans are texts too.
    pub fn text(self) -> Option<&'a str> {
        match &self.stored.content {
            Content::Text(text) => Some(text),
            Content::MergeKey => Some(MERGE_KEY),
            _ => None,
        }
    }

    /// The items of a list; `None` when it is none.
    pub fn items(self) -> Option<impl Iterator<Item = Node<'a>>> {
        match &self.stored.content {
            Content::List(items) => {
                Some(items.iter().filter_map(move |&at| self.documents.node(at)))
            }
            _ => None,
        }
    }

    /// What a mapping has under a key, by itself or by a merge key (`<<`).
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        let sources = self.sources();
        let mut pairs = sources.iter().flat_map(|source| source.pairs());
        pairs.find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The entries of a mapping whose keys are texts, those of merge keys behind its own; `None` when it is none. Of entries with one
    /// key the first one counts.
    pub fn entries(self) -> Option<Vec<(&'a str, Node<'a>)>> {
        if !matches!(self.stored.content, Content::Mapping(_)) {
            return None;
        }
        let mut seen = HashSet::new();
        let sources = self.sources();
        let pairs = sources.iter().flat_map(|source| source.pairs());
        Some(pairs.filter(|(key, _)| seen.insert(*key)).collect())
    }

    /// The mapping and those that it takes entries from, each before those that it takes entries from in turn. They are no more than what
    /// aliases may stand for.
    fn sources(self) -> Vec<Node<'a>> {
        let mut sources = Vec::new();
        let mut waiting = vec![self];
        while let Some(source) = waiting.pop() {
            for (_, value) in source.nodes().filter(|(key, _)| key.is_merge_key()) {
                let listed = value.items().map(Iterator::collect);
                let mut listed: Vec<Node<'a>> = listed.unwrap_or_else(|| vec![value]);
                // The first one is to be taken first.
                listed.reverse();
                waiting.append(&mut listed);
            }
            sources.push(source);
        }
        sources
    }

    const fn is_merge_key(self) -> bool {
        matches!(self.stored.content, Content::MergeKey)
    }

    /// The pairs of a mapping whose keys are texts; none when it is no mapping.
    fn pairs(self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        let entries = self.nodes().filter(|(key, _)| !key.is_merge_key());
        entries.filter_map(|(key, value)| Some((key.text()?, value)))
    }

    /// The pairs of a mapping; none when it is no mapping.
    fn nodes(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        let pairs = match &self.stored.content {
            Content::Mapping(pairs) => pairs.as_slice(),
            _ => &[],
        };
        pairs.chunks(2).filter_map(move |pair| {
            let mut pair = pair.iter().filter_map(|&at| self.documents.node(at));
            Some((pair.next()?, pair.next()?))
        })
    }
}
