//! Reading YAML into a tree. A document that is broken hides none of the others.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::document::{Content, Documents, MERGE_KEY, Place, Stored};
use super::problem::{Problem, Reason};

/// How deep nodes may lie in each other.
const DEPTH_LIMIT: usize = 100;
/// How many nodes the aliases of a file may stand for, all together: a few lines of them can stand for more than any machine can look at.
const ALIASED_LIMIT: usize = 1_000_000;

/// The tree as far as it is read.
#[derive(Default)]
pub struct Reading {
    documents: Documents,
    problems: Vec<Problem>,
    /// The lists and mappings that are not at their end.
    open: Vec<Open>,
    /// What has an anchor in the document.
    anchors: HashMap<usize, usize>,
    /// For how many nodes aliases stand by now.
    aliased: usize,
    /// The document begins in this line.
    document_line: usize,
    /// How many documents were read before this one.
    roots_before: usize,
    is_broken: bool,
}

/// A list or a mapping, and the keys that it has by now.
struct Open {
    at: usize,
    keys: HashSet<Key>,
}

/// A key, and whether it is a text: the number 1 and the text "1" are two (YAML 1.2.2, section 10.3.2).
type Key = (String, bool);

/// A part of a file, from the beginning of a document on.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    lines_above: usize,
}

impl Reading {
    /// Reads a file.
    pub fn read(mut self, text: &str) -> (Documents, Vec<Problem>) {
        let mut rest = Some(Part {
            text,
            lines_above: 0,
        });
        while let Some(part) = rest {
            rest = self.read_part(part);
        }
        (self.documents, self.problems)
    }

    /// Reads documents, up to one that the parser cannot read, and returns what stands behind that.
    fn read_part<'a>(&mut self, part: Part<'a>) -> Option<Part<'a>> {
        self.begin_document(part.lines_above + 1);
        for event in Parser::new_from_str(part.text) {
            match event {
                Ok((event, span)) => self.take(event, part.place(&span.start)),
                Err(error) => {
                    let place = part.place(error.marker());
                    let reason = if part.has_comment(place) {
                        Reason::Comment
                    } else {
                        Reason::of_parser(error.info())
                    };
                    self.fail(place, reason);
                    return part.behind(self.document_line);
                }
            }
        }
        None
    }

    fn take(&mut self, event: Event<'_>, place: Place) {
        match event {
            Event::DocumentStart(_) => self.begin_document(place.line),
            Event::DocumentEnd => self.roots_before = self.documents.roots.len(),
            _ if self.is_broken => {}
            event => {
                if let Err(reason) = self.take_node(event, place) {
                    self.fail(place, reason);
                }
            }
        }
    }

    fn begin_document(&mut self, line: usize) {
        self.document_line = line;
        self.roots_before = self.documents.roots.len();
        self.is_broken = false;
        self.open.clear();
        self.anchors.clear();
    }

    /// Gives the document up. Of several reasons the first one is told.
    fn fail(&mut self, place: Place, reason: Reason) {
        // The parser looks ahead, and may meet the same one from the document before and from its own.
        let is_told = self.problems.last().is_some_and(|last| last.place == place);
        if !self.is_broken && !is_told {
            self.problems.push(Problem { place, reason });
        }
        self.is_broken = true;
        self.documents.roots.truncate(self.roots_before);
    }

    fn take_node(&mut self, event: Event<'_>, place: Place) -> Result<(), Reason> {
        match event {
            Event::Scalar(text, style, anchor, _tag) => {
                let is_plain = style == ScalarStyle::Plain;
                self.check_text(&text, is_plain)?;
                let content = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Content::Null,
                    MERGE_KEY if is_plain => Content::MergeKey,
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
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.put_alias(anchor)?,
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
        self.documents.nodes.push(Stored {
            place,
            content,
            weight: 1,
        });
        // 0 is no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, at);
        }
        self.put(at);
        at
    }

    fn open(&mut self, place: Place, content: Content, anchor: usize) -> Result<(), Reason> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(Reason::TooDeep);
        }
        let at = self.add(place, content, anchor);
        self.open.push(Open {
            at,
            keys: HashSet::new(),
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(Open { at, .. }) = self.open.pop() else {
            return;
        };
        let weights = match self.documents.nodes.get(at).map(|stored| &stored.content) {
            Some(Content::List(items) | Content::Mapping(items)) => {
                items.iter().map(|&item| self.weight(item)).sum()
            }
            _ => 0,
        };
        if let Some(stored) = self.documents.nodes.get_mut(at) {
            stored.weight += weights;
        }
    }

    fn weight(&self, at: usize) -> usize {
        self.documents.nodes.get(at).map_or(0, |node| node.weight)
    }

    fn put_alias(&mut self, anchor: usize) -> Result<(), Reason> {
        let at = *self.anchors.get(&anchor).ok_or(Reason::UnknownAlias)?;
        if self.open.iter().any(|open| open.at == at) {
            return Err(Reason::RecursiveAlias);
        }
        self.aliased = self.aliased.saturating_add(self.weight(at));
        if self.aliased > ALIASED_LIMIT {
            return Err(Reason::TooManyAliases);
        }
        self.put(at);
        Ok(())
    }

    /// Refuses a text that cannot be a key, if a key comes next. Of a key that stands twice some readers take the first value and some the
    /// last (YAML 1.2.2, section 3.2.1.3, allows none). What begins like a comment of JavaScript is one: YAML has others, and would take it
    /// for a part of the text behind it.
    fn check_text(&mut self, text: &str, is_plain: bool) -> Result<(), Reason> {
        let is_comment = is_plain && begins_comment(text);
        let Some(Open { at, keys }) = self.open.last_mut() else {
            return if is_comment {
                Err(Reason::Comment)
            } else {
                Ok(())
            };
        };
        let is_key = match self.documents.nodes.get(*at).map(|stored| &stored.content) {
            Some(Content::Mapping(items)) => items.len().is_multiple_of(2),
            _ => false,
        };
        if is_key && is_comment {
            return Err(Reason::Comment);
        }
        let is_merge_key = is_plain && text == MERGE_KEY;
        let key = || (text.to_owned(), !(is_plain && is_number(text)));
        if is_key && !is_merge_key && !keys.insert(key()) {
            return Err(Reason::DuplicateKey);
        }
        Ok(())
    }

    /// Puts a node into what is open, or makes it the root of a document.
    fn put(&mut self, at: usize) {
        let open = self.open.last().map(|open| open.at);
        let parent = open.and_then(|open| self.documents.nodes.get_mut(open));
        match parent.map(|parent| &mut parent.content) {
            Some(Content::List(items) | Content::Mapping(items)) => items.push(at),
            _ => self.documents.roots.push(at),
        }
    }
}

impl Part<'_> {
    fn place(self, marker: &Marker) -> Place {
        Place {
            line: self.lines_above + marker.line(),
            column: marker.col() + 1,
        }
    }

    /// What begins with the first document behind the one that begins in a line.
    fn behind(self, document_line: usize) -> Option<Self> {
        let mut length = 0;
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            let lines_above = self.lines_above + index;
            // The first line of the part is that of a document that was tried.
            if index > 0 && lines_above >= document_line && begins_document(line) {
                let text = self.text.get(length..)?;
                return Some(Self { text, lines_above });
            }
            length += line.len();
        }
        None
    }

    /// Whether a comment of JavaScript stands in the line of a place, or in the one before.
    fn has_comment(self, place: Place) -> bool {
        let before = place.line.saturating_sub(self.lines_above + 2);
        let mut lines = self.text.lines().skip(before).take(2);
        lines.any(|line| {
            begins_comment(line.trim_start()) || line.contains(" //") || line.contains(" /*")
        })
    }
}

/// Whether a line begins a document (YAML 1.2.2, section 9.1.2).
fn begins_document(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn begins_comment(text: &str) -> bool {
    text.starts_with("//") || text.starts_with("/*")
}

fn is_number(text: &str) -> bool {
    let is_begun = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    is_begun && text.parse::<f64>().is_ok()
}
