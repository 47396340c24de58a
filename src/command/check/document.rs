//! YAML, and JSON with it, as a tree whose nodes know their places. An alias is the node that it stands for, and not a copy of it:
//! a few lines of aliases can stand for more nodes than any memory holds.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// How deep nodes may lie in each other.
const DEPTH_LIMIT: usize = 100;
/// From how many mappings one takes entries by merge keys: what they stand for may grow without end.
const SOURCES_LIMIT: usize = 100;
const MERGE_KEY: &str = "<<";

/// A place in a file. Both count from 1, and the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

/// The documents of a file.
#[derive(Default)]
pub struct Documents {
    nodes: Vec<Stored>,
    roots: Vec<usize>,
}

struct Stored {
    place: Place,
    content: Content,
}

enum Content {
    Null,
    Text(String),
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
    /// Reads a file.
    ///
    /// # Errors
    /// The place from which on it is no YAML.
    pub fn parse(text: &str) -> Result<Self, Place> {
        let mut reading = Reading::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| Place::from(error.marker()))?;
            reading.take(event, span)?;
        }
        Ok(reading.documents)
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

/// The tree as far as it is read.
#[derive(Default)]
struct Reading {
    documents: Documents,
    /// The lists and mappings that are not at their end, each with the keys that it has by now.
    open: Vec<(usize, HashSet<String>)>,
    anchors: HashMap<usize, usize>,
}

impl Reading {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Place> {
        let place = Place::from(&span.start);
        match event {
            Event::Scalar(text, style, anchor, _tag) => {
                let is_plain = style == ScalarStyle::Plain;
                self.check_key(&text, is_plain).map_err(|()| place)?;
                let content = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Content::Null,
                    _ => Content::Text(text.into_owned()),
                };
                self.add(place, content, anchor);
            }
            Event::SequenceStart(anchor, _tag) => {
                self.open(place, Content::List(Vec::new()), anchor)?;
            }
            Event::MappingStart(anchor, _tag) => {
                self.open(place, Content::Mapping(Vec::new()), anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            Event::Alias(anchor) => {
                let at = *self.anchors.get(&anchor).ok_or(place)?;
                self.put(at);
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => {}
        }
        Ok(())
    }

    fn add(&mut self, place: Place, content: Content, anchor: usize) -> usize {
        let at = self.documents.nodes.len();
        self.documents.nodes.push(Stored { place, content });
        // 0 is no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, at);
        }
        self.put(at);
        at
    }

    fn open(&mut self, place: Place, content: Content, anchor: usize) -> Result<(), Place> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(place);
        }
        let at = self.add(place, content, anchor);
        self.open.push((at, HashSet::new()));
        Ok(())
    }

    /// Refuses a text that cannot be a key, if a key comes next. Of a key that stands twice some readers take the first value and some the
    /// last (YAML 1.2.2, section 3.2.1.3, allows none). What begins like a comment of JavaScript is one: YAML has others, and would take it
    /// for a part of the key behind it.
    fn check_key(&mut self, text: &str, is_plain: bool) -> Result<(), ()> {
        let Some((at, keys)) = self.open.last_mut() else {
            return Ok(());
        };
        let is_key = match self.documents.nodes.get(*at).map(|stored| &stored.content) {
            Some(Content::Mapping(items)) => items.len().is_multiple_of(2),
            _ => false,
        };
        let is_comment = is_plain && (text.starts_with("//") || text.starts_with("/*"));
        if is_key && (is_comment || text != MERGE_KEY && !keys.insert(text.to_owned())) {
            return Err(());
        }
        Ok(())
    }

    /// Puts a node into what is open, or makes it the root of a document.
    fn put(&mut self, at: usize) {
        let open = self.open.last().map(|(at, _keys)| *at);
        let parent = open.and_then(|open| self.documents.nodes.get_mut(open));
        match parent.map(|parent| &mut parent.content) {
            Some(Content::List(items) | Content::Mapping(items)) => items.push(at),
            _ => self.documents.roots.push(at),
        }
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
        let mut seen = HashSet::from([MERGE_KEY]);
        let sources = self.sources();
        let pairs = sources.iter().flat_map(|source| source.pairs());
        Some(pairs.filter(|(key, _)| seen.insert(key)).collect())
    }

    /// The mapping and those that it takes entries from, each before those that it takes entries from in turn.
    fn sources(self) -> Vec<Node<'a>> {
        let mut sources = Vec::new();
        let mut waiting = vec![self];
        while let Some(source) = waiting.pop() {
            if sources.len() == SOURCES_LIMIT {
                break;
            }
            let merged = source.pairs().filter(|(key, _)| *key == MERGE_KEY);
            for (_, value) in merged {
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

    /// The pairs of a mapping whose keys are texts; none when it is no mapping.
    fn pairs(self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        let pairs = match &self.stored.content {
            Content::Mapping(pairs) => pairs.as_slice(),
            _ => &[],
        };
        pairs.chunks(2).filter_map(move |pair| {
            let mut pair = pair.iter().filter_map(|&at| self.documents.node(at));
            Some((pair.next()?.text()?, pair.next()?))
        })
    }
}
